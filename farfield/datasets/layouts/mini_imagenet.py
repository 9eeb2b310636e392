"""miniImageNet in the four forms in which it is passed on; which one it is, the files' names say.

1. `images/<file>` and train.csv, val.csv and test.csv: full-size JPEG files, read by `split_lists`.
2. `mini-imagenet-cache-{train,val,test}.pkl` (Ren et al., ICLR 2018): 84 px in one array a split, and the rows of
   each WordNet id.
3. `miniImageNet_category_split_{train_phase_train,val,test}.pickle` (Gidaris and Komodakis, CVPR 2018): 84 px in
   one array a split, and a number a row. Two more files of the same form hold other images of the train classes,
   for another task, and are not read.
4. Parquet files of the hub (`timm/mini-imagenet`), whose splits are of images: those of train and validation are
   joined and divided by class, as the lists train.csv, val.csv and test.csv say that lie beside them. Its test
   images are validation images of ImageNet and are not read.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from farfield.datasets.decoders.containers.pickles import field_of
from farfield.datasets.layouts.contents import Contents, archives_in, contents_of, label_texts, table
from farfield.datasets.layouts.forms.found import split_in
from farfield.datasets.layouts.forms.parquet import read_shard
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.names import Place
from farfield.datasets.layouts.options import take_options
from farfield.datasets.layouts.pickled import unpickled
from farfield.datasets.layouts.split_lists import SPLITS, in_split_lists
from farfield.datasets.sources import Stack
from farfield.errors import InputError, first_few

CACHE = {split: f"mini-imagenet-cache-{split}.pkl" for split in SPLITS}
CATEGORY = {
    "train": "miniimagenet_category_split_train_phase_train.pickle",
    "val": "miniimagenet_category_split_val.pickle",
    "test": "miniimagenet_category_split_test.pickle",
}
Rows = dict[str, list[int]]  # class: rows of the array


def mini_imagenet(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, then as the files have them. Classes are the WordNet ids, sorted; in the third form, which
    does not tell them, the numbers. No options."""
    take_options("mini_imagenet", options)
    beside = {path.name.lower(): ("", path.name) for path in sorted(raw.glob("*"))}
    contents = contents_of(raw) if archives_in(raw) or not beside else {}
    places = beside | {
        PurePosixPath(member.name).name.lower(): (archive, member.name)
        for archive, members in contents.items()
        for member in members
        if not member.folder
    }
    if any(name.endswith(".parquet") for name in places):
        return _from_hub(raw, contents)
    for files, variable, rows_of in ((CACHE, "image_data", _cached), (CATEGORY, "data", _numbered)):
        if any(name in places for name in files.values()):
            if absent := [name for name in files.values() if name not in places]:
                raise InputError(f"{raw} holds one of miniImageNet's three pickles, but not {absent[0]}.")
            wanted = {split: places[name] for split, name in files.items()}
            lists = places.keys() >= {f"{split}.csv" for split in SPLITS} and files is CACHE
            return _from_pickles(raw, wanted, variable, rows_of, _listed(raw, contents) if lists else {})
    for split in SPLITS:
        if f"{split}.csv" not in places and f"old_{split}.csv" in places:
            raise InputError(
                f"{raw}: there is old_{split}.csv, the list of another split, and no {split}.csv. Give the lists "
                f"train.csv, val.csv and test.csv of one release."
            )
    return in_split_lists(raw, contents)


