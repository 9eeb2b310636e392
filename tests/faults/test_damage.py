"""Damage on the disk: to outputs of stages, unfinished work, classifiers, copies of one's own images."""

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import Head, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.description import Description
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.execution import Workers
from farfield.own.images import own_images
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.transfer.finetuning.driver import fine_tune_episodes
from farfield.transfer.finetuning.settings import FineTuning
from stages.frame.declared import declared
from stages.frame.inputs import _locked, require_whole
from tests.faults.conftest import damage
from tests.unit.own_folder import coloured


def flipped(chance: random.Random):
    """Change one bit."""

    def change(data: bytearray) -> None:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)

    return change


def cut(chance: random.Random):
    """Cut the end off, or everything."""

    def change(data: bytearray) -> None:
        del data[chance.choice([0, len(data) - 1, chance.randrange(len(data))]) :]

    return change


def readable(clone) -> dict[str, list[tuple[str, Path]]]:
    """{kind of file: (a stage's command, a file that it reads)} of all stages and all that stages left."""
    commands = [
        stage["cmd"].removeprefix("python -m stages.")
        for lock in clone.path.glob("**/dvc.lock")
        for stage in yaml.load(lock.read_bytes(), yaml.CSafeLoader)["stages"].values()
        if "stages." in stage["cmd"]
    ]
    found = defaultdict(list)
    outputs = [path for path, _ in _locked() if path.exists()]
    for command in sorted(commands):
        names = [Path(name) for name in declared(command) if name.startswith(("data/", "pipelines/"))]
        for output in outputs:
            if any(output == name or name in output.parents or output in name.parents for name in names):
                files = [output] if output.is_file() else sorted(output.rglob("*"))
                for file in files:
                    if file.is_file() and file.stat().st_size:
                        found["/".join(file.parts[:2]) + f" {file.suffix}"].append((command, file))
    return found


@pytest.mark.parametrize(
    ("fault", "change", "trials"), [("one bit flipped", flipped, 100), ("cut off", cut, 30)]
)
def test_what_a_stage_reads(done, tally, monkeypatch, fault, change, trials):
    monkeypatch.chdir(done.path)
    chance, kinds = random.Random(trials), readable(done)
    lines = {}
    for trial in range(trials):
        kind = sorted(kinds)[trial % len(kinds)]
        place = kind.split()[0]
        line = lines.setdefault(place, tally(place, f"{fault}; before a stage reads it"))
        command, file = chance.choice(kinds[kind])
        require_whole(command)
        mend = damage(file, change(chance))
        try:
            require_whole(command)
            line.unnoticed.append(f"{file} by {command}")
        except InputError as error:
            line.refuses(str(error))
        mend()


def test_a_stage_that_runs_says_so(done, tally):
    """The whole way: DVC, the stage, its message."""
    line = tally("features", "one bit flipped; `dvc repro` of a stage that reads them")
    file = next((done.path / "pipelines/fewshot/features/objects").glob("*.npy"))
    damage(file, flipped(random.Random(0)))
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    said = done.dvc("repro", "--single-item", "pipelines/fewshot/dvc.yaml:transfer@fixed", ok=False)
    assert "Traceback" not in said
    assert f"error: {file.parent.relative_to(done.path)}" in said
    line.refuses(said[said.index("error: ") :])


def test_what_rots_on_the_disk_is_found_by_the_doctor(done, tally):
    """With size, time and inode as they were, so that only reading it all tells."""
    line = tally("cache and outputs", "one bit flipped, time kept; `farfield doctor`")
    chance = random.Random(1)
    objects = sorted((done.path / ".dvc/cache/files/md5").glob("??/*"))
    lost = chance.sample([path for path in objects if path.stat().st_size], 20)
    for path in lost:
        damage(path, flipped(chance), keep_time=True)
    said = done.doctor(ok=False)
    for path in lost:
        name = f"{path.relative_to(done.path)} is damaged"
        if name in said:
            line.refuses(name)
        else:
            line.unnoticed.append(str(path))
    line = tally("cache and outputs", "the same; `farfield doctor --repair`")
    before = {path: path.read_bytes() for path in lost}
    said = done.doctor("--repair")
    for path in lost:
        if path.exists() and path.read_bytes() == before[path]:
            line.unnoticed.append(f"{path}: {said}")
        else:
            line.mended += path.exists()
            line.refused += not path.exists()
    line.said = "what this pipeline left is computed again; what is left over is set aside"
    assert done.make() == []


