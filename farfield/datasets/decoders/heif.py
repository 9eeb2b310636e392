"""HEIC photographs, by pillow-heif (extra `documents`), which turns them upright. AVIF is read by Pillow."""

import io

import numpy as np

from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import Values, needs_extra, of_array

SUFFIXES = (".heic", ".heif")
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def knows(data: bytes) -> bool:
    """By its brands; a file that is AVIF among others is left to Pillow."""
    if data[4:8] != b"ftyp":
        return False
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return data[8:12] in BRANDS and b"avif" not in brands and b"avis" not in brands


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import pillow_heif
    except ImportError:
        raise needs_extra("a HEIC photograph", "documents") from None
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    pages = len(file)
    image = file[file.primary_index]
    require_pixels(*image.size)
    bits = int(image.info.get("bit_depth", 8))
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    if stored:
        return of_array(array)
    # Numbers of more than 8 bits are scaled to 16.
    stated = (0.0, 65535.0) if array.dtype == np.uint16 else None
    alpha = array.shape[2] in (2, 4)
    colour = array.shape[2] >= 3
    page = file.primary_index
    return Values(
        array,
        image.mode,
        bits,
        alpha=alpha,
        colour=colour,
        stated=stated,
        page=page,
        pages=pages,
        compression="hevc",
    )
