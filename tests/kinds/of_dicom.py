"""DICOM files of many makers that come in pydicom's wheel, and of pydicom and highdicom; read by pydicom's
functions one after the other."""

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.kinds.kind import Kind, between, by_percentiles, values

if TYPE_CHECKING:
    from pydicom import Dataset


def in_the_wheel(name: str) -> bytes:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path).read_bytes()


def opened(data: bytes) -> "Dataset":
    from pydicom import dcmread

    return dcmread(io.BytesIO(data), force=True)


def after_rescale(data: bytes, frame: int = 0) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut

    dataset = opened(data)
    array = dataset.pixel_array
    array = array[frame] if int(dataset.get("NumberOfFrames") or 1) > 1 else array
    return np.asarray(apply_modality_lut(array, dataset))


def by_window(data: bytes) -> np.ndarray:
    """As pydicom applies it; what it makes lies in the range of the stored numbers, after rescale."""
    from pydicom.pixels import apply_windowing

    dataset = opened(data)
    bits, slope, intercept = (
        dataset.BitsStored,
        dataset.get("RescaleSlope", 1),
        dataset.get("RescaleIntercept", 0),
    )
    lowest = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
    low, high = lowest * slope + intercept, (lowest + 2**bits - 1) * slope + intercept
    grey = between(apply_windowing(after_rescale(data), dataset), float(low), float(high))
    grey = 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey
    if "PixelPaddingValue" in dataset:  # no library leaves it out
        padding = dataset.pixel_array == dataset.PixelPaddingValue
        grey[padding] = grey[~padding].mean()
    return grey


def unscaled(data: bytes) -> np.ndarray:
    return by_percentiles(after_rescale(data))


def middle_colours(data: bytes) -> np.ndarray:
    """RGB of 8 bits, of several frames the middle one."""
    dataset = opened(data)
    frames = int(dataset.get("NumberOfFrames") or 1)
    array = dataset.pixel_array
    return array[frames // 2] if frames > 1 else array


def sixteen_bit_colours(data: bytes) -> np.ndarray:
    return between(opened(data).pixel_array, 0, 65535)


def palette(data: bytes) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    dataset = opened(data)
    return apply_color_lut(dataset.pixel_array, dataset) >> 8


def hounsfield(data: bytes) -> np.ndarray:
    return between(after_rescale(data), -1024, 1024)


def made(**elements: Any) -> bytes:
    """By pydicom, of 12 bits in 16."""
    from pydicom import Dataset, dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    array = values("uint16")
    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    file.Rows, file.Columns = array.shape
    file.SamplesPerPixel, file.PixelRepresentation, file.Modality = 1, 0, "DX"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PhotometricInterpretation = "MONOCHROME1"
    for name, value in elements.items():
        setattr(file, name, value)
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.PixelData = array.tobytes()
    buffer = io.BytesIO()
    dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def _kind(
    name: str, bits: str, colours: str, packed: str, shown: Any, extra: str = "", pages: int = 1
) -> Kind:
    bands = 1 if "MONO" in colours or "PALETTE" in colours else 3
    write = partial(in_the_wheel, name)
    writer = "in pydicom's wheel"
    return Kind("DICOM", bits, colours, bands, pages, packed, writer, "pydicom", write, shown, extra)


MEDICAL = "medical"
WINDOW = {"WindowCenter": 1800, "WindowWidth": 2500}
KINDS = (
    _kind("CT_small.dcm", "16, signed", "MONOCHROME2, CT", "none", hounsfield),
    _kind("MR_small.dcm", "16, signed", "MONOCHROME2, window", "none", by_window),
    _kind("MR_small_bigendian.dcm", "16, signed", "MONOCHROME2, window", "none, big endian", by_window),
    _kind("MR_small_implicit.dcm", "16, signed", "MONOCHROME2, window", "none, implicit", by_window),
    _kind("MR_small_RLE.dcm", "16, signed", "MONOCHROME2, window", "RLE", by_window),
    _kind("MR_small_jp2klossless.dcm", "16, signed", "MONOCHROME2, window", "JPEG 2000", by_window),
    _kind("MR_small_jpeg_ls_lossless.dcm", "16, signed", "MONOCHROME2, window", "JPEG-LS", by_window,
          extra=MEDICAL),
    _kind("JPEGLSNearLossless_16.dcm", "16", "MONOCHROME2", "JPEG-LS, near", unscaled, extra=MEDICAL),
    _kind("693_J2KI.dcm", "14, signed", "MONOCHROME2, window, padding", "JPEG 2000, lossy", by_window),
    _kind("image_dfl.dcm", "8", "MONOCHROME2", "deflated", after_rescale),
    _kind("SC_rgb_jpeg_dcmtk.dcm", "8", "YBR_FULL", "JPEG", middle_colours),
    _kind("SC_rgb_rle_16bit.dcm", "16", "RGB", "RLE", sixteen_bit_colours),
    _kind("SC_rgb_small_odd_big_endian.dcm", "8", "RGB", "none, big endian", middle_colours),
    _kind("SC_ybr_full_422_uncompressed.dcm", "8", "YBR_FULL_422", "none", middle_colours),
    _kind("examples_ybr_color.dcm", "8", "YBR_FULL_422", "RLE", middle_colours, pages=30),
    _kind("examples_palette.dcm", "8", "PALETTE COLOR", "RLE", palette),
    Kind("DICOM", "12 in 16", "MONOCHROME1, window", 1, 1, "none", "pydicom", "pydicom",
         partial(made, **WINDOW), by_window),
    Kind("DICOM", "12 in 16", "MONOCHROME1", 1, 1, "none", "pydicom", "pydicom", made,
         lambda data: 255 - by_percentiles(after_rescale(data))),
)  # fmt: skip
