"""What a drawn picture is written as: PNG, or the files that satellites and hospitals have.

| form | what |
|---|---|
| png | the picture |
| bands | TIFF of the 13 bands of Sentinel-2 in the order of EuroSAT, uint16, reflectance times 10,000 |
| dicom | DICOM of 12 bits in 16, uncompressed, without a window; of grey pictures |
"""

import io
from typing import Literal

import numpy as np

from farfield.errors import InputError

Form = Literal["png", "bands", "dicom"]
SUFFIX: dict[Form, str] = {"png": ".png", "bands": ".tif", "dicom": ".dcm"}

# Of each band, from B01 to B12 and B8A last: what blue, green, red, plants and dry ground reflect in it.
_REFLECTS = np.array(
    [
        (0.30, 0.02, 0.00, 0.00, 0.02),
        (0.28, 0.02, 0.00, 0.00, 0.01),
        (0.06, 0.24, 0.02, 0.00, 0.01),
        (0.00, 0.05, 0.26, 0.00, 0.02),
        (0.00, 0.06, 0.16, 0.10, 0.05),
        (0.00, 0.05, 0.08, 0.26, 0.08),
        (0.00, 0.04, 0.06, 0.34, 0.09),
        (0.00, 0.04, 0.06, 0.36, 0.10),
        (0.00, 0.01, 0.02, 0.10, 0.03),
        (0.001, 0.0, 0.0, 0.0, 0.001),
        (0.00, 0.02, 0.10, 0.12, 0.26),
        (0.00, 0.01, 0.08, 0.05, 0.24),
        (0.00, 0.04, 0.06, 0.37, 0.11),
    ],
    dtype=np.float64,
)


def encoded(pixels: np.ndarray, form: Form, path: str) -> bytes:
    """The file of a picture uint8 [h, w, 3] or [h, w], called `path`. InputError if it cannot be of this form."""
    if form == "bands":
        return _tiff(bands_of(pixels))
    return _dicom(pixels, path) if form == "dicom" else _png(pixels)


def bands_of(pixels: np.ndarray) -> np.ndarray:
    """uint16 [h, w, 13] of a coloured picture: what is greener than it is bright reflects near infrared as plants
    do, what is redder than blue reflects short waves as dry ground does, and water reflects neither."""
    if pixels.ndim != 3:
        raise InputError("generator.form is 'bands', which needs a domain in colour, such as terrain")
    red, green, blue = (pixels / 255).transpose(2, 0, 1)
    plants = np.clip(2 * (green - (red + blue) / 2) + 0.5 * green, 0, 1)
    dry = np.clip(red + 0.5 * (red - blue), 0, 1)
    reflectance = np.stack([blue, green, red, plants, dry], axis=2) @ _REFLECTS.T
    return np.rint(10_000 * (0.01 + reflectance)).astype(np.uint16)


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _tiff(bands: np.ndarray) -> bytes:
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(
        file, bands, photometric="minisblack", planarconfig="contig", metadata=None, software=False
    )
    return file.getvalue()


def _dicom(pixels: np.ndarray, path: str) -> bytes:
    if pixels.ndim != 2:
        raise InputError("generator.form is 'dicom', which needs a grey domain, such as radiographs")
    try:
        import pydicom
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
    except ImportError as error:
        raise InputError(
            "generator.form is 'dicom', which needs the extra `medical`: pip install 'farfield[medical]'"
        ) from error
    file = Dataset()
    file.SOPClassUID = DigitalXRayImageStorageForPresentation
    file.SOPInstanceUID = generate_uid(entropy_srcs=[path])
    file.Modality = "DX"
    file.PhotometricInterpretation = "MONOCHROME2"
    file.SamplesPerPixel, file.PixelRepresentation = 1, 0
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    # A part of the 4,096 values, as of any exposure, with the steps of the film's curve between them.
    values = np.rint(300 + 3200 * (pixels / 255) ** 0.8).astype("<u2")
    file.PixelData = values.tobytes()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()
