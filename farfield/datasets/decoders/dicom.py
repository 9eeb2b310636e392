"""DICOM files: radiographs, CT, MR, ultrasound, by pydicom.

Stored values, then the file's rescale, then its window (or the table in its place); grey that says that 0 is
white is turned, once. CT without a window is shown from -1,024 to 1,024 HU; other grey of more than 8 bits in the
range of its data set, all files of a modality together. Padding is no picture. Of several frames the middle one
counts, as the first of a volume or a film is often empty.

What decompresses: pydicom itself (none, deflated, RLE), Pillow (JPEG of 8 bits, JPEG 2000), and what the extra
`medical` brings, pyjpegls and python-gdcm (JPEG-LS, lossless JPEG). JPEG of 12 bits is read by pylibjpeg-libjpeg
alone, which is GPL-3 and so in no extra; where it is installed, pydicom finds it.
"""

import importlib.util
import io
import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from farfield.datasets.decoders import apart
from farfield.datasets.decoders.pillow import require_pixels
from farfield.datasets.decoders.values import UnreadableImageError, Values, needs_extra, of_array

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
HOUNSFIELD = (-1024.0, 1024.0)
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
GREY = ("MONOCHROME1", "MONOCHROME2")
MOST_BYTES = 2**29  # of the values of a frame
EXTRA = ("gdcm", "jpeg_ls")  # modules of the packages of `medical` that decompress
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")  # lossless, near
JPEG_12 = "1.2.840.10008.1.2.4.51"  # as a syntax; at 8 bits Pillow reads it
# Elements that a data set begins with, group and number.
_FIRST = tuple(
    struct.pack("<HH", group, number)
    for group, numbers in ((2, (0, 1, 2, 16)), (8, (0, 1, 5, 8, 18, 20, 22, 24)))
    for number in numbers
)


def knows(data: bytes) -> bool:
    """With its preamble; or without one, if it begins with an element of group 2 or 8, as data sets do."""
    if data[128:132] == b"DICM":
        return True
    explicit = data[4:6] in (b"UL", b"UI", b"CS", b"SH", b"DA")
    if data[:4] in _FIRST:
        # An implicit element has its length, which is even, in the place of the letters.
        return explicit or (data[5:8] == b"\0\0\0" and data[4] % 2 == 0)
    return explicit and data[:2] == b"\0\x08"


def read(data: bytes, *, stored: bool) -> Values:
    try:
        import pydicom
    except ImportError:
        raise needs_extra("a DICOM file", "medical") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that break the standard, which most files do somewhere
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        return _values(dataset, data, stored)


def _values(dataset: "Dataset", data: bytes, stored: bool) -> Values:
    for name in ("Rows", "Columns", "PixelData"):
        if name not in dataset:
            kind = getattr(dataset.get("SOPClassUID"), "name", "") or "DICOM"
            raise UnreadableImageError(f"a DICOM file without a picture ({kind}): it has no {name}")
    frames = int(dataset.get("NumberOfFrames") or 1)
    frame = frames // 2 if frames > 1 else 0
    array = _decoded(dataset, data, frame)
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if stored:
        return of_array(array)
    photometric = str(dataset.PhotometricInterpretation)
    modality = str(dataset.get("Modality") or "")
    about: dict[str, Any] = {
        "mode": f"DICOM {photometric}",
        "page": frame,
        "pages": frames,
        "compression": str(dataset.file_meta.TransferSyntaxUID.name),
    }
    if photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(array, dataset)[..., :3]
        # The entries of 16-bit tables have 8 bits, in the high byte.
        eight = (colours >> 8).astype(np.uint8) if colours.dtype == np.uint16 else colours
        return Values(eight, bits=8, colour=True, **about)
    if photometric in COLOUR:
        stated = (0.0, float(2**bits - 1)) if bits > 8 else None
        return Values(array, bits=bits, colour=True, stated=stated, **about)
    if photometric not in GREY:
        raise UnreadableImageError(f"a DICOM file of the colours {photometric}, which are not known")
    if array.ndim != 2:
        raise UnreadableImageError(f"a DICOM file of grey that holds {list(array.shape)} numbers")
    # The presentation may say the same as MONOCHROME1: it is turned once.
    inverted = photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    valid = _valid(dataset, array)
    values, span, remark = _shown(dataset, array, frame)
    if span is None and modality == "CT":
        span, remark = HOUNSFIELD, "CT without a window, shown from -1,024 to 1,024 HU"
    if span is None and values.dtype.itemsize == 1 and values.dtype.kind == "u":
        bits, span = 8, (0.0, float(2**bits - 1))
    return Values(
        values[..., None],
        bits=bits,
        signed=values.dtype.kind in "if",
        valid=valid,
        stated=span,
        inverted=inverted,
        modality=f"DICOM {modality}" if modality else "",
        remark=remark,
        **about,
    )


