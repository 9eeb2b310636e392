"""Decoding in a process of its own, which is ended where a decoder would not end."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from farfield.datasets.decoders import apart
from farfield.datasets.decoders.values import UnreadableImageError

# The worker as it is, with a decoder in the place of CharLS that does as it is told.
STUB = """
import importlib.util, os
import numpy as np
spec = importlib.util.spec_from_file_location("worker", {worker!r})
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
def decoded(what, frame, data):
    while data == b"slow":
        pass
    if data == b"dies":
        os._exit(3)
    if data == b"odd":
        raise ValueError("no such marker")
    return np.frombuffer(data, np.uint8) + frame
worker.decoded = decoded
worker.main()
"""


@pytest.fixture(autouse=True)
def stub(tmp_path, monkeypatch):
    (tmp_path / "stub.py").write_text(STUB.format(worker=str(apart.WORKER)))
    monkeypatch.setattr(apart, "WORKER", tmp_path / "stub.py")
    monkeypatch.setattr(apart, "_idle", [])
    monkeypatch.setattr(apart, "PATIENCE", 0.2)
    yield
    apart._end()


def test_a_decoder_that_does_not_end_is_ended_and_the_next_file_is_read():
    data = bytes(range(256)) * 4000  # more than a pipe holds
    for fault, said in (
        (b"slow", "the decoder of JPEG-LS did not end within 0 s"),
        (b"dies", "the decoder of JPEG-LS ended with 3"),
        (b"odd", "damaged: no such marker"),
    ):
        assert np.array_equal(apart.jpegls(data, 1), np.frombuffer(data, np.uint8))
        with pytest.raises(UnreadableImageError, match=said):
            apart.jpegls(fault, 1)
    assert apart.jpegls_in_dicom(b"ab", 2, 1).tolist() == [99, 100]


def test_a_worker_is_kept_for_the_next_file_and_each_thread_has_its_own():
    apart.jpegls(b"a", 1)
    [worker] = apart._idle
    apart.jpegls(b"b", 1)
    assert apart._idle == [worker]
    files = [bytes([i]) * 1000 for i in range(40)]
    with ThreadPoolExecutor(3) as pool:
        for data, found in zip(files, pool.map(lambda data: apart.jpegls(data, 1), files), strict=True):
            assert found.tobytes() == data
    assert 1 <= len(apart._idle) <= 3


def test_workers_end_with_what_started_them(tmp_path):
    program = (
        "from pathlib import Path\nfrom farfield.datasets.decoders import apart\n"
        f"apart.WORKER = Path({str(apart.WORKER)!r})\napart.jpegls(b'a', 1)\nprint(apart._idle[0].pid)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int(said), 0)
