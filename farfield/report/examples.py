"""Pictures of images: galleries, and grids of image, truth and predictions, with the same images in each row.

Segmentation has a colour a class, that of the previews of datasets; normals are shown as (n + 1) / 2, and the
range of colours of depth, keypoints and edges is that of the truths, for predictions as well. What is unknown is
grey.
"""

import io
from dataclasses import dataclass

import numpy as np

from farfield.datasets.dense.pictures import palette
from farfield.report.site import Picture, anchor
from farfield.results.families import Examples, PolicyRecord, SharingStudy, TuningStudy
from farfield.results.headings import TASKS
from farfield.results.inputs import badge, labelled
from farfield.results.policies import extremes

GALLERY_IMAGES = 8
THUMBNAIL = 128  # pixels; shown at about half of that, for dense screens
_GREY = np.array([138, 143, 152], np.uint8)
_SIDE = 128  # pixels of the longer side of a picture, at most
_GAP = 4  # transparent pixels between pictures
_COLOUR_MAPS = {"depth": "viridis", "keypoints": "magma", "edges": "magma"}


@dataclass(frozen=True)
class ExampleGrid:
    """One task: the columns of its pictures, what the colours mean, and a swatch for each class."""

    title: str
    columns: tuple[Picture, ...]
    note: str
    classes: tuple[tuple[str, str], ...] = ()  # name, colour as #rrggbb


def example_grids(study: SharingStudy) -> list[ExampleGrid]:
    """A grid for each task that has a truth; none without examples."""
    found = study.examples
    return [_grid(study, found, task) for task in study.tasks if task in found["truths"]] if found else []


def coloured(task: str, values: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """uint8 [m, h, w, 3] from the arrays of a task in the form of `Examples`; limits: the range of
    colours."""
    if task == "segmentation":
        values = values.argmax(axis=1) if values.ndim == 4 else values
        known = values >= 0
        colours = palette(int(values.max(initial=0)) + 1)[np.where(known, values, 0)]
    elif task == "normals":
        known = np.isfinite(values).all(axis=1)
        vectors = np.where(known[:, None], values, 0.0).astype(np.float64)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = vectors / np.maximum(length, 1e-12)
        colours = np.rint(127.5 * (units + 1)).astype(np.uint8).transpose(0, 2, 3, 1)
    else:
        import matplotlib

        plane = values[:, 0].astype(np.float64)
        known = np.isfinite(plane)
        low, high = limits
        share = (np.where(known, plane, low) - low) / max(high - low, 1e-12)
        colours = matplotlib.colormaps[_COLOUR_MAPS[task]](np.clip(share, 0, 1), bytes=True)[..., :3]
    return np.where(known[..., None], colours, _GREY)


def colour_limits(truth: np.ndarray) -> tuple[float, float]:
    """The range of the known values; (0, 1) if there are none."""
    known = truth[np.isfinite(truth)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _grid(study: SharingStudy, found: Examples, task: str) -> ExampleGrid:
    truth = found["truths"][task]
    limits = colour_limits(truth) if task in _COLOUR_MAPS else (0.0, 1.0)
    size = _shown_size(found["images"].shape[1], found["images"].shape[2])
    count = len(found["images"])
    name = TASKS[task].lower()
    start = f"figures/{study.name}-examples"

    def column(key: str, title: str, pictures: np.ndarray, what: str, smooth: bool = False) -> Picture:
        alt = f"{count} test images of {study.title}: {what}."
        return Picture(f"{start}-{key}.png", alt, title, _stacked(pictures, size, smooth), wide=False)

    columns = [column("images", "Image", found["images"], "the images", smooth=True)]
    columns.append(column(f"{task}-truth", "Truth", coloured(task, truth, limits), f"the true {name}"))
    for key in study.rows:
        own = found["predictions"].get(key, {})
        if task in own:
            title = study.title_of(key)
            pictures = coloured(task, own[task], limits)
            columns.append(column(f"{task}-{anchor(key)}", title, pictures, f"{name} as {title} predicts it"))
    return ExampleGrid(TASKS[task], tuple(columns), _note(study, task, limits), _classes(found, task))


def _note(study: SharingStudy, task: str, limits: tuple[float, float]) -> str:
    if task == "segmentation":
        return "A colour a class; what is unknown is grey."
    if task == "normals":
        return (
            "Red, green and blue are (n + 1) / 2 of a vector's parts; as NYU v2 codes them they point to the "
            "right, away from the viewer and upwards. What is unknown is grey."
        )
    unit = f" {study.depth_unit}" if task == "depth" and study.depth_unit else ""
    low, high = (f"{limit:.2f}".replace("-", "−") for limit in limits)
    return (
        f"From {low} (dark) to {high}{unit} (bright), the range of the truth in all of these images; predictions "
        "outside it have the colour of its ends. What is unknown is grey."
    )


def _classes(found: Examples, task: str) -> tuple[tuple[str, str], ...]:
    """Those that the truth holds."""
    names = found.get("classes", ())
    if task != "segmentation":
        return ()
    colours = palette(len(names))[:-1]  # without that of the unknown
    present = set(np.unique(found["truths"][task]).tolist())
    return tuple(
        (name, f"#{bytes(colour).hex()}")
        for i, (name, colour) in enumerate(zip(names, colours, strict=True))
        if i in present
    )


def _shown_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) with the longer side `_SIDE`: small images grow, large ones shrink."""
    scale = _SIDE / max(height, width)
    return max(1, round(scale * width)), max(1, round(scale * height))


def _stacked(pictures: np.ndarray, size: tuple[int, int], smooth: bool) -> bytes:
    """uint8 [m, h, w, 3] one below the other, each of `size`, as PNG."""
    from PIL import Image

    width, height = size
    # A photograph that shrinks is averaged; labels, and whatever grows, keep their own values.
    shrinks = smooth and pictures.shape[1] > height
    resample = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    sheet = Image.new("RGBA", (width, len(pictures) * (height + _GAP) - _GAP))
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture).resize(size, resample), (0, i * (height + _GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


@dataclass(frozen=True)
class Gallery:
    """Test images of a dataset with the fewest and with the most tuned blocks."""

    title: str
    badge: str
    few: tuple[Picture, ...]
    many: tuple[Picture, ...]


def gallery(study: TuningStudy, start: str, dataset: str, record: PolicyRecord) -> Gallery:
    card = study.datasets[dataset]
    blocks = record.actions.shape[1]
    sides = []
    for side, places in zip(("few", "many"), extremes(record, GALLERY_IMAGES), strict=True):
        pictures = []
        for rank, place in enumerate(places, 1):
            tuned = int(record.actions[place].sum())
            pictures.append(
                Picture(
                    f"{start}-{anchor(dataset)}-{side}-{rank}.png",
                    f"A test image of {labelled(card)} that runs {tuned} of {blocks} blocks tuned.",
                    f"{tuned} of {blocks}",
                    thumbnail(np.asarray(study.images[dataset][record.rows[place]])),
                    wide=False,
                )
            )
        sides.append(tuple(pictures))
    return Gallery(card["title"], badge(card), *sides)


def thumbnail(image: np.ndarray) -> bytes:
    """An image, uint8 [h, w, 3], as PNG of at most 128 pixels a side."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
