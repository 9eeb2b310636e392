"""Every kind of image file has a defined outcome."""

import io

import numpy as np
import pytest
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError, Values, decode, read, registry

PACKING = Packing(size=8, resample="bilinear")


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_rgb_is_squeezed_with_the_pinned_filter():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    decoded = decode(encoded(image), PACKING)
    assert (decoded.width, decoded.height, decoded.mode) == (30, 20, "RGB")
    assert (decoded.pixels == np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR))).all()
    nearest = decode(encoded(image), Packing(size=8, resample="nearest"))
    assert (nearest.pixels == np.asarray(image.resize((8, 8), Image.Resampling.NEAREST))).all()


def test_a_first_resize_goes_before_the_other():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    packing = Packing(size=8, resample="bilinear", pre_size=12, pre_resample="bicubic")
    expected = image.resize((12, 12), Image.Resampling.BICUBIC).resize((8, 8), Image.Resampling.BILINEAR)
    assert (decode(encoded(image), packing).pixels == np.asarray(expected)).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "YCbCr"])
def test_flat_colours_survive_every_mode(mode):
    kind = "PNG" if mode in ("L", "1", "P", "LA") else "TIFF"
    decoded = decode(encoded(Image.new("RGB", (8, 8), "white").convert(mode), kind), PACKING)
    assert decoded.mode == mode
    assert (decoded.pixels >= 254).all()


def test_alpha_is_composited_on_white():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 8))
    pixels = decode(encoded(image), PACKING).pixels
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[0, 7].tolist() == [255, 255, 255]
    assert (decode(encoded(image), PACKING, box=(4, 0, 8, 8)).pixels == 255).all()  # the picture has opacity
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 1)
    pixels = decode(encoded(palette, transparency=0), PACKING).pixels
    assert pixels[0, 0].tolist() == [40, 50, 60]
    assert (pixels[1:] == 255).all()


@pytest.mark.parametrize("alpha", [0, 128])
def test_alpha_that_is_full_nowhere_is_none(alpha):
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    sheer = np.concatenate([colours, np.full((8, 8, 1), alpha, np.uint8)], axis=2)
    decoded = decode(encoded(Image.fromarray(sheer)), PACKING)
    assert (decoded.pixels == colours).all()
    assert decoded.remark == "opacity that is full nowhere is left out"
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30])
    assert (decode(encoded(palette, transparency=0), PACKING).pixels == [10, 20, 30]).all()


def test_16_bit_grey_without_contrast_is_scaled_not_clipped():
    values = np.full((8, 8), 257 * 100, dtype=np.uint16)
    assert (decode(encoded(Image.fromarray(values)), PACKING).pixels == 100).all()


def test_exif_orientation_is_applied():
    image = Image.new("RGB", (16, 8), "black")
    image.paste("white", (0, 0, 8, 8))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to stand upright: left becomes top
    decoded = decode(encoded(image, exif=exif), PACKING)
    assert (decoded.width, decoded.height) == (8, 16)
    assert decoded.pixels[0].min() == 255
    assert decoded.pixels[-1].max() == 0


def test_a_box_is_cut_out_before_the_image_is_squeezed():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    decoded = decode(encoded(image), PACKING, (5, 2, 13, 10))
    assert (decoded.pixels == np.asarray(image)[2:10, 5:13]).all()
    assert (decoded.width, decoded.height) == (30, 20)
    beyond = decode(encoded(image), PACKING, (22, -6, 40, 8))
    assert (beyond.pixels == np.asarray(image)[:8, 22:]).all()


def test_a_box_counts_in_the_pixels_of_the_file_before_it_is_turned():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to stand upright
    decoded = decode(encoded(image, exif=exif), PACKING, (5, 2, 13, 10))
    assert (decoded.pixels == np.rot90(np.asarray(image)[2:10, 5:13], -1)).all()
    assert (decoded.width, decoded.height) == (20, 30)


@pytest.mark.parametrize("box", [(8, 0, 12, 4), (-4, 0, 0, 4), (0, 9, 4, 12), (4, 4, 4, 8)])
def test_a_box_beside_the_image_has_a_reason(box):
    with pytest.raises(UnreadableImageError, match=r"no pixel of 8 x 8 lies in its box"):
        decode(encoded(Image.new("L", (8, 8))), PACKING, box)


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, PACKING).pixels[0, 0].tolist() == [255, 0, 0]


