"""Independent stages side by side, with real DVC in a small repository of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("a", "b", "c")


def repository(folder: Path, command: str = "cp in.txt ${item}.txt") -> Path:
    (folder / "in.txt").write_text("1\n")
    stages = {
        "part": {"foreach": list(PARTS), "do": {"cmd": command, "deps": ["in.txt"], "outs": ["${item}.txt"]}},
        "whole": {
            "cmd": "cat a.txt b.txt c.txt > whole.txt",
            "deps": [f"{part}.txt" for part in PARTS],
            "outs": ["whole.txt"],
        },
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True)
    return folder


def run(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "stages.side_by_side", "2"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    return repository(tmp_path)


def test_every_stage_runs_after_what_it_needs_and_once(folder):
    first = run(folder)
    assert first.returncode == 0, first.stderr
    assert (folder / "whole.txt").read_text() == "1\n1\n1\n"
    assert first.stdout.splitlines()[-2].startswith("done whole")
    status = subprocess.run(["dvc", "status"], cwd=folder, capture_output=True, text=True)
    assert "up to date" in status.stdout
    again = run(folder)
    assert again.stdout.strip() == "Data and pipelines are up to date."


def test_a_failure_is_shown_and_nothing_is_built_on_it(tmp_path):
    folder = repository(tmp_path, "test ${item} != b && cp in.txt ${item}.txt")
    failed = run(folder)
    assert failed.returncode == 1
    assert "part@b failed" in failed.stderr
    assert "FAILED part@b" in failed.stdout
    assert not (folder / "whole.txt").exists()
    assert (folder / "a.txt").exists()
