"""Run what has changed with independent stages side by side: `python -m stages.side_by_side 2`.

`dvc repro` runs one stage at a time. Here each stage is a `dvc repro --single-item` of its own, started
as soon as those that it depends on are done; DVC's locks keep them from disturbing each other, and lock
files and outputs are those of `dvc repro`. What a stage prints is in .farfield/logs/<stage>.log.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue

LOGS = Path(".farfield/logs")
TAIL = 20  # lines of a failed stage's log that are shown


def waiting_stages() -> dict[str, set[str]]:
    """Stages that may have to run, each with those of them that it depends on."""
    from dvc.repo import Repo

    repo = Repo()
    changed = repo.status().keys()
    graph = repo.index.graph  # an edge leads from a stage to what it depends on
    needs = {stage.addressing: {other.addressing for other in graph.successors(stage)} for stage in graph}
    todo: dict[str, set[str]] = {}
    for name in TopologicalSorter(needs).static_order():
        before = needs[name] & todo.keys()
        if name in changed or before:
            todo[name] = before
    return todo


def run_stages(todo: dict[str, set[str]], jobs: int, devices: Sequence[str] = ()) -> list[str]:
    """Run them, at most `jobs` at once; with `devices`, each on one that is free. The stages that failed:
    after a failure those that run are finished, and no other is started."""
    free: SimpleQueue[str] = SimpleQueue()
    for i in range(jobs):
        free.put(devices[i % len(devices)] if devices else "")
    sorter = TopologicalSorter(todo)
    sorter.prepare()
    running: dict[Future[bool], str] = {}
    failed: list[str] = []
    LOGS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        while sorter.is_active():
            if not failed:
                running |= {pool.submit(run_stage, name, free): name for name in sorter.get_ready()}
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                if future.result():
                    sorter.done(name)
                else:
                    failed.append(name)
                    for other in [other for other in running if other.cancel()]:
                        del running[other]
    return failed


def run_stage(name: str, free: "SimpleQueue[str]") -> bool:
    device, log = free.get(), LOGS / f"{name.replace('/', '-').replace(':', '-')}.log"
    environment = {**os.environ, **({"FARFIELD_DEVICE": device} if device else {})}
    start = time.perf_counter()
    with log.open("w") as out:
        command = ["dvc", "--wait-for-lock", "repro", "--single-item", name]
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False)
    free.put(device)
    print(f"{'done' if code.returncode == 0 else 'FAILED'} {name} ({time.perf_counter() - start:.0f} s)")
    sys.stdout.flush()
    if code.returncode != 0:
        print("\n".join(log.read_text(errors="replace").splitlines()[-TAIL:]), file=sys.stderr)
    return code.returncode == 0


def main(jobs: int, devices: Sequence[str] = ()) -> None:
    todo = waiting_stages()
    if failed := run_stages(todo, jobs, devices):
        sys.exit(
            f"error: {', '.join(failed)} failed; the whole output is in {LOGS}. Run the same again when "
            f"that is mended, and what is done stays done."
        )
    print(f"{len(todo)} stages ran or were found done" if todo else "Data and pipelines are up to date.")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2].split(",") if len(sys.argv) > 2 else ())
