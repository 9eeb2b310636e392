"""Dense packing: rows follow the index, targets fit their images, and what does not is left out by name."""

import numpy as np
import pytest

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError
from farfield.datasets.dense import pack_dense as packing
from farfield.datasets.dense.boundaries import changes, nearness
from farfield.datasets.dense.packed import load_targets
from farfield.datasets.dense.targets import labels, normals, plane, positive, resized
from farfield.datasets.layouts import DENSE_LAYOUTS
from farfield.datasets.packed import load_images, load_manifest
from farfield.errors import InputError
from farfield.files import read_json
from tests.unit.made_up_archives import pack
from tests.unit.made_up_dense import filled, npy, packed, photo, png, prepared


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def left_out(raw, tmp_path, **files):
    """Why points are left out if these files are in place of the good ones; None for none."""
    content = prepared() | {f"nyu_v2/{name.replace('__', '/')}": data for name, data in files.items()}
    pack(raw / "nyu_v2.zip", {name: data for name, data in content.items() if data is not None})
    folder = packed("nyuv2_prepared", raw, tmp_path)
    assert (
        len(load_images(folder))
        == len(load_manifest(folder))
        == 4 - len(read_json(folder / "unreadable.json"))
    )
    assert all(len(target) == len(load_images(folder)) for target in load_targets(folder).values())
    return {left["path"]: left["reason"] for left in read_json(folder / "unreadable.json")}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("seg/0001.png", None, r"lacks its segmentation nyu_v2/seg/0001\.png"),
        ("img/0001.png", None, r"lacks its image nyu_v2/img/0001\.png"),
        ("img/0001.png", b"text", "image: not an image"),
        ("depth/0001.npy", b"text", "depth: damaged"),
        ("depth/0001.npy", npy(np.ones((4, 6, 2), np.float32)), r"depth: it holds float32 \[4, 6, 2\]"),
        ("depth/0001.npy", npy(filled(1, np.float32, 6, 4)), "4 x 6 pixels large, but its image is 6 x 4"),
        ("seg/0001.png", png(filled(0, np.uint8, 2, 3)), "segmentation: it is 3 x 2 pixels large"),
        ("seg/0001.png", png(filled(41, np.uint8)), "label 41 is outside the classes, which are 0 to 39"),
        ("normal_mask/0001.png", png(filled(4, np.uint8)), "normals: it holds uint8"),
    ],
)  # fmt: skip
def test_a_point_with_a_bad_file_is_left_out_with_the_reason(name, content, reason, raw, tmp_path):
    found = left_out(raw, tmp_path, **{name.replace("/", "__"): content})
    assert list(found) == ["nyu_v2/img/0001.png"]
    with pytest.raises(ValueError, match=reason):
        raise ValueError(found["nyu_v2/img/0001.png"])


def test_the_rows_that_are_left_keep_their_targets(raw, tmp_path):
    left_out(raw, tmp_path, seg__0001__png=None, **{"depth__0002.npy": b"text"})
    folder = tmp_path / "packed"
    assert load_manifest(folder)["row"].tolist() == [0, 1, 2]
    assert load_targets(folder)["segmentation"][:, 1, 1].tolist() == [0, 1, 3]
    assert load_targets(folder)["depth"][:, 1, 1].tolist() == [1, 2, 4]
    assert (load_images(folder)[2] == photo(3)).all()


def test_no_good_point_is_an_error(raw, tmp_path):
    pack(raw / "nyu_v2.zip", {n: d for n, d in prepared().items() if "/seg/" not in n})
    with pytest.raises(
        InputError, match=r"none of the 4 points can be used \(the first: nyu_v2/img/0000\.png: .*lacks"
    ):
        packed("nyuv2_prepared", raw, tmp_path)
    assert not (tmp_path / "packed").exists()


