"""Layouts: class folders, options, and reading images in the order of the archives."""

import pytest
from made_up_archives import index_of, named, pack, summary

from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.errors import InputError


def test_classes_are_numbered_by_their_sorted_names(tmp_path):
    pack(tmp_path / "a.zip", named("b/2.jpg", "b/1.JPG", "a/3.png", "a/notes.txt"))
    index = index_of("folder", tmp_path)
    assert index.class_names == ("a", "b")
    assert summary(index) == [("a/3.png", "a", "all"), ("b/1.JPG", "b", "all"), ("b/2.jpg", "b", "all")]
    assert [record.label for record in index.records] == [0, 1, 1]


def test_crop_disease_uses_the_train_folder_and_not_the_second_copy(tmp_path):
    files = named(
        "dataset/train/rust/1.JPG",
        "dataset/test/rust/2.JPG",
        "dataset/dataset/train/rust/1.JPG",
        "dataset/dataset/test/rust/2.JPG",
    )
    pack(tmp_path / "plant-disease.zip", files)
    index = index_of("folder", tmp_path, root="dataset/train")
    assert summary(index) == [("dataset/train/rust/1.JPG", "rust", "all")]


def test_what_desktops_leave_behind_is_ignored(tmp_path):
    junk = ("__MACOSX/a/._1.jpg", "a/._1.jpg", ".DS_Store", "a/.DS_Store", "a/.directory", "a/Thumbs.db")
    pack(tmp_path / "a.zip", named("a/1.jpg", *junk))
    assert summary(index_of("folder", tmp_path)) == [("a/1.jpg", "a", "all")]


def test_split_folders_give_the_split_and_share_their_classes(tmp_path):
    files = named("train/b/1.jpg", "val/a/2.jpg", "train/a/3.jpg", "extra/c/4.jpg", "list.txt")
    pack(tmp_path / "a.tar", files)
    index = index_of("folder", tmp_path, splits=["train", "val"])
    assert index.class_names == ("a", "b")
    assert summary(index) == [
        ("train/a/3.jpg", "a", "train"),
        ("train/b/1.jpg", "b", "train"),
        ("val/a/2.jpg", "a", "val"),
    ]


def test_cub_is_divided_by_the_remainder_of_its_classes(tmp_path):
    names = [f"CUB_200_2011/images/{n + 1:03d}.Bird/1.jpg" for n in range(8)]
    pack(tmp_path / "CUB_200_2011.tgz", named(*names, "attributes.txt", "CUB_200_2011/README"))
    remainders = {"train": [0, 2], "val": [1], "test": [3]}
    index = index_of(
        "folder",
        tmp_path,
        root="CUB_200_2011/images",
        class_split={"modulus": 4, "remainders": remainders},
    )
    assert len(index.class_names) == 8
    for record in index.records:
        assert record.split == ("train" if record.label % 2 == 0 else {1: "val", 3: "test"}[record.label % 4])


def test_classes_can_be_left_out(tmp_path):
    pack(tmp_path / "a.zip", named("top/BACKGROUND_Google/1.jpg", "top/ant/1.jpg"))
    index = index_of("folder", tmp_path, root="top", exclude=["BACKGROUND_Google"])
    assert index.class_names == ("ant",)


def test_images_may_lie_in_several_archives(tmp_path):
    pack(tmp_path / "1.zip", named("a/1.jpg"))
    pack(tmp_path / "2.tar", named("a/1.jpg", "b/1.jpg"))
    index = index_of("folder", tmp_path)
    assert [path for path, _, _ in summary(index)] == ["1.zip/a/1.jpg", "2.tar/a/1.jpg", "2.tar/b/1.jpg"]
    assert dict(read_images(tmp_path, index)) == {0: b"a/1.jpg", 1: b"a/1.jpg", 2: b"b/1.jpg"}


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, {}, "no class folder below 'the top'"),
        (named("2750/a/1.jpg"), {"root": "eurosat"}, r"no class folder below 'eurosat'.*hold 2750"),
        (named("train/a/1.jpg"), {}, r"train/a/1\.jpg does not lie at the top/<class>/<image>"),
        (named("a/1.jpg", "2.jpg"), {}, r"2\.jpg does not lie at"),
        (named("a/1.jpg", "b/"), {}, "no image was found for class b"),
        (named("a/1.jpg", "b/notes.txt"), {}, "no image was found for class b"),
        (named("a/notes.txt"), {}, r"a\.zip holds no image"),
        (named("train/a/1.jpg"), {"splits": ["train", "val"]}, "the split folder val .* has no image"),
        (named("a/1.jpg"), {"exclude": ["b"]}, "the class b, which the option exclude leaves out"),
        (named("a/1.jpg"), {"rot": "a"}, "layout folder has no option 'rot'; it takes root, splits, exclude"),
        (named("a/1.jpg"), {"root": 2750}, "the option root .* is 2750; it must be text"),
        (named("a/1.jpg"), {"splits": [1]}, "the option splits .* must be a list of names"),
        (named("a/1.jpg"), {"splits": ["a"], "class_split": {"modulus": 2}}, "splits and class_split both"),
        (named("a/1.jpg"), {"class_split": {"modulus": 2}}, "class_split is .*must look like"),
        (
            named("a/1.jpg"),
            {"class_split": {"modulus": 2, "remainders": {"train": [0], "val": [0]}}},
            "class_split is .*none twice",
        ),
        (named("a/1.jpg"), {"class_split": {"modulus": 2, "remainders": {"train": [2]}}}, "class_split is"),
    ],
)
def test_wrong_class_folders_are_named(tmp_path, files, options, message):
    pack(tmp_path / "a.zip", files)
    with pytest.raises(InputError, match=message):
        index_of("folder", tmp_path, **options)


def test_an_archive_without_an_image_is_named(tmp_path):
    pack(tmp_path / "1.zip", named("a/1.jpg"))
    pack(tmp_path / "2.zip", named("a/notes.txt"))
    with pytest.raises(InputError, match=r"2\.zip holds no image that belongs to the dataset"):
        index_of("folder", tmp_path)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_folder_without_archives_is_named(tmp_path, layout):
    with pytest.raises(InputError, match="holds no archive"):
        index_of(layout, tmp_path)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_an_option_that_no_layout_has_is_named(tmp_path, layout):
    with pytest.raises(InputError, match=f"the layout {layout} has no option 'colour'"):
        index_of(layout, tmp_path, colour="grey")


def test_images_are_read_in_the_order_of_the_archive_and_only_the_wanted(tmp_path):
    pack(tmp_path / "a.tar", named("b/1.jpg", "a/2.jpg", "a/1.jpg"))
    index = index_of("folder", tmp_path)
    assert [row for row, _ in read_images(tmp_path, index)] == [2, 1, 0]
    assert list(read_images(tmp_path, index, rows=[0, 2])) == [(2, b"b/1.jpg"), (0, b"a/1.jpg")]
    assert list(read_images(tmp_path, index, rows=[])) == []