def _decoded(dataset: "Dataset", data: bytes, frame: int) -> np.ndarray:
    """The stored values of a frame, [h, w] or [h, w, 3]; colours as RGB."""
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1)
    require_pixels(columns, rows)
    if rows * columns * samples * (int(dataset.BitsAllocated) / 8) > MOST_BYTES:
        raise UnreadableImageError(f"too large: {columns} x {rows} pixels of {samples} samples")
    if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
        from pydicom.dataset import FileMetaDataset

        implicit, little = dataset.original_encoding
        dataset.file_meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    if dataset.file_meta.TransferSyntaxUID in JPEG_LS and any(map(importlib.util.find_spec, EXTRA)):
        return apart.jpegls_in_dicom(data, frame, rows * columns)
    # Of several decoders the first that comes: which is installed must not change the picture.
    plugins = ("pillow", "pyjpegls", "gdcm", "")
    syntax = dataset.file_meta.TransferSyntaxUID
    failure: Exception | None = None
    for plugin in plugins if syntax.is_compressed else ("",):
        try:
            return np.asarray(pixel_array(dataset, index=frame, decoding_plugin=plugin))
        except Exception as error:  # not installed, not for this syntax, or not able to read this file
            # Without where it was raised: that would hold this call, and with it the file, in a circle.
            failure = error.with_traceback(None)
    said = str(failure)
    if "missing" in said or "not available" in said or "plugin" in said:
        if syntax == JPEG_12 and int(dataset.BitsAllocated) > 8:
            raise UnreadableImageError(
                "DICOM compressed as JPEG of 12 bits, which only pylibjpeg-libjpeg (GPL-3) reads: install it, or "
                "decompress the file, for instance by dcmdjpeg"
            )
        if not all(map(importlib.util.find_spec, EXTRA)):
            raise needs_extra(f"DICOM compressed as {syntax.name}", "medical")
    assert failure is not None
    raise failure


def _valid(dataset: "Dataset", array: np.ndarray) -> np.ndarray | None:
    """bool [h, w]: what is no padding. Padding is of stored values."""
    if "PixelPaddingValue" not in dataset:
        return None
    first = int(dataset.PixelPaddingValue)
    last = int(dataset.get("PixelPaddingRangeLimit", first))
    low, high = min(first, last), max(first, last)
    valid = (array < low) | (array > high)
    return None if valid.all() or not valid.any() else valid


def _macro(dataset: "Dataset", frame: int, sequence: str) -> "Dataset":
    """The functional group of this frame, where enhanced files keep rescale and window; else the file."""
    for groups, place in (
        (dataset.get("PerFrameFunctionalGroupsSequence"), frame),
        (dataset.get("SharedFunctionalGroupsSequence"), 0),
    ):
        if groups and place < len(groups) and groups[place].get(sequence):
            return groups[place][sequence].value[0]
    return dataset


def _shown(
    dataset: "Dataset", array: np.ndarray, frame: int
) -> tuple[np.ndarray, tuple[float, float] | None, str]:
    """The values after rescale and window or table, the range that is black to white, and what is said of it."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    scale = _macro(dataset, frame, "PixelValueTransformationSequence")
    if "ModalityLUTSequence" in dataset:
        values = apply_modality_lut(array, dataset)
    else:
        slope, intercept = _first(scale, "RescaleSlope", 1.0), _first(scale, "RescaleIntercept", 0.0)
        plain = (slope, intercept) == (1, 0)
        values = array if plain else array.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if "VOILUTSequence" in dataset and dataset.VOILUTSequence:
        count, first = (int(number) for number in dataset.VOILUTSequence[0].LUTDescriptor[:2])
        every = np.arange(first, first + (count or 2**16), dtype=np.int64)
        largest = float(apply_voi_lut(every, dataset).max())
        entries = apply_voi_lut(np.rint(values).astype(np.int64), dataset)
        return entries.astype(np.float32), (0.0, max(largest, 1.0)), "by the table of the file"
    window = _macro(dataset, frame, "FrameVOILUTSequence")
    centre, width = _first(window, "WindowCenter", None), _first(window, "WindowWidth", None)
    function = str(window.get("VOILUTFunction") or "LINEAR")
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return values, None, ""
    said = (
        f"by the window of the file ({function.lower()})"
        if function != "LINEAR"
        else "by the window of the file"
    )
    if function == "SIGMOID" and width > 0:
        grey = 1 / (1 + np.exp(np.clip(-4 * (values.astype(np.float64) - centre) / width, -700, 700)))
        return grey, (0.0, 1.0), said
    if function == "LINEAR_EXACT" and width > 0:
        return values, (centre - width / 2, centre + width / 2), said
    if width > 1:
        return values, (centre - width / 2, centre + width / 2 - 1), said
    if width == 1:
        return (values > centre - 1).astype(np.uint8), (0.0, 1.0), said
    return values, None, ""


def _first(dataset: "Dataset", name: str, default: Any) -> Any:
    """The first number of an element that may hold several, or none."""
    value = dataset.get(name)
    if value is None or value == "":
        return default
    try:
        return float(value if isinstance(value, (int, float, str)) else value[0])
    except (TypeError, ValueError, IndexError):
        return default
