"""A stage finds what is damaged among its inputs before it uses them; hashes are those that DVC writes."""

import hashlib
import os
import subprocess
from pathlib import Path

import dvc.cli
import pytest
import yaml

from farfield.errors import InputError
from stages.frame import inputs
from stages.frame.inputs import require_whole

STAGES = {
    "compose": {"cmd": "true", "deps": ["in.txt"], "outs": ["params/all.json"]},
    "folder": {"cmd": "true", "deps": ["in.txt"], "outs": ["data/folder"]},
    "file": {"cmd": "true", "deps": ["in.txt"], "outs": ["data/file.bin"]},
    "other": {"cmd": "true", "deps": ["in.txt"], "outs": ["data/other"]},
}
WORK = {
    "cmd": "python -m stages.work",
    "deps": ["data/folder", "data/file.bin", "stages/work.py"],
    "outs": ["out"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A DVC repository with outputs, whose lock DVC wrote."""
    folder, before = tmp_path_factory.mktemp("made"), Path.cwd()
    os.chdir(folder)
    try:
        assert dvc.cli.main(["init", "-q", "--no-scm"]) == 0
        Path("in.txt").write_text("in")
        Path("data/folder/über").mkdir(parents=True)
        for name in ("b", "a", "über/c", "B", "a.x", "a-b", "empty"):
            Path("data/folder", name).write_text("" if name == "empty" else name)
        Path("data/file.bin").write_bytes(bytes(range(256)))
        Path("data/other").write_text("other")
        Path("params").mkdir()
        Path("params/all.json").write_text("{}")
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
        assert dvc.cli.main(["commit", "-q", "-f"]) == 0
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"work": WORK}}))
        Path("data/dvc.yaml").write_text(yaml.safe_dump({"stages": {}}))
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    subprocess.run(["cp", "-a", made, tmp_path / "here"], check=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_what_dvc_left_is_whole_and_read_once(here, monkeypatch):
    require_whole("work")
    monkeypatch.setattr(inputs, "file_hash", None)
    require_whole("work")


@pytest.mark.parametrize("change", ["flip", "empty", "more", "less"])
@pytest.mark.parametrize("looked", [False, True])
def test_damage_is_found_before_a_stage_reads_it(here, change, looked):
    if looked:
        require_whole("work")
    path = Path("data/folder/über/c")
    if change == "more":
        Path("data/folder/new").write_text("new")
    else:
        path.chmod(0o644)
        path.unlink()
        if change != "less":
            path.write_text({"flip": "\u00fcber/b", "empty": ""}[change])
    with pytest.raises(
        InputError, match=r"data/folder is not what its stage left.*farfield doctor --repair"
    ) as said:
        require_whole("work")
    lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
    assert lock["folder"]["outs"][0]["md5"] in str(said.value)


def test_a_damaged_file(here):
    path = Path("data/file.bin")
    path.chmod(0o644)
    path.write_bytes(bytes(range(255)) + b"\0")
    with pytest.raises(InputError, match=hashlib.md5(path.read_bytes()).hexdigest()):
        require_whole("work")


def test_what_the_stage_does_not_read_is_not_asked(here):
    Path("data/other").chmod(0o644)
    Path("data/other").write_text("changed")
    require_whole("work")


def test_parameters_that_were_edited_are_named(here):
    """`dvc repro --single-item` composes nothing before it runs a stage."""
    Path("params/all.json").unlink()
    Path("params/all.json").write_text('{"epochs": 7}')
    with pytest.raises(InputError, match=r"params/all\.json is not what params\.yaml and conf/ composed"):
        require_whole("work")
