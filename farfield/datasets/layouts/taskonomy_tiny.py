"""The tiny split of Taskonomy: 35 buildings, a PNG file of 512 x 512 for each point, view and domain.

Targets become what AdaShare trains on. segmentation: 17 classes, the file's 1 to 17; its 0 is uncertain
and here void. normals: as they are. depth: log(1 + v) / log(2^16), from 64500 on unknown. keypoints and
edges: v / 2^16 cut off at 0.005 and 0.08, as -1 to 1.
"""

import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.dense.records import (
    VOID,
    DenseIndex,
    Point,
    ReadTarget,
    missing_of,
    require_points,
)
from farfield.datasets.dense.targets import between, labels, log_depth, normals
from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Source
from farfield.errors import InputError

CLASSES = (
    "background", "bottle", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "microwave",
    "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
)  # fmt: skip
TABLE = (VOID, *range(len(CLASSES)))
BUILDINGS = {
    "train": (
        "hanson", "merom", "klickitat", "onaga", "leonardo", "marstons", "newfields", "pinesdale", "lakeville",
        "cosmos", "benevolence", "pomaria", "tolstoy", "shelbyville", "allensville", "wainscott", "beechwood",
        "coffeen", "stockman", "hiteman", "woodbine", "lindenwood", "forkland", "mifflinburg", "ranchester",
    ),
    "val": ("wiconisco", "corozal", "collierville", "markleeville", "darden"),
    "test": ("ihlen", "muleshoe", "uvalda", "noxapater", "mcdade"),
}  # fmt: skip
SPLIT_OF = {building: split for split, buildings in BUILDINGS.items() for building in buildings}
NAME = re.compile(r"point_(\d+)_view_(\d+)_domain_(\w+)\.png")
READERS: dict[str, ReadTarget] = {
    "segmentation": partial(labels, table=TABLE),
    "normals": normals,
    "depth": log_depth,
    "keypoints": partial(between, top=0.005),
    "edges": partial(between, top=0.08),
}


def taskonomy_tiny(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows by split, building, point and view: `.../<building>/point_<p>_view_<v>_domain_<domain>.png`.

    Points that lack a file are left out, as the downloads are known to have gaps. Option `depth`:
    depth_euclidean (the default) or depth_zbuffer.
    """
    depth = take_options("taskonomy_tiny", options, depth="depth_euclidean")["depth"]
    require_choice("taskonomy_tiny", "depth", depth, ("depth_euclidean", "depth_zbuffer"))
    domains = {
        "image": "rgb", "segmentation": "segmentsemantic", "normals": "normal", "depth": depth.replace("_", ""),
        "keypoints": "keypoints2d", "edges": "edgetexture",
    }  # fmt: skip
    files: dict[str, Source] = {}
    for archive, members in contents_of(raw).items():
        for member in members:
            parts = PurePosixPath(member.name).parts
            found = NAME.fullmatch(parts[-1])
            if found and len(parts) > 1:
                point, view, domain = found.groups()
                # The domain is written with and without "_" in the releases.
                files[_name(parts[-2], int(point), int(view), domain.replace("_", ""))] = Source(
                    archive, member.name
                )
    places = {tuple(name.split(" ")[:3]) for name in files}
    order = {building: number for number, building in enumerate(SPLIT_OF)}
    if strange := sorted({building for building, _, _ in places} - set(order)):
        raise InputError(
            f"{raw}: {strange[0]} is no building of the tiny split; expected folders such as {next(iter(order))}."
        )
    points = []
    for building, point, view in sorted(places, key=lambda p: (order[p[0]], int(p[1]), int(p[2]))):
        wanted = {kind: _name(building, int(point), int(view), domain) for kind, domain in domains.items()}
        sources = {kind: files.get(name, Source("", "")) for kind, name in wanted.items()}
        image = sources.pop("image")
        path = f"{building}/point_{point}_view_{view}"
        missing = missing_of(str(raw), wanted, files)
        points.append(Point(path, SPLIT_OF[building], image, sources, missing=missing))
    return DenseIndex(require_points(raw, points), CLASSES, READERS)


def _name(building: str, point: int, view: int, domain: str) -> str:
    return f"{building} {point} {view} {domain}"