def _from_pickles(
    raw: Path,
    places: dict[str, Place],
    variable: str,
    rows_of: Callable[[Any, str, int], Rows],
    listed: dict[str, Rows],
) -> Index:
    """listed: the classes of each split as the lists beside the pickles have them, which must be the same."""
    found: dict[str, Rows] = {}
    for split, content in unpickled(raw, places):
        data = np.asarray(field_of(content, variable, places[split][1]))
        if data.dtype != np.uint8 or data.ndim != 4 or data.shape[-1] != 3:
            raise InputError(
                f"{raw}: {places[split][1]} has images of {data.dtype} {list(data.shape)}; expected uint8 "
                f"[images, 84, 84, 3]."
            )
        found[split] = rows_of(content, places[split][1], len(data))
        if other := sorted(listed.get(split, found[split]).keys() ^ found[split].keys()):
            raise InputError(
                f"{raw}: {places[split][1]} and {split}.csv beside it have not the same classes; in one alone: "
                f"{first_few(other)}. Take both from one release, or take the lists away."
            )
    _require_apart(raw, {split: found[split] for split in SPLITS})
    names = sorted({name for rows in found.values() for name in rows})
    labels = {name: label for label, name in enumerate(names)}
    records = [
        Record(*places[split], f"{split}/{row:05d}", labels[name], split, row, stack=Stack(variable, "hwc"))
        for split in SPLITS
        for row, name in sorted((row, name) for name, rows in found[split].items() for row in rows)
    ]
    return build_index(raw, records, names)


def _cached(content: Any, name: str, images: int) -> Rows:
    """class_dict; InputError if a row has no class or several."""
    classes = field_of(content, "class_dict", name)
    rows = {_text(key): [int(row) for row in value] for key, value in classes.items()}
    counts = np.bincount([row for own in rows.values() for row in own if 0 <= row < images], minlength=images)
    beyond = [f"row {row} of {key}" for key, own in rows.items() for row in own if not 0 <= row < images]
    wrong = beyond + [f"row {row} has {counts[row]} classes" for row in np.flatnonzero(counts != 1)]
    if wrong:
        raise InputError(
            f"{name} has {images} images, and its class_dict does not give each one class: {first_few(wrong)}."
        )
    return rows


def _numbered(content: Any, name: str, images: int) -> Rows:
    """labels; InputError if they are not one an image."""
    labels = [int(label) for label in field_of(content, "labels", name)]
    if len(labels) != images or any(not 0 <= label < 100 for label in labels):
        raise InputError(
            f"{name} has {images} images and {len(labels)} labels; expected one each, from 0 to 99."
        )
    rows: Rows = {}
    for row, label in enumerate(labels):
        rows.setdefault(f"{label:02d}", []).append(row)
    return rows


def _from_hub(raw: Path, contents: Contents) -> Index:
    classes = _listed(raw, contents)
    _require_apart(raw, classes)
    split_of = {name: split for split in SPLITS for name in classes[split]}
    names = sorted(split_of)
    labels = {name: label for label, name in enumerate(names)}
    records = []
    for path in sorted(raw.rglob("*.parquet")):
        file = path.relative_to(raw).as_posix()
        shard = read_shard(raw, file) if split_in(file) != "test" else None
        if shard is None:
            continue
        if unknown := sorted({name for name in shard.labels if name not in split_of}):
            raise InputError(
                f"{path} has {len(unknown)} classes that train.csv, val.csv and test.csv do not list: "
                f"{first_few(unknown)}."
            )
        records += [
            Record(
                "", file, f"{file}/{row:06d}", labels[name], split_of[name], row, stack=Stack(shard.picture)
            )
            for row, name in enumerate(shard.labels)
        ]
    return build_index(raw, sorted(records, key=lambda record: SPLITS.index(record.split)), names)


def _listed(raw: Path, contents: Contents) -> dict[str, Rows]:
    """The classes of each split, each with a line that names it, as train.csv, val.csv and test.csv have them."""
    texts = label_texts(raw, contents, [f"{split}.csv" for split in SPLITS])
    return {
        split: {
            row["label"]: [line]
            for line, row in table(texts[f"{split}.csv"], f"{split}.csv", ["filename", "label"])
        }
        for split in SPLITS
    }


def _require_apart(raw: Path, classes: dict[str, Rows]) -> None:
    """InputError if a class is in two splits."""
    splits: defaultdict[str, list[str]] = defaultdict(list)
    for split, rows in classes.items():
        for name in rows:
            splits[name].append(split)
    shared = [f"{name} ({', '.join(found)})" for name, found in splits.items() if len(found) > 1]
    if shared:
        raise InputError(f"{raw}: classes are in two splits: {first_few(shared)}; get the files again.")


def _text(name: Any) -> str:
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
