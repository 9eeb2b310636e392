"""Kinds of files, written by the libraries of their fields, each within one grey level of what numpy makes
of the same values by the same rule."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import (
    UnreadableImageError,
    begins_as_image,
    decode,
    holds_image,
    jpegxl,
    read,
)
from farfield.datasets.decoders.values import needs_extra

SIZE = 48
FORM = Packing(size=SIZE)
Y, X = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The rule, in plain numpy."""
    return np.rint(255 * np.clip((values.astype(np.float64) - low) / (high - low), 0, 1))


def by_percentiles(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values[np.isfinite(values)], (0.1, 99.9))
    return scaled(values, low, high)


def near(data: bytes, expected: np.ndarray, levels: float = 1) -> None:
    """The picture [h, w, 3] within so many grey levels of [h, w] or [h, w, 3]."""
    pixels = decode(data, FORM).pixels.astype(int)
    wanted = np.broadcast_to(expected[..., None] if expected.ndim == 2 else expected, pixels.shape)
    assert np.abs(pixels - wanted).max() <= levels


def tiff(values: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **{"photometric": "minisblack", **options})
    return buffer.getvalue()


def noise(dtype: str, bands: int = 1, low: float = 0, high: float = 4095) -> np.ndarray:
    """A ramp with noise [h, w] or [h, w, bands]."""
    ramp = low + (high - low) * X[..., None] * np.linspace(1, 0.3, bands)
    values = ramp + np.random.default_rng(0).uniform(0, (high - low) / 40, (SIZE, SIZE, bands))
    return np.clip(values, low, high).astype(dtype)[..., 0 if bands == 1 else slice(None)]


def three(values: np.ndarray) -> np.ndarray:
    """Bands as red, green and blue by the table of `decoders.bands`."""
    bands = values.shape[2]
    if bands == 2:
        return np.stack([values[..., 0], values[..., 1], values.mean(axis=2)], axis=2)
    return np.stack([values[..., g].mean(axis=2) for g in np.array_split(np.arange(bands), 3)[::-1]], axis=2)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint16", 0, 4095), ("uint16", 0, 65535), ("int16", -1024, 3071), ("int8", -100, 90),
        ("int32", -5e6, 5e6),
        ("uint32", 0, 1e9), ("float32", -0.2, 0.9), ("float64", 1e3, 1e5), ("float16", 0, 2), ("uint64", 0, 9e15),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_every_type_of_numbers(dtype, low, high, order):
    values = noise(dtype, low=low, high=high)
    near(tiff(values.astype(np.dtype(dtype).newbyteorder(order)), byteorder=order), by_percentiles(values))
    turned = tiff(values, photometric="miniswhite")
    near(turned, 255 - by_percentiles(values))


@pytest.mark.parametrize("bands", [2, 4, 5, 13, 20])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_of_any_bands(bands, planar, dtype):
    values = noise(dtype, bands, high=255 if dtype == "uint8" else 4095)
    stored = values if planar == "contig" else np.moveaxis(values, 2, 0).copy()
    data = tiff(stored, planarconfig=planar, extrasamples=[0] * (bands - 1))
    colours = three(values)
    near(data, np.rint(colours) if dtype == "uint8" else by_percentiles(colours))
    assert f"{bands} bands" in decode(data, FORM).remark
    assert (read(data).array == values).all()


