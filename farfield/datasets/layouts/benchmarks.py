"""What benchmarks evaluate on their images, whatever form the images come in: for several layouts each."""

# Cityscapes: id in the label maps and category of each class, from the table of labels of the benchmark.
CITYSCAPES_CLASSES = {
    "road": (7, "flat"), "sidewalk": (8, "flat"), "building": (11, "construction"),
    "wall": (12, "construction"), "fence": (13, "construction"), "pole": (17, "object"),
    "traffic light": (19, "object"), "traffic sign": (20, "object"), "vegetation": (21, "nature"),
    "terrain": (22, "nature"), "sky": (23, "sky"), "person": (24, "human"), "rider": (25, "human"),
    "car": (26, "vehicle"), "truck": (27, "vehicle"), "bus": (28, "vehicle"), "train": (31, "vehicle"),
    "motorcycle": (32, "vehicle"), "bicycle": (33, "vehicle"),
}  # fmt: skip
CITYSCAPES_CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
CITYSCAPES_SPLITS = {"train": "train", "val": "test"}  # folder: split

# NYU v2 in 40 classes.
NYUV2_CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
    "ceiling", "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard",
    "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture",
    "other prop",
)  # fmt: skip
