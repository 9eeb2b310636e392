"""Independent stages side by side, with real DVC in a small repository of its own."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from commands import side_by_side

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
    subprocess.run(["dvc", "config", "cache.type", "hardlink,symlink"], cwd=folder, check=True)
    return folder


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}


def digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def run(folder: Path, jobs: str = "2") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "commands.side_by_side", jobs]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    return repository(tmp_path)


def test_every_stage_runs_after_what_it_needs_and_once(folder):
    first = run(folder)
    assert first.returncode == 0, first.stderr
    assert (folder / "whole.txt").read_text() == "1\n1\n1\n"
    # Links, read-only; a, b and c have the same bytes, so for two of them the object was there already.
    assert [(folder / f"{name}.txt").stat().st_nlink for name in (*PARTS, "whole")] == [4, 4, 4, 2]
    assert all((folder / f"{name}.txt").stat().st_mode & 0o777 == 0o444 for name in (*PARTS, "whole"))
    assert first.stdout.splitlines()[-2].startswith("done whole")
    status = subprocess.run(["dvc", "status"], cwd=folder, capture_output=True, text=True)
    assert "up to date" in status.stdout
    again = run(folder)
    assert again.stdout.strip() == "Data and pipelines are up to date."


def test_what_a_changed_entry_of_earlier_runs_says_is_not_restored(folder):
    for number in "12":
        (folder / "in.txt").write_text(f"{number}\n")
        assert run(folder).returncode == 0
    entries = [path for path in (folder / ".dvc/cache/runs").rglob("*") if path.is_file()]
    one, two = digest("1\n" * 3), digest("2\n" * 3)
    [entry] = [path for path in entries if one in path.read_text()]
    entry.chmod(0o644)
    entry.write_text(entry.read_text().replace(one, two))
    (folder / "in.txt").write_text("1\n")
    again = run(folder)
    assert "cached part@a" in again.stdout
    assert "done whole" in again.stdout
    assert f"{entry.name} is not what its name says" in again.stderr
    assert (folder / "whole.txt").read_text() == "1\n1\n1\n"
    (folder / "in.txt").write_text("2\n")
    assert "cached whole" in run(folder).stdout


def test_an_entry_that_lies_where_another_belongs_is_not_restored(folder):
    for number in "12":
        (folder / "in.txt").write_text(f"{number}\n")
        assert run(folder).returncode == 0
    entries = [path for path in (folder / ".dvc/cache/runs").rglob("*") if path.is_file()]
    [one], [two] = ([path for path in entries if digest(f"{n}\n" * 3) in path.read_text()] for n in "12")
    shutil.copy(two, one.parent / two.name)
    shutil.copy(two, one.parent / "left.tmp")
    os.utime(one.parent / "left.tmp", (1e9, 1e9))
    (folder / "in.txt").write_text("1\n")
    again = run(folder)
    assert "cached whole" in again.stdout
    assert again.stderr.count("is not what its name says") == 2
    assert (folder / "whole.txt").read_text() == "1\n1\n1\n"


def test_what_cannot_be_set_aside_is_not_restored_from(folder):
    assert run(folder).returncode == 0
    [entry] = [path for path in (folder / ".dvc/cache/runs").rglob("*") if "whole.txt" in text_of(path)]
    entry.chmod(0o644)
    entry.write_text(entry.read_text()[:40])
    (folder / ".farfield/set-aside").write_text("a file where the folder would be")
    (folder / "whole.txt").unlink()
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert "it stays, so nothing is restored from earlier runs" in again.stderr
    assert "done whole" in again.stdout


def test_an_emptied_folder_of_earlier_runs_stops_no_run(folder):
    assert run(folder).returncode == 0
    for entry in (folder / ".dvc/cache/runs").rglob("*"):
        if entry.is_file():
            entry.unlink()
    (folder / "whole.txt").unlink()
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert "where DVC remembers runs of a stage, is empty" in again.stderr
    assert (folder / "whole.txt").exists()


def test_a_failure_is_shown_and_nothing_is_built_on_it(tmp_path):
    folder = repository(tmp_path, "test ${item} != b && cp in.txt ${item}.txt")
    failed = run(folder)
    assert failed.returncode == 1
    assert "part@b failed" in failed.stderr
    assert "FAILED part@b" in failed.stdout
    assert not (folder / "whole.txt").exists()
    assert (folder / "a.txt").exists()


def test_what_a_stage_lacks_is_named_and_the_others_are_finished(folder):
    (folder / "in.txt").rename(folder / "own.txt")
    plan = yaml.safe_load((folder / "dvc.yaml").read_text())
    plan["stages"]["slow"] = {"cmd": "sleep 1; echo 1 > slow.txt", "deps": ["own.txt"], "outs": ["slow.txt"]}
    plan["stages"]["nothing"] = {"cmd": "true", "deps": ["own.txt"], "outs": ["nothing.txt"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(plan))
    failed = run(folder, "8")
    assert failed.returncode == 1
    assert "in.txt" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "FAILED part@" in failed.stdout
    del plan["stages"]["part"], plan["stages"]["whole"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(plan))
    failed = run(folder)
    assert "nothing.txt" in failed.stderr
    assert "done slow" in failed.stdout
    assert "Traceback" not in failed.stderr


def test_commands_are_those_of_a_shell_and_may_be_several(tmp_path):
    folder = repository(tmp_path, "cp in.txt ${item}.txt && echo more >> ${item}.txt")
    plan = yaml.safe_load((folder / "dvc.yaml").read_text())
    plan["stages"]["two"] = {
        "cmd": ["echo 1 > two.txt", "echo 2 >> two.txt"],
        "deps": ["in.txt"],
        "outs": ["two.txt"],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump(plan))
    assert run(folder).returncode == 0
    assert (folder / "a.txt").read_text() == "1\nmore\n"
    assert (folder / "two.txt").read_text() == "1\n2\n"
    status = subprocess.run(["dvc", "status"], cwd=folder, capture_output=True, text=True)
    assert "up to date" in status.stdout


@pytest.mark.parametrize("jobs", ["0", "two"])
def test_a_number_of_jobs_that_is_none_is_refused(folder, jobs):
    failed = run(folder, jobs)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: JOBS is the number of stages at once")
    assert not (folder / "a.txt").exists()


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_what_is_told_to_end_or_killed_ends_its_stages_too(tmp_path, end):
    folder = repository(tmp_path, "touch begun && sleep 60; cp in.txt ${item}.txt")
    command = [sys.executable, "-m", "commands.side_by_side", "2"]
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while not (folder / "begun").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    getattr(process, end)()
    assert process.wait(20) == {"terminate": 143, "kill": -9}[end]
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert not (folder / "a.txt").exists()


def test_a_kill_while_dvc_writes_its_table_of_locks_leaves_the_old_table(folder, monkeypatch):
    """Half a table would keep every later `dvc repro` from starting."""
    monkeypatch.chdir(folder)
    repo = side_by_side.open_repository()
    table = folder / ".dvc/tmp/rwlock"
    with repo.lock, side_by_side._locked(next(iter(repo.index.stages))):
        whole = table.read_text()
        with repo.fs.open(str(table), "w", encoding="utf-8") as file:
            file.write('{"wri')
            file.flush()
            assert table.read_text() == whole
            file.seek(0)
            file.write(whole)
    assert subprocess.run(["dvc", "repro", "-q"], cwd=folder).returncode == 0
