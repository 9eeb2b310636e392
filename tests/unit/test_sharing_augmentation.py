"""Joint augmentation against resizing, padding, cutting and mirroring one image at a time."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.augmentation import DenseDraws, augment, draw, evaluation_view
from farfield.sharing.protocol import FIXED, LEGACY
from farfield.sharing.recipe import DenseAugmentation
from farfield.training.images import normalise

HEIGHT, WIDTH = 40, 56


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=6):
    return torch.randint(0, 256, (count, HEIGHT, WIDTH, 3), generator=random(1)).to(torch.uint8)


def targets(count=6):
    depth = 1 + 8 * torch.rand(count, 1, HEIGHT, WIDTH, generator=random(2))
    depth[:, :, 5:9] = torch.nan
    normals = F.normalize(torch.randn(count, 3, HEIGHT, WIDTH, generator=random(3)), dim=1)
    normals[:, :, :, 7:9] = torch.nan
    return {
        "segmentation": torch.randint(-1, 9, (count, HEIGHT, WIDTH), generator=random(4)),
        "normals": normals,
        "depth": depth,
        "edges": torch.rand(count, 1, HEIGHT, WIDTH, generator=random(5)),
    }


def whole(flips, settings=None):
    """Draws that change nothing but what is mirrored."""
    count = len(flips)
    settings = settings or DenseAugmentation(crop=(HEIGHT, WIDTH))
    sides = torch.tensor([HEIGHT, WIDTH]).expand(count, 2)
    return DenseDraws(sides, torch.zeros(count, 2, dtype=torch.int64), torch.tensor(flips), settings)


def same(ours, expected, **tolerance):
    assert ours.keys() == expected.keys()
    for task in ours:
        torch.testing.assert_close(ours[task], expected[task], equal_nan=True, **tolerance)


def nearest(side, zoomed):
    """interpolate's "nearest-exact" without its rounding errors at ties."""
    return [math.floor((i + Fraction(1, 2)) * side / zoomed) for i in range(zoomed)]


def reference_augment(image, target, zoomed, corner, flip, size):
    """One image [3, H, W] and one float target [C, H, W]: resize, pad with NaN, cut, mirror."""
    image = F.interpolate(image[None], size=zoomed, mode="bilinear", align_corners=False)[0]
    rows, columns = (nearest(side, new) for side, new in zip(target.shape[1:], zoomed, strict=True))
    target = target[:, rows][:, :, columns]
    margin = max(size)
    padding = [margin] * 4
    image, target = F.pad(image, padding), F.pad(target, padding, value=torch.nan)
    top, left = corner[0] + margin, corner[1] + margin
    cut = [t[:, top : top + size[0], left : left + size[1]] for t in (image, target)]
    return [t.flip(-1) if flip else t for t in cut]


@pytest.mark.parametrize("crop", [(24, 30), (50, 44), 70])
def test_against_interpolate_pad_and_crop(crop):
    settings = DenseAugmentation(crop=crop)
    draws = draw(6, HEIGHT, WIDTH, settings, random(7))
    pixels, cut = augment(images(), targets(), draws, LEGACY)
    everything = torch.cat(
        [target.view(6, -1, HEIGHT, WIDTH).float() for target in targets().values()], dim=1
    )
    parts = {"segmentation": slice(0, 1), "normals": slice(1, 4), "depth": slice(4, 5), "edges": slice(5, 6)}
    for i in range(6):
        zoomed, corner = draws.zoomed[i].tolist(), draws.corners[i].tolist()
        image = images()[i].permute(2, 0, 1).float()
        arguments = (zoomed, corner, bool(draws.flips[i]), settings.size)
        expected, planes = reference_augment(image, everything[i], *arguments)
        torch.testing.assert_close(pixels[i], normalise(expected[None])[0], atol=2e-4, rtol=0)
        for task, part in parts.items():
            plane = planes[part]
            plane = plane.nan_to_num(-1) if task == "segmentation" else plane
            ours = cut[task][i].view(plane.shape).float()
            torch.testing.assert_close(ours, plane, rtol=0, atol=0, equal_nan=True)


def test_nothing_drawn_is_the_evaluation_view():
    pixels, cut = augment(images(), targets(), whole([False] * 6), FIXED)
    expected, kept = evaluation_view(images(), targets())
    torch.testing.assert_close(pixels, expected, atol=1e-4, rtol=0)
    same(cut, kept, rtol=0, atol=0)


def test_a_mirror_image_turns_normals_and_mirrored_twice_is_the_original():
    pixels, once = augment(images(), targets(), whole([True] * 6), FIXED)
    torch.testing.assert_close(pixels, evaluation_view(images(), {})[0].flip(3), atol=1e-4, rtol=0)
    mirrored = targets()["normals"].flip(3)
    expected = mirrored * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
    torch.testing.assert_close(once["normals"], expected, equal_nan=True)
    _, twice = augment(images(), once, whole([True] * 6), FIXED)
    same(twice, targets(), rtol=0, atol=0)


