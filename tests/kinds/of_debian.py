"""Files of programs in Debian, read back by programs of the same packages: gdal-bin, libtiff-tools, dcmtk,
libopenjp2-tools, libjxl-tools, libheif-examples, netpbm. Reading leaves the numbers as they are, and the rule
comes after; of DICOM dcm2pnm shows the window too."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from tests.kinds.debian_programs import by, by_gdal, converted, of_pnm, piped, pnm, raw, run
from tests.kinds.kind import Kind, between, by_percentiles, three, values
from tests.kinds.of_dicom import WINDOW, made


def plain(data: bytes) -> np.ndarray:
    return by_percentiles(by_gdal(data))


def grouped(data: bytes) -> np.ndarray:
    return by_percentiles(three(by_gdal(data)))


def _without_nodata(data: bytes) -> np.ndarray:
    array = by_gdal(data).astype(np.float64)
    hole = array == -9999
    array[hole] = np.nan
    grey = by_percentiles(array)
    grey[hole] = np.rint(grey[~hole].mean())
    return grey


def _masked(data: bytes) -> np.ndarray:
    array = by_gdal(data).astype(np.float64)
    array[:, :20] = np.nan
    grey = by_percentiles(array)
    grey[:, :20] = np.rint(grey[:, 20:].mean())
    return grey


def _holed() -> np.ndarray:
    array = values("int16", low=100, high=3000)
    array[:10, :14] = -9999
    return array


def _with_mask() -> np.ndarray:
    mask = np.full((40, 48), 255, np.uint16)
    mask[:, :20] = 0
    return np.stack([values("uint16"), mask], axis=2)


def _tiff(bits: str, colours: str, bands: int, packed: str, write: Any, shown: Any = plain, pages: int = 1,
          writer: str = "gdal_translate", form: str = "TIFF") -> Kind:  # fmt: skip
    return Kind(form, bits, colours, bands, pages, packed, writer, "gdal_translate", write, shown)


def _co(*options: str) -> tuple[str, ...]:
    return tuple(word for option in options for word in ("-co", option))


def tiffcp(array: np.ndarray, *options: str, first: tuple[str, ...] = ()) -> bytes:
    return converted(raw(array, *first), "tif", "tif", ("tiffcp", *options, "{in}", "{out}"))


def dicom(*commands: tuple[str, ...]) -> bytes:
    return converted(made(**WINDOW), "dcm", "dcm", *commands)


EIGHT, GREY, DEEP, TWELVE = (
    values("uint8", 3, high=255), values("uint8", high=255), values("uint16", 3, high=65535), values("uint16"),
)  # fmt: skip
TO_JXL, FROM_JXL = ("cjxl", "-q", "100", "{in}", "{out}"), ("djxl", "{in}", "{out}")
TO_JP2, FROM_JP2 = (
    ("opj_compress", "-i", "{in}", "-o", "{out}"),
    ("opj_decompress", "-i", "{in}", "-o", "{out}"),
)


def _openjpeg(bits: str, colours: str, bands: int, packed: str, data: bytes, after: str, *more: str) -> Kind:
    write = partial(converted, data, "pgm" if bands == 1 else "ppm", after, (*TO_JP2, *more))
    back = partial(by, FROM_JP2, after, after="pgm" if bands == 1 else "ppm")
    if bits == "16":

        def shown(data: bytes) -> np.ndarray:  # which states no range
            form = "pgm" if bands == 1 else "ppm"
            return by_percentiles(of_pnm(converted(data, after, form, FROM_JP2))[0])

        back = shown  # type: ignore[assignment]
    return Kind("JPEG 2000", bits, colours, bands, 1, packed, "opj_compress", "opj_decompress", write, back)


def _jxl(bits: str, colours: str, bands: int, data: bytes, before: str) -> Kind:
    form = "pgm" if bands == 1 else "ppm"
    write = partial(converted, data, before, "jxl", TO_JXL)
    back = partial(by, FROM_JXL, "jxl", after=form)
    return Kind("JPEG XL", bits, colours, bands, 1, "lossless", "cjxl", "djxl", write, back)


def _dicom(packed: str, write: Any, *first: tuple[str, ...]) -> Kind:
    """first: what unpacks it before dcm2pnm, the program that shows it."""

    def shown(data: bytes) -> np.ndarray:
        program = ("dcm2pnm", "+op", "+Wi", "1", "{between}" if first else "{in}", "{out}")
        return of_pnm(converted(data, "dcm", "pgm", *first, program))[0]

    writer = write.args[0][0]
    return Kind("DICOM", "12 in 16", WINDOWED, 1, 1, packed, writer, "dcm2pnm", write, shown)


def photograph() -> bytes:
    with TemporaryDirectory() as folder:
        Image.fromarray(EIGHT).save(f"{folder}/a.jpg", quality=95)
        run("img2dcm", f"{folder}/a.jpg", f"{folder}/out")
        return Path(f"{folder}/out").read_bytes()


def photograph_shown(data: bytes) -> np.ndarray:
    return of_pnm(converted(data, "dcm", "ppm", ("dcmj2pnm", "+op", "{in}", "{out}")))[0]


def png(array: np.ndarray, largest: int) -> bytes:
    return piped("pnmtopng")(pnm(array, largest))


def png_shown(data: bytes) -> np.ndarray:
    array, largest = of_pnm(piped("pngtopam")(data))
    return between(array, 0, largest)


def heic(data: bytes, bits: int) -> bytes:
    return converted(
        data, "png", "heic", ("heif-enc", "-L", "-p", "chroma=444", "-b", str(bits), "-o", "{out}", "{in}")
    )


def heic_shown(data: bytes) -> np.ndarray:
    with TemporaryDirectory() as folder:
        Path(f"{folder}/in.heic").write_bytes(data)
        run("heif-convert", f"{folder}/in.heic", f"{folder}/out.png")
        array, largest = of_pnm(piped("pngtopam")(Path(f"{folder}/out.png").read_bytes()))
    return between(array, 0, largest)


def with_mean(data: bytes) -> np.ndarray:
    """Two bands and their mean."""
    array = by_gdal(data)
    return by_percentiles(np.dstack([array, array.mean(axis=2)]))


def of_bits(data: bytes) -> np.ndarray:
    return 255.0 * by_gdal(data)


def twelve(data: bytes) -> np.ndarray:
    return between(by_gdal(data), 0, 4095)


G4 = ("-ot", "Byte", "-co", "NBITS=1", "-co", "COMPRESS=CCITTFAX4")
BITS = (values("uint8", high=255) > 99).astype(np.uint8)
TILED = _co("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16")
BLACK, WHITE, WINDOWED = "BlackIsZero", "WhiteIsZero", "MONOCHROME1, window"
REVERSIBLE = _co("REVERSIBLE=YES", "QUALITY=100", "YCC=NO")
MASKED = ("-b", "1", "-mask", "2", "--config", "GDAL_TIFF_INTERNAL_MASK", "YES")
BETWEEN = "{between}"
GDAL = (
    _tiff("16", BLACK, 4, "Deflate", partial(raw, values("uint16", 4), *_co("COMPRESS=DEFLATE", "ALPHA=NO")),
          grouped),
    _tiff("16", BLACK, 13, "ZSTD, planar",
          partial(raw, values("uint16", 13), *_co("COMPRESS=ZSTD", "INTERLEAVE=BAND", "PREDICTOR=2")), grouped),
    _tiff("16", BLACK, 2, "LZW, COG", partial(raw, values("uint16", 2), *_co("COMPRESS=LZW"), form="COG"),
          with_mean),
    _tiff("32, floating", BLACK, 7, "Deflate, predictor 3, tiles",
          partial(raw, values("float32", 7, low=-1, high=1), *_co("COMPRESS=DEFLATE", "PREDICTOR=3"), *TILED),
          grouped),
    _tiff("16", WHITE, 1, "LERC", partial(raw, TWELVE, *_co("COMPRESS=LERC", "PHOTOMETRIC=MINISWHITE")),
          lambda d: 255 - plain(d)),
    _tiff("12 packed", BLACK, 1, "Deflate", partial(raw, TWELVE, *_co("NBITS=12", "COMPRESS=DEFLATE")), twelve),
    _tiff("16, signed", "BlackIsZero, nodata", 1, "none", partial(raw, _holed(), "-a_nodata", "-9999"),
          _without_nodata),
    _tiff("16", "BlackIsZero and mask", 1, "none", partial(raw, _with_mask(), *MASKED), _masked),
    _tiff("8", "YCbCr", 3, "JPEG", partial(raw, EIGHT, *_co("COMPRESS=JPEG", "PHOTOMETRIC=YCBCR")), by_gdal),
    _tiff("64, floating", "BlackIsZero, BigTIFF", 1, "none, big endian",
          partial(raw, values("float64", low=-3, high=9), *_co("BIGTIFF=YES", "ENDIANNESS=BIG"))),
    _tiff("1", WHITE, 1, "fax, group 4", partial(raw, BITS, *G4, *_co("PHOTOMETRIC=MINISWHITE")),
          lambda d: 255 - of_bits(d)),
    _tiff("1", BLACK, 1, "fax, group 3, 1-D", partial(tiffcp, BITS, "-c", "g3:1d", first=G4), of_bits,
          writer="tiffcp"),
    _tiff("1", BLACK, 1, "fax, group 3, 2-D, bits turned",
          partial(tiffcp, BITS, "-c", "g3:2d", "-f", "lsb2msb", first=G4), of_bits, writer="tiffcp"),
    _tiff("16", "RGB, planar", 3, "LZW, predictor",
          partial(tiffcp, DEEP, "-c", "lzw:2", "-p", "separate", first=_co("PHOTOMETRIC=RGB")), writer="tiffcp"),
    _tiff("32", BLACK, 1, "PackBits, tiles",
          partial(tiffcp, values("uint32", high=3e9), "-c", "packbits", "-t", "-w", "16", "-l", "16"),
          writer="tiffcp"),
    _tiff("16", "RGB", 3, "LZW", lambda: piped("pamtotiff", "-lzw", "-truecolor")(pnm(DEEP, 65535)),
          writer="pamtotiff"),
    _tiff("16", "grey", 13, "reversible",
          partial(raw, values("uint16", 13, high=65535), *REVERSIBLE, form="JP2OpenJPEG"), grouped,
          form="JPEG 2000"),
    _tiff("16, signed", "grey", 2, "reversible",
          partial(raw, values("int16", 2, low=-900, high=900), *REVERSIBLE, form="JP2OpenJPEG"), with_mean,
          form="JPEG 2000"),
)  # fmt: skip
DCMTK = (
    Kind("DICOM", "8", "YBR_FULL_422", 3, 1, "JPEG", "img2dcm", "dcmj2pnm", photograph, photograph_shown),
    _dicom("RLE", partial(dicom, ("dcmcrle", "{in}", "{out}"))),
    _dicom("deflated", partial(dicom, ("dcmconv", "+td", "{in}", "{out}"))),
    _dicom("none, big endian", partial(dicom, ("dcmconv", "+te", "{in}", "{out}"))),
    _dicom("none, no preamble", partial(dicom, ("dcmconv", "-F", "+ti", "{in}", "{out}")),
           ("dcmconv", "-f", "+te", "{in}", BETWEEN)),
    _dicom("JPEG, lossless", partial(dicom, ("dcmcjpeg", "+e1", "{in}", "{out}")), ("dcmdjpeg", "{in}", BETWEEN)),
    _dicom("JPEG-LS", partial(dicom, ("dcmcjpls", "{in}", "{out}")), ("dcmdjpls", "{in}", BETWEEN)),
    _dicom("JPEG-LS, near", partial(dicom, ("dcmcjpls", "+en", "+md", "2", "{in}", "{out}")),
           ("dcmdjpls", "{in}", BETWEEN)),
)  # fmt: skip
KINDS = (
    *GDAL,
    *DCMTK,
    _openjpeg("12", "grey", 1, "reversible", pnm(TWELVE, 4095), "j2k"),
    _openjpeg("12", "RGB", 3, "reversible", pnm(values("uint16", 3), 4095), "jp2"),
    _openjpeg("16", "RGB", 3, "irreversible, tiles", pnm(DEEP, 65535), "jp2", "-I", "-t", "32,32", "-r", "3"),
    _jxl("8", "RGB", 3, pnm(EIGHT, 255), "ppm"),
    _jxl("16", "grey", 1, pnm(values("uint16", high=65535), 65535), "pgm"),
    _jxl("16", "RGB", 3, pnm(DEEP, 65535), "ppm"),
    Kind("PNG", "12 in 16, sBIT", "grey", 1, 1, "Deflate", "pnmtopng", "pngtopam", partial(png, TWELVE, 4095),
         png_shown),
    Kind("PGM", "12 in 16", "grey", 1, 1, "none", "pamdepth", "pamdepth",
         lambda: piped("pamdepth", "4095")(pnm(values("uint16", high=65535), 65535)),
         lambda data: between(of_pnm(data)[0], 0, 4095)),
    Kind("HEIC", "8", "RGB", 3, 1, "HEVC", "heif-enc", "heif-convert", lambda: heic(png(EIGHT, 255), 8),
         heic_shown),
    Kind("HEIC", "10", "RGB", 3, 1, "HEVC", "heif-enc", "heif-convert", lambda: heic(png(DEEP, 65535), 10),
         heic_shown),
)  # fmt: skip