def test_the_bands_and_the_range_that_a_card_names_are_shown():
    values = noise("uint16", 13)
    data = tiff(values, planarconfig="contig", extrasamples=[0] * 12)
    shown = decode(data, Packing(size=SIZE, channels=(4, 3, 2), range=(0.0, 3000.0)))
    assert np.abs(shown.pixels - scaled(values[..., [3, 2, 1]], 0, 3000)).max() <= 1
    assert (shown.low, shown.high, shown.remark) == (0, 3000, "bands 4, 3, 2 of 13")
    with pytest.raises(UnreadableImageError, match=r"13 bands; bands \[14\] are asked for"):
        decode(data, Packing(size=SIZE, channels=(14,)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_with_a_band_more_keeps_its_colours_and_says_so(dtype):
    values = noise(dtype, 4, high=255 if dtype == "uint8" else 4095)
    data = tiff(values, photometric="rgb", extrasamples=["unspecified"])
    expected = values[..., :3] if dtype == "uint8" else by_percentiles(values[..., :3])
    near(data, expected)
    assert decode(data, FORM).remark == "bands 1, 2, 3 of 4"


def libtiff(values: np.ndarray, compression: str, **tags: int) -> bytes:
    """Written by Pillow's libtiff."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[int(tag[1:])] = value
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", compression=compression, tiffinfo=info)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_tiff_of_every_codec_of_libtiff(compression, dtype):
    values = noise(dtype, high=255 if dtype == "uint8" else 4095)
    predictors = [1] if compression in ("raw", "packbits") else [1, 2] if dtype != "float32" else [1, 3]
    for predictor in predictors:
        tags = {} if predictor == 1 else {"_317": predictor}
        data = libtiff(values, compression, **tags)
        near(data, values if dtype == "uint8" else by_percentiles(values))
        assert (read(data).array[..., 0] == values).all()


def relabelled(data: bytes, samples: int, bits: int) -> bytes:
    """A grey TIFF of `bits`/8 * samples times as many columns, said to be one of that many bands."""
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    out = bytearray(data)

    def put(tag, value):
        at = page.tags[tag].offset + 8
        out[at : at + 4] = value.to_bytes(4, "little")

    put(256, page.imagewidth // (samples * bits // 8))
    put(258, bits)
    put(277, samples)
    return bytes(out)


@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd", "packbits"])
def test_many_bands_packed_by_a_codec_that_tifffile_lacks(compression):
    """The same bytes as grey of 8 bits, which Pillow writes, under tags that say 6 bands of 16 bits."""
    values = noise("uint16", 6)
    data = relabelled(libtiff(values.view(np.uint8).reshape(SIZE, -1), compression, _277=1), 6, 16)
    assert (read(data).array == values).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tiles_are_laid_together(dtype):
    values = noise(dtype, 5, high=250)
    data = tiff(
        values, tile=(16, 32), planarconfig="contig", compression="zlib", predictor=True, extrasamples=[0] * 4
    )
    assert (read(data).array == values).all()


@pytest.mark.parametrize("bigtiff", [False, True])
def test_the_first_page_that_is_no_smaller_copy_counts(bigtiff):
    pages = [noise("uint16", high=top) for top in (100, 4000, 2000)]
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as file:
        file.write(pages[0][::4, ::4], photometric="minisblack", subfiletype=1)
        for page in pages[1:]:
            file.write(page, photometric="minisblack")
    decoded = decode(buffer.getvalue(), FORM)
    assert (decoded.page, decoded.pages) == (0, 2)
    near(buffer.getvalue(), by_percentiles(pages[1]))
    eight = [(page / 16).astype(np.uint8) for page in pages]
    stack = tiff(np.stack(eight))
    assert decode(stack, FORM).pages == 3
    near(stack, eight[0])


@pytest.mark.parametrize("value", ["-9999", "nan"])
def test_nodata_becomes_the_mean_of_the_rest(value):
    values = noise("float32", low=100, high=900)
    hole = np.zeros(values.shape, bool)
    hole[:20, :10] = True
    expected = by_percentiles(values[~hole])
    whole = np.zeros(values.shape)
    whole[~hole] = expected
    whole[hole] = expected.mean()
    values[hole] = float(value)
    data = tiff(values, extratags=[(42113, "s", 0, value, True)])
    near(data, whole)


def test_a_value_that_is_nodata_in_one_band_alone_is_a_value():
    values = noise("uint8", 3, high=255) // 2 + 1
    values[:9, :9] = 0
    values[20:30, 20:30, 0] = 0
    data = tiff(values, photometric="rgb", extratags=[(42113, "s", 0, "0", True)])
    pixels = decode(data, FORM).pixels
    assert (pixels[20:30, 20:30] == values[20:30, 20:30]).all()
    rest = np.ones((SIZE, SIZE), bool)
    rest[:9, :9] = False
    assert np.abs(pixels[0, 0] - values[rest].mean(axis=0)).max() <= 1


def test_a_mask_page_leaves_its_pixels_out():
    values, shown = noise("uint16"), np.ones((SIZE, SIZE), np.uint8)
    shown[30:] = 0
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(values, photometric="minisblack")
        file.write(shown > 0, photometric="mask", subfiletype=4)
    pixels = decode(buffer.getvalue(), FORM).pixels
    assert decode(buffer.getvalue(), FORM).pages == 1
    expected = by_percentiles(values[:30])
    assert np.abs(pixels[:30, :, 0] - expected).max() <= 1
    assert np.abs(pixels[30:].astype(int) - expected.mean()).max() <= 1


def test_the_largest_value_that_a_tiff_states_is_white():
    values = noise("uint16", high=1500)
    data = tiff(values, extratags=[(281, "H", 1, 4095, True)])
    near(data, scaled(values, 0, 4095))
    assert decode(data, FORM).high == 4095
    near(tiff(values, extratags=[(281, "H", 1, 65535, True)]), by_percentiles(values))
    near(tiff(values, extratags=[(281, "H", 1, 900, True)]), by_percentiles(values))  # of another picture


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_of_16_bits_stands_upright(orientation):
    values = noise("uint16")
    values[:20, :10] = 4095
    data = tiff(values, extratags=[(274, "H", 1, orientation, True)])
    image = Image.fromarray(by_percentiles(values).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    near(data, decode(buffer.getvalue(), FORM).pixels)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_of_a_slide_too_large_the_largest_copy_is_read(monkeypatch, dtype, compression):
    values = np.random.default_rng(0).integers(0, 250, (4 * SIZE, 8 * SIZE, 3)).astype(dtype)
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for step in (1, 2, 4):
            level = values[::step, ::step]
            file.write(
                level, photometric="rgb", tile=(32, 32), subfiletype=int(step > 1), compression=compression
            )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", values[::2, ::2].shape[0] * values[::2, ::2].shape[1])
    found = read(buffer.getvalue())
    assert (found.array == values[::2, ::2]).all()
    assert found.remark == f"a copy 1/2 as large stands for {8 * SIZE} x {4 * SIZE} pixels"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableImageError, match="too many pixels"):
        read(buffer.getvalue())


def test_colours_of_print_become_rgb_and_others_are_named():
    colours = Image.fromarray(noise("uint8", 3, high=255))
    inks = np.asarray(colours.convert("CMYK"))
    near(
        tiff(inks.astype(np.uint16) * 257, photometric="separated"),
        np.asarray(colours.convert("CMYK").convert("RGB")),
    )
    buffer = io.BytesIO()
    colours.convert("LAB").save(buffer, "TIFF")
    with pytest.raises(UnreadableImageError, match="its colours are CIELAB"):
        decode(buffer.getvalue(), FORM)


def test_opacity_of_16_bits_is_composited_on_white():
    values = np.concatenate([noise("uint16", 3), np.full((SIZE, SIZE, 1), 65535, np.uint16)], axis=2)
    values[:10, :, 3] = 0
    values[10:20, :, 3] = 32768
    expected = by_percentiles(values[..., :3])
    share = values[..., 3:] / 65535
    near(tiff(values, photometric="rgb", extrasamples=["unassalpha"]), expected * share + 255 * (1 - share))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opacity_beside_bands_that_are_averaged_is_in_the_numbers_of_the_file(dtype):
    top = np.iinfo(dtype).max
    values = np.stack([(X * top).astype(dtype)] * 5 + [(Y * top).astype(dtype)], axis=2)
    share = scaled(values[..., 5], 0, top) / 255
    data = tiff(values, extrasamples=[0, 0, 0, 0, 2], planarconfig="contig")
    pixels = decode(data, Packing(size=SIZE, range=(0.0, float(top)))).pixels
    expected = scaled(values[..., 0], 0, top) * share + 255 * (1 - share)
    assert np.abs(pixels - expected[..., None]).max() <= 1


def png16(values: np.ndarray, *chunks: bytes) -> bytes:
    """A PNG of 16 bits of any colours; written row by row without a filter, by the standard."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bands = 1 if values.ndim == 2 else values.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_both_bytes(bands):
    values = noise("uint16", bands)
    if bands in (2, 4):
        values[..., -1] = 65535
    found = read(png16(values))
    assert (found.array == values.reshape(SIZE, SIZE, bands)).all()
    assert (found.alpha, found.bits) == (bands in (2, 4), 16)
    colours = values if bands in (1, 3) else values[..., :-1]
    near(png16(values), by_percentiles(colours if bands > 2 else colours.reshape(SIZE, SIZE)))


def test_the_bits_that_a_png_says_it_uses():
    import struct
    import zlib

    body = b"sBIT\x0c"
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    values = noise("uint16", high=2000)
    near(png16(values, chunk), scaled(values, 0, 4095))
    scaled_up = (noise("uint16", high=4095) << 4).astype(np.uint16)  # as the standard has it
    assert read(png16(scaled_up, chunk)).stated == (0, 65535)


@pytest.mark.parametrize(("kind", "bands"), [("P5", 1), ("P6", 3), ("P2", 1), ("P3", 3)])
@pytest.mark.parametrize("largest", [1000, 4095, 65535])
def test_pgm_and_ppm_state_their_largest_value(kind, bands, largest):
    values = noise("uint16", bands, high=900)
    body = (
        values.astype(">u2").tobytes()
        if kind in ("P5", "P6")
        else " ".join(map(str, values.ravel())).encode()
    )
    data = f"{kind}\n# made by hand\n{SIZE} {SIZE}\n{largest}\n".encode() + body
    near(data, by_percentiles(values) if largest == 65535 else scaled(values, 0, largest))
    with pytest.raises(UnreadableImageError, match="ends after"):
        decode(data[: len(data) // 2], FORM)


def test_a_file_is_shown_in_the_range_of_its_data_set():
    values = noise("uint16", high=2000)
    data = tiff(values)
    decoded = decode(data, FORM, known={"uint16 x 1": (0.0, 4095.0)})
    assert (decoded.low, decoded.high, decoded.bits, decoded.container) == (0, 4095, 11, 16)
    assert np.abs(decoded.pixels - scaled(values, 0, 4095)[..., None]).max() <= 1
    flat = decode(tiff(np.full((SIZE, SIZE), 7, np.uint16)), FORM, known={"uint16 x 1": (7.0, 7.0)})
    assert (flat.low, flat.high) == (0, 65535)


def test_a_jpeg_that_pillow_does_not_know_is_named():
    codecs = pytest.importorskip("imagecodecs")
    values = noise("uint16", high=4095)
    near(codecs.jpegls_encode(values), by_percentiles(values))
    near(codecs.ljpeg_encode(values, bitspersample=12), scaled(values, 0, 4095))
    twelve = codecs.jpeg8_encode(values, level=100, bitspersample=12)
    near(twelve, scaled(codecs.jpeg8_decode(twelve), 0, 4095))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b'<?xml version="1.0"?><svg width="1">', "an SVG drawing"),
        (bytes(5000), "it begins with zeros"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ],
)
def test_a_file_that_is_no_picture_is_named(data, what):
    with pytest.raises(UnreadableImageError, match=f"not an image that Pillow knows: .*{what}"):
        decode(data, FORM)


def test_files_are_images_by_their_name_or_without_one_by_their_content(tmp_path):
    held = {
        "a.TIF": b"",
        "b.nii.gz": b"",
        "IM_0001": b"\0" * 128 + b"DICM",
        "1.2.840.10008": b"\xff\xd8\xff\xe0",
    }
    other = {"README": b"what the images are", "notes.txt": b"\xff\xd8\xff", "c.xlsx": b"PK\x03\x04"}
    for name, content in {**held, **other}.items():
        (tmp_path / name).write_bytes(content)
    assert {path.name for path in tmp_path.iterdir() if holds_image(path)} == {*held}
    assert not holds_image(tmp_path)


def test_a_file_cut_short_or_too_large_for_its_bytes_is_damaged():
    whole = tiff(noise("uint16", 5), planarconfig="contig", extrasamples=[0] * 4)
    with pytest.raises(UnreadableImageError, match="damaged"):
        decode(whole[:-3000], FORM)
    data = bytearray(tiff(noise("uint16"), compression="zlib"))
    page = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0]
    for tag in (256, 257, 278):
        at = page.tags[tag].offset + 8
        data[at : at + 4] = (9000).to_bytes(4, "little")
    with pytest.raises(UnreadableImageError, match=r"damaged: .* bytes cannot hold"):
        decode(bytes(data), FORM)


def test_pages_that_follow_each_other_in_a_circle_end():
    data = bytearray(tiff(np.stack([noise("uint8", high=255)] * 3)))
    pages = list(tifffile.TiffFile(io.BytesIO(bytes(data))).pages)
    link = pages[2].offset + 2 + 12 * len(pages[2].tags)  # where the next page would stand
    data[link : link + 4] = pages[0].offset.to_bytes(4, "little")
    decoded = decode(bytes(data), FORM)
    assert decoded.pages == 3
    assert (decoded.pixels[..., 0] == noise("uint8", high=255)).all()


@pytest.mark.parametrize("value", [0, 7, -1e38, 3e38])
def test_a_picture_without_contrast_is_flat(value):
    pixels = decode(tiff(np.full((SIZE, SIZE), value, np.float32)), FORM).pixels
    assert np.abs(pixels.astype(int) - 128).max() <= 1


def test_a_missing_extra_is_named():
    assert "pip install 'farfield[geo]'" in str(needs_extra("a TIFF", "geo"))
    for data, extra in (
        (b"%PDF-1.7", "documents"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "documents"),
        (b"\xff\x0a123", "geo"),
        (b"\0" * 344 + b"n+1\0", "medical"),
    ):
        assert begins_as_image(data)
        with pytest.raises(UnreadableImageError, match=rf"farfield\[{extra}\]|damaged"):
            decode(data, FORM)
    assert not begins_as_image(b"a note about the images, of some length")


def test_pdf_pages_are_drawn():
    pytest.importorskip("pypdfium2")
    image = Image.fromarray(np.stack([X * 255, Y * 255, 255 - X * 255], -1).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PDF", save_all=True, append_images=[image, image], resolution=150)
    decoded = decode(buffer.getvalue(), FORM)
    assert (decoded.page, decoded.pages, decoded.mode) == (0, 3, "PDF")
    assert np.abs(decoded.pixels.astype(int) - np.asarray(image)).mean() < 8


def test_heic_is_read():
    heif = pytest.importorskip("pillow_heif")
    image = Image.fromarray(np.stack([X * 255, Y * 255, 255 - X * 255], -1).astype(np.uint8))
    buffer = io.BytesIO()
    heif.from_pillow(image).save(buffer, quality=95)
    assert np.abs(decode(buffer.getvalue(), FORM).pixels.astype(int) - np.asarray(image)).mean() < 4


def test_the_middle_slice_of_a_volume_is_shown():
    nibabel = pytest.importorskip("nibabel")
    volume = np.zeros((SIZE, SIZE, 5), np.int16)
    volume[..., 2] = noise("int16", low=-500, high=900)
    for stored in (nibabel.Nifti1Image(volume, np.eye(4)), nibabel.Nifti2Image(volume, np.eye(4))):
        data = stored.to_bytes()
        near(data, by_percentiles(np.rot90(volume[..., 2])))
        assert (decode(data, FORM).page, decode(data, FORM).pages) == (2, 5)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "jpeg2000", "lerc", "packbits"])