def test_legacy_mirror_images_keep_their_normals():
    _, cut = augment(images(), targets(), whole([True, False] * 3), LEGACY)
    expected = targets()["normals"]
    expected[::2] = expected[::2].flip(3)
    torch.testing.assert_close(cut["normals"], expected, equal_nan=True, rtol=0, atol=0)


def test_only_drawn_images_are_mirrored():
    flips = [True, False, False, True, False, True]
    _, cut = augment(images(), targets(), whole(flips), FIXED)
    for flip, ours, original in zip(flips, cut["edges"], targets()["edges"], strict=True):
        assert torch.equal(ours, original.flip(2) if flip else original)


def zoomed_depth(scale, depth="metric", protocol=FIXED):
    """The known values that a constant depth of 0.4 takes under a zoom."""
    settings = DenseAugmentation(crop=16, scale=(scale, scale), flip=0.0, depth=depth)
    constant = {"depth": torch.full((2, 1, HEIGHT, WIDTH), 0.4)}
    _, cut = augment(images(2), constant, draw(2, HEIGHT, WIDTH, settings, random()), protocol)
    assert cut["depth"].isfinite().all()
    return cut["depth"].unique().tolist()


def test_a_zoom_divides_depth_and_multiplies_disparity():
    assert zoomed_depth(1.5) == pytest.approx([0.4 / 1.5])
    assert zoomed_depth(0.5) == pytest.approx([0.8])
    assert zoomed_depth(1.5, "disparity") == pytest.approx([0.6])
    assert zoomed_depth(1.5, protocol=LEGACY) == pytest.approx([0.4])


def test_a_zoom_divides_the_depth_within_the_logarithm():
    def normalised(raw):
        return math.log(1 + raw) / math.log(2**16)

    raw = math.exp(0.4 * math.log(2**16)) - 1
    assert zoomed_depth(1.5, "logarithmic") == pytest.approx([normalised(raw / 1.5)], rel=1e-5)


def test_padding_is_black_and_unknown():
    settings = DenseAugmentation(crop=60, scale=(0.5, 0.5), flip=0.0)  # 20 x 28 in the middle of 60 x 60
    draws = draw(6, HEIGHT, WIDTH, settings, random())
    pixels, cut = augment(images(), targets(), draws, FIXED)
    outside = torch.ones(60, 60, dtype=torch.bool)
    outside[20:40, 16:44] = False
    black = normalise(torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(pixels[:, :, outside], black.view(1, 3, 1).expand(6, 3, int(outside.sum())))
    assert (cut["segmentation"][:, outside] == -1).all()
    for task in ("normals", "depth", "edges"):
        assert cut[task][:, :, outside].isnan().all()
    assert cut["edges"][:, :, ~outside].isfinite().all()


def test_draws_keep_to_the_settings():
    settings = DenseAugmentation(crop=(30, 20))
    draws = draw(4000, 100, 150, settings, random())
    scales = draws.zoomed[:, 0] / 100
    assert (scales.min(), scales.max()) == (0.5, 1.5)
    assert float(scales.mean()) == pytest.approx(1, abs=0.02)
    assert float(draws.flips.float().mean()) == pytest.approx(0.5, abs=0.03)
    spare = draws.zoomed - torch.tensor([30, 20])
    assert (draws.corners >= 0).all()
    assert (draws.corners <= spare).all()
    places = (draws.corners / spare.clamp(min=1)).mean(0)
    assert places.tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_crop_reaches_every_place_where_it_fits():
    settings = DenseAugmentation(crop=(20, 18), scale=(1.0, 1.0))
    corners = draw(400, 21, 20, settings, random()).corners
    assert corners[:, 0].unique().tolist() == [0, 1]
    assert corners[:, 1].unique().tolist() == [0, 1, 2]


def test_draws_are_those_of_their_generator():
    first, again, other = (draw(3, 40, 40, DenseAugmentation(crop=20), random(s)) for s in (0, 0, 1))
    assert torch.equal(first.zoomed, again.zoomed)
    assert torch.equal(first.corners, again.corners)
    assert not torch.equal(first.zoomed, other.zoomed)


def test_one_image_does_not_depend_on_the_others():
    draws = draw(6, HEIGHT, WIDTH, DenseAugmentation(crop=32), random(3))
    pixels, cut = augment(images(), targets(), draws, FIXED)
    alone = replace(draws, zoomed=draws.zoomed[2:3], corners=draws.corners[2:3], flips=draws.flips[2:3])
    one, single = augment(images()[2:3], {t: v[2:3] for t, v in targets().items()}, alone, FIXED)
    torch.testing.assert_close(one[0], pixels[2])
    same(single, {task: values[2:3] for task, values in cut.items()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 0}, "crop"),
        ({"crop": (10, -1)}, "crop"),
        ({"scale": (1.5, 0.5)}, "scale"),
        ({"scale": (0.0, 1.0)}, "scale"),
        ({"flip": 1.5}, "flip"),
        ({"scale": (np.nan, 1.0)}, "scale"),
        ({"depth": "feet"}, "feet"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        DenseAugmentation(**settings)