def test_arrays_are_taken_as_pixels():
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert (decode(array, PACKING).pixels == array).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not an image", "not an image"),
        (b"", "not an image"),
        (encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")[:600], "damaged"),
        (encoded(Image.effect_noise((64, 64), 80))[:1000], "damaged"),
    ],
)
def test_what_cannot_become_pixels_has_a_reason(data, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        decode(data, PACKING)


def test_images_beyond_pillows_limit_are_unreadable(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableImageError, match="too many pixels"):
        decode(encoded(Image.new("L", (64, 64))), PACKING)


def test_a_decoder_says_what_it_knows_of_the_values():
    deep = np.random.default_rng(0).integers(0, 65536, (5, 7), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 8
    values = read(encoded(Image.fromarray(deep), exif=exif))
    assert (values.bits, values.signed, values.bands, values.orientation) == (16, False, 1, 8)
    assert (values.array == deep[..., None]).all()
    assert values.size == (7, 5)
    sheer = read(encoded(Image.new("LA", (7, 5), (9, 128))))
    assert (sheer.alpha, sheer.bands, sheer.array.shape, sheer.mode) == (True, 4, (5, 7, 4), "LA")
    assert read(encoded(Image.new("1", (7, 5)))).bits == 1
    assert read(encoded(Image.new("F", (7, 5)), "TIFF")).signed


def test_the_numbers_of_a_palette_are_kept_for_label_maps():
    image = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7), "L").convert("P")
    image.putpalette([n // 3 for n in range(768)][::-1])
    assert (read(encoded(image), stored=True).array[..., 0] == np.arange(35).reshape(5, 7)).all()
    assert (read(encoded(image)).array[0, 0] == 255).all()


def test_a_file_is_known_by_its_first_bytes(monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, array)
    assert (decode(buffer.getvalue(), PACKING).pixels == array).all()

    class Made:
        """A format of thirteen bands, as a later file would add it."""

        SUFFIXES = (".made",)

        @staticmethod
        def knows(data):
            return data[4:8] == b"MADE"

        @staticmethod
        def read(data, *, stored):
            return Values(np.zeros((8, 8, 13), np.uint16), "13 bands", bits=12, stated=(0, 4095), pages=3)

    monkeypatch.setattr(registry, "FORMATS", (Made, *registry.FORMATS))
    values = read(b"....MADE")
    assert (values.bands, values.bits, values.pages) == (13, 12, 3)
    assert (decode(b"....MADE", PACKING).pixels == 0).all()
    assert (decode(buffer.getvalue(), PACKING).pixels == array).all()


def test_the_range_that_a_layout_states_gives_numbers_a_grey():
    values = np.linspace(-1, 1, 8 * 8 * 3).reshape(8, 8, 3)
    expected = np.rint((values + 1) / 2 * 255)
    assert (decode(values, PACKING, span=(-1, 1)).pixels == expected).all()
    assert (decode(values, PACKING, span=(1, -1)).pixels == 255 - expected).all()
    values[0, 0, 0] = np.nan
    with pytest.raises(UnreadableImageError, match="no numbers"):
        decode(values, PACKING, span=(-1, 1))
    with pytest.raises(UnreadableImageError, match="reach from 0 to 2, not from 0 to 1"):
        decode(np.array([[0.0, 2.0]]), PACKING, span=(0, 1))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 4, 0), np.uint8), r"it holds uint8 \[4, 4, 0\]"),
        (np.zeros(4, np.uint8), r"it holds uint8 \[4\], not rows of pixels"),
        (np.zeros((4, 4), complex), "not rows of pixels"),
    ],
)
def test_an_array_that_is_no_picture_has_a_reason(array, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        decode(array, PACKING)


def test_a_palette_that_pillow_leaves_out_is_its_usual_one():
    image = Image.new("RGB", (64, 64), (10, 200, 30)).quantize(4)
    data = encoded(image, "ICNS")
    whole = Image.open(io.BytesIO(data)).copy().convert("RGBA")
    expected = (
        Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB").resize((8, 8), 2)
    )
    assert (decode(data, PACKING).pixels == np.asarray(expected)).all()