def test_tiff_packed_by_imagecodecs(compression):
    pytest.importorskip("imagecodecs")
    values = noise("uint16", 5)
    data = tiff(values, planarconfig="contig", compression=compression, extrasamples=[0] * 4)
    near(data, by_percentiles(three(tifffile.imread(io.BytesIO(data)))))


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000_and_jpeg_xl_of_16_bits(bits):
    codecs = pytest.importorskip("imagecodecs")
    values = noise("uint16", 3, high=2**bits - 1)
    data = codecs.jpeg2k_encode(values, level=0, codecformat="jp2", bitspersample=bits)
    near(data, scaled(values, 0, 4095) if bits == 12 else by_percentiles(values))
    near(codecs.jpegxl_encode(values, lossless=True), scaled(values, 0, 65535))


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (256, 256), (300, 517), (480, 640), (20, 9000), (9, 16)]
)
@pytest.mark.parametrize("boxes", [False, True])
def test_a_jpeg_xl_file_says_its_size_before_it_is_decoded(monkeypatch, height, width, boxes):
    codecs = pytest.importorskip("imagecodecs", reason="needs the extra `geo`")
    data = codecs.jpegxl_encode(np.zeros((height, width), np.uint8), usecontainer=boxes)
    assert jpegxl.header(data) == jpegxl.Header(width, height, False, 8)
    asked = []
    monkeypatch.setattr(codecs, "jpegxl_decode", lambda *given, **how: asked.append(given))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", width * height - 1)
    with pytest.raises(UnreadableImageError, match=f"too many pixels: {width} x {height}"):
        decode(data, FORM)
    assert not asked


