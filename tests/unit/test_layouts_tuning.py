"""Layouts of datasets for fine-tuning: the published splits, boxes, and class folders without a split."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import index_of, mat, named, pack, summary

from farfield.datasets.layouts import read_images
from farfield.errors import InputError

# CUB-200-2011

CUB = {
    "CUB_200_2011/images.txt": "1 001.Ant/Ant_1.jpg\n2 002.Bee/Bee_1.jpg\n3 001.Ant/Ant_2.jpg\n"
    "4 002.Bee/Bee_2.jpg\n",
    "CUB_200_2011/classes.txt": "1 001.Ant\n2 002.Bee\n",
    "CUB_200_2011/image_class_labels.txt": "1 1\n2 2\n3 1\n4 2\n",
    "CUB_200_2011/train_test_split.txt": "1 0\n2 1\n3 1\n4 0\n",
    "CUB_200_2011/bounding_boxes.txt": "1 60.0 27.0 325.0 304.0\n2 0.0 1.5 10.0 10.0\n3 1.0 2.0 3.0 4.0\n"
    "4 5.0 6.0 7.0 8.0\n",
    "CUB_200_2011/parts/parts.txt": "1 back\n",
    "attributes.txt": "1 has_bill_shape::curved\n",
}
BIRDS = [f"CUB_200_2011/images/{path}" for path in ("001.Ant/Ant_1.jpg", "001.Ant/Ant_2.jpg")]
BIRDS += [f"CUB_200_2011/images/{path}" for path in ("002.Bee/Bee_1.jpg", "002.Bee/Bee_2.jpg")]


def pack_cub(raw: Path, **changed: str) -> None:
    texts = CUB | {f"CUB_200_2011/{name}.txt": text for name, text in changed.items()}
    pack(raw / "CUB_200_2011.tgz", {**named(*BIRDS), **texts})


def test_cub_has_the_split_of_its_authors_in_the_order_of_its_images(tmp_path):
    pack_cub(tmp_path)
    index = index_of("cub", tmp_path)
    assert summary(index) == [
        (BIRDS[0], "001.Ant", "test"),
        (BIRDS[2], "002.Bee", "train"),
        (BIRDS[1], "001.Ant", "train"),
        (BIRDS[3], "002.Bee", "test"),
    ]
    assert {record.box for record in index.records} == {None}
    assert dict(read_images(tmp_path, index))[1] == BIRDS[2].encode()


def test_the_boxes_of_cub_are_left_top_width_and_height(tmp_path):
    pack_cub(tmp_path)
    boxes = [record.box for record in index_of("cub", tmp_path, crop="box").records]
    assert boxes == [(60, 27, 385, 331), (0, 1, 10, 12), (1, 2, 4, 6), (5, 6, 12, 14)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": "1 001.Ant/Ant_9.jpg\n"}, r"images\.txt names images .*001\.Ant/Ant_9\.jpg"),
        ({"images": "1 a\n1 b\n"}, r"images\.txt, line 2: found '1 b'; expected a number that no other"),
        ({"images": "one a\n"}, r"images\.txt, line 1: found 'one a'"),
        ({"image_class_labels": "1 1\n2 7\n3 1\n4 2"}, r"image 2 has the class 7, which classes\.txt does"),
        ({"image_class_labels": "1 1\n2 2\n3 1"}, r"image_class_labels\.txt says nothing of image 4"),
        ({"train_test_split": "1 0\n2 2\n3 1\n4 0"}, r"train_test_split\.txt: image 2 has '2'"),
        ({"bounding_boxes": "1 1 2 3\n2 1 2 3 4\n"}, r"bounding_boxes\.txt: image 1 has '1 2 3'"),
        ({"bounding_boxes": "1 1 2 0 4\n"}, r"image 1 has '1 2 0 4'; expected left, top, width"),
        ({"bounding_boxes": "1 1 2 nan 4\n"}, "image 1 has '1 2 nan 4'"),
        ({"bounding_boxes": "2 1 2 3 4\n"}, r"bounding_boxes\.txt says nothing of image 1"),
    ],
)
def test_what_is_wrong_with_the_lists_of_cub_is_named(tmp_path, changed, message):
    pack_cub(tmp_path, **changed)
    with pytest.raises(InputError, match=message):
        index_of("cub", tmp_path, crop="box")


def test_a_crop_that_there_is_not_is_named(tmp_path):
    for layout in ("cub", "stanford_cars"):
        with pytest.raises(InputError, match=f"option crop of the layout {layout} is 'middle'; .* none, box"):
            index_of(layout, tmp_path, crop="middle")


# Flowers


def pack_flowers102(raw: Path, labels: object = None, **sets: list[int]) -> None:
    lists = {"trnid": [103, 1], "valid": list(range(2, 103)), "tstid": [104, 105]} | sets
    numbers = [[*range(1, 103), 1, 2, 3]] if labels is None else labels
    pack(raw / "102flowers.tgz", named(*(f"jpg/image_{number:05d}.jpg" for number in range(1, 106))))
    (raw / "imagelabels.mat").write_bytes(mat(labels=np.uint8(numbers)))
    (raw / "setid.mat").write_bytes(mat(**{name: np.uint16([value]) for name, value in lists.items()}))


def test_flowers_are_trained_on_trnid_and_valid_and_count_from_one(tmp_path):
    pack_flowers102(tmp_path)
    index = index_of("flowers102", tmp_path)
    assert len(index.class_names) == 102
    assert summary(index)[:3] == [
        ("jpg/image_00103.jpg", "001", "train"),
        ("jpg/image_00001.jpg", "001", "train"),
        ("jpg/image_00002.jpg", "002", "train"),
    ]
    assert summary(index)[-2:] == [
        ("jpg/image_00104.jpg", "002", "test"),
        ("jpg/image_00105.jpg", "003", "test"),
    ]
    assert Counter(record.split for record in index.records) == {"train": 103, "test": 2}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"tstid": [104, 106]}, r"setid\.mat, tstid 2: the image is 106; expected a number from 1 to 105"),
        ({"tstid": [104, 1]}, r"jpg/image_00001\.jpg is listed more than once"),
        (
            {"labels": [[0] * 105]},
            r"imagelabels\.mat, image 103: the class is 0; expected .* 1 to 102",
        ),
    ],
)
def test_what_is_wrong_with_the_tables_of_flowers_is_named(tmp_path, sets, message):
    pack_flowers102(tmp_path, **sets)
    with pytest.raises(InputError, match=message):
        index_of("flowers102", tmp_path)


def test_the_17_flowers_come_in_runs_of_80(tmp_path):
    names = [f"jpg/image_{number:04d}.jpg" for number in range(1360, 0, -1)]
    pack(tmp_path / "17flowers.tgz", {**named(*names), "jpg/files.txt": "image_0001.jpg"})
    index = index_of("flowers17", tmp_path, holdout={"images": 20})
    assert [record.label for record in index.records] == [number // 80 for number in range(1360)]
    assert [record.path for record in index.records] == names[::-1]
    sides = Counter((record.label, record.split) for record in index.records)
    assert sides == {(label, s): n for label in range(17) for s, n in (("train", 60), ("test", 20))}
    assert {record.split for record in index_of("flowers17", tmp_path).records} == {"all"}


@pytest.mark.parametrize("name", ["image_0000.jpg", "image_1361.jpg", "image_00001.jpg", "daisy.jpg"])
def test_an_image_that_is_none_of_the_17_flowers_is_named(tmp_path, name):
    pack(tmp_path / "17flowers.tgz", named(f"jpg/{name}"))
    with pytest.raises(InputError, match=f"found the image {name}; the images of the 17 flowers are"):
        index_of("flowers17", tmp_path)


# Textures, and class folders without lists


def test_textures_are_trained_on_the_lists_train_and_val_of_one_split(tmp_path):
    lists = {
        "dtd/labels/train1.txt": "b/1.jpg",
        "dtd/labels/val1.txt": "a/1.jpg",
        "dtd/labels/test1.txt": "a/2.jpg\nb/2.jpg\n",
        "dtd/labels/train2.txt": "a/2.jpg",
        "dtd/labels/val2.txt": "b/2.jpg",
        "dtd/labels/test2.txt": "b/1.jpg",
    }
    images = named(*(f"dtd/images/{path}" for path in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")))
    pack(tmp_path / "dtd.tar.gz", {**images, **lists})
    found = summary(index_of("dtd", tmp_path))
    assert [(path.removeprefix("dtd/images/"), *rest) for path, *rest in found] == [
        ("b/1.jpg", "b", "train"),
        ("a/1.jpg", "a", "train"),
        ("a/2.jpg", "a", "test"),
        ("b/2.jpg", "b", "test"),
    ]
    assert [split for _, _, split in summary(index_of("dtd", tmp_path, split=2))] == [
        "train",
        "train",
        "test",
    ]
    with pytest.raises(
        InputError, match="the option split of the layout dtd is 11; there are splits 1 to 10"
    ):
        index_of("dtd", tmp_path, split=11)
    with pytest.raises(
        InputError, match="the option split of the layout dtd is '1'; it must be a whole number"
    ):
        index_of("dtd", tmp_path, split="1")


def test_a_part_of_each_class_folder_can_be_held_out(tmp_path):
    names = [f"png/{name}/{image}.png" for name in ("ant", "bee") for image in range(80)]
    pack(tmp_path / "sketches_png.zip", {**named(*names), "png/filelist.txt": ""})
    index = index_of("folder", tmp_path, root="png", holdout={"images": 16})
    assert Counter((name, split) for _, name, split in summary(index)) == {
        ("ant", "train"): 64, ("ant", "test"): 16, ("bee", "train"): 64, ("bee", "test"): 16
    }  # fmt: skip
    with pytest.raises(InputError, match="the options splits and holdout both say what is in a split"):
        index_of("folder", tmp_path, splits=["png"], holdout={"images": 16})
