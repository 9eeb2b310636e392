"""TIFF files of tifffile and Pillow, read back by tifffile with imagecodecs, or by Pillow."""

import io
from functools import partial
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from tests.kinds.kind import Kind, between, by_percentiles, on_white, three, values


def written(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "minisblack", **options})
    return buffer.getvalue()


def array_in(data: bytes) -> np.ndarray:
    """Of the first page: [h, w] or [h, w, c]."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        array = page.asarray()
        return np.moveaxis(array, 0, -1) if page.planarconfig == 2 and array.ndim == 3 else array


def plain(data: bytes) -> np.ndarray:
    return by_percentiles(array_in(data))


def grouped(data: bytes) -> np.ndarray:
    return by_percentiles(three(array_in(data)))


def palette(data: bytes) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        return np.moveaxis(page.colormap[:, page.asarray()], 0, -1) >> 8


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.float64)


def pyramid() -> bytes:
    buffer = io.BytesIO()
    colours = values("uint8", 3, high=255)
    with tifffile.TiffWriter(buffer) as file:
        file.write(colours, photometric="rgb", tile=(16, 16), subifds=1, compression="zlib")
        file.write(colours[::2, ::2], photometric="rgb", tile=(16, 16), subfiletype=1, compression="zlib")
    return buffer.getvalue()


def by_libtiff(array: np.ndarray, mode: str | None, compression: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(buffer, "TIFF", compression=compression)
    return buffer.getvalue()


def _opaque(data: bytes) -> np.ndarray:
    array = array_in(data)
    return on_white(by_percentiles(array[..., :3]), array[..., 3], 65535)


def _with_opacity() -> np.ndarray:
    array = values("uint16", 4, high=60000)
    array[..., 3] = 65535
    array[:9, :9, 3] = 20000
    return array


def _colours() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 256)).astype(np.uint16) * 257


def _kind(
    bits: str,
    colours: str,
    bands: int,
    packed: str,
    array: Any,
    extra: str = "",
    shown: Any = plain,
    **how: Any,
) -> Kind:
    pages = how.pop("pages", 1)
    write = array if callable(array) else partial(written, array, **how)
    return Kind(
        "TIFF", bits, colours, bands, pages, packed, "tifffile", "tifffile, imagecodecs", write, shown, extra
    )


GEO = "geo"
PREDICTED: dict[str, Any] = {"predictor": True}
KINDS = (
    _kind("16", "BlackIsZero", 1, "none", values("uint16")),
    _kind("16, big endian", "BlackIsZero", 1, "none", values("uint16"), byteorder=">"),
    _kind("16", "WhiteIsZero", 1, "Deflate", values("uint16"), shown=lambda d: 255 - plain(d),
          photometric="miniswhite", compression="zlib"),
    _kind("8, signed", "BlackIsZero", 1, "none", values("int8", low=-100, high=110)),
    _kind("16, signed", "BlackIsZero", 1, "LZW, predictor", values("int16", low=-900, high=3000), GEO,
          compression="lzw", **PREDICTED),
    _kind("32", "BlackIsZero", 1, "LZMA", values("uint32", high=3e9), GEO, compression="lzma"),
    _kind("32, floating", "BlackIsZero", 1, "Deflate, predictor 3", values("float32", low=-1, high=2), GEO,
          compression="zlib", predictor=3),
    _kind("64, floating", "BlackIsZero", 1, "ZSTD", values("float64", low=-1, high=2), GEO, compression="zstd"),
    _kind("16, floating", "BlackIsZero", 1, "none", values("float16", low=-1, high=2)),
    _kind("12 packed", "BlackIsZero", 1, "none", values("uint16"), GEO,
          shown=lambda d: between(array_in(d), 0, 4095), bitspersample=12),
    _kind("8", "RGB", 3, "WebP", values("uint8", 3, high=255), GEO, shown=array_in, photometric="rgb",
          compression="webp", compressionargs={"lossless": True}),
    _kind("8", "YCbCr", 3, "JPEG", values("uint8", 3, high=255), GEO, shown=by_pillow, photometric="rgb",
          compression="jpeg", tile=(16, 16)),
    _kind("8", "palette", 1, "none", values("uint8", high=255), shown=palette, photometric="palette",
          colormap=_colours()),
    _kind("16", "RGB", 3, "ZSTD, predictor", values("uint16", 3), GEO, photometric="rgb", compression="zstd",
          **PREDICTED),
    _kind("16", "RGB, planar", 3, "Deflate", np.moveaxis(values("uint16", 3), 2, 0).copy(), photometric="rgb",
          planarconfig="separate", compression="zlib"),
    _kind("16", "RGB and opacity", 4, "none", _with_opacity(), shown=_opaque, photometric="rgb",
          extrasamples=["unassalpha"]),
    _kind("16", "RGB and a band", 4, "LZW", values("uint16", 4), GEO,
          shown=lambda d: by_percentiles(array_in(d)[..., :3]), photometric="rgb", extrasamples=["unspecified"],
          compression="lzw"),
    _kind("8", "BlackIsZero, planar", 5, "PackBits", np.moveaxis(values("uint8", 5, high=255), 2, 0).copy(), GEO,
          shown=lambda d: three(array_in(d)), planarconfig="separate", compression="packbits",
          extrasamples=[0] * 4),
    _kind("16", "BlackIsZero", 13, "Deflate, tiles", values("uint16", 13), shown=grouped, planarconfig="contig",
          compression="zlib", tile=(16, 32), extrasamples=[0] * 12),
    _kind("16, BigTIFF", "BlackIsZero, planar", 20, "none", np.moveaxis(values("uint16", 20), 2, 0).copy(),
          shown=grouped, planarconfig="separate", bigtiff=True, extrasamples=[0] * 19),
    _kind("32, floating", "BlackIsZero", 6, "LERC", values("float32", 6), GEO, shown=grouped,
          planarconfig="contig", compression="lerc", extrasamples=[0] * 5),
    _kind("16", "BlackIsZero", 1, "JPEG 2000", values("uint16"), GEO, compression="jpeg2000"),
    _kind("16", "BlackIsZero", 1, "JPEG XL", values("uint16"), GEO, compression="jpegxl",
          compressionargs={"lossless": True}),
    _kind("16, ImageJ", "BlackIsZero", 1, "none", np.stack([values("uint16", high=h) for h in (4000, 200, 90)]),
          imagej=True, photometric=None, pages=3, metadata={"axes": "ZYX"}),
    _kind("16, OME", "BlackIsZero", 1, "Deflate", np.stack([values("uint16", high=h) for h in (900, 200)]),
          ome=True, pages=2, compression="zlib", metadata={"axes": "CYX"}),
    _kind("8, pyramid", "RGB", 3, "Deflate, tiles", pyramid, shown=array_in),
    Kind("TIFF", "8", "CMYK", 4, 1, "LZW", "Pillow, libtiff", "Pillow",
         partial(by_libtiff, values("uint8", 3, high=255), "CMYK", "tiff_lzw"), by_pillow),
    Kind("TIFF", "1", "WhiteIsZero", 1, 1, "fax, group 4", "Pillow, libtiff", "Pillow",
         partial(by_libtiff, values("uint8", high=255) > 99, "1", "group4"), by_pillow),
    Kind("TIFF", "32, signed", "BlackIsZero", 1, 1, "Deflate", "Pillow, libtiff", "tifffile",
         partial(by_libtiff, values("int32", low=-9e5, high=9e5), None, "tiff_adobe_deflate"), plain),
)  # fmt: skip
