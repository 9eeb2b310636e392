"""Run what has changed with independent stages side by side: `python -m commands.side_by_side 2`.

One process holds DVC's repository. It decides, restores from the cache, hashes and writes the lock files, as
`dvc repro` does for one stage after another; only the commands of stages run beside it, each as soon as the
stages that it depends on are done. Outputs and lock files are those of `dvc repro`. What a stage prints is in
.farfield/logs/<stage>.log.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tqdm import tqdm

from commands import starting
from commands.doctor.runs import of_earlier_runs
from commands.starting import Running
from farfield.alone import alone
from farfield.files import atomic_file, read_json, write_json
from farfield.parents import RWLOCK, end_with, holders
from stages.frame.params import PARAMS

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

LOGS = Path(".farfield/logs")
SECONDS = Path(".farfield/seconds.json")  # of each stage when it ran last
RUN = Path(".farfield/run.lock")  # held by what runs stages, or composes their parameters
INSIDE = "FARFIELD_INSIDE_RUN"  # says so to what it starts itself
TAIL = 20  # lines of a failed stage's log that are shown
TOLD_TO_END = threading.Event()  # by SIGTERM; seen between two steps, so that none is cut off
HEARTBEAT = 60.0  # seconds without a word, where no terminal shows what is running


@dataclass
class Job:
    """A stage whose command runs."""

    stage: "Stage"
    running: Running
    device: str
    log: Path
    held: ExitStack  # DVC's locks on what it reads and writes
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


def _repository() -> "Repo":
    """DVC's repository, whose table of locks is replaced whole: a kill leaves no half, which DVC refuses."""
    from dvc.fs import LocalFileSystem
    from dvc.repo import Repo

    repo = Repo(_wait_for_lock=True)
    # Of no class of its own: DVC makes links only between file systems of one class, and else copies.
    repo.fs = LocalFileSystem()
    in_place = repo.fs.open

    def opened(path: str, mode: str = "r", **how: Any) -> AbstractContextManager[IO[Any]]:
        file: AbstractContextManager[IO[Any]]
        file = replaced_whole(path, **how) if mode == "w" else in_place(path, mode, **how)
        return file

    repo.fs.open = opened
    return repo


@contextlib.contextmanager
def replaced_whole(path: str, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """A file to write to, which takes the place of `path` at the end; nothing waits for the disk."""
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "w", encoding=encoding) as file:
        yield file
    os.replace(partial, path)


def open_repository() -> "Repo":
    """DVC's repository, its parameters composed first: they decide which stages there are."""
    repo = _repository()
    if not PARAMS.exists() and Path("params.yaml").exists():
        sys.exit(f"error: {PARAMS} is missing; `python -m commands.compose` writes it from params.yaml")
    with repo.lock:
        compose = next((stage for stage in repo.index.stages if stage.addressing == "compose"), None)
        if compose is None or not compose.changed():
            return repo
    # Not forked: what forks find imported depends on which stages are to run, and that is not known yet.
    mine = partial(end_with, os.getpid())
    inside = {**os.environ, INSIDE: "1"}
    composed = subprocess.run(compose.cmd, shell=True, cwd=compose.wdir, env=inside, preexec_fn=mine)
    if composed.returncode != 0:
        sys.exit("error: the parameters do not compose; mend params.yaml or conf/ and run the same again.")
    return _repository()


def record_compose() -> None:
    """Tell DVC that the parameters are composed, so that it need not run the stage for it."""
    repo = _repository()
    logging.getLogger("dvc").setLevel(logging.WARNING)
    with repo.lock, repo.scm_context(quiet=True):
        stage = repo.stage.load_one("dvc.yaml", "compose")  # which reads no other stage's file
        if stage.changed():
            keep(stage)


def command_of(stage: "Stage") -> str:
    return " && ".join(stage.cmd) if isinstance(stage.cmd, list) else stage.cmd or ""


def keep(stage: "Stage") -> None:
    """Hash and cache what a stage left, and write its lock, as DVC does at the end of `Stage.run`."""
    uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
    stage.save(run_cache=not uncached)
    stage.commit()
    lock, tracked = stage.dvcfile._lockfile, stage.repo.scm_context
    path = Path(lock.path)
    # DVC writes a lock in place, and a kill would leave half of it, which DVC then refuses to read.
    with atomic_file(path) as partial:
        if path.exists():
            shutil.copyfile(path, partial)
        lock.path = str(partial)
        try:
            lock.dump(stage)
        finally:
            tracked.files_to_track.discard(lock.relpath)
            lock.path = str(path)
    tracked.track_file(lock.relpath)


