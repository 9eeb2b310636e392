"""What unfinished work of a stage hangs on: its command, its inputs, and the code that it declares."""

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from farfield.errors import InputError
from stages.frame import paths
from stages.frame.declared import declared_code

ROOT = Path(__file__).parents[2]


def test_declared_code_is_what_dvc_reads_in_the_plan():
    for stage in Repo(ROOT).index.stages:
        if stage.addressing == "compose":  # a command, which keeps no unfinished work
            continue
        declared = {Path(dep.fs_path) for dep in stage.deps}
        code = {path for path in declared if path.relative_to(ROOT).parts[0] in ("farfield", "stages")}
        files = {file for path in code for file in (path.rglob("*.py") if path.is_dir() else [path])}
        command = stage.cmd.removeprefix("python -m stages.")
        assert declared_code(command, ROOT) == sorted(files), stage.addressing


def test_a_command_that_no_plan_has_is_named():
    with pytest.raises(InputError, match=r"no dvc\.yaml has a stage with the command `.*pretrain x y`"):
        declared_code("pretrain x y", ROOT)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for name in ("data", "pipelines"):
        for plan in (ROOT / name).rglob("dvc.yaml"):
            target = tmp_path / plan.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(plan, target)
    shutil.copy2(ROOT / "dvc.yaml", tmp_path)
    for name in ("farfield", "stages", "params"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_comment_elsewhere_keeps_unfinished_work(clone):
    place = paths.scratch("tune spottune standard", {"epochs": 3})
    for elsewhere in (
        "farfield/report/tables.py",
        "farfield/tuning/methods/l2_sp.py",
        "stages/report_tuning.py",
    ):
        with (clone / elsewhere).open("a") as file:
            file.write("# a comment\n")
    assert paths.scratch("tune spottune standard", {"epochs": 3}) == place


@pytest.mark.parametrize("changed", ["farfield/tuning/methods/standard.py", "farfield/training/loop.py"])
def test_changed_code_of_the_stage_begins_anew(clone, changed):
    place = paths.scratch("tune spottune standard", {"epochs": 3})
    with (clone / changed).open("a") as file:
        file.write("# a comment\n")
    assert paths.scratch("tune spottune standard", {"epochs": 3}) != place


def test_other_facts_and_inputs_begin_anew(clone):
    given = clone / "input"
    given.write_text("1")
    place = paths.scratch("pack leaves", {"size": 3}, given)
    assert paths.scratch("pack leaves", {"size": 4}, given) != place
    assert paths.scratch("pack lesions", {"size": 3}, given) != place
    given.write_text("12")
    assert paths.scratch("pack leaves", {"size": 3}, given) != place