def test_of_a_jpeg_xl_animation_the_first_frame_is_decoded():
    codecs = pytest.importorskip("imagecodecs", reason="needs the extra `geo`")
    frames = np.stack([noise("uint8", 3, high=high) for high in (250, 90, 30)])
    data = codecs.jpegxl_encode(frames, lossless=True)
    assert jpegxl.header(data) == jpegxl.Header(SIZE, SIZE, True, 8)
    near(data, frames[0], levels=0)
    assert decode(data, FORM).remark == "the first frame of an animation"


@pytest.mark.parametrize("bits", range(9, 17))
def test_a_jpeg_xl_file_of_fewer_bits_than_16_is_white_at_their_largest_number(bits):
    codecs = pytest.importorskip("imagecodecs", reason="needs the extra `geo`")
    values = noise("uint16", high=2**bits - 1)
    data = codecs.jpegxl_encode(values, bitspersample=bits, lossless=True)
    assert jpegxl.header(data).bits == bits
    near(data, scaled(values, 0, 2**bits - 1))


@pytest.mark.parametrize("data", [b"\xff\x0a", jpegxl.BOXES, jpegxl.BOXES + b"\0\0\0\x10ftypjxl " + bytes(4)])
def test_a_jpeg_xl_file_without_its_size_is_damaged(data):
    with pytest.raises(UnreadableImageError, match="damaged"):
        jpegxl.header(data)
