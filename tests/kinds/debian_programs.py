"""Programs of Debian as functions: bytes or arrays to the bytes of a file, and back."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.kinds.kind import between

ENVI = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4"}


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def converted(data: bytes, before: str, after: str, *commands: tuple[str, ...]) -> bytes:
    """The file `after` that the commands, whose `{in}` and `{out}` are the files, make of the data."""
    with TemporaryDirectory() as folder:
        files = {
            "{in}": f"{folder}/in.{before}",
            "{out}": f"{folder}/out.{after}",
            "{between}": f"{folder}/between",
        }
        Path(files["{in}"]).write_bytes(data)
        for command in commands:
            run(*(files.get(word, word) for word in command))
        return Path(files["{out}"]).read_bytes()


def raw(array: np.ndarray, *options: str, form: str = "GTiff") -> bytes:
    """What gdal_translate makes of the bare numbers."""
    code = next(code for code, name in ENVI.items() if np.dtype(name) == array.dtype)
    whole = array[..., None] if array.ndim == 2 else array
    height, width, bands = whole.shape
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in").write_bytes(np.moveaxis(whole, 2, 0).tobytes())
        (place / "in.hdr").write_text(
            f"ENVI\nsamples = {width}\nlines = {height}\nbands = {bands}\nheader offset = 0\n"
            f"data type = {code}\ninterleave = bsq\nbyte order = 0\n"
        )
        run("gdal_translate", "-q", "-of", form, *options, f"{folder}/in", f"{folder}/out")
        return (place / "out").read_bytes()


def by_gdal(data: bytes) -> np.ndarray:
    """[h, w] or [h, w, c]."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in").write_bytes(data)
        run("gdal_translate", "-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", f"{folder}/in", f"{folder}/out")
        said = dict(re.findall(r"^(\w[\w ]*?) *= *(\S+)", (place / "out.hdr").read_text(), re.M))
        shape = [int(said[name]) for name in ("bands", "lines", "samples")]
        array = np.fromfile(place / "out", ENVI[int(said["data type"])]).reshape(shape)
        return array[0] if shape[0] == 1 else np.moveaxis(array, 0, -1)


def pnm(array: np.ndarray, largest: int) -> bytes:
    kind = "P5" if array.ndim == 2 else "P6"
    head = f"{kind}\n{array.shape[1]} {array.shape[0]}\n{largest}\n".encode()
    return head + array.astype(">u2" if largest > 255 else "u1").tobytes()


def of_pnm(data: bytes) -> tuple[np.ndarray, int]:
    found = re.match(rb"P([56])\s+(?:#.*\n)?(\d+)\s+(\d+)\s+(\d+)\s", data)
    assert found
    kind, width, height, largest = (int(group) for group in found.groups())
    array = np.frombuffer(data[found.end() :], ">u2" if largest > 255 else "u1")
    return array.reshape((height, width) if kind == 5 else (height, width, 3)), largest


def by(program: tuple[str, ...], before: str, data: bytes, after: str = "ppm") -> np.ndarray:
    """The grey levels in the PNM that a program writes: its largest number is white."""
    array, largest = of_pnm(converted(data, before, after, program))
    return between(array, 0, largest)


def piped(*command: str) -> Callable[[bytes], bytes]:
    """A program of netpbm, which writes to its output."""
    return lambda data: subprocess.run(command, input=data, check=True, capture_output=True).stdout
