"""NYU Depth v2 in the form that AdaShare prepared: a JSON index of files for each split.

Images, labels (255 is void) and normals are PNG files, depth is an npy file in metres. The procedural
rooms come in the same form, with 16-bit PNG files of keypoints and edges beside them.
"""

import json
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.dense.records import DenseIndex, Point, ReadTarget, missing_of, require_points
from farfield.datasets.dense.targets import between, labels, normals, positive
from farfield.datasets.layouts.benchmarks import NYUV2_CLASSES
from farfield.datasets.layouts.contents import Contents, contents_of, label_texts
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.datasets.sources import Source
from farfield.errors import InputError

READERS: dict[str, ReadTarget] = {
    "segmentation": labels,
    "normals": normals,
    "depth": positive,
    "keypoints": partial(between, top=1.0),
    "edges": partial(between, top=1.0),
}
SPLITS = ("train", "test")
COLUMNS = ["image", "segmentation", "normals", "depth"]


def nyuv2_prepared(raw: Path, options: dict[str, Any]) -> DenseIndex:
    """Rows as the lists `train` and `test` of the index have them; its other lists are parts of these.

    Options: `index`, the name of the index, from whose folder its paths start. `columns`: what the files of a
    point are, in their order. `classes`: "nyu40", or the name of a file in the archive with a class a line.
    """
    taken = take_options(
        "nyuv2_prepared", options, index="nyu_v2_3task.json", columns=COLUMNS, classes="nyu40"
    )
    columns, name = taken["columns"], taken["index"]
    for column in columns[1:]:
        require_choice("nyuv2_prepared", "columns", column, tuple(READERS))
    if columns[:1] != ["image"]:
        raise InputError("the option columns of the layout nyuv2_prepared must begin with image.")
    contents = contents_of(raw)
    lists, above = _index(raw, contents, name)
    files = {
        member.name: Source(archive, member.name)
        for archive, members in contents.items()
        for member in members
    }
    points = []
    for split in SPLITS:
        for number, entry in enumerate(lists[split], 1):
            if (
                not isinstance(entry, list)
                or len(entry) < len(columns)
                or not all(isinstance(n, str) for n in entry)
            ):
                raise InputError(
                    f"{name}: entry {number} of {split} is {entry!r}; expected the files {', '.join(columns)}."
                )
            wanted = {kind: f"{above}{path}" for kind, path in zip(columns, entry, strict=False)}
            sources = {kind: files.get(path, Source("", "")) for kind, path in wanted.items()}
            image = sources.pop("image")
            missing = missing_of(str(raw), wanted, files)
            points.append(Point(wanted["image"], split, image, sources, missing=missing))
    readers = {task: READERS[task] for task in columns[1:]}
    return DenseIndex(require_points(raw, points), _classes(raw, contents, taken["classes"]), readers)


def _index(raw: Path, contents: Contents, name: str) -> tuple[dict[str, list[Any]], str]:
    """The lists of the index, and the folder that its paths start from, with a slash at its end."""
    text = label_texts(raw, contents, [name])[name]
    try:
        lists = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{raw}: {name} is no JSON ({error}). Get the archive again.") from error
    if not isinstance(lists, dict) or not all(isinstance(lists.get(split), list) for split in SPLITS):
        raise InputError(f"{raw}: {name} must hold the lists {' and '.join(SPLITS)}. Get the archive again.")
    places = [m.name for members in contents.values() for m in members if PurePosixPath(m.name).name == name]
    return lists, places[0].removesuffix(name) if places else ""


def _classes(raw: Path, contents: Contents, classes: str) -> tuple[str, ...]:
    if classes == "nyu40":
        return NYUV2_CLASSES
    return tuple(
        line.strip() for line in label_texts(raw, contents, [classes])[classes].splitlines() if line.strip()
    )
