"""The layout of Stanford Cars: MATLAB tables, and what can be wrong with them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import index_of, mat, named, pack, summary

from farfield.datasets.layouts import read_images
from farfield.errors import InputError

NAMES = ["Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012", "smart fortwo Convertible 2012"]
CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
LISTED = [("00001.jpg", 3), ("00002.jpg", 1), ("00003.jpg", 2), ("00004.jpg", 3)]


def annotations(
    listed: list[tuple[str, object]],
    fields: tuple[str, ...] = (*CORNERS, "class", "fname"),
    box: tuple[object, ...] = (39, 116, 569, 375),
) -> bytes:
    """A MATLAB struct array [1, n], every field of every element an array of its own."""
    table = np.empty((1, len(listed)), dtype=[(field, object) for field in fields])
    corners = dict(zip(CORNERS, np.atleast_3d(box).reshape(4, 1, 1), strict=True))
    for column, (name, number) in enumerate(listed):
        values = {**corners, "class": np.atleast_2d(number), "fname": name}
        table[0, column] = tuple(values[field] for field in fields)
    return mat(annotations=table)


def classes(names: list[str]) -> bytes:
    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = names
    return mat(class_names=cells)


def pack_cars(raw: Path, **changed: bytes | None) -> None:
    files = {"cars_meta.mat": classes(NAMES), "cars_train_annos.mat": annotations(LISTED)}
    files |= {name.replace("__", "."): data for name, data in changed.items()}
    kept = {f"devkit/{name}": data for name, data in files.items() if data is not None}
    pack(raw / "car_devkit.tgz", {"devkit/README.txt": "about", **kept})
    images = named(*(f"cars_train/{number:05d}.jpg" for number in range(1, 5)))
    pack(raw / "cars_train.tgz", {"cars_train/": b"", **images})


def test_cars_are_labelled_by_the_annotations_and_keep_the_order_of_the_classes(tmp_path):
    pack_cars(tmp_path)
    index = index_of("stanford_cars", tmp_path)
    assert index.class_names == tuple(NAMES)
    assert summary(index) == [
        (f"cars_train/{name}", NAMES[number - 1], "all") for name, number in LISTED
    ]  # fmt: skip
    assert dict(read_images(tmp_path, index))[2] == b"cars_train/00003.jpg"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cars_train_annos__mat": b"no table"}, r"cars_train_annos\.mat is no MATLAB file that can be read"),
        ({"cars_meta__mat": classes(NAMES)[:150]}, r"cars_meta\.mat is no MATLAB file that can be read"),
        ({"cars_meta__mat": b""}, r"cars_meta\.mat is no MATLAB file .* truncated"),
        ({"cars_meta__mat": None}, r"the label file cars_meta\.mat is neither there nor in one"),
        ({"cars_meta__mat": mat(names=[1.0])}, r"cars_meta\.mat holds names; expected class_names"),
        ({"cars_train_annos__mat": annotations(LISTED, ("bbox_x1", "fname"))}, "have no field 'class'"),
        ({"cars_train_annos__mat": mat(annotations=[1.0])}, "have no field 'fname'"),
        (
            {"cars_train_annos__mat": annotations([*LISTED, ("00009.jpg", 1)])},
            r"cars_train_annos\.mat names images that no archive .*00009\.jpg",
        ),
        (
            {"cars_train_annos__mat": annotations([*LISTED, ("00001.jpg", 2)])},
            r"cars_train/00001\.jpg is listed more than once",
        ),
        (
            {"cars_train_annos__mat": annotations([*LISTED[:3], ("00004.jpg", 4)])},
            r"cars_train_annos\.mat, annotation 4: the class is 4; expected a number from 1 to 3",
        ),
        ({"cars_train_annos__mat": annotations([("00001.jpg", 0)])}, "annotation 1: the class is 0"),
        ({"cars_train_annos__mat": annotations([("00001.jpg", 1.5)])}, r"annotation 1: the class is 1\.5"),
        ({"cars_train_annos__mat": annotations([("00001.jpg", [1, 2])])}, "the class is 2 values"),
        ({"cars_train_annos__mat": annotations(LISTED[:2])}, r"no image was found for class Ram C/V Cargo"),
    ],
)
def test_what_is_wrong_with_the_tables_of_cars_is_named(tmp_path, changed, message):
    pack_cars(tmp_path, **changed)
    with pytest.raises(InputError, match=message):
        index_of("stanford_cars", tmp_path)


def pack_test_part(raw: Path) -> None:
    """Its images have the names of those of the training part."""
    pack(raw / "cars_test.tgz", named("cars_test/00001.jpg", "cars_test/00002.jpg"))
    listed = annotations([("00002.jpg", 1), ("00001.jpg", 2)], box=(1, 1, 1, 1))
    (raw / "cars_test_annos_withlabels.mat").write_bytes(listed)


def test_the_test_part_has_images_of_the_same_names(tmp_path):
    pack_cars(tmp_path)
    pack_test_part(tmp_path)
    index = index_of("stanford_cars", tmp_path, parts=["train", "test"])
    assert summary(index) == [
        *((f"cars_train/{name}", NAMES[number - 1], "train") for name, number in LISTED),
        ("cars_test/00002.jpg", NAMES[0], "test"),
        ("cars_test/00001.jpg", NAMES[1], "test"),
    ]
    assert dict(read_images(tmp_path, index))[5] == b"cars_test/00001.jpg"


def test_boxes_count_from_one_and_include_their_last_pixel(tmp_path):
    pack_cars(tmp_path)
    pack_test_part(tmp_path)
    index = index_of("stanford_cars", tmp_path, parts=["train", "test"], crop="box")
    assert [record.box for record in index.records] == [(38, 115, 569, 375)] * 4 + [(0, 0, 1, 1)] * 2
    assert {
        record.box for record in index_of("stanford_cars", tmp_path, parts=["train", "test"]).records
    } == {None}


def test_without_its_test_part_the_training_part_can_be_divided(tmp_path):
    listed = [(f"{number:05d}.jpg", 1 + number % 3) for number in range(1, 31)]
    pack_cars(tmp_path, cars_train_annos__mat=annotations(listed))
    pack(tmp_path / "cars_train.tgz", named(*(f"cars_train/{name}" for name, _ in listed)))
    index = index_of("stanford_cars", tmp_path, holdout={"images": 2})
    sides = Counter((record.label, record.split) for record in index.records)
    assert sides == {
        (label, side): count for label in range(3) for side, count in (("train", 8), ("test", 2))
    }


@pytest.mark.parametrize(
    ("box", "options", "message"),
    [
        ((39, 116, 38, 375), {"crop": "box"}, "annotation 1: the box from 39, 116 to 38, 375 is empty"),
        ((0, 1, 2, 3), {"crop": "box"}, "annotation 1: bbox_x1 is 0; expected a number from 1 to"),
        ((1, 1, 2, 2), {"parts": ["val"]}, r"the option parts .* is \['val'\]; it may be \[train, test\]"),
        ((1, 1, 2, 2), {"parts": ["train", "test"], "holdout": {"images": 2}}, "parts and holdout both say"),
    ],
)
def test_what_is_wrong_with_boxes_and_parts_is_named(tmp_path, box, options, message):
    pack_cars(tmp_path, cars_train_annos__mat=annotations(LISTED, box=box))
    with pytest.raises(InputError, match=message):
        index_of("stanford_cars", tmp_path, **options)


def test_an_archive_of_other_images_is_noticed(tmp_path):
    pack_cars(tmp_path)
    pack(tmp_path / "cars_test.tgz", named("cars_test/1.jpg"))
    with pytest.raises(InputError, match=r"cars_test\.tgz holds no image that belongs to the dataset"):
        index_of("stanford_cars", tmp_path)
