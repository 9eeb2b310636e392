"""Visual Decathlon (Rebuffi et al., "Learning multiple visual domains with residual adapters", NeurIPS 2017).

Images lie in a tar for each set, nine of them inside one tar.gz; labels in JSON files of the form of COCO
in the devkit. The numbers of the class folders are not the labels: they follow another alphabet, which
does not tell capital letters apart, so that for aircraft 20 of 100 classes are permuted.
"""

import json
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets import archives
from farfield.datasets.layouts.contents import Contents, contents_of, is_image, label_texts, require_found
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError

SPLITS = ("train", "val", "test")


def decathlon(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, train, val and test, then as the JSON files list them; labels follow the category ids.

    Option `set`: aircraft, vgg-flowers ... The devkit has the test images without labels; they are in
    <set>_test.json of the archive labels_test.zip, and without it there is no test split, which is said on
    stderr.
    """
    name = take_options("decathlon", options, set="")["set"]
    contents = contents_of(raw, inner=False)  # of ten tars in one, nine are of other sets
    files = _annotation_files(raw, contents, name)
    texts = label_texts(raw, contents, files)
    if "test" not in files.values():
        print(f"{raw}: no archive holds {name}_test.json, so {name} has no test split", file=sys.stderr)
    images = _images(raw, contents, name)
    records: list[Record] = []
    categories: dict[int, str] = {}
    for file, split in files.items():
        known, listed = _annotated(file, texts[file])
        categories = categories or known
        if known != categories:
            raise InputError(f"{file} has other categories than {name}_train.json; get the devkit again.")
        labels = {category: label for label, category in enumerate(categories)}
        require_found(file, [path for path, _ in listed], images, raw)
        records += [
            Record(archive, path, path, labels[category], split, inner=inner)
            for path, category in listed
            for archive, inner in [images[path]]
        ]
    return build_index(raw, records, list(categories.values()))


def _annotation_files(raw: Path, contents: Contents, name: str) -> dict[str, str]:
    """{file: split}; InputError if train or val is not there."""
    held = {PurePosixPath(member.name).name for members in contents.values() for member in members}
    offered = sorted(file.removesuffix("_train.json") for file in held if file.endswith("_train.json"))
    if name not in offered:
        raise InputError(
            f"{raw}: the devkit has no set {name!r}, the option set of the layout decathlon; it has "
            f"{', '.join(offered) or 'none'}."
        )
    return {
        f"{name}_{split}.json": split for split in SPLITS if split != "test" or f"{name}_test.json" in held
    }


def _images(raw: Path, contents: Contents, name: str) -> dict[str, tuple[str, str]]:
    """(archive, tar inside it) of every image by its member, `<set>/train/0001/000001.jpg`."""
    places: dict[str, tuple[str, str]] = {}
    for archive, members in contents.items():
        for member in members:
            if member.name == f"{name}.tar":
                inside = archives.scan(raw / archive, member.name)
                places |= {image.name: (archive, member.name) for image in inside if is_image(image)}
            elif is_image(member) and member.name.startswith(f"{name}/"):  # as imagenet12 is packed
                places[member.name] = (archive, "")
    if not places:
        raise InputError(f"{raw}: no archive holds {name}.tar with images, or images below {name}/.")
    return places


def _annotated(file: str, text: str) -> tuple[dict[int, str], list[tuple[str, int]]]:
    """The names of the categories in the order of their ids, and (member, category) of each image."""
    try:
        content = json.loads(text)
        categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        paths = {entry["id"]: entry["file_name"].removeprefix("data/") for entry in content["images"]}
        annotations = [(entry["image_id"], entry["category_id"]) for entry in content["annotations"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} is not of the form of COCO, with images, annotations and categories "
            f"({type(error).__name__}: {error}). Get the archive with it again."
        ) from error
    for image, category in annotations:
        if category not in categories:
            raise InputError(
                f"{file}: the image {image} has the category {category}, which is none of the "
                f"{len(categories)} categories that the file names. Get the archive with it again."
            )
    counts = Counter(image for image, _ in annotations)
    if wrong := [image for image in {**paths, **counts} if counts[image] != 1 or image not in paths]:
        raise InputError(
            f"{file}: the image {wrong[0]} is {'' if wrong[0] in paths else 'not '}listed and has "
            f"{counts[wrong[0]]} annotations; expected one of each listed image."
        )
    return dict(sorted(categories.items())), [(paths[image], category) for image, category in annotations]
