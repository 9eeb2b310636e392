"""A process ends with the one that it works for, whenever that one is killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    """A folder with a package whose module sleeps, and which ends with DVC from its first instruction."""
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/__init__.py").write_text(
        "from farfield.parents import end_with_dvc\nend_with_dvc()\nopen('begun', 'w').close()\n"
    )
    (tmp_path / "stage/work.py").write_text("import time\ntime.sleep(60)\n")
    return tmp_path


def held_by(folder: Path, pid: int) -> None:
    """DVC's table of locks, with what this process reads and writes."""
    entry = {"pid": pid, "cmd": "repro"}
    table = {"read": {"in": [entry]}, "write": {"out": entry}}
    (folder / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    (folder / ".dvc/tmp/rwlock").write_text(json.dumps(table))


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "work"}


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.02)


# A starter that stands for DVC: it takes its lock, then runs what its words say, directly or in a shell.
STARTER = """
import json, os, subprocess, sys
entry = {"pid": os.getpid(), "cmd": "repro"}
open(".dvc/tmp/rwlock", "w").write(json.dumps({"read": {}, "write": {"out": entry}}))
subprocess.run(sys.argv[1:])
"""


@pytest.mark.parametrize("shell", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_a_stage_ends_with_the_process_that_holds_its_lock(folder, shell, early):
    held_by(folder, 1)
    words = [sys.executable, "-m", "stage.work"]
    if shell:  # which does not become its command, and so stays between the two
        words = ["/bin/sh", "-c", f"{' '.join(words)}; true"]
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *words], cwd=folder, env=ENVIRONMENT)
    this = psutil.Process(starter.pid)
    until(lambda: this.children(recursive=True) if early else (folder / "begun").exists())
    children = this.children(recursive=True)
    starter.kill()
    starter.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_a_stage_whose_dvc_is_gone_before_it_begins_does_not_begin(folder):
    gone = subprocess.Popen(["true"])
    gone.wait()
    held_by(folder, gone.pid)
    words = [sys.executable, "-m", "stage.work"]
    # Not below this process, whose name may speak of dvc.
    result = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr == "error: the dvc that started this stage has ended; run it again\n"
    assert not (folder / "begun").exists()


@pytest.mark.parametrize("table", [None, "{", "{}"])
def test_without_dvc_nothing_ends(folder, table):
    """Called by hand; and where DVC runs it, but its table says nothing that can be read."""
    if table is not None:
        held_by(folder, 1)
        (folder / ".dvc/tmp/rwlock").write_text(table)
    (folder / "stage/work.py").write_text("print('worked')\n")
    words = [sys.executable, "-m", "stage.work"]
    by_hand = {key: value for key, value in ENVIRONMENT.items() if key != "DVC_STAGE"}
    assert subprocess.run(words, cwd=folder, env=by_hand, capture_output=True, text=True).stdout == "worked\n"
    if table != "{}":
        result = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
        assert result.stdout == "worked\n"


def test_a_child_whose_parent_is_another_one_by_now_ends():
    code = "from farfield.parents import end_with\nend_with(1 << 30)\nprint('goes on')\n"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
