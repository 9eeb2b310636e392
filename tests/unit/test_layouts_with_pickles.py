"""Layouts of pickles, CIFAR-100, miniImageNet and tieredImageNet, and the unpickler that builds plain data."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import index_of, pack, summary, write_parquet

from farfield.datasets.decoders.containers.pickles import unpickle
from farfield.datasets.layouts import read_images
from farfield.errors import InputError

# CIFAR-100


def cifar_batch(labels: list[int], first: int = 0) -> dict[str, object]:
    """Image n is of the constant colour (first + n, 1, 2)."""
    data = np.empty((len(labels), 3, 1024), dtype=np.uint8)
    data[:, 0] = np.arange(first, first + len(labels))[:, None]
    data[:, 1], data[:, 2] = 1, 2
    return {"data": data.reshape(len(labels), 3072), "fine_labels": labels, "coarse_labels": labels}


def pack_cifar(raw: Path, **batches: object) -> None:
    meta = {"fine_label_names": ["ant", "bee", "cow", "doe"], "coarse_label_names": []}
    content = {
        "train": cifar_batch([0, 1, 2, 3, 0]),
        "test": cifar_batch([3, 2, 1, 0], first=50),
        "meta": meta,
        **batches,
    }
    pack(
        raw / "cifar-100-python.tar.gz",
        {f"cifar-100-python/{name}": pickle.dumps(value, protocol=2) for name, value in content.items()},
    )


def test_cifar_has_arrays_in_place_of_files(tmp_path):
    pack_cifar(tmp_path)
    index = index_of("cifar", tmp_path)
    assert index.class_names == ("ant", "bee", "cow", "doe")
    assert [record.label for record in index.records] == [0, 1, 2, 3, 0, 3, 2, 1, 0]
    assert [record.split for record in index.records] == ["train"] * 5 + ["test"] * 4
    assert len({record.path for record in index.records}) == 9
    images = dict(read_images(tmp_path, index))
    assert images[2].shape == (32, 32, 3)
    assert images[2].dtype == np.uint8
    for row, red in enumerate([0, 1, 2, 3, 4, 50, 51, 52, 53]):
        assert (images[row] == [red, 1, 2]).all()


def test_bscd_fsl_takes_every_third_class_of_the_train_batch(tmp_path):
    pack_cifar(tmp_path)
    split = {"modulus": 3, "remainders": {"train": [0]}}
    index = index_of("cifar", tmp_path, batches=["train"], class_split=split)
    assert summary(index) == [
        ("train/00000", "ant", "train"),
        ("train/00003", "doe", "train"),
        ("train/00004", "ant", "train"),
    ]
    assert [record.label for record in index.records] == [0, 1, 0]
    images = dict(read_images(tmp_path, index, rows=[2, 1]))
    assert {row: int(image[0, 0, 0]) for row, image in images.items()} == {1: 3, 2: 4}


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"data": np.zeros((1, 3072), np.uint8)}, "cifar-100-python/train.* has no 'fine_labels'"),
        (cifar_batch([0, 1]) | {"fine_labels": [0]}, "has 2 images and 1 labels"),
        (cifar_batch([0, 9]), "has the label 9; there are 4 classes"),
        (cifar_batch([0]) | {"data": np.zeros((1, 3072))}, "has data float64"),
        (["x"], "has no 'fine_labels'"),
    ],
)
def test_a_cifar_batch_of_another_form_is_named(tmp_path, batch, message):
    pack_cifar(tmp_path, train=batch)
    with pytest.raises(InputError, match=message):
        index_of("cifar", tmp_path)


def test_a_cifar_archive_without_a_batch_is_named(tmp_path):
    pack(tmp_path / "cifar.tar.gz", {"cifar-100-python/train": b""})
    with pytest.raises(InputError, match="no archive holds test, which CIFAR-100 has"):
        index_of("cifar", tmp_path)


# miniImageNet

MINI_CLASSES = {"train": ("n02", "n05"), "val": ("n01",), "test": ("n09",)}


def mini_images(first: int) -> np.ndarray:
    """Four images, the n-th of the constant colour (first + n, 1, 2)."""
    images = np.empty((4, 84, 84, 3), np.uint8)
    images[...] = np.stack(np.broadcast_arrays(np.arange(first, first + 4), 1, 2), -1)[:, None, None]
    return images


def cached(split: str) -> dict[object, object]:
    """As Ren et al. pass it on: the rows of each class."""
    names, images = MINI_CLASSES[split], mini_images(10 * list(MINI_CLASSES).index(split))
    rows = {name: list(range(k, 4, len(names))) for k, name in enumerate(names)}
    return {"image_data": images, "class_dict": rows}


def numbered(split: str) -> dict[object, object]:
    """As Gidaris and Komodakis pass it on: a number of 100 for each row."""
    names, images = MINI_CLASSES[split], mini_images(10 * list(MINI_CLASSES).index(split))
    return {b"data": images, b"labels": [int(names[row % len(names)][1:]) for row in range(4)]}


MINI_FORMS = {
    "cache": (cached, "mini-imagenet-cache-{}.pkl", ("n01", "n02", "n05", "n09")),
    "category": (numbered, "miniImageNet_category_split_{}.pickle", ("01", "02", "05", "09")),
}


def write_mini(raw: Path, form: str, packed: bool, **changes: object) -> None:
    content, name, _ = MINI_FORMS[form]
    stages = {"train": "train_phase_train"} if form == "category" else {}
    files = {
        name.format(stages.get(split, split)): pickle.dumps(changes.get(split, content(split)), protocol=2)
        for split in MINI_CLASSES
    }
    if packed:
        pack(raw / "mini.tar.gz", {f"mini/{file}": data for file, data in files.items()})
    else:
        for file, data in files.items():
            (raw / file).write_bytes(data)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("form", MINI_FORMS)
def test_miniimagenet_in_pickles(tmp_path, form, packed):
    write_mini(tmp_path, form, packed)
    index = index_of("mini_imagenet", tmp_path)
    assert index.class_names == MINI_FORMS[form][2]
    assert [record.split for record in index.records] == ["train"] * 4 + ["val"] * 4 + ["test"] * 4
    assert [record.label for record in index.records] == [1, 2, 1, 2, 0, 0, 0, 0, 3, 3, 3, 3]
    images = dict(read_images(tmp_path, index))
    assert [int(images[row][5, 6, 0]) for row in range(12)] == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert images[7].shape == (84, 84, 3)


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("cache", {"val": cached("val") | {"class_dict": {"n01": [0, 1, 2]}}}, "row 3 has 0 classes"),
        (
            "cache",
            {"val": cached("val") | {"class_dict": {"n01": [0, 1, 2, 3], "n00": [3]}}},
            "row 3 has 2 cl",
        ),
        ("cache", {"val": cached("val") | {"class_dict": {"n01": [0, 1, 2, 3, 4]}}}, "row 4 of n01"),
        ("cache", {"val": cached("train")}, r"two splits: n02 \(train, val\), n05 \(train, val\)"),
        ("cache", {"test": cached("test") | {"image_data": np.zeros((4, 84, 84, 3))}}, "images of float64"),
        ("category", {"test": numbered("test") | {b"labels": [9, 9, 9]}}, "4 images and 3 labels"),
        ("category", {"test": numbered("test") | {b"labels": [9, 9, 9, 100]}}, "from 0 to 99"),
    ],
)
def test_wrong_pickles_of_miniimagenet_are_named(tmp_path, form, changes, message):
    write_mini(tmp_path, form, packed=True, **changes)
    with pytest.raises(InputError, match=message):
        index_of("mini_imagenet", tmp_path)


def write_lists(raw: Path, **changes: tuple[str, ...]) -> None:
    for split, names in (MINI_CLASSES | changes).items():
        text = "".join(f"{name}{number:08d}.jpg,{name}\n" for name in names for number in range(2))
        (raw / f"{split}.csv").write_text(f"filename,label\n{text}")


def test_a_cache_whose_classes_are_not_those_of_the_lists_beside_it_is_refused(tmp_path):
    write_mini(tmp_path, "cache", packed=False)
    write_lists(tmp_path)
    assert len(index_of("mini_imagenet", tmp_path).records) == 12
    write_lists(tmp_path, val=("n09",), test=("n01",))  # a class of val and one of test have changed places
    with pytest.raises(
        InputError, match=r"cache-(val|test)\.pkl and (val|test)\.csv .*: n01, n09\. Take both"
    ):
        index_of("mini_imagenet", tmp_path)


def test_an_old_list_in_the_place_of_a_list_is_named(tmp_path):
    (tmp_path / "images").mkdir()
    write_lists(tmp_path)
    (tmp_path / "train.csv").rename(tmp_path / "old_train.csv")
    with pytest.raises(InputError, match=r"there is old_train\.csv, .* and no train\.csv"):
        index_of("mini_imagenet", tmp_path)


def test_a_missing_pickle_of_miniimagenet_is_named(tmp_path):
    write_mini(tmp_path, "cache", packed=False)
    (tmp_path / "mini-imagenet-cache-val.pkl").unlink()
    with pytest.raises(InputError, match=r"but not mini-imagenet-cache-val\.pkl"):
        index_of("mini_imagenet", tmp_path)


def test_miniimagenet_of_the_hub_is_divided_by_class_and_not_by_image(tmp_path):
    names = ["n01", "n02", "n05", "n09"]
    for file, labels in {"train": [3, 0, 1], "validation": [2, 1], "test": [0]}.items():
        write_parquet(tmp_path / f"{file}-00000-of-00001.parquet", labels, names=names)
    write_lists(tmp_path)
    index = index_of("mini_imagenet", tmp_path)
    assert index.class_names == tuple(names)
    assert [(r.path, names[r.label], r.split) for r in index.records] == [
        ("train-00000-of-00001.parquet/000002", "n02", "train"),
        ("validation-00000-of-00001.parquet/000000", "n05", "train"),
        ("validation-00000-of-00001.parquet/000001", "n02", "train"),
        ("train-00000-of-00001.parquet/000001", "n01", "val"),
        ("train-00000-of-00001.parquet/000000", "n09", "test"),
    ]
    assert dict(read_images(tmp_path, index))[1] == b"0"
    (tmp_path / "val.csv").write_text("filename,label\nx.jpg,n77\n")
    with pytest.raises(
        InputError, match=r"1 classes that train\.csv, val\.csv and test\.csv do not list: n01"
    ):
        index_of("mini_imagenet", tmp_path)


def test_miniimagenet_of_full_size_is_read_by_its_lists(tmp_path):
    files = {f"images/{name}.jpg": name for names in MINI_CLASSES.values() for name in names}
    lists = {
        f"{split}.csv": "filename,label\n" + "".join(f"{name}.jpg,{name}\n" for name in names)
        for split, names in MINI_CLASSES.items()
    }
    pack(tmp_path / "mini-imagenet.zip", files | lists)
    assert index_of("mini_imagenet", tmp_path) == index_of("split_csv", tmp_path)


# tieredImageNet


def pack_tiered(raw: Path, **changed: object) -> None:
    content: dict[str, object] = {}
    for n, split in enumerate(("train", "val", "test")):
        coded = [np.frombuffer(f"{split}{image}".encode(), np.uint8)[:, None] for image in range(3)]
        names = ["crane", f"bird{n}"] if n != 1 else ["lark", "wren"]
        content[f"{split}_images_png"] = coded
        content[f"{split}_labels"] = {
            "label_specific": np.array([0, 1, 0]),
            "label_specific_str": names,
            "label_general": np.zeros(3),
        }
    content |= changed
    pack(
        raw / "tiered-imagenet.tar",
        {f"tiered-imagenet/{name}.pkl": pickle.dumps(value, protocol=2) for name, value in content.items()},
    )


def test_tiered_splits_number_their_classes_one_after_the_other(tmp_path):
    pack_tiered(tmp_path)
    index = index_of("tiered", tmp_path)
    assert index.class_names == ("crane (0)", "bird0", "lark", "wren", "crane (4)", "bird2")
    assert [record.label for record in index.records] == [0, 1, 0, 2, 3, 2, 4, 5, 4]
    assert [record.split for record in index.records] == ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    images = dict(read_images(tmp_path, index, rows=[8, 0, 4]))
    assert images == {0: b"train0", 4: b"val1", 8: b"test2"}


def test_a_list_of_images_that_is_too_short_is_named(tmp_path):
    pack_tiered(tmp_path, val_images_png=[])
    index = index_of("tiered", tmp_path)
    with pytest.raises(InputError, match=r"val_images_png\.pkl holds 0 of the 3 images"):
        list(read_images(tmp_path, index))


def test_a_tiered_label_without_a_name_is_named(tmp_path):
    pack_tiered(tmp_path, val_labels={"label_specific": [7], "label_specific_str": ["a"]})
    with pytest.raises(InputError, match=r"val_labels\.pkl has the label 7; it names 1 classes"):
        index_of("tiered", tmp_path)


# Pickles


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("harm",))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_more_than_data_is_refused_and_not_run(protocol, capsys):
    with pytest.raises(InputError, match=r"batch is no pickle of plain data: it asks for .*print"):
        unpickle(io.BytesIO(pickle.dumps({"data": Harm()}, protocol)), "batch")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"not a pickle", pickle.dumps([1, 2, 3])[:-3]])
def test_a_damaged_pickle_is_named(content):
    with pytest.raises(InputError, match="batch is no pickle of plain data"):
        unpickle(io.BytesIO(content), "batch")


@pytest.mark.parametrize("protocol", range(5))
def test_plain_data_comes_back(protocol):
    value = {
        "a": [1, 2.5, None, "é", b"\xff"],
        "b": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "c": np.int64(4),
    }
    back = unpickle(io.BytesIO(pickle.dumps(value, protocol)), "batch")
    assert back["a"] == value["a"]
    assert back["c"] == 4
    np.testing.assert_array_equal(back["b"], value["b"])


def test_text_of_python_2_comes_back_as_text():
    # {'k': 'caf\xe9'} as Python 2 wrote it in protocol 2.
    assert unpickle(io.BytesIO(b"\x80\x02}q\x00U\x01kq\x01U\x04caf\xe9q\x02s."), "batch") == {"k": "café"}
