"""Decoding in a process of its own, for decoders that may never come back from a damaged file.

CharLS, which imagecodecs, pyjpegls and GDCM decode JPEG-LS with, can go round for ever on damaged pixels, and a
thread cannot be stopped. `apart_worker` decodes there, and the kernel ends it when a file has taken more
seconds of a processor than it may; the next file gets another one. A worker is kept for the next file, since it
takes half a second to start.
"""

import atexit
import io
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from farfield.datasets.decoders.values import UnreadableImageError

WORKER = Path(__file__).with_name("apart_worker.py")
HEAD = struct.Struct("<4sIdQ")  # what to do, which frame, seconds of a processor, bytes that follow
ANSWER = struct.Struct("<?Q")  # whether it is an array, bytes that follow
PATIENCE, PIXELS = 10.0, 1e6  # seconds for any file, and pixels for one second more
IMAGE, DICOM = b"jls ", b"dcm "

_idle: list["subprocess.Popen[bytes]"] = []
_lock = threading.Lock()


def jpegls(data: bytes, pixels: int) -> np.ndarray:
    """The values in a JPEG-LS file of so many pixels. UnreadableImageError."""
    return _ask(IMAGE, 0, data, pixels)


def jpegls_in_dicom(data: bytes, frame: int, pixels: int) -> np.ndarray:
    """The stored values of a frame in a DICOM file that is compressed as JPEG-LS. UnreadableImageError."""
    return _ask(DICOM, frame, data, pixels)


def _ask(what: bytes, frame: int, data: bytes, pixels: int) -> np.ndarray:
    seconds = PATIENCE + pixels / PIXELS
    with _lock:
        worker = _idle.pop() if _idle else None
    worker = worker or subprocess.Popen(
        # -P: the folder of the worker has modules whose names others have too
        [sys.executable, "-P", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(HEAD.pack(what, frame, seconds, len(data)))
        worker.stdin.write(data)
        worker.stdin.flush()
        answer = worker.stdout.read(ANSWER.size)
    except BrokenPipeError:
        answer = b""
    if len(answer) < ANSWER.size:
        _closed(worker)
        slow = worker.returncode == -signal.SIGPROF
        how = f"did not end within {seconds:.0f} s" if slow else f"ended with {worker.returncode}"
        raise UnreadableImageError(f"damaged: the decoder of JPEG-LS {how}")
    right, size = ANSWER.unpack(answer)
    content = worker.stdout.read(size)
    with _lock:
        _idle.append(worker)
    if not right:
        raise UnreadableImageError(content.decode())
    found: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    return found


def _closed(worker: "subprocess.Popen[bytes]") -> None:
    """A worker ends with what it is told by."""
    worker.communicate()


@atexit.register
def _end() -> None:
    while _idle:
        _closed(_idle.pop())
