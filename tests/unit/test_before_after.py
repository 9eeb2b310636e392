"""Pictures as they are stored, beside what a network sees."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from farfield.datasets.as_stored import as_stored
from farfield.datasets.cards import Packing
from farfield.datasets.decoders.values import of_array
from farfield.own.before_after import PICTURES, SIDE, before_after, some_of
from farfield.own.images import own_images

RAMP = np.linspace(1000, 3000, 20 * 30).reshape(20, 30)


def pixels(array: np.ndarray, **said) -> np.ndarray:
    return np.asarray(as_stored(replace(of_array(array), **said))).astype(int)


def test_a_picture_as_stored_spans_its_own_values_and_heeds_nothing_else():
    expected = np.rint(255 * (RAMP - 1000) / 2000)[..., None]
    valid = np.zeros(RAMP.shape, bool)
    shown = pixels(RAMP.astype(np.uint16), stated=(0.0, 4095.0), inverted=True, orientation=6, valid=valid)
    assert np.abs(shown - expected).max() <= 1
    assert np.abs(pixels(RAMP - 2000) - expected).max() <= 1
    holed = RAMP.copy()
    holed[0] = np.nan
    assert (pixels(holed)[0] == 0).all()
    eight = (RAMP / 20).astype(np.uint8)
    assert (pixels(eight) == eight[..., None]).all()
    assert pixels(RAMP > 2000).max() == 255
    assert np.ptp(pixels(np.full((4, 5), 7, np.uint16))) == 0


@pytest.mark.parametrize(("bands", "kept"), [(2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2])])
def test_bands_as_stored_are_the_first_three_or_the_first(bands, kept):
    array = np.random.default_rng(0).integers(0, 256, (6, 7, bands)).astype(np.uint8)
    assert (pixels(array) == array[..., kept]).all()


def test_the_box_of_an_image_is_cut_out():
    array = np.arange(60, dtype=np.uint8).reshape(6, 10)
    assert (np.asarray(as_stored(of_array(array), (-2, 1, 4, 99)))[..., 0] == array[1:, :4]).all()


def test_images_are_taken_evenly():
    assert some_of(np.arange(100, 105)) == [100, 101, 102, 103, 104]
    found = some_of(np.arange(1000))
    assert (len(found), found[0], found[-1]) == (PICTURES, 0, 999)


@pytest.fixture
def deep(tmp_path):
    """Two classes of 16-bit files; white is the least value of those of one."""
    for name, photometric in (("black", "minisblack"), ("white", "miniswhite")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(14):
            values = (RAMP + 10 * i).astype(np.uint16)
            tifffile.imwrite(tmp_path / "mine" / name / f"{i:02}.tif", values, photometric=photometric)
    return tmp_path / "mine"


def test_a_sheet_has_what_is_stored_above_what_the_network_sees(deep, here):
    own = own_images(deep, Packing(size=SIDE), 1)
    part = before_after(deep, own)
    sheets = part.items[-1].value
    assert [sheet.name for sheet in sheets] == ["black", "white"]
    for sheet, turned in zip(sheets, (False, True), strict=True):
        data = base64.b64decode(sheet.image.split(",")[1])
        with Image.open(io.BytesIO(data)) as image:
            grey = np.asarray(image.convert("RGBA")).astype(int)
        assert grey.shape[:2] == (2 * SIDE, PICTURES * SIDE)
        for place, row in enumerate(some_of(np.flatnonzero(own.labels == own.class_names.index(sheet.name)))):
            left = place * SIDE
            above, below = grey[SIDE // 2 - 18 : SIDE // 2 + 18, left + 4], grey[SIDE + 4 : -4, left + 4]
            assert above[-1, 0] > above[0, 0] + 100  # as stored, the largest values lie below in both classes
            assert (below[-1, 0] < below[0, 0]) == turned
            assert abs(below[:, 0].mean() - own.images[row][4:-4, 4].mean()) < 12
