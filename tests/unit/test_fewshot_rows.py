"""What each few-shot row costs, what runs it alone, which episode it named worst, and which code a run is of."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.repo import Repo
from made_up_study import DATASETS
from PIL import Image

from farfield.episodes.sampling import sample_episodes
from farfield.report.provenance_page import in_words
from farfield.report.worst_episodes import worst_episode
from stages.frame.code import code
from stages.frame.fewshot_costs import commands, costs
from stages.frame.params import load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(monkeypatch):
    monkeypatch.chdir(ROOT)
    return load_params()


def test_every_row_has_a_cost_and_the_command_of_a_stage_of_the_plan(params):
    fewshot, stages = params.fewshot, {stage.addressing for stage in Repo(ROOT).index.stages}
    rows = {*fewshot.rows, *fewshot.transductive}
    assert set(costs(fewshot)) == set(commands(params)) == rows
    for command in commands(params).values():
        assert command.removeprefix("dvc repro ") in stages


def test_costs_are_counted_by_hand(params):
    found, way = costs(params.fewshot), params.fewshot.way
    images = way * 5 + way * params.fewshot.query
    assert found["fixed"] == {"shot": 5, "forward": images, "trained": 0}
    epochs = params.fewshot.finetune["all"].settings.epochs
    assert found["ft_all"] == {"shot": 5, "forward": images, "trained": epochs * way * 5}
    both = params.fewshot.ensemble["finetuned"]
    assert both.adapt is not None
    assert found["ims_f"]["forward"] == len(both.models) * images
    assert found["ims_f"]["trained"] == len(both.models) * both.adapt.epochs * way * 5
    steps = params.fewshot.meta["maml"].settings["inner_steps"]
    assert found["maml"]["trained"] == steps * way * 5


def test_the_worst_episode_is_the_first_of_the_least_accuracy_with_its_own_images():
    labels = np.repeat(np.arange(6), 12)
    drawn = sample_episodes(labels, way=3, shot=2, query=4, episodes=5, seed=1, name="crops")
    truth = np.repeat(np.arange(3), 4)
    said = np.tile(truth, (5, 1))
    said[2, [0, 1, 5]] = [1, 2, 0]
    said[4, [3, 4, 11]] = [2, 2, 1]
    results = pd.DataFrame(
        {"episode": range(5), "accuracy": 100 * (said == truth).mean(1), "predictions": [*said]}
    )
    asked: list[np.ndarray] = []

    def pictures(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.full((len(rows), 70, 70, 3), 200, np.uint8)

    names = [f"class {i}" for i in range(6)]
    worst = worst_episode("own", "Ours", results, drawn, "crops", DATASETS["crops"], names, pictures)
    assert (worst.episode, worst.shot, worst.query) == (2, 2, 4)
    assert worst.accuracy == pytest.approx(75.0)
    assert worst.classes == [
        (f"class {k}", right) for k, right in zip(drawn.classes[2], (2, 3, 4), strict=True)
    ]
    query = drawn.query[2].reshape(3, 4)
    lines = [[*query[0, :2]], [query[1, 1]], []]
    for rows, support, wrong in zip(asked, drawn.support[2], lines, strict=True):
        assert rows.tolist() == [support[0], *wrong]
    assert isinstance(worst.picture.data, bytes)
    picture = Image.open(io.BytesIO(worst.picture.data))
    assert picture.format == "WEBP"


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *names, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_code_of_a_run_is_the_commit_that_last_changed_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code() == {"commit": "", "date": "", "changed": False}
    assert in_words(code()) == "Drawn by code of which no commit is known."
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/one.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "code")
    first = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "dvc.lock").write_text("a lock\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Regenerated")
    assert code()["commit"] == first
    assert not code()["changed"]
    (tmp_path / "stages/one.py").write_text("2\n")
    assert code()["changed"]
    assert in_words(code()).endswith("with changes that are not committed.")
