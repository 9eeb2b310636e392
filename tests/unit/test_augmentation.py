"""Batched augmentation against Pillow and torchvision's definition."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torchvision.transforms.functional import InterpolationMode, center_crop, resize

from farfield.training.augmentation import Draws, augment, crop_and_flip, crop_boxes, draw, jitter
from farfield.training.images import MEAN, STD, evaluation_view, normalise
from farfield.training.recipe import Augmentation


def images(count=4, size=37):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phases = torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 6
    waves = torch.sin(x[None, ..., None] / 5 + phases[:, None, None]) * torch.cos(y / 7)[None, ..., None]
    return ((waves + 1) * 127).to(torch.uint8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_jitter_is_pillows_brightness_contrast_colour_in_that_order():
    batch = images()
    factors = torch.tensor([[0.6, 1.4, 0.7], [1.4, 0.6, 1.4], [1.0, 1.0, 1.0], [1.3, 1.2, 0.6]])
    result = jitter(batch.permute(0, 3, 1, 2).float(), factors)
    for image, (brightness, contrast, colour), ours in zip(batch, factors.tolist(), result, strict=True):
        expected = Image.fromarray(image.numpy())
        expected = ImageEnhance.Brightness(expected).enhance(brightness)
        expected = ImageEnhance.Contrast(expected).enhance(contrast)
        expected = ImageEnhance.Color(expected).enhance(colour)
        difference = np.abs(ours.permute(1, 2, 0).numpy() - np.asarray(expected))
        assert difference.max() <= 3  # Pillow rounds to integers after each step
        assert difference.mean() < 1


def test_a_crop_is_pillows_bilinear_box_resize():
    batch = images(size=40)
    boxes = torch.tensor([[3.0, 5.0, 20.0, 16.0], [0, 0, 12, 18], [10, 2, 16, 16], [20, 20, 20, 20]])
    flips = torch.tensor([False, True, False, True])
    result = crop_and_flip(batch, boxes, flips, 32)
    for image, (top, left, h, w), flip, ours in zip(batch, boxes.tolist(), flips, result, strict=True):
        pillow = Image.fromarray(image.numpy()).crop((int(left), int(top), int(left + w), int(top + h)))
        pillow = pillow.resize((32, 32), Image.Resampling.BILINEAR)  # enlarging, so no antialiasing
        if flip:
            pillow = pillow.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert np.abs(ours.permute(1, 2, 0).numpy() - np.asarray(pillow)).max() < 1.01  # Pillow rounds twice


def test_boxes_lie_inside_and_keep_to_the_ratios():
    top, left, h, w = crop_boxes(20000, 73, 73, Augmentation(), generator()).unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= 73).all()
    assert (left + w <= 73).all()
    ratio = w / h
    assert ratio.min() > 0.7
    assert ratio.max() < 1.43
    assert (h * w / 73**2).min() < 0.09


def test_boxes_match_the_distribution_of_torchvision():
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    picture = torch.zeros(3, 73, 73)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(5000)]
    ).float()
    ours = crop_boxes(5000, 73, 73, Augmentation(), generator())
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=1.5, rtol=0)
    torch.testing.assert_close(ours.std(0), theirs.std(0), atol=1.0, rtol=0)


def test_an_impossible_ratio_falls_back_to_the_largest_centred_box():
    boxes = crop_boxes(3, 40, 10, Augmentation(area=(0.9, 1.0)), generator())
    assert boxes.tolist() == [[14.0, 0.0, 13.0, 10.0]] * 3


def test_a_share_of_a_batch_is_augmented_as_in_the_whole():
    batch = images(8)
    draws = draw(8, 37, 37, 32, Augmentation(), generator(1))
    whole = augment(batch, draws, 32)
    torch.testing.assert_close(augment(batch[1::2], draws[1::2], 32), whole[1::2])
    assert whole.shape == (8, 3, 32, 32)
    assert isinstance(draws[:2], Draws)


def test_half_of_the_images_are_mirrored():
    flips = draw(4000, 37, 37, 32, Augmentation(), generator()).flips
    assert flips.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_a_random_crop_takes_pixels_as_they_are_from_every_place():
    batch = images(200, size=11)
    settings = Augmentation(crop="random", jitter=0)
    draws = draw(200, 11, 11, 8, settings, generator(2))
    cut = augment(batch, draws, 8, settings.crop)
    corners = draws.boxes[:, :2].int().tolist()
    assert {tuple(corner) for corner in corners} == {(y, x) for y in range(4) for x in range(4)}
    for image, (top, left), flip, ours in zip(batch, corners, draws.flips, cut, strict=True):
        crop = image[top : top + 8, left : left + 8]
        expected = normalise((crop.flip(1) if flip else crop).permute(2, 0, 1)[None].float())[0]
        assert torch.equal(ours, expected)


def test_the_evaluation_view_is_the_normalised_centre_crop():
    batch = images(size=37)
    view = evaluation_view(batch, 32)
    crop = batch[:, 2:34, 2:34].permute(0, 3, 1, 2) / 255
    expected = (crop - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(view, expected, atol=1e-5, rtol=1e-5)


def test_images_packed_smaller_than_a_network_sees_are_enlarged():
    batch = images(size=37)
    crop = center_crop(batch.permute(0, 3, 1, 2).float(), [32, 32])
    expected = normalise(resize(crop, [96, 96], InterpolationMode.BILINEAR))
    torch.testing.assert_close(evaluation_view(batch, 96), expected, atol=1e-5, rtol=1e-5)


def test_images_packed_for_a_larger_network_are_reduced_and_then_cropped():
    batch = images(size=147)
    whole = resize(batch.permute(0, 3, 1, 2).float(), [74, 74], InterpolationMode.BILINEAR, antialias=True)
    expected = normalise(center_crop(whole, [64, 64]))
    torch.testing.assert_close(evaluation_view(batch, 64), expected, atol=1e-5, rtol=1e-5)


def test_a_pixel_of_rounding_reduces_nothing():
    for size, packed in ((32, 38), (64, 75)):
        batch = images(size=packed)
        corner = round((packed - size) / 2)
        crop = batch[:, corner : corner + size, corner : corner + size]
        expected = normalise(crop.permute(0, 3, 1, 2).float())
        assert torch.equal(evaluation_view(batch, size), expected)


def test_normalised_black_and_white_are_imagenets():
    black = normalise(torch.zeros(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(black, -torch.tensor(MEAN) / torch.tensor(STD))
