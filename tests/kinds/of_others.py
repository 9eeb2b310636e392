"""Photographs, documents and volumes of the libraries of their formats."""

import gzip
import io
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tests.kinds.kind import Kind, between, by_percentiles, on_white, values

GEO, DOCUMENTS, MEDICAL = "geo", "documents", "medical"


def codec(name: str, array: np.ndarray, **how: Any) -> bytes:
    import imagecodecs

    return bytes(getattr(imagecodecs, f"{name}_encode")(array, **how))


def decoded(name: str, data: bytes) -> np.ndarray:
    import imagecodecs

    return np.asarray(getattr(imagecodecs, f"{name}_decode")(data))


def scaled_to(name: str, largest: float, data: bytes) -> np.ndarray:
    return between(decoded(name, data), 0, largest)


def percentiles_of(name: str, data: bytes) -> np.ndarray:
    return by_percentiles(decoded(name, data))


def opaque(name: str, data: bytes) -> np.ndarray:
    array = decoded(name, data)
    return on_white(by_percentiles(array[..., :-1]), array[..., -1], 65535)


def saved(array: np.ndarray, form: str, mode: str | None = None, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, form, **how)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def grey_of_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return by_percentiles(np.asarray(image))


def heic(array: np.ndarray, mode: str, bits: int) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    image = pillow_heif.from_bytes(mode, array.shape[1::-1], array.tobytes())
    image.save(buffer, quality=-1, bit_depth=bits)
    return buffer.getvalue()


def of_heic(largest: float, data: bytes) -> np.ndarray:
    import pillow_heif

    image = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    return between(np.asarray(image), 0, largest)


def volume(array: np.ndarray, *, packed: bool = False, slope: float | None = None) -> bytes:
    import nibabel

    image = nibabel.Nifti1Image(array, np.diag([-1.0, 1.0, 2.0, 1.0]))
    if slope:
        image.header.set_slope_inter(slope, 7)
    data = image.to_bytes()
    return gzip.compress(data) if packed else data