def to_run(repo: "Repo") -> dict["Stage", set["Stage"]]:
    """Stages that may have to run, each with those of them that it depends on."""
    graph = repo.index.graph  # an edge leads from a stage to what it depends on
    needs = {stage: set(graph.successors(stage)) for stage in graph}
    todo: dict[Stage, set[Stage]] = {}
    for stage in TopologicalSorter(needs).static_order():
        if before := needs[stage] & todo.keys():
            todo[stage] = before
        elif stage.changed():
            todo[stage] = set()
    return todo


class SideBySide:
    """Runs stages, at most `jobs` at once; with `devices`, each on one that is free."""

    def __init__(self, repo: "Repo", todo: dict["Stage", set["Stage"]], jobs: int, devices: Sequence[str]):
        self.repo, self.todo = repo, todo
        self.free = [devices[i % len(devices)] if devices else "" for i in range(jobs)]
        self.jobs: dict[Running, Job] = {}
        self.left = len(todo)
        self.failed: list[str] = []
        self.restores = True  # what earlier runs of a stage left, in the place of running it
        self.problems = problems()
        self.bar = tqdm(total=len(todo), disable=not sys.stderr.isatty(), bar_format="{desc}", leave=False)
        self.spoke = time.perf_counter()

    def run(self) -> list[str]:
        """The stages that failed: after a failure those that run are finished, and no other is started."""
        LOGS.mkdir(parents=True, exist_ok=True)
        for changed in of_earlier_runs(self.repo):  # or what one says would be restored, unseen
            print(changed, file=sys.stderr)
            try:
                if changed.repair:
                    changed.repair()
            except OSError as error:
                print(f"it stays, so nothing is restored from earlier runs: {error}", file=sys.stderr)
                self.restores = False
        starting.preload(command_of(stage) for stage in self.todo)
        sorter = TopologicalSorter(self.todo)
        sorter.prepare()
        ready: list[Stage] = []
        try:
            while sorter.is_active():
                if TOLD_TO_END.is_set():
                    sys.exit(143)
                ready += sorter.get_ready()
                while ready and self.free and not self.failed:
                    stage = ready.pop(0)
                    try:
                        runs = self._begin(stage)
                    except self.problems as error:  # such as a dependency that is not there
                        self._fail(stage, str(error))
                        break
                    if not runs:
                        self.left -= 1
                        sorter.done(stage)
                        ready += sorter.get_ready()
                if not self.jobs:
                    break
                for running in starting.wait(self.jobs, seconds=1.0):
                    job = self.jobs.pop(running)
                    if self._end(job):
                        sorter.done(job.stage)
                self._live()
        except BaseException:
            for job in self.jobs.values():
                job.running.stop()
                job.held.close()
            raise
        finally:
            self.bar.close()
        return self.failed

    def _begin(self, stage: "Stage") -> bool:
        """Whether its command now runs; else it is done already."""
        from dvc.stage.cache import RunCacheNotFoundError

        with self.repo.lock:
            if not stage.changed():
                return False
            if not stage.cmd:  # data that DVC only watches
                stage.reproduce()
                stage.dump(update_pipeline=False)
                return False
            stage.remove_outs(ignore_remove=False, force=False)
            try:
                if not self.restores:
                    raise RunCacheNotFoundError(stage)
                self.repo.stage_cache.restore(stage)
                keep(stage)
                self._say(f"cached {stage.addressing}")
                return False
            except RunCacheNotFoundError:
                stage.save_deps()
            held = ExitStack()
            held.enter_context(_locked(stage))
        device = self.free.pop(0)
        environment = {**os.environ, "DVC_ROOT": self.repo.root_dir, "DVC_STAGE": stage.addressing}
        if device:
            environment["FARFIELD_DEVICE"] = device
        log = log_of(stage.addressing)
        running = starting.start(command_of(stage), Path(stage.wdir), log, environment)
        self.jobs[running] = Job(stage, running, device, log, held)
        return True

    def _end(self, job: Job) -> bool:
        """Whether the command of a stage has left what it should."""
        status = job.running.result()
        self.free.append(job.device)
        job.held.close()
        problem = "" if status == 0 else tail(job.log)
        if status == 0:
            try:
                with self.repo.lock:
                    keep(job.stage)
            except self.problems as error:  # such as an output that is not there
                problem = f"{tail(job.log)}\n{error}"
        if problem:
            self._fail(job.stage, problem, f" ({job.seconds:.0f} s)")
            return False
        self.left -= 1
        note_seconds(job.stage.addressing, job.seconds)
        self._say(f"done {job.stage.addressing} ({job.seconds:.0f} s)")
        return True

    def _fail(self, stage: "Stage", problem: str, took: str = "") -> None:
        self.left -= 1
        self.failed.append(stage.addressing)
        self._say(f"FAILED {stage.addressing}{took}")
        with self.bar.external_write_mode(file=sys.stderr):
            print(problem, file=sys.stderr)

    def _say(self, words: str) -> None:
        with self.bar.external_write_mode(file=sys.stdout):
            print(words if sys.stderr.isatty() else f"{words}{self._state()}", flush=True)
        self.spoke = time.perf_counter()

    def _live(self) -> None:
        """What is running and how many are left: in a terminal's last line, elsewhere once in a while."""
        if not self.bar.disable:
            self.bar.set_description_str(self._state().removeprefix("; "))
        elif time.perf_counter() - self.spoke > HEARTBEAT:
            self._say("working")

    def _state(self) -> str:
        running = [f"{job.stage.addressing.split(':')[-1]} {job.seconds:.0f} s" for job in self.jobs.values()]
        return (f"; running {', '.join(running)}" if running else "") + (
            f"; {self.left} left" if self.left else ""
        )


