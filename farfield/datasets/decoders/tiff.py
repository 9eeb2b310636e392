"""TIFF files: scans, satellite and microscope images.

tifffile reads the tags. What Pillow gets right (8 bits or fewer, with the usual bands) it decodes; the rest is
decoded by tifffile itself, by Pillow's libtiff strip by strip (`strips`), or by imagecodecs if that is installed.

The first page counts that is neither a smaller copy nor a mask. Of a slide too large to be read at once it is the
largest smaller copy that is not.
"""

import io
import logging
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from farfield.datasets.decoders import pillow, strips
from farfield.datasets.decoders.tiff_tags import MASK, NODATA, REDUCED, mask_of, stated, valid_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

SUFFIXES = (".btf", ".tf8", ".svs", ".ndpi")  # and those of Pillow
_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR, LINEAR = 0, 1, 2, 3, 5, 6, 34892
MOST_PAGES = 5000  # that are looked at
MOST_BYTES = 2**29  # of the values of a page: half a gigabyte
# A page may be so much larger than its file, as no codec packs tighter but for blank pages.
MOST_PACKED, SMALL = 1100, 2**26


def knows(data: bytes) -> bool:
    return data.startswith(_STARTS)


def read(data: bytes, *, stored: bool) -> Values:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is odd in a file is said by its outcome
    try:
        file = tifffile.TiffFile(io.BytesIO(data))
        pages = _pages(file)
    except Exception:  # tags that it cannot make sense of; Pillow may, or gives the reason
        return pillow.read(data, stored=stored)
    if not pages:
        raise UnreadableImageError("damaged: a TIFF file without a page")
    whole = [page for page in pages if not page.subfiletype & (REDUCED | MASK)] or pages[:1]
    page, remark = _readable(whole[0], pages)
    count = max(len(whole), int((file.imagej_metadata or {}).get("images", 1)), page.imagedepth)
    about: dict[str, Any] = {
        "page": 0,
        "pages": count,
        "compression": _name(page.compression),
        "remark": remark,
    }
    plain = _is_plain(page)
    if plain and NODATA not in page.tags and not mask_of(page, pages):
        if stored:
            return pillow.read(_from(data, page), stored=True)
        found = pillow.read(_from(data, page), stored=False)
        return Values(**{**vars(found), **about})
    if plain:
        array, orientation = _by_pillow(data, page), 1
    else:
        array, orientation = _in_known_colours(_array(data, page), page), _orientation(page)
    if stored:
        return of_array(array)
    bits, extra = min(_bits(page), 8 * array.dtype.itemsize), page.extrasamples or ()
    deep = not plain
    return Values(
        array,
        _mode(array, page.photometric),
        bits,
        signed=array.dtype.kind in "if",
        alpha=page.photometric in (BLACK_IS_ZERO, WHITE_IS_ZERO, RGB) and extra[-1:] in ((1,), (2,)),
        colour=page.photometric in (RGB, SEPARATED) or (plain and array.shape[2] == 3),
        valid=valid_pixels(page, pages, array, orientation),
        stated=stated(page, array, bits) if deep else None,
        inverted=deep and page.photometric == WHITE_IS_ZERO,
        orientation=orientation,
        **about,
    )


def _pages(file: "TiffFile") -> list["TiffPage"]:
    """The pages that have pixels; those of a damaged file may follow each other in a circle."""
    from tifffile import TiffPage

    found: list[TiffPage] = []
    seen: set[int] = set()
    for page in file.pages:
        if page.offset in seen or len(seen) == MOST_PAGES:
            break
        seen.add(page.offset)
        if isinstance(page, TiffPage) and page.imagewidth and page.imagelength:
            found.append(page)
    return found


def _readable(page: "TiffPage", pages: list["TiffPage"]) -> tuple["TiffPage", str]:
    """The page, or the largest of its smaller copies that is not too large, and what is said of it."""
    limit = Image.MAX_IMAGE_PIXELS or 2**31
    if page.imagewidth * page.imagelength <= limit:
        return page, ""
    ratio = page.imagewidth / page.imagelength
    copies = [
        copy
        for copy in pages
        if copy.imagewidth * copy.imagelength <= limit
        and not copy.subfiletype & MASK
        and abs(copy.imagewidth / copy.imagelength / ratio - 1) < 0.02
    ]
    if not copies:
        raise UnreadableImageError(f"too many pixels: {page.imagewidth} x {page.imagelength}")
    best = max(copies, key=lambda copy: copy.imagewidth)
    scale = round(page.imagewidth / best.imagewidth)
    return best, f"a copy 1/{scale} as large stands for {page.imagewidth} x {page.imagelength} pixels"


def _is_plain(page: "TiffPage") -> bool:
    """Whether Pillow reads the page and gets it right."""
    bits, extra = page.bitspersample, page.extrasamples or ()
    if not isinstance(bits, int) or bits > 8 or page.sampleformat not in (None, 1):
        return False
    usual = {
        WHITE_IS_ZERO: (1,),
        BLACK_IS_ZERO: (1,),
        RGB: (3, 4) if extra[:1] in ((1,), (2,)) else (3,),
        PALETTE: (1,),
        SEPARATED: (4,),
        YCBCR: (3,),
    }
    if page.photometric == BLACK_IS_ZERO and page.samplesperpixel == 2 and tuple(extra) == (2,) and bits == 8:
        return True
    return page.samplesperpixel in usual.get(page.photometric, ()) and page.compression in strips.BY_PILLOW


