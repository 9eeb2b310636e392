"""What the doctor reads, against `sha256sum` on the same files: large ones, and many small ones."""

import subprocess

import numpy as np
import pytest

from commands.doctor.hashing import Hashes


@pytest.mark.parametrize(("files", "size"), [(4, 64 << 20), (4000, 20_000)], ids=["large", "small"])
def test_reading_everything_against_sha256sum(ratio, tmp_path, files, size):
    data = np.random.default_rng(0).bytes(size)
    paths = [tmp_path / f"{number}.bin" for number in range(files)]
    for path in paths:
        path.write_bytes(data)

    def ours():
        hashes = Hashes()
        hashes.read(paths)
        return hashes

    assert len({ours()[path] for path in paths[:3]}) == 1
    ratio(ours, lambda: subprocess.run(["sha256sum", *paths], check=True, capture_output=True), least=1 / 1.2)
