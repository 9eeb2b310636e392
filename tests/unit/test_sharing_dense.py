"""Packed targets to batches: forms, codes of normals, and data that nobody can learn from."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.dense import DenseImages, open_dense, read_normals
from farfield.sharing.protocol import LEGACY, protocol
from farfield.sharing.tasks.normals import angles

CPU = torch.device("cpu")
CLASSES = 5
TASKS = ("segmentation", "normals", "depth", "keypoints", "edges")


def unit(count, seed=0):
    return F.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)), dim=1)


def coded(vectors):
    """As packed: (n + 1) / 2 * 255, rounded."""
    return torch.round((vectors + 1) / 2 * 255).to(torch.uint8)


def packed(count=7, height=6, width=8):
    random = np.random.default_rng(0)
    values = random.uniform(0.5, 9, (3, count, height, width)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    normals = coded(unit(count * height * width)).view(count, height, width, 3)
    normals[:, 0] = 255
    targets = {
        "segmentation": torch.from_numpy(
            random.integers(-1, CLASSES, (count, height, width)).astype(np.int16)
        ),
        "normals": normals,
        **dict(zip(("depth", "keypoints", "edges"), torch.from_numpy(values), strict=True)),
    }
    images = torch.from_numpy(random.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
    return DenseImages(images, targets, torch.tensor([6, 0, 3, 2]))


def test_a_batch_has_the_rows_asked_for_in_the_forms_of_losses():
    data = packed()
    assert len(data) == 4
    images, targets = data.batch(torch.tensor([2, 0]), CPU)
    assert torch.equal(images, data.images[[3, 6]])
    assert torch.equal(targets["segmentation"], data.targets["segmentation"][[3, 6]].long())
    for task in ("depth", "keypoints", "edges"):
        expected = data.targets[task][[3, 6]][:, None]
        torch.testing.assert_close(targets[task], expected, rtol=0, atol=0, equal_nan=True)
    assert targets["normals"].shape == (2, 3, 6, 8)
    assert {target.dtype for target in targets.values()} == {torch.int64, torch.float32}


def test_decoded_normals_are_the_units_that_were_coded_and_nan_where_unknown():
    vectors = unit(10000)
    codes = coded(vectors)
    assert (codes.float() / 127.5 - 1 - vectors).abs().max() <= 0.5 / 127.5 + 1e-6
    read = read_normals(codes.view(1, 100, 100, 3))
    torch.testing.assert_close(read.norm(dim=1), torch.ones(1, 100, 100))
    error, valid = angles(read, vectors.T.view(1, 3, 100, 100))
    assert valid.all()
    assert error.max() < 0.45  # degrees: half a step in each of three channels
    unknown = read_normals(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    assert unknown.isnan().all()
    assert read_normals(torch.tensor([[[[255, 255, 254]]]], dtype=torch.uint8)).isfinite().all()


@pytest.mark.parametrize(("true", "shown"), [(20.0, 10.9), (45.0, 23.0)])
def test_raw_codes_shrink_angles_by_half(true, shown):
    """Of surfaces that face the camera, whose second channel is negative."""
    vectors = unit(200_000)
    vectors = vectors[vectors[:, 1] < -0.5]
    tangents = F.normalize(torch.linalg.cross(vectors, unit(len(vectors), seed=1)), dim=1)
    turn = torch.tensor(true).deg2rad()
    turned = torch.cos(turn) * vectors + torch.sin(turn) * tangents
    mean = {}
    for reading in ("decoded", "legacy_raw"):
        maps = [read_normals(coded(v)[None, None], reading) for v in (vectors, turned)]
        angle, valid = angles(*maps)
        mean[reading] = float(angle[valid].mean())
    assert mean["decoded"] == pytest.approx(true, abs=0.05)
    assert mean["legacy_raw"] == pytest.approx(shown, abs=0.4)


def test_the_protocol_decides_how_normals_and_uncertain_pixels_are_read():
    data = packed()
    legacy = DenseImages(data.images, data.targets, data.rows, LEGACY)
    (_, ours), (_, theirs) = (one.batch(torch.arange(4), CPU) for one in (data, legacy))
    known = theirs["normals"].isfinite()
    assert torch.equal(known, ours["normals"].isfinite())
    assert (theirs["normals"][known] >= 0).all()
    assert not (ours["normals"][known] >= 0).all()
    assert (ours["segmentation"] == -1).any()
    assert torch.equal(theirs["segmentation"], ours["segmentation"].clamp(min=0))
    nyu = DenseImages(data.images, data.targets, data.rows, protocol("legacy", "nyuv2"))
    assert torch.equal(nyu.batch(torch.arange(4), CPU)[1]["segmentation"], ours["segmentation"])


def test_sizes_that_differ_are_refused():
    data = packed()
    targets = data.targets | {"depth": torch.zeros(7, 6, 9)}
    with pytest.raises(InputError, match=r"depth has the size 7 x 6 x 9, but the images have 7 x 6 x 8"):
        DenseImages(data.images, targets, data.rows)


def test_a_packed_folder_is_opened_with_the_targets_of_the_study_alone(tmp_path):
    data = packed()
    np.save(tmp_path / "images.npy", data.images.numpy())
    for task in ("segmentation", "depth"):
        np.save(tmp_path / f"{task}.npy", data.targets[task].numpy())
    opened = open_dense(tmp_path, ["depth"], data.rows, CPU, LEGACY)
    assert list(opened.targets) == ["depth"]
    assert opened.protocol is LEGACY
    images, targets = opened.batch(torch.tensor([0, 1]), CPU)
    expected_images, expected = data.batch(torch.tensor([0, 1]), CPU)
    assert torch.equal(images, expected_images)
    torch.testing.assert_close(targets["depth"], expected["depth"], equal_nan=True)
    with pytest.raises(InputError, match=r"normals.npy does not exist.* has the targets depth, segmentation"):
        open_dense(tmp_path, ["depth", "normals"], data.rows, CPU)