def _from(data: bytes, page: "TiffPage") -> bytes:
    """The file with this page as its first, where Pillow looks."""
    if not page.index:
        return data
    place = struct.Struct(f"{page.parent.byteorder}{'Q' if page.parent.is_bigtiff else 'I'}")
    start = 8 if page.parent.is_bigtiff else 4
    return data[:start] + place.pack(page.offset) + data[start + place.size :]


def _by_pillow(data: bytes, page: "TiffPage") -> np.ndarray:
    image, _ = pillow.opened(_from(data, page))
    wanted = "L" if image.mode in ("L", "1") else "RGBA" if image.has_transparency_data else "RGB"
    array = np.asarray(image.convert(wanted))
    return array[..., None] if array.ndim == 2 else array


def _array(data: bytes, page: "TiffPage") -> np.ndarray:
    """[h, w, bands] in the file's own type of numbers, in the byte order of this machine."""
    _require_whole(data, page)
    try:
        array = page.asarray(maxworkers=1)
    except MemoryError as error:  # of a strip that says it is larger than the page
        raise UnreadableImageError(f"damaged: {error}") from error
    except (ValueError, NotImplementedError, ModuleNotFoundError, ImportError) as error:
        if "imagecodecs" not in str(error) and not isinstance(error, ImportError):
            raise
        found = strips.decoded(data, page)
        if found is None:
            found = _one_band_by_pillow(data, page)
        if found is None:
            what = f"a TIFF of {page.samplesperpixel} bands, {_bits(page)} bits, {_name(page.compression)}"
            raise needs_extra(what, "geo") from None
        array = found
    if array.dtype.kind == "c":
        raise UnreadableImageError("its numbers are complex; write their magnitude instead")
    planes, depth, height, width, samples = page.shaped
    array = array.reshape(planes, depth, height, width, samples)[:, 0]
    array = np.moveaxis(array, 0, -1).reshape(height, width, planes * samples)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _in_known_colours(array: np.ndarray, page: "TiffPage") -> np.ndarray:
    """The values as they are; inks of 16 bits as RGB of 8 bits. UnreadableImageError for other colours."""
    if page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, LINEAR):
        return array
    if page.photometric == SEPARATED and array.shape[2] == 4 and array.dtype == np.uint16:
        return np.asarray(Image.fromarray(np.rint(array / 257).astype(np.uint8), "CMYK").convert("RGB"))
    name = getattr(page.photometric, "name", page.photometric)
    raise UnreadableImageError(f"its colours are {name}, which become no RGB here; write it as RGB")


def _one_band_by_pillow(data: bytes, page: "TiffPage") -> np.ndarray | None:
    """What Pillow makes of one band of an unusual number of bits."""
    if page.samplesperpixel != 1 or page.photometric != BLACK_IS_ZERO or _orientation(page) != 1:
        return None
    try:
        image, _ = pillow.opened(_from(data, page))
    except UnreadableImageError:
        return None
    return np.asarray(image) if image.mode.startswith("I;16") else None


def _require_whole(data: bytes, page: "TiffPage") -> None:
    """UnreadableImageError if the page is cut short, or too large to be what it says."""
    end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > len(data):
        raise UnreadableImageError(f"damaged: it ends after {len(data)} of {end} bytes")
    if page.dtype is None:
        kind = f"sample format {page.sampleformat}, {page.bitspersample} bits"
        raise UnreadableImageError(f"its numbers are of a type that is not known ({kind})")
    size = int(np.prod(page.shaped, dtype=np.float64)) * page.dtype.itemsize
    pillow.require_pixels(page.imagewidth, page.imagelength)
    if size > MOST_BYTES:
        raise UnreadableImageError(f"too large: its values take {size / 2**30:.1f} GB; cut it into tiles")
    packed = sum(page.databytecounts)
    if size > SMALL and size > MOST_PACKED * packed:
        raise UnreadableImageError(f"damaged: {packed} bytes cannot hold values of {size} bytes")
    if (
        page.compression == 1
        and packed
        and packed < page.shaped[0] * page.imagelength * page.imagewidth * (_bits(page) / 8)
    ):
        raise UnreadableImageError(f"damaged: it holds {packed} bytes of pixels, too few for its size")


def _orientation(page: "TiffPage") -> int:
    found = page.tags.valueof(274, 1)
    return found if found in range(1, 9) else 1


def _bits(page: "TiffPage") -> int:
    bits = page.bitspersample
    return int(bits if isinstance(bits, int) else max(bits))


def _mode(array: np.ndarray, photometric: int) -> str:
    """As Pillow names it, where it has a name."""
    bands, dtype = array.shape[2], array.dtype
    if bands == 1:
        names = {"uint8": "L", "uint16": "I;16", "int16": "I;16S", "int32": "I", "float32": "F"}
        return names.get(dtype.name, dtype.name)
    name = "RGB" if photometric == RGB and bands == 3 else f"{bands} bands"
    return name if dtype == np.uint8 else f"{name};16" if dtype == np.uint16 else f"{name} {dtype.name}"


def _name(compression: Any) -> str:
    return str(getattr(compression, "name", compression)).lower()