def test_episodes_that_were_adapted_before_a_kill(tmp_path, tally, capsys):
    line = tally("scratch: adapted episodes", "one bit flipped; the run that goes on")
    rows = np.arange(12, dtype=np.int32).reshape(1, 2, 6)
    images = np.random.default_rng(0).integers(0, 256, (12, 18, 18, 3), dtype=np.uint8)

    def answers() -> np.ndarray:
        with Workers(1) as workers:
            return fine_tune_episodes(
                build("resnet10", width=4, image_size=16),
                images,
                Episodes(rows, np.zeros((1, 2), np.int32), 1),
                FineTuning(epochs=1),
                ["head"],
                image_size=16,
                seed=0,
                device=torch.device("cpu"),
                executor=workers,
                scratch=tmp_path,
                title="t",
            )["head"]

    torch.manual_seed(0)
    right = answers()
    [file] = tmp_path.rglob("*.safetensors")
    chance = random.Random(2)
    for _ in range(10):
        damage(file, flipped(chance))
        torch.manual_seed(0)
        again = answers()
        if np.array_equal(again, right):
            line.mended += 1
        else:
            line.unnoticed.append("other answers")
    line.said = capsys.readouterr().err.rpartition("computed anew")[2][:60] and "computed anew"


def test_checkpoints_and_networks(tmp_path, tally):
    line = tally("networks, checkpoints (.safetensors)", "one bit flipped; whoever loads it")
    path, chance = tmp_path / "m.safetensors", random.Random(3)
    right = torch.arange(1.0, 1000.0)
    save_tensors(path, {"w": right}, {"done": 3})
    for _ in range(100):
        mend = damage(path, flipped(chance))
        try:
            tensors, facts = load_tensors(path)
            if facts == {"done": 3} and torch.equal(tensors["w"], right):
                line.mended += 1  # the name of the checksum was hit, and nothing else
            else:
                line.unnoticed.append("a flip")
        except InputError as error:
            line.refuses(str(error).replace(f"{tmp_path}/", ""))
        mend()


@pytest.mark.parametrize("file", ["classifier.json", "classifier.safetensors"])
def test_classifiers(tmp_path, tally, file):
    line = tally(f"classifier/{file}", "one bit flipped; `farfield predict`")
    description = Description(("a", "b"), 16, Packing(size=18), "conv4", 4, None)
    backbone = description.architecture()
    head = Head(torch.randn(2, backbone.feature_dim), torch.zeros(2))
    save_classifier(tmp_path, ImageClassifier(backbone, head).eval(), description)
    path = next(path for path in tmp_path.iterdir() if path.suffix == Path(file).suffix)
    _, right = load_classifier(tmp_path)
    chance = random.Random(4)
    for _ in range(50):
        mend = damage(path, flipped(chance))
        try:
            if load_classifier(tmp_path)[1] == right and path.suffix == ".json":
                line.mended += 1  # a flip that says the same
            else:
                line.unnoticed.append("a flip")
        except InputError as error:
            line.refuses(str(error).replace(f"{tmp_path}/", ""))
        mend()


def test_the_packed_copy_of_ones_own_images(tmp_path, tally, monkeypatch, capsys):
    line = tally("packed copy of one's own images", "one bit flipped or cut off; `farfield evaluate`")
    monkeypatch.chdir(tmp_path)
    own = coloured(tmp_path / "own")
    right = np.array(own_images(own, Packing(size=16), 1).images)
    chance = random.Random(5)
    for trial in range(12):
        copy = Path(".farfield/own-images")
        files = sorted([*copy.rglob("packed/*"), *copy.rglob("sums.json")])
        damage(files[trial % len(files)], (flipped if trial % 2 else cut)(chance))
        if np.array_equal(own_images(own, Packing(size=16), 1).images, right):
            line.mended += 1
        else:
            line.unnoticed.append(str(files[trial % len(files)]))
    said = [one for one in capsys.readouterr().err.splitlines() if "damaged on disk" in one]
    line.said = f"{len(said)} times: the images are decoded anew"
