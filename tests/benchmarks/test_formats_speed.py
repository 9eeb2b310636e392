"""A folder of 16-bit TIFF files, and one of DICOM files, packed by two threads, against the library of their
field, called in the plainest way on the same files: read, the range of all of them, 8 bits, resized. And their
memory."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.layouts import Index, Record, read_images
from farfield.datasets.packed import load_images
from farfield.datasets.packing import pack
from tests.kinds.kind import between

SIZE = 128
COUNTS = {"tif": 2000, "dcm": 500}
SIDES = {"tif": 256, "dcm": 512}
FEW, MANY = {"tif": 200, "dcm": 500}, 2000  # files, of which memory must not depend
CLASSES = 5


def pixels(number: int, side: int) -> np.ndarray:
    """12 bits in 16: ramps with noise, of another brightness from file to file."""
    random = np.random.default_rng(number)
    down, right = np.mgrid[:side, :side] / side
    ramp = 300 + 2500 * (down * random.uniform() + right * random.uniform()) + 4 * (number % 100)
    return np.clip(ramp + random.normal(0, 20, (side, side)), 0, 4095).astype(np.uint16)


def write_tiff(path: Path, number: int) -> None:
    tifffile.imwrite(path, pixels(number, SIDES["tif"]), photometric="minisblack", compression="zlib")


def write_dicom(path: Path, number: int) -> None:
    from pydicom import Dataset, dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, RLELossless

    array = pixels(number, SIDES["dcm"])
    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = ComputedRadiographyImageStorage, f"1.2.{number}"
    file.Rows, file.Columns = array.shape
    file.SamplesPerPixel, file.PixelRepresentation, file.Modality = 1, 0, "CR"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PhotometricInterpretation = "MONOCHROME1"
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.PixelData = array.tobytes()
    if number % 2:
        file.compress(RLELossless, generate_instance_uid=False)
    dcmwrite(path, file, enforce_file_format=True)


def made(folder: Path, suffix: str, count: int) -> Index:
    """So many files in `folder`, and what they are."""
    folder.mkdir()
    write = write_tiff if suffix == "tif" else write_dicom
    names = [f"{number:05}.{suffix}" for number in range(count)]
    for number, name in enumerate(names):
        write(folder / name, number)
    records = tuple(Record("", name, name, number % CLASSES, "all") for number, name in enumerate(names))
    return Index(records, tuple("abcde"))


def packed(folder: Path, index: Index, out: Path) -> None:
    read = partial(read_images, folder, index)
    pack(index, read, Packing(size=SIZE), out, out.with_name("scratch"), workers=2, title="")


def plainly(paths: list[Path]) -> np.ndarray:
    """uint8 [n, SIZE, SIZE]: all files read, the range of all their values, 8 bits, resized."""
    if paths[0].suffix == ".tif":
        stack = np.stack([tifffile.imread(path) for path in paths])
    else:
        from pydicom import dcmread

        stack = np.stack([dcmread(path).pixel_array for path in paths])
    low, high = np.percentile(stack, (0.1, 99.9))
    grey = between(stack, low, high) if paths[0].suffix == ".tif" else 255 - between(stack, low, high)
    images = [Image.fromarray(image.astype(np.uint8)) for image in grey]
    return np.stack([np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for image in images])


@pytest.mark.parametrize("suffix", COUNTS)
def test_a_folder_of_files_against_the_library_of_their_field(ratio, tmp_path, suffix):
    index = made(tmp_path / "in", suffix, COUNTS[suffix])
    paths = sorted((tmp_path / "in").iterdir())

    def ours() -> None:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        packed(tmp_path / "in", index, tmp_path / "out")

    ours()
    apart = np.abs(load_images(tmp_path / "out")[..., 0].astype(int) - plainly(paths))
    assert apart.max() <= 1
    ratio(ours, lambda: plainly(paths), least=1.5)


@pytest.mark.parametrize("suffix", COUNTS)
def test_memory_does_not_depend_on_the_number_of_files(benchmark, tmp_path, suffix):
    """Of what is not a file in memory, at the most; files whose values are kept for the second pass take so much
    less here than they may that both folders hold more, and both more than are decoded at a time."""
    few = FEW[suffix]
    for count in (few, MANY):
        made(tmp_path / str(count), suffix, count)

    def peak(count: int) -> int:
        words = [sys.executable, "-m", "tests.benchmarks.packing_memory", str(tmp_path / str(count))]
        return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    peaks = {few: peak(few), MANY: benchmark.pedantic(peak, args=(MANY,))}
    print(
        f"\n{suffix}: " + ", ".join(f"{count} files {peak / 2**20:.0f} MiB" for count, peak in peaks.items())
    )
    assert peaks[MANY] < 1.1 * peaks[few]