def of_volume(data: bytes) -> np.ndarray:
    """The middle slice, turned by hand: the first axis runs to the left."""
    import nibabel

    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    array = image.get_fdata()
    array = array[..., 0] if array.ndim == 4 else array
    plane = array[::-1, :, array.shape[2] // 2].T[::-1]
    return by_percentiles(plane)


def drawing() -> bytes:
    """Lines, a curve and letters, as matplotlib writes them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, 3, 1], "r-")
    axes.set_title("A page")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf")
    return buffer.getvalue()


def of_page(data: bytes) -> np.ndarray:
    import pypdfium2

    page = pypdfium2.PdfDocument(data)[0]
    return np.asarray(page.render(scale=150 / 72).to_pil().convert("RGB"))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _opaque_in_part() -> np.ndarray:
    array = values("uint16", 4, high=60000)
    array[..., 3] = 65535
    array[5:12, 5:12, 3] = 9000
    return array


def _codec(
    form: str, name: str, bits: str, bands: int, packed: str, array: Any, shown: Any, **how: Any
) -> Kind:
    colours = {1: "grey", 3: "RGB", 4: "RGB and opacity"}[bands]
    write = partial(codec, name, array, **how)
    return Kind(
        form, bits, colours, bands, 1, packed, "imagecodecs", "imagecodecs", write, partial(shown, name), GEO
    )


def _pillow(form: str, colours: str, bands: int, packed: str, write: Any, shown: Any = by_pillow, bits: str = "8",
            pages: int = 1) -> Kind:  # fmt: skip
    return Kind(form, bits, colours, bands, pages, packed, "Pillow", "Pillow", write, shown)


EIGHT, GREY, DEEP = values("uint8", 3, high=255), values("uint8", high=255), values("uint16", 3, high=60000)
KINDS = (
    _pillow("JPEG", "grey", 1, "baseline", partial(saved, GREY, "JPEG")),
    _pillow("JPEG", "YCbCr", 3, "progressive, 4:2:0", partial(saved, EIGHT, "JPEG", progressive=True)),
    _pillow("JPEG", "CMYK", 4, "baseline", partial(saved, EIGHT, "JPEG", "CMYK")),
    _pillow("PNG", "palette", 1, "Deflate", partial(saved, EIGHT, "PNG", "P")),
    _pillow("PNG", "grey", 1, "Deflate", partial(saved, values("uint16"), "PNG"), grey_of_pillow, "16"),
    _pillow("PGM", "grey", 1, "none", partial(saved, values("uint16", high=60000), "PPM"), grey_of_pillow, "16"),
    _pillow("GIF", "palette", 1, "LZW", partial(saved, EIGHT, "GIF", "P")),
    _pillow("WebP", "RGB", 3, "VP8L", partial(saved, EIGHT, "WEBP", lossless=True)),
    _pillow("AVIF", "YCbCr", 3, "AV1", partial(saved, EIGHT, "AVIF")),
    _pillow("BMP", "RGB", 3, "none", partial(saved, EIGHT, "BMP")),
    _codec("PNG", "png", "16", 3, "Deflate", DEEP, percentiles_of),
    _codec("PNG", "png", "16", 4, "Deflate", _opaque_in_part(), opaque),
    _codec("JPEG", "jpeg8", "12", 1, "extended", values("uint16"), lambda n, d: scaled_to(n, 4095, d),
           bitspersample=12),
    _codec("JPEG", "ljpeg", "14", 1, "lossless", values("uint16", high=16383),
           lambda n, d: scaled_to(n, 16383, d), bitspersample=14),
    _codec("JPEG", "jpegls", "16", 1, "JPEG-LS", values("uint16"), percentiles_of),
    _codec("JPEG 2000", "jpeg2k", "8", 3, "reversible", EIGHT, decoded, codecformat="jp2", level=0),
    _codec("JPEG 2000", "jpeg2k", "12", 1, "reversible", values("uint16"), lambda n, d: scaled_to(n, 4095, d),
           codecformat="j2k", level=0, bitspersample=12),
    _codec("JPEG 2000", "jpeg2k", "16", 3, "irreversible", DEEP, percentiles_of, codecformat="jp2", level=60),
    _codec("JPEG 2000", "jpeg2k", "16, signed", 1, "reversible", values("int16", low=-900, high=3000),
           percentiles_of, codecformat="jp2", level=0),
    _codec("JPEG XL", "jpegxl", "8", 3, "lossless", EIGHT, decoded, lossless=True),
    _codec("JPEG XL", "jpegxl", "12", 1, "lossless", values("uint16"), lambda n, d: scaled_to(n, 4095, d),
           lossless=True, bitspersample=12),
    _codec("JPEG XL", "jpegxl", "16", 1, "lossless", values("uint16"), lambda n, d: scaled_to(n, 65535, d),
           lossless=True),
    _codec("JPEG XL", "jpegxl", "32, floating", 3, "lossless", values("float32", 3, high=1),
           lambda n, d: scaled_to(n, 1, d), lossless=True),
    Kind("HEIC", "8", "RGB", 3, 1, "HEVC", "pillow-heif", "pillow-heif", partial(heic, EIGHT, "RGB", 8),
         partial(of_heic, 255), DOCUMENTS),
    Kind("HEIC", "10", "RGB", 3, 1, "HEVC", "pillow-heif", "pillow-heif", partial(heic, DEEP, "RGB;16", 10),
         partial(of_heic, 65535), DOCUMENTS),
    Kind("HEIC", "12", "RGB", 3, 1, "HEVC", "pillow-heif", "pillow-heif", partial(heic, DEEP, "RGB;16", 12),
         partial(of_heic, 65535), DOCUMENTS),
    Kind("NIfTI", "16, signed", "grey", 1, 3, "none, slope", "nibabel", "nibabel",
         partial(volume, values("int16", 3, low=-900, high=900), slope=2.5), of_volume, MEDICAL),
    Kind("NIfTI", "32, floating", "grey", 1, 5, "gzip, 4 dimensions", "nibabel", "nibabel",
         partial(volume, np.stack([values("float32", 5)] * 2, axis=3), packed=True), of_volume, MEDICAL),
    Kind("PDF", "8", "a drawing", 3, 1, "Deflate", "matplotlib", "pypdfium2", drawing, of_page, DOCUMENTS),
    Kind("npy", "16", "RGB", 3, 1, "none", "NumPy", "NumPy", partial(npy, DEEP),
         lambda data: by_percentiles(np.load(io.BytesIO(data)))),
)  # fmt: skip
