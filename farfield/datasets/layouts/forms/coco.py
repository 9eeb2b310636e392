"""COCO's JSON: images, boxes on them, categories. Each box is an image of its own, cut out when it is decoded."""

import json
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.layouts.forms.found import Labelled, splits_of_files, used_classes
from farfield.datasets.layouts.forms.holdings import Holdings, around, holdings_of
from farfield.datasets.layouts.index import Record, box_of
from farfield.datasets.layouts.names import ImagesByName
from farfield.datasets.sources import Box
from farfield.errors import InputError, first_few

SUFFIXES = (".json",)


def labels_of_file(given: Path) -> Labelled:
    """The boxes of one file, on the images below its folder."""
    alone = holdings_of(given)
    [(_, data)] = alone.read(alone.files)
    content = _content(data, given.name)
    if content is None:
        raise InputError(f"{given} is not of the form of COCO, with images, annotations and categories.")
    return _labelled(around(given), {given.name: content})


def labels_in(holdings: Holdings) -> Labelled | None:
    """By the JSON file among the images, or a file for each split; none if there is none of this form."""
    files = [file for file in holdings.files if file.ends(*SUFFIXES)] if holdings.images else []
    contents = {file.path: _content(data, file.path) for file, data in holdings.read(files)}
    read = {path: content for path, content in contents.items() if content is not None}
    return _labelled(holdings, read) if read else None


def _content(data: bytes, name: str) -> dict[str, Any] | None:
    """What a file holds; none if it is not of this form. InputError if it was, and is cut off or damaged."""
    if not all(f'"{key}"'.encode() in data for key in ("images", "annotations", "categories")):
        return None
    try:
        content = json.loads(data)
    except ValueError as error:
        raise InputError(f"{name} speaks of images and annotations, and is no JSON ({error}).") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        return None
    return content


def _labelled(holdings: Holdings, contents: dict[str, dict[str, Any]]) -> Labelled:
    """Rows by file, then as its annotations stand; labels follow the ids of the categories. What is a crowd is
    left out. The group is the image, so that boxes on one image stay together."""
    by_place = {(file.archive, file.member): file for file in holdings.images}
    images = ImagesByName(holdings.given, by_place)
    splits = splits_of_files(holdings.given, contents, "COCO files")
    categories: dict[Any, str] = {}
    records: list[Record] = []
    left_out: dict[str, str] = {}
    for path, content in sorted(contents.items()):
        try:
            folder = PurePosixPath(path).parent.as_posix()
            known = {place: str(name).strip() for place, name in _named(path, content, "categories", "name")}
            pictures = _named(path, content, "images", "file_name")
            names = {place: images.called(str(name), folder) for place, name in pictures}
            notes = [
                (_id(note["id"]), _id(note["image_id"]), _id(note["category_id"]), note)
                for note in content["annotations"]
            ]
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not of the form of COCO: {type(error).__name__}: {error}."
            ) from error
        if categories and known != categories:
            raise InputError(f"{path} has other categories than {min(contents)}; give one file.")
        categories = known
        labels = {category: label for label, category in enumerate(sorted(known, key=_by_id))}
        _require_known(path, notes, names, known, images)
        boxed = _boxes(path, notes, names, known)
        for note, image, category, content_ in notes:
            file = by_place[images[names[image]]]
            if content_.get("iscrowd"):
                left_out[f"{file.path}#{note}"] = "a crowd"
                continue
            box = boxed[note]
            called = f"{file.path}#{note}" if box else file.path
            split = splits[path] or "all"
            records.append(
                Record(file.archive, file.member, called, labels[category], split, box=box, group=file.path)
            )
    ordered = [categories[category] for category in sorted(categories, key=_by_id)]
    index, remarks = used_classes(holdings.given, records, ordered)
    used = {record.group for record in index.records} | contents.keys()
    left_out |= holdings.others(used, "no box on it")
    return Labelled(f"COCO boxes of {first_few(sorted(contents))}", holdings.root, index, left_out, remarks)


Note = tuple[Any, Any, Any, dict[str, Any]]  # id, image, category, all of it


def _named(path: str, content: dict[str, Any], section: str, key: str) -> list[tuple[Any, Any]]:
    """(id, name) of the entries of a section. InputError if an id is there twice or a name is missing."""
    found = [(_id(entry["id"]), entry[key]) for entry in content[section]]
    counts = Counter(place for place, _ in found)
    twice = [f"the id {place} twice" for place, count in counts.items() if count > 1]
    nameless = [f"no {key} for {place}" for place, name in found if name is None or not str(name).strip()]
    if wrong := twice + nameless:
        raise InputError(f"{path} has in {section} {first_few(wrong)}. Mend these entries.")
    return found


def _id(value: Any) -> Any:
    """A number or a text, or none. TypeError for what is no id."""
    if isinstance(value, list | dict | bool):
        raise TypeError(f"{value!r} is no id")
    return value


def _by_id(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _require_known(
    path: str, notes: list[Note], names: dict[Any, str], known: dict[Any, str], images: ImagesByName
) -> None:
    wrong = [f"{note} has the category {category}" for note, _, category, _ in notes if category not in known]
    wrong += [f"{note} is on the image {image}" for note, image, _, _ in notes if image not in names]
    if wrong:
        raise InputError(f"{path}: annotations of what the file does not list: {first_few(wrong)}.")
    counts = Counter(note for note, *_ in notes)
    if twice := [str(note) for note, count in counts.items() if count > 1]:
        raise InputError(f"{path}: several annotations have the id {first_few(twice)}.")
    needed = dict.fromkeys(names[image] for _, image, _, _ in notes)
    if missing := [name + images.near(name) for name in needed if name not in images]:
        raise InputError(
            f"{path} names {len(missing)} images that {images.raw} does not hold: {first_few(missing)}."
        )


def _boxes(
    path: str, notes: list[Note], names: dict[Any, str], known: dict[Any, str]
) -> dict[Any, Box | None]:
    """The box of each annotation; none where the file labels whole images. InputError lists the empty ones and
    those that are there twice."""
    boxes: dict[Any, Box | None] = {}
    empty = []
    at: defaultdict[tuple[Any, Box | None], list[str]] = defaultdict(list)
    for note, image, category, content in notes:
        if content.get("iscrowd"):
            continue
        box = None
        if content.get("bbox"):
            box = box_of(content["bbox"])
            if box is None:
                empty.append(f"{note} ({PurePosixPath(names[image]).name}, {content['bbox']})")
                continue
        boxes[note] = box
        at[image, box].append(f"{note} as {known[category]}")
    twice = [f"{names[image]}: {' and '.join(found)}" for (image, _), found in at.items() if len(found) > 1]
    if empty or twice:
        said = [f"empty boxes: {first_few(empty)}"] * bool(empty) + [
            f"boxes labelled twice: {first_few(twice)}"
        ] * bool(twice)
        raise InputError(f"{path} has {'; '.join(said)}. Mend these annotations or take them out.")
    return boxes
