"""The last lines of a run: what it changed of the files in Git, and why."""

import pytest
from made_up_repository import Repository

from commands.aftermath import aftermath

OUT = "pipelines/a/results/row"


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    made = Repository(tmp_path / "house")
    made.stage("pipelines/a/train", OUT, {"costs.json": b"1"}, {"farfield/train.py": b"code"}, epochs=100)
    made.commit()
    monkeypatch.chdir(made.path)
    return made


def left(repository: Repository) -> None:
    """As a run leaves it: not committed."""
    repository.commit()
    repository.git("reset", "-q", "HEAD~1")


def test_a_run_that_changed_nothing_says_nothing(repository):
    assert aftermath() == []


def test_another_machine_is_said_with_what_to_do(repository):
    repository.stage(
        "pipelines/a/train", OUT, {"costs.json": b"2"}, {"farfield/train.py": b"code"}, epochs=100
    )
    repository.claims = {"a": {"b": {"verdict": "undecided"}}}
    left(repository)
    first, second = aftermath()
    assert first.startswith(
        "2 files in params/, metrics/ and dvc.lock differ from the last commit, and nothing"
    )
    assert "rounds differently" in first
    command = second.split("`")[3]
    assert command == "git restore params metrics ':(glob)**/dvc.lock'"
    repository.git("restore", "params", "metrics", ":(glob)**/dvc.lock")
    assert aftermath() == []


def test_what_was_changed_is_said(repository):
    repository.stage(
        "pipelines/a/train", OUT, {"costs.json": b"2"}, {"farfield/train.py": b"other"}, epochs=200
    )
    left(repository)
    [said] = aftermath()
    assert "of epochs: 100 → 200, farfield/train.py. `farfield diff HEAD`" in said


def test_there_may_be_no_commit_to_differ_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert aftermath() == []
