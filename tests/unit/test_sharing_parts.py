"""What the stages of the multi-task study read: parts that never meet where they must not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from commands.compose import composed
from commands.record import recorded
from farfield.errors import InputError
from farfield.files import write_json
from stages.frame.params import check_params
from stages.frame.sharing_tasks import LEGACY_SELECTION, study_data

CONF = Path(__file__).parents[2] / "conf"
TRAIN, TEST = 40, 200
CPU = torch.device("cpu")


@pytest.fixture
def params(tmp_path, monkeypatch):
    """The tiny profile's parameters under a protocol, with a packed dataset in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/packed/sharing/rooms"
    folder.mkdir(parents=True)
    count = TRAIN + TEST
    np.save(folder / "images.npy", np.zeros((count, 8, 8, 3), np.uint8))
    np.save(folder / "segmentation.npy", np.zeros((count, 8, 8), np.int16))
    np.save(folder / "normals.npy", np.zeros((count, 8, 8, 3), np.uint8))
    np.save(folder / "depth.npy", np.ones((count, 8, 8), np.float32))
    write_json(folder / "classes.json", ["wall", "floor"])
    manifest = pd.DataFrame({"row": np.arange(count), "split": ["train"] * TRAIN + ["test"] * TEST})
    for task in ("segmentation", "normals", "depth"):
        manifest[f"valid_{task}"] = 1.0
    manifest.to_parquet(folder / "manifest.parquet")

    def made(protocol="fixed", **known):
        manifest.assign(**known).to_parquet(folder / "manifest.parquet")
        return check_params(
            composed(recorded(["profile=tiny", f"protocol={protocol}"], None, CONF), CONF),
            "tiny",
        )

    return made


def rows(part):
    return set(part.rows.tolist())


def test_what_checkpoints_are_chosen_by_is_neither_trained_nor_tested_on(params):
    data = study_data(params(), "nyuv2", CPU)
    assert rows(data.train) | rows(data.selection) == set(range(TRAIN))
    assert not rows(data.train) & rows(data.selection)
    assert len(data.selection) == 4
    assert rows(data.test) == set(range(TRAIN, TRAIN + TEST))


def test_legacy_chooses_by_the_first_test_images_and_trains_on_all_others(params):
    data = study_data(params("legacy"), "nyuv2", CPU)
    assert rows(data.train) == set(range(TRAIN))
    assert rows(data.selection) == set(range(TRAIN, TRAIN + LEGACY_SELECTION))
    assert len(data.test) == TEST
    assert data.test.protocol.name == "legacy"


def test_a_part_without_a_known_pixel_of_a_task_is_named(params):
    unknown = np.r_[np.ones(TRAIN), np.zeros(TEST)]
    with pytest.raises(InputError, match="no pixel of depth is known in the 200 images of rooms to test on"):
        study_data(params(valid_depth=unknown), "nyuv2", CPU)
