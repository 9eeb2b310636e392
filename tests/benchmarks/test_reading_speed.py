"""Members that hold many images, read in one pass of their archive, against opening it for each."""

import pickle
import tarfile
from pathlib import Path

import numpy as np

from farfield.datasets.reading import read_sources
from farfield.datasets.sources import Source, Stack
from tests.unit.made_up_archives import pack

BATCHES, IMAGES = 20, 200


def test_an_archive_of_batches_against_opening_it_for_each(ratio, tmp_path: Path):
    random = np.random.default_rng(0)
    archive = tmp_path / "batches.tar.gz"
    content = {}
    for batch in range(BATCHES):
        pixels = random.integers(0, 256, (IMAGES, 3072), dtype=np.uint8)
        content[f"batches/{batch}"] = pickle.dumps({"data": pixels})
    pack(archive, content)
    stack = Stack("data", "chw", (3, 32, 32))
    wanted = {
        batch * IMAGES + entry: Source(archive.name, f"batches/{batch}", stack=stack, entry=entry)
        for batch in range(BATCHES)
        for entry in range(IMAGES)
    }

    def plain():
        images = {}
        for batch in range(BATCHES):
            with tarfile.open(archive) as tar:
                file = tar.extractfile(f"batches/{batch}")
                assert file is not None
                rows = pickle.load(file)["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            for entry in range(IMAGES):
                images[batch * IMAGES + entry] = np.ascontiguousarray(rows[entry])
        return images

    def ours():
        return dict(read_sources(tmp_path, wanted))

    found, expected = ours(), plain()
    assert all((found[row] == expected[row]).all() for row in wanted)
    ratio(ours, plain, least=3)