@contextlib.contextmanager
def _locked(stage: "Stage") -> Iterator[None]:
    """Other DVC processes keep their hands off what the stage reads and writes while it runs."""
    from dvc.rwlock import rwlock

    repo = stage.repo
    read, write = ([item.fs_path for item in items] for items in (stage.deps, stage.outs))
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, f"{' '.join(sys.argv)}, {stage.addressing}", read, write, hardlink):
        yield


@contextlib.contextmanager
def locks_in_order(repo: "Repo") -> Iterator[None]:
    """Afterwards new stages stand in the lock files in the order in which `dvc repro` would have run them."""
    from dvc.repo.reproduce import get_active_graph, plan_repro
    from dvc.utils.serialize import modify_yaml

    plan = [
        (stage.dvcfile._lockfile.path, stage.name) for stage in plan_repro(get_active_graph(repo.index.graph))
    ]
    before = {path: _locked_stages(path) for path, _ in plan}
    try:
        yield
    finally:
        with repo.lock:
            for path, known in before.items():
                found = _locked_stages(path)
                new = [name for place, name in plan if place == path and name in found and name not in known]
                if found != [*known, *new]:
                    with modify_yaml(path) as lock:
                        for name in new:
                            lock["stages"][name] = lock["stages"].pop(name)


def _locked_stages(path: str) -> list[str]:
    from dvc.utils.serialize import load_yaml

    return list(load_yaml(path)["stages"]) if Path(path).exists() else []


def note_seconds(stage: str, seconds: float) -> None:
    try:
        known = read_json(SECONDS)
    except (FileNotFoundError, ValueError):  # of the first stage, and where it was cut off
        known = {}
    write_json(SECONDS, {**known, stage: round(seconds, 1)})


def log_of(name: str) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name.replace('/', '-').replace(':', '-')}.log"


def tail(log: Path) -> str:
    """The last lines of a log, or that there are none: never empty."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:]) or "it printed nothing"


def problems() -> tuple[type[Exception], ...]:
    """What DVC and a disk raise where something given is wrong: one stage fails, and others go on."""
    from dvc.exceptions import DvcException

    return DvcException, OSError


def mend_table() -> None:
    """Remove a table of locks that a kill of plain `dvc` cut off: DVC itself would stop at it for good."""
    if RWLOCK.exists() and holders() is None:
        print(f"{RWLOCK} was cut off by a kill, and is begun anew", file=sys.stderr)
        RWLOCK.unlink()


def main(jobs: int, devices: Sequence[str] = ()) -> None:
    if jobs < 1:
        sys.exit(f"error: JOBS is the number of stages at once, at least 1, found {jobs}")
    with alone(RUN):
        signal.signal(signal.SIGTERM, lambda *_: TOLD_TO_END.set())
        mend_table()
        try:
            repo = open_repository()
            logging.getLogger("dvc").setLevel(logging.WARNING)
            with repo.lock:
                todo = to_run(repo)
            if not todo:
                print("Data and pipelines are up to date.")
                return
            with repo.scm_context(quiet=True), locks_in_order(repo):
                failed = SideBySide(repo, todo, jobs, devices).run()
        except problems() as error:
            sys.exit(f"error: {error}")
    if failed:
        sys.exit(
            f"error: {', '.join(failed)} failed; the whole output is in {LOGS}. Run the same again when "
            f"that is mended, and what is done stays done."
        )
    print(f"{len(todo)} stages ran or were found done")
    from commands.aftermath import aftermath  # not before, as it is the last thing that is needed

    for line in aftermath():
        print(line)


if __name__ == "__main__":
    count, *further = sys.argv[1:]
    main(int(count) if count.isdigit() else 0, further[0].split(",") if further else ())
