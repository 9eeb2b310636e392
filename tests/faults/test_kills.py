"""Kills at random moments: of dvc, of the runner, of the process that forks stages, of a stage or its worker."""

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.pipeline.clones import Clone

PATIENCE = 15.0  # seconds that what is left of a killed run has to end
RUNNER, DVC = ["python", "-m", "commands.side_by_side", "2"], ["dvc", "repro"]


def living(clone: Clone) -> Iterator[psutil.Process]:
    """Processes in the folder of the clone."""
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(clone.path) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def kill_one(clone: Clone, command: list[str], chance: random.Random) -> tuple[str, bool]:
    """Start `command` and kill, after a while, it or something that it started; which kind, and whether it came
    to that before the run was done."""
    process = clone.start(*command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.2, 9.0))
        return "", False
    below = psutil.Process(process.pid).children(recursive=True)
    victim = psutil.Process(process.pid) if not below or chance.random() < 0.5 else chance.choice(below)
    kind = "dvc" if command is DVC and victim.pid == process.pid else "the runner"
    if victim.pid != process.pid:
        kind = "what it started"
    victim.send_signal(signal.SIGKILL)
    if victim.pid != process.pid:  # what it worked for ends by itself, or goes on with other stages
        time.sleep(chance.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()  # which an orphan would hold open
    return kind, True


def test_killed_runs_end_whole_and_end_alike(template, reference, tmp_path, tally, request):
    chance, wanted = random.Random(16), reference.lock()
    lines = {
        kind: tally(f"a run of `tiny`, {kind}", "kill -9 at a random moment")
        for kind in ("dvc", "the runner", "what it started")
    }
    left, folder = request.config.getoption("kills"), 0
    killed: list[str] = []
    clone = template.copy(tmp_path / "0")

    def finish() -> None:
        """Run the rest undisturbed, and compare."""
        said = clone.run(*RUNNER)
        same = clone.lock() == wanted
        halves = [path for path in clone.path.rglob(".*.partial") if ".farfield" not in path.parts]
        for kind in killed:
            if same and not halves:
                lines[kind].mended += 1
            else:
                lines[kind].unnoticed.append(f"{halves} {said}")

    while left:
        kind, came = kill_one(clone, DVC if left % 3 == 0 else RUNNER, chance)
        if not came:  # all was done before
            finish()
            folder, killed = folder + 1, []
            clone = template.copy(tmp_path / str(folder))
            continue
        until = time.monotonic() + PATIENCE
        while (orphans := list(living(clone))) and time.monotonic() < until:
            time.sleep(0.1)
        if orphans:
            lines[kind].unnoticed.append(f"orphans: {[one.cmdline() for one in orphans]}")
            pytest.fail(f"after a kill of {kind} these run on: {[one.cmdline() for one in orphans]}")
        killed.append(kind)
        left -= 1
    finish()
    for line in lines.values():
        line.said = "0 orphans, the same lock files"