def test_an_interrupted_run_continues_to_the_same_bytes(raw, tmp_path, monkeypatch):
    pack(raw / "nyu_v2.zip", prepared(20, 15))
    whole = packed("nyuv2_prepared", raw, tmp_path / "whole")
    read, wanted = packing.read_sources, []

    def stopped(folder, sources):
        for number, item in enumerate(read(folder, sources)):
            if len(wanted) == 2 and number == 5:
                raise KeyboardInterrupt
            yield item
        wanted.append(len(sources))

    monkeypatch.setattr("farfield.datasets.unfinished.CHUNK", 2)
    monkeypatch.setattr(packing, "read_sources", stopped)
    with pytest.raises(KeyboardInterrupt):
        packed("nyuv2_prepared", raw, tmp_path / "again")
    assert not (tmp_path / "again/packed").exists()
    monkeypatch.setattr(
        packing, "read_sources", lambda folder, sources: wanted.append(len(sources)) or read(folder, sources)
    )
    resumed = packed("nyuv2_prepared", raw, tmp_path / "again")
    assert wanted[:4] == [20, 20, 0, 0]  # images and labels were done
    assert 16 <= wanted[4] <= 20
    names = sorted(path.name for path in whole.iterdir())
    assert names == [
        "classes.json", "depth.npy", "images.npy", "manifest.parquet", "normals.npy", "ranges.json",
        "segmentation.npy", "unreadable.json",
    ]  # fmt: skip
    for name in names:
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_another_size_takes_targets_by_their_nearest_values(raw, tmp_path):
    pack(raw / "nyu_v2.zip", prepared())
    folder = packed("nyuv2_prepared", raw, tmp_path, (2, 3))
    assert load_images(folder).shape == (4, 2, 3, 3)
    assert load_targets(folder)["normals"].shape == (4, 2, 3, 3)
    assert set(np.unique(load_targets(folder)["segmentation"])) <= {-1, 0, 1, 2, 3}
    values = np.arange(6)[None].repeat(3, 0)
    assert resized(values, (1, 2)).tolist() == [[1, 4]]  # under the centres, at 1.5 and 4.5
    assert resized(values, (3, 12))[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert resized(values, (3, 6)) is values


def test_images_keep_the_shape_that_the_packing_gives():
    assert Packing(size=4, width=6).shape == (4, 6)
    assert Packing(size=4).shape == (4, 4)
    with pytest.raises(InputError, match="width should be greater than or equal to 0, found -1"):
        Packing(size=4, width=-1)


def test_labels_by_table_and_by_void():
    values = np.array([[0, 2], [1, 255]], np.uint8)
    assert labels(values).tolist() == [[0, 2], [1, -1]]
    assert labels(np.array([[0.0, -1.0]]), void=-1).tolist() == [[0, -1]]
    assert labels(values[:, :1], table=(5, -1)).tolist() == [[5], [-1]]
    with pytest.raises(UnreadableImageError, match="label 2 is outside the values 0 to 1"):
        labels(values, table=(5, -1))
    with pytest.raises(UnreadableImageError, match=r"label 0\.5 is no whole number"):
        labels(np.array([[0.5]]))
    with pytest.raises(UnreadableImageError, match="damaged"):
        plane(b"\x93NUMPY and nothing")


def test_what_is_not_positive_or_not_finite_is_unknown():
    values = np.array([[1, 0, -1, np.nan, np.inf]], np.float32)
    np.testing.assert_array_equal(positive(values, 2.0), np.float32([[2, np.nan, np.nan, np.nan, np.nan]]))


def test_normals_that_are_grey_fillers_are_unknown():
    values = np.array([[[127, 127, 127], [128, 0, 128], [255, 255, 255]]], np.uint8)
    assert normals(values).tolist() == [[[255] * 3, [128, 0, 128], [255] * 3]]


def test_nearness_is_a_gaussian_of_the_distance():
    marked = np.zeros((5, 7), dtype=bool)
    marked[2, 3] = True
    down, across = np.mgrid[-2:3, -3:4]
    np.testing.assert_allclose(nearness(marked, 2), 2 * np.exp(-(down**2 + across**2) / 8) - 1, atol=1e-6)
    assert (nearness(np.zeros((2, 2), dtype=bool), 1) == -1).all()


def test_changes_mark_both_sides_of_a_boundary():
    assert changes(np.array([[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 1, 1]])).astype(int).tolist() == [
        [0, 1, 1, 0],
        [0, 1, 1, 1],
        [0, 0, 1, 1],
    ]


def test_an_unknown_kind_of_archive_content_names_the_file(raw):
    pack(raw / "nyu_v2.zip", prepared() | {"nyu_v2/nyu_v2_3task.json": b"{"})
    with pytest.raises(InputError, match=r"nyu_v2_3task\.json is no JSON"):
        DENSE_LAYOUTS.find("nyuv2_prepared")(raw, {})
