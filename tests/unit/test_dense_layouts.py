"""Layouts of dense datasets: each official form gives the targets that its publisher means."""

import json

import numpy as np
import pytest

from farfield.datasets.dense.packed import load_class_names, load_targets
from farfield.datasets.layouts import DENSE_LAYOUTS
from farfield.datasets.packed import load_images, load_manifest
from farfield.errors import InputError
from farfield.files import read_json
from tests.unit.made_up_archives import pack
from tests.unit.made_up_dense import (
    coded,
    filled,
    labelled_mat,
    npy,
    packed,
    photo,
    png,
    prepared,
    street,
    view,
)


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def test_prepared_nyu(raw, tmp_path):
    pack(raw / "nyu_v2.zip", prepared())
    folder = packed("nyuv2_prepared", raw, tmp_path)
    targets, manifest = load_targets(folder), load_manifest(folder)
    assert list(targets) == ["segmentation", "normals", "depth"]
    assert (load_images(folder)[2] == photo(2)).all()
    assert targets["segmentation"][3, 0, :2].tolist() == [-1, 3]
    assert targets["normals"][3, 0, :2].tolist() == [[255] * 3, [128, 0, 128]]
    np.testing.assert_array_equal(targets["depth"][3, 0, :2], np.float32([np.nan, 4]))
    assert manifest["split"].tolist() == ["train"] * 3 + ["test"]
    assert manifest["valid_depth"].tolist() == [23 / 24] * 4
    assert manifest[["least_depth", "most_depth"]].iloc[1].tolist() == [2, 2]
    assert [list(labels) for labels in manifest["classes"]] == [[0], [1], [2], [3]]
    names = load_class_names(folder)
    assert len(names) == 40
    assert (names[0], names[39]) == ("wall", "other prop")


def test_prepared_nyu_with_classes_and_targets_of_its_own(raw, tmp_path):
    files = {
        "r/i.png": png(photo(1)), "r/k.png": png(np.array([[0, 32768], [65535, 16384]], np.uint16).repeat(3, 1)),
        "r/r.json": json.dumps({"train": [["i.png", "k.png"]], "test": []}), "r/c.txt": "one\ntwo\n",
    }  # fmt: skip
    files["r/i.png"] = png(photo(1, 2, 6))
    pack(raw / "r.zip", files)
    options = {"index": "r.json", "columns": ["image", "edges"], "classes": "c.txt"}
    folder = packed("nyuv2_prepared", raw, tmp_path, (2, 6), **options)
    edges = load_targets(folder)["edges"][0]
    np.testing.assert_allclose(edges[:, [0, 3]], [[-1, 0], [1, -0.5]], atol=1e-4)
    assert load_class_names(folder) == ["one", "two"]


def test_labelled_nyu(raw, tmp_path):
    labelled_mat(raw)
    folder = packed("nyuv2_mat", raw, tmp_path)
    targets, manifest = load_targets(folder), load_manifest(folder)
    assert manifest["path"].tolist() == ["0000", "0002", "0001"]
    assert manifest["split"].tolist() == ["train", "train", "test"]
    assert (load_images(folder)[2] == photo(1)).all()
    assert targets["segmentation"][:, 0, 0].tolist() == [-1, 2, 39]
    assert targets["depth"][:, 3, 5].tolist() == [1.5, 3.5, 2.5]
    assert targets["normals"][0, :2, 0].tolist() == [[255] * 3, [255, 128, 128]]  # masked; to the right
    assert manifest["valid_normals"].tolist() == [0.75] * 3


def test_labelled_nyu_without_its_normals(raw, tmp_path):
    labelled_mat(raw)
    (raw / "normals_gt.tgz").unlink()
    folder = packed("nyuv2_mat", raw, tmp_path, tasks=["segmentation", "depth"])
    assert list(load_targets(folder)) == ["segmentation", "depth"]


