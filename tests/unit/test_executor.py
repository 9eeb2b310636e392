"""What runs through an executor: the trainings of `metatrain`, in one process or several, killed and resumed."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from interrupted import kill_after_two_epochs

from commands.compose import composed, texts
from commands.record import fresh_record, recorded
from farfield.execution import Workers
from farfield.files import read_json
from farfield.local import Local
from stages import metatrain
from stages.frame.executor import executor

CONF = Path(__file__).parents[2] / "conf"
CHANGES = ("fewshot.shared.meta.shots=[1,2]", "fewshot.shared.meta.epochs=3", "fewshot.way=3")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with the parameters of tiny, two shots, and the packed source."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARFIELD_DEVICE", "cpu")
    monkeypatch.setattr("stages.frame.paths.declared_code", lambda command: [])  # there is no dvc.yaml here
    for path, text in texts(composed(recorded([*CHANGES], fresh_record("tiny", CONF), CONF), CONF)).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    folder = tmp_path / "data/packed/source/objects"
    folder.mkdir(parents=True)
    labels = np.repeat(np.arange(12), 12)
    random = np.random.default_rng(0)
    images = random.integers(0, 200, (144, 18, 18, 3)) + 4 * labels[:, None, None, None]
    np.save(folder / "images.npy", images.astype(np.uint8))
    splits = np.array(["train", "val", "test"])[np.digitize(labels, [6, 7])]
    manifest = pd.DataFrame({"row": np.arange(144), "label": labels, "split": splits})
    manifest.to_parquet(folder / "manifest.parquet")
    return tmp_path


def outputs() -> dict[str, str]:
    files = sorted(path for path in metatrain.META.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(monkeypatch, workers: int) -> dict[str, str]:
    monkeypatch.setenv("FARFIELD_WORKERS", str(workers))
    metatrain.main("protonet")
    assert not [*Path(".farfield/scratch").iterdir()], "finished work stays in the scratch folder"
    return outputs()


def test_trainings_give_the_same_bytes_in_any_number_of_processes_and_after_a_kill(here, monkeypatch):
    alone = run(monkeypatch, 1)
    assert {*alone} == {"1-shot.safetensors", "2-shot.safetensors", "protonet.csv", "protonet.json"}
    assert read_json(metatrain.META / "training/protonet.json")["held_out"].keys() == {"1-shot", "2-shot"}
    assert run(monkeypatch, 2) == alone

    monkeypatch.setenv("FARFIELD_WORKERS", "1")
    kill_after_two_epochs(monkeypatch, lambda: metatrain.main("protonet"))
    monkeypatch.chdir(here)
    monkeypatch.setenv("FARFIELD_DEVICE", "cpu")
    monkeypatch.setattr("stages.frame.paths.declared_code", lambda command: [])
    [left] = Path(".farfield/scratch").rglob("checkpoint.safetensors")
    assert left.parent.name == "1-shot"
    assert run(monkeypatch, 1) == alone


def test_a_finished_training_is_not_asked_again(here, monkeypatch):
    whole, asked = run(monkeypatch, 1), []

    def killed_at_two_shots(training):
        asked.append(training.shot)
        if training.shot == 2 and asked == [1, 2]:
            raise KeyboardInterrupt
        return train(training)

    train = metatrain.train
    monkeypatch.setattr(metatrain, "train", killed_at_two_shots)
    with pytest.raises(KeyboardInterrupt):
        metatrain.main("protonet")
    assert run(monkeypatch, 1) == whole
    assert asked == [1, 2, 2]


def test_an_accelerator_is_held_by_one_process():
    assert executor(Local(workers=3), torch.device("cpu")).count == 3
    assert executor(Local(workers=3), torch.device("cuda")).count == 1


def place(item: int) -> tuple[int, int]:
    return item, os.getpid()


def test_a_single_item_is_worked_on_here():
    """Starting a process takes longer than many a piece of work."""
    with Workers(2) as workers:
        assert list(workers.map(place, [7])) == [(7, os.getpid())]
        assert list(workers.map(place, [])) == []
