"""DICOM files that pydicom writes, against the formulas of the standard in numpy."""

import gc
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import UnreadableImageError, begins_as_image, decode, read

pydicom = pytest.importorskip("pydicom")

SIZE = 40
FORM = Packing(size=SIZE)
Y, X = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)


def dicom(pixels: np.ndarray, *, meta: bool = True, syntax: str = "1.2.840.10008.1.2.1", **elements) -> bytes:
    """A file with these stored values; elements by keyword."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(entropy_srcs=["a"])
    frames = pixels.ndim > 2 and elements.get("NumberOfFrames")
    file.Rows, file.Columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    colour = pixels.ndim == 3 and not frames
    file.SamplesPerPixel = 3 if colour else 1
    if colour:
        file.PlanarConfiguration = 0
    file.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 8 * pixels.dtype.itemsize
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(file, name, value)
    file.HighBit = file.BitsStored - 1
    file.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    if meta:
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    else:
        pydicom.dcmwrite(buffer, file, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def ramp(dtype: str, low: float, high: float) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, (high - low) / 50, (SIZE, SIZE))
    return np.clip(low + (high - low) * (0.7 * X + 0.3 * Y) + noise, low, high).astype(dtype)


def scaled(values, low, high):
    return np.rint(255 * np.clip((values.astype(np.float64) - low) / (high - low), 0, 1))


def by_percentiles(values):
    return scaled(values, *np.percentile(values, (0.1, 99.9)))


def near(data: bytes, expected: np.ndarray) -> None:
    pixels = decode(data, FORM).pixels.astype(int)
    wanted = expected[..., None] if expected.ndim == 2 else expected
    assert np.abs(pixels - wanted).max() <= 1


@pytest.mark.parametrize(("dtype", "stored", "low", "high"), [
    ("uint16", 12, 0, 4095), ("uint16", 16, 200, 30000), ("int16", 12, -2000, 2000), ("int16", 16, -1000, 9000),
])  # fmt: skip
@pytest.mark.parametrize("white", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("rescale", [(1, 0), (2.5, -1024)])
def test_grey_without_a_window(dtype, stored, low, high, white, rescale):
    values = ramp(dtype, low, high)
    data = dicom(
        values,
        BitsStored=stored,
        PhotometricInterpretation=white,
        RescaleSlope=rescale[0],
        RescaleIntercept=rescale[1],
        Modality="MR",
    )
    expected = by_percentiles(values * rescale[0] + rescale[1])
    near(data, 255 - expected if white == "MONOCHROME1" else expected)


@pytest.mark.parametrize("white", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_of_the_file_is_taken_after_its_rescale(function, white):
    values = ramp("uint16", 0, 4095)
    centre, width = 40.0, 400.0
    data = dicom(
        values,
        BitsStored=12,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        WindowCenter=[centre, 300],
        WindowWidth=[width, 2000],
        VOILUTFunction=function,
        PhotometricInterpretation=white,
    )
    hu = values.astype(np.float64) - 1024
    grey = {
        "LINEAR": np.clip((hu - (centre - 0.5)) / (width - 1) + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((hu - centre) / width + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (hu - centre) / width)),
    }[function]
    near(data, np.rint(255 * (1 - grey if white == "MONOCHROME1" else grey)))


def test_a_presentation_that_says_inverse_turns_once():
    values = ramp("uint8", 0, 255)
    near(dicom(values, PresentationLUTShape="INVERSE"), 255 - values)
    both = dicom(values, PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1")
    near(both, 255 - values)


def test_ct_without_a_window_is_shown_in_hounsfield_units():
    values = ramp("uint16", 0, 4095)
    data = dicom(values, BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024, Modality="CT")
    near(data, scaled(values.astype(float) - 1024, -1024, 1024))
    assert "-1,024 to 1,024 HU" in decode(data, FORM).remark


def test_padding_becomes_the_mean_of_the_rest():
    values = ramp("int16", 0, 3000)
    hole = np.hypot(X - 0.5, Y - 0.5) > 0.5
    expected = np.zeros(values.shape)
    expected[~hole] = by_percentiles(values[~hole] - 1024.0)
    expected[hole] = expected[~hole].mean()
    values[hole] = -2000
    near(
        dicom(values, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=-2000, Modality="MR"),
        expected,
    )


def test_a_table_goes_before_the_window():
    values = ramp("uint16", 0, 255)
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [256, 0, 12]
    table.LUTData = np.arange(255 * 16, -1, -16, dtype="<u2").tobytes()
    data = dicom(values, BitsStored=12, VOILUTSequence=[table], WindowCenter=10, WindowWidth=5)
    near(data, scaled((255 - values.astype(int)) * 16, 0, 255 * 16))


def test_colour_and_palette():
    colours = np.stack([X * 255, Y * 255, 255 - X * 255], -1).astype(np.uint8)
    near(dicom(colours), colours)
    indices = ramp("uint8", 0, 255)
    entries = [
        np.arange(256, dtype=np.uint16),
        np.arange(255, -1, -1, dtype=np.uint16),
        np.full(256, 7, np.uint16),
    ]
    names = ("Red", "Green", "Blue")
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in names}
    palette |= {
        f"{name}PaletteColorLookupTableData": (values << 8).tobytes()
        for name, values in zip(names, entries, strict=True)
    }
    data = dicom(indices, PhotometricInterpretation="PALETTE COLOR", **palette)
    near(data, np.stack([values[indices] for values in entries], axis=2))


def test_the_middle_frame_counts_with_its_own_rescale_and_window():
    from pydicom.dataset import Dataset

    frames = np.stack(
        [np.zeros((SIZE, SIZE), np.uint16), np.zeros((SIZE, SIZE), np.uint16), ramp("uint16", 0, 4095)]
    )
    frames = np.concatenate([frames, frames[:1]])
    near(dicom(frames, NumberOfFrames=4, BitsStored=12, Modality="MR"), by_percentiles(frames[2]))
    groups = []
    for slope, centre in ((1, 10), (1, 10), (2, 1500), (1, 10)):
        group, scale, window = Dataset(), Dataset(), Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = slope, -1000, "HU"
        window.WindowCenter, window.WindowWidth = centre, 3001
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [scale], [window]
        groups.append(group)
    data = dicom(
        frames, NumberOfFrames=4, BitsStored=12, Modality="CT", PerFrameFunctionalGroupsSequence=groups
    )
    near(data, scaled(frames[2] * 2.0 - 1000, 1499.5 - 1500, 1499.5 + 1500))
    assert (decode(data, FORM).page, decode(data, FORM).pages) == (2, 4)


def test_a_data_set_without_preamble_or_meta_is_read_and_known():
    values = ramp("uint16", 0, 4095)
    for data in (dicom(values, BitsStored=12, meta=False), dicom(values, BitsStored=12)):
        assert begins_as_image(data[:512])
        near(data, by_percentiles(values))
    assert begins_as_image(dicom(values)[132:][:512])


def test_what_holds_no_picture_or_too_few_bytes_has_a_reason():
    data = dicom(ramp("uint16", 0, 4095))
    with pytest.raises(UnreadableImageError, match="damaged"):
        decode(data[:-500], FORM)
    report = pydicom.dcmread(io.BytesIO(data))
    del report.PixelData, report.Rows
    buffer = io.BytesIO()
    report.save_as(buffer)
    with pytest.raises(UnreadableImageError, match=r"a DICOM file without a picture \(Secondary Capture"):
        decode(buffer.getvalue(), FORM)


# The same slice in the transfer syntaxes that need no other package, from pydicom's own files.
@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless"]
)
def test_transfer_syntaxes_agree(name):
    from pydicom.data import get_testdata_file

    plain, other = (read(Path(str(get_testdata_file(f"{n}.dcm"))).read_bytes()) for n in ("MR_small", name))
    assert (plain.array == other.array).all()
    assert plain.stated == other.stated


def test_a_file_that_was_read_is_let_go_at_once():
    from pydicom.data import get_testdata_file

    data = Path(str(get_testdata_file("MR_small_RLE.dcm"))).read_bytes()
    read(data)
    gc.collect()
    gc.disable()
    try:
        held = sys.getrefcount(data)
        read(data)
        assert sys.getrefcount(data) == held
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless", "SC_rgb_jpeg_gdcm", "GDCMJ2K_TextGBR"])
def test_a_codec_that_is_not_installed_is_named(name):
    from importlib.util import find_spec

    from pydicom.data import get_testdata_file

    data = Path(str(get_testdata_file(f"{name}.dcm"))).read_bytes()
    if find_spec("gdcm") and find_spec("jpeg_ls"):
        assert decode(data, FORM).pixels.std() > 5
    else:
        with pytest.raises(UnreadableImageError, match=r"farfield\[medical\]"):
            decode(data, FORM)
