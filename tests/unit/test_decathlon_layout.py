"""The layout of the Visual Decathlon: tars inside a tar, labels from the JSON and never from folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_archives import index_of, named, pack, summary, tar_of

from farfield.datasets.layouts import read_images
from farfield.errors import InputError

# Sorted as computers do, capital letters first; the class folders follow people's alphabet: An-12, ATR-72.
NAMES = ["ATR-72", "An-12"]
FOLDERS = {"ATR-72": "0002", "An-12": "0001"}
IMAGES = {
    "train": [("0002/000001.jpg", "ATR-72"), ("0001/000002.jpg", "An-12"), ("0001/000004.jpg", "An-12")],
    "val": [("0001/000003.jpg", "An-12"), ("0002/000005.jpg", "ATR-72")],
    "test": [("000001.jpg", "An-12"), ("000002.jpg", "ATR-72")],
}
BASE = 10_000_000


def annotations(split: str, labelled: bool = True) -> dict[str, Any]:
    first = BASE + 100_000 * list(IMAGES).index(split) + 1
    images = [
        {"id": first + n, "width": 96, "height": 72, "file_name": f"data/aircraft/{split}/{path}"}
        for n, (path, _) in enumerate(IMAGES[split])
    ]
    content = {
        "images": images,
        "categories": [{"id": BASE + n, "name": name} for n, name in enumerate(NAMES, 1)],
        "licenses": [],
    }
    if labelled:
        content["annotations"] = [
            {"id": first + n, "image_id": first + n, "category_id": BASE + 1 + NAMES.index(name)}
            for n, (_, name) in enumerate(IMAGES[split])
        ]
    return content


def pack_decathlon(raw: Path, test_labels: bool = True, **changed: Any) -> None:
    """changed: what the annotation files of train, val or test hold instead."""
    devkit = {f"aircraft_{split}.json": annotations(split) for split in ("train", "val")}
    devkit["aircraft_test_stripped.json"] = annotations("test", labelled=False)
    devkit |= {f"aircraft_{split}.json": content for split, content in changed.items() if split != "test"}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in devkit.items()}
    folder = "decathlon-1.0/annotations"
    pack(raw / "decathlon-1.0-devkit.tar.gz", {f"{folder}/{name}": text for name, text in texts.items()})
    paths = [f"aircraft/{split}/{path}" for split, images in IMAGES.items() for path, _ in images]
    tars = {"aircraft.tar": tar_of(named(*paths[::-1])), "dtd.tar": tar_of(named("dtd/train/0001/1.jpg"))}
    pack(raw / "decathlon-1.0-data.tar.gz", tars)
    if test_labels:
        test = changed.get("test", annotations("test"))
        pack(raw / "labels_test.zip", {"aircraft_test.json": json.dumps(test), "dtd_test.json": "{}"})


def test_labels_are_the_categories_and_not_the_folders(tmp_path):
    pack_decathlon(tmp_path)
    index = index_of("decathlon", tmp_path, set="aircraft")
    assert index.class_names == tuple(NAMES)
    assert summary(index) == [
        (f"aircraft/{split}/{path}", name, split) for split, images in IMAGES.items() for path, name in images
    ]
    for record in index.records[:5]:
        by_folder = int(record.path.split("/")[2]) - 1
        assert record.label == 1 - by_folder
        assert FOLDERS[NAMES[record.label]] == record.path.split("/")[2]


def test_images_are_read_out_of_the_tar_inside_the_archive(tmp_path):
    pack_decathlon(tmp_path)
    index = index_of("decathlon", tmp_path, set="aircraft")
    images = list(read_images(tmp_path, index))
    assert [row for row, _ in images] == [6, 5, 4, 3, 2, 1, 0]  # in the order of the tar
    assert all(data == index.records[row].path.encode() for row, data in images)
    assert list(read_images(tmp_path, index, rows=[1])) == [(1, b"aircraft/train/0001/000002.jpg")]


def test_without_the_labels_of_the_test_there_is_no_test_split_and_this_is_said(tmp_path, capsys):
    pack_decathlon(tmp_path, test_labels=False)
    index = index_of("decathlon", tmp_path, set="aircraft")
    assert [record.split for record in index.records] == ["train"] * 3 + ["val"] * 2
    assert "no archive holds aircraft_test.json, so aircraft has no test split" in capsys.readouterr().err
    pack_decathlon(tmp_path)
    index_of("decathlon", tmp_path, set="aircraft")
    assert capsys.readouterr().err == ""


def test_imagenet_lies_in_a_tar_of_its_own(tmp_path):
    pack_decathlon(tmp_path)
    (tmp_path / "decathlon-1.0-data.tar.gz").unlink()
    paths = [f"aircraft/{split}/{path}" for split, images in IMAGES.items() for path, _ in images]
    pack(tmp_path / "decathlon-1.0-data-imagenet.tar", named(*paths))
    index = index_of("decathlon", tmp_path, set="aircraft")
    assert len(index.records) == 7
    assert dict(read_images(tmp_path, index))[0] == b"aircraft/train/0002/000001.jpg"


@pytest.mark.parametrize(("name", "found"), [("svhn", "'svhn'"), ("", "''"), ("aircraf", "'aircraf'")])
def test_a_set_that_the_devkit_does_not_have_is_named(tmp_path, name, found):
    pack_decathlon(tmp_path)
    with pytest.raises(InputError, match=f"the devkit has no set {found}, .*; it has aircraft"):
        index_of("decathlon", tmp_path, set=name)


def test_a_set_without_its_tar_is_named(tmp_path):
    pack_decathlon(tmp_path)
    pack(tmp_path / "decathlon-1.0-data.tar.gz", {"dtd.tar": tar_of(named("dtd/train/0001/1.jpg"))})
    with pytest.raises(InputError, match=r"no archive holds aircraft\.tar with images, or images below"):
        index_of("decathlon", tmp_path, set="aircraft")


def test_a_devkit_without_the_val_part_is_named(tmp_path):
    pack_decathlon(tmp_path)
    text = json.dumps(annotations("train"))
    pack(tmp_path / "decathlon-1.0-devkit.tar.gz", {"decathlon-1.0/annotations/aircraft_train.json": text})
    with pytest.raises(InputError, match=r"the label file aircraft_val\.json is neither there nor in one"):
        index_of("decathlon", tmp_path, set="aircraft")


def changed(split: str, section: str, entry: int, **values: Any) -> dict[str, dict[str, Any]]:
    content = annotations(split)
    content[section][entry] |= values
    return {split: content}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            changed("val", "annotations", 1, category_id=BASE + 3),
            r"aircraft_val\.json: the image 10100002 has the category 10000003, which is none of the 2",
        ),
        (
            changed("test", "annotations", 0, category_id=20_000_001),
            r"aircraft_test\.json: the image 10200001 has the category 20000001",
        ),
        (
            changed("val", "categories", 0, name="ATR-42"),
            r"aircraft_val\.json has other categories than aircraft_",
        ),
        (
            changed("train", "images", 0, file_name="data/aircraft/train/0002/000009.jpg"),
            r"aircraft_train\.json names images that no archive .*000009\.jpg",
        ),
        (
            changed("train", "annotations", 0, image_id=BASE + 2),
            r"aircraft_train\.json: the image 10000001 is listed and has 0 annotations; expected one",
        ),
        (
            {"train": annotations("train") | {"images": annotations("train")["images"][:2]}},
            "the image 10000003 is not listed and has 1 annotations",
        ),
        ({"train": "{"}, r"aircraft_train\.json is not of the form of COCO.*JSONDecodeError"),
        ({"train": []}, r"aircraft_train\.json is not of the form of COCO"),
        ({"val": annotations("val", labelled=False)}, r"aircraft_val\.json is not .*KeyError: 'annotations'"),
    ],
)
def test_what_is_wrong_with_the_annotations_is_named(tmp_path, content, message):
    pack_decathlon(tmp_path, **content)
    with pytest.raises(InputError, match=message):
        index_of("decathlon", tmp_path, set="aircraft")
