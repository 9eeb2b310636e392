"""What it costs that inputs are checked: a large packed set when it is read again, and all stages of a run."""

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from farfield.files import allocate_array, file_hash
from farfield.own import images
from stages.frame import inputs
from stages.frame.inputs import require_whole

ROOT = Path(__file__).parents[2]
SECONDS = ROOT / ".farfield/seconds.json"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """2 GB of packed images with all that is known of them."""
    folder = tmp_path_factory.mktemp("large")
    array = allocate_array(folder / "packed.npy", (43_700, 128, 128, 3), np.uint8)
    array[:] = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    array.flush()
    (folder / "packed").mkdir()
    (folder / "packed.npy").rename(folder / "packed/images.npy")
    return folder


def test_a_packed_set_of_2_gb_is_opened_again(packed, tmp_path, monkeypatch, ratio):
    monkeypatch.chdir(tmp_path)
    entry = {"md5": file_hash(packed / "packed/images.npy", "md5"), "relpath": "images.npy"}
    md5 = hashlib.md5(json.dumps([entry]).encode(), usedforsecurity=False).hexdigest() + ".dir"
    ratio(
        lambda: inputs._require(packed / "packed", md5),
        lambda: file_hash(packed / "packed/images.npy", "md5"),
        least=20,
    )


def test_one_s_own_2_gb_are_opened_again(packed, ratio):
    (packed / images.SUMS).write_text(json.dumps(images._sums(packed)))
    assert images._whole(packed)
    ratio(lambda: images._whole(packed), lambda: images._sums(packed), least=20)


@pytest.mark.skipif(not SECONDS.exists(), reason="needs a `make repro` in this checkout")
def test_all_inputs_of_a_run_against_its_stages(tmp_path, monkeypatch):
    """Hashed for the first time, and found unchanged, beside the seconds that the stages took."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(inputs, "VERIFIED", tmp_path / "verified")
    given = [stage.cmd for stage in Repo().index.stages if stage.cmd]
    commands = [command.removeprefix("python -m stages.") for command in given if " -m stages." in command]
    total = sum(json.loads(SECONDS.read_text()).values())
    used = []
    for _ in range(2):
        begin = time.process_time()
        for command in commands:
            require_whole(command)
        used.append(time.process_time() - begin)
    print(
        f"\n{len(commands)} stages, {total:.0f} s: checked first in {used[0]:.1f}, then in {used[1]:.1f} CPU s"
    )
    assert used[0] < 0.05 * total
    assert os.listdir(tmp_path / "verified")
