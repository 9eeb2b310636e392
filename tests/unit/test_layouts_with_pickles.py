"""Layouts of pickles, CIFAR-100 and tieredImageNet, and the unpickler that builds plain data only."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import index_of, pack, summary

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