def test_labelled_nyu_that_is_cut_or_has_a_wrong_split(raw):
    labelled_mat(raw)
    content = (raw / "nyu_depth_v2_labeled.mat").read_bytes()
    (raw / "nyu_depth_v2_labeled.mat").write_bytes(content[:500])
    with pytest.raises(InputError, match=r"nyu_depth_v2_labeled\.mat is no MATLAB 7\.3 file with images"):
        DENSE_LAYOUTS.find("nyuv2_mat")(raw, {})
    labelled_mat(raw, count=2)
    with pytest.raises(InputError, match=r"trainNdxs is 3; expected a number from 1 to 2"):
        DENSE_LAYOUTS.find("nyuv2_mat")(raw, {})


def test_cityscapes(raw, tmp_path):
    files = street() | street("val/bonn/bonn_0_2", raw=33) | street("test/berlin/berlin_0_3", raw=0)
    for folder in ("leftImg8bit", "gtFine", "disparity"):
        pack(raw / f"{folder}_trainvaltest.zip", {n: d for n, d in files.items() if n.startswith(folder)})
    folder = packed("cityscapes", raw, tmp_path)
    targets, manifest = load_targets(folder), load_manifest(folder)
    assert manifest["split"].tolist() == ["train", "test"]
    assert manifest["path"][1] == "leftImg8bit/val/bonn/bonn_0_2_leftImg8bit.png"
    assert targets["segmentation"][:, :, 0].tolist() == [
        [0, -1, 13, 13],
        [0, -1, 18, 18],
    ]  # road, void, car, bicycle
    np.testing.assert_allclose(targets["depth"][0, :, 0], [6553 / 65535] * 3 + [np.nan])
    assert len(load_class_names(folder)) == 19
    seven = packed("cityscapes", raw, tmp_path, classes="7")
    assert load_targets(seven)["segmentation"][1, :, 0].tolist() == [0, -1, 6, 6]  # flat, void, vehicle
    assert load_class_names(seven)[6] == "vehicle"


def test_cityscapes_of_mtan(raw, tmp_path):
    image = photo(1)
    labels = filled(18, np.float64)
    labels[0] = -1
    depth = filled(0.25, np.float32)[..., None].copy()
    depth[0] = 0
    files = {}
    for split, number in (("train", 10), ("train", 9), ("val", 0)):
        at = f"data/{split}/{{}}/{number}.npy"
        files |= {
            at.format("image"): npy(image / 255),
            at.format("label_19"): npy(labels),
            at.format("depth"): npy(depth),
        }
    pack(raw / "cityscapes_npy.zip", files)
    folder = packed("cityscapes_npy", raw, tmp_path)
    targets, manifest = load_targets(folder), load_manifest(folder)
    assert manifest["path"].tolist() == [
        f"data/{name}.npy" for name in ("train/image/9", "train/image/10", "val/image/0")
    ]
    assert manifest["split"].tolist() == ["train", "train", "test"]
    assert (load_images(folder)[0] == image).all()
    assert targets["segmentation"][0, :2, 0].tolist() == [-1, 18]
    np.testing.assert_array_equal(targets["depth"][0, :2, 0], np.float32([np.nan, 0.25]))


def test_taskonomy(raw, tmp_path):
    unsure, far, grey = filled(17, np.uint8), filled(64499, np.uint16), coded((0, 1, 0)).copy()
    unsure[0], far[0], grey[0] = 0, 65535, 128
    files = view() | view("ihlen", 7, segmentsemantic=unsure, depth_euclidean=far, normal=grey)
    files |= view("hanson", 2, edge_texture=None)
    pack(raw / "tiny.tar", files)
    folder = packed("taskonomy_tiny", raw, tmp_path)
    targets, manifest = load_targets(folder), load_manifest(folder)
    assert manifest["path"].tolist() == ["hanson/point_1_view_0", "ihlen/point_7_view_0"]
    assert manifest["split"].tolist() == ["train", "test"]
    assert [left["path"] for left in read_json(folder / "unreadable.json")] == ["hanson/point_2_view_0"]
    assert targets["segmentation"][:, :2, 0].tolist() == [[0, 0], [-1, 16]]
    np.testing.assert_allclose(targets["depth"][0, 0, 0], np.log(512) / np.log(65536), rtol=1e-6)
    assert np.isnan(targets["depth"][1, 0, 0])
    np.testing.assert_allclose(targets["keypoints"][0, 0, 0], 2 * (82 / 65536) / 0.005 - 1, rtol=1e-5)
    assert targets["edges"][0, 0, 0] == 1  # cut off at 0.08
    assert targets["normals"][1, :2, 0].tolist() == [[255] * 3, [128, 255, 128]]


def test_taskonomy_of_a_building_that_is_not_in_the_tiny_split(raw):
    pack(raw / "tiny.tar", view("elsewhere"))
    with pytest.raises(InputError, match="elsewhere is no building of the tiny split"):
        DENSE_LAYOUTS.find("taskonomy_tiny")(raw, {})


def camvid() -> dict[str, bytes]:
    labels = filled(3, np.uint8, 50, 40)
    labels[:, 20:], labels[0, 0] = 8, 11
    files = {}
    for split in ("train", "val", "test"):
        line = f"/SegNet/CamVid/{split}/a_{split}.png /SegNet/CamVid/{split}annot/a_{split}.png\n"
        files[f"CamVid/{split}.txt"] = line.encode()
        files[f"CamVid/{split}/a_{split}.png"] = png(photo(1, 50, 40))
        files[f"CamVid/{split}annot/a_{split}.png"] = png(labels)
    return files


def test_camvid_has_edges_that_follow_from_its_labels(raw, tmp_path):
    pack(raw / "CamVid.zip", camvid())
    folder = packed("camvid", raw, tmp_path, (50, 40))
    targets = load_targets(folder)
    assert load_manifest(folder)["split"].tolist() == ["train", "val", "test"]
    assert targets["segmentation"][0, 0, [0, 1, 20]].tolist() == [-1, 3, 8]
    # In the last row the boundary is between columns 19 and 20, far from the void corner; reach is one pixel.
    distances = (
        np.array([18 - column if column < 19 else max(0, column - 20) for column in range(10, 30)]) + 0.0
    )
    distances[:9] += 1
    np.testing.assert_allclose(targets["edges"][0, -1, 10:30], 2 * np.exp(-(distances**2) / 2) - 1, atol=1e-6)


def test_camvid_with_a_list_of_another_form(raw):
    pack(raw / "CamVid.zip", camvid() | {"CamVid/val.txt": b"a.png\n"})
    with pytest.raises(InputError, match=r"val\.txt, line 1: it has 1 paths"):
        DENSE_LAYOUTS.find("camvid")(raw, {})


@pytest.mark.parametrize("layout", ["cityscapes", "cityscapes_npy", "taskonomy_tiny"])
def test_archives_of_something_else_are_refused(layout, raw):
    pack(raw / "other.zip", {"cats/1.png": png(photo(1))})
    with pytest.raises(InputError, match="no image was found"):
        DENSE_LAYOUTS.find(layout)(raw, {})


def test_an_unknown_layout_is_answered_with_the_choices():
    with pytest.raises(InputError, match=r"dense layout 'folder'; the dense layouts are camvid, cityscapes"):
        DENSE_LAYOUTS.find("folder")


def test_options_are_checked(raw):
    pack(raw / "nyu_v2.zip", prepared())
    with pytest.raises(InputError, match="option classes of the layout cityscapes is '20'"):
        DENSE_LAYOUTS.find("cityscapes")(raw, {"classes": "20"})
    with pytest.raises(InputError, match="must begin with image"):
        DENSE_LAYOUTS.find("nyuv2_prepared")(raw, {"columns": ["depth"]})
    columns = ["image", "segmentation", "normals", "depth", "edges"]
    with pytest.raises(InputError, match=r"entry 1 of train is .* expected the files image, .*edges"):
        DENSE_LAYOUTS.find("nyuv2_prepared")(raw, {"columns": columns})
