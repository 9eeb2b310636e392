"""How stages start under `make repro`: forked from a process that has imported torch once for all of them.

The command of a stage stays `python -m stages.<stage> ...`, as DVC runs it. What is forked has no thread of
Python's and has used no device, and the libraries' own threads (OpenBLAS, jemalloc) come back in a fork: it is
as good as a fresh process, with the same bytes.
"""

import multiprocessing
import multiprocessing.connection
import os
import runpy
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from farfield.parents import FORKS_OF, end_with_starter, signalled_with_parent

# `stages` first, since it sets what torch reads when it loads, and ends what forks with what started it.
PRELOADED = ("stages", "torch", "pandas", "pyarrow.parquet", "pydantic", "safetensors.torch", "tqdm")
# What else is worth importing once, for stages of these kinds: torch's optimizers load the compiler, two seconds,
# and the chapters of the report matplotlib, a third of one.
TRAINING = (
    *("pretrain", "metatrain", "indomain", "tune"),
    *("baseline", "warmup", "search", "retrain", "branch", "recommend"),
)
CHAPTERS = ("fewshot", "tuning", "sharing", "training")
PRELOADED_FOR = {
    "stages.validate": ("great_expectations",),
    **{f"stages.{name}": ("torch._dynamo",) for name in TRAINING},
    **{f"stages.report_{name}": ("matplotlib.backends.backend_svg",) for name in CHAPTERS},
}

SHELL = set("|&;<>$`(){}*?~#!\\\n")
PATIENCE = 5.0  # seconds that a process has to end
_FORKS = multiprocessing.get_context("forkserver")


class Running(NamedTuple):
    """A started command, in a process group of its own. ended: what to wait on."""

    process: BaseProcess
    ended: int

    def result(self) -> int:
        """Its exit status, once it has ended."""
        self.process.join()
        return self.process.exitcode or 0

    def stop(self) -> None:
        """End it, and what it started itself: politely first."""
        for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, None)):
            try:
                os.killpg(self.process.pid or 0, number)
            except ProcessLookupError:  # it has ended, or has not come so far as to lead a group
                self.process.terminate()
            self.process.join(seconds)


def preload(commands: Iterable[str]) -> None:
    """Before the first start: what the processes of these commands will find imported."""
    modules = {module for command in commands if (module := _module(command))}
    extra = {name for module in modules for name in PRELOADED_FOR.get(module, ())}
    os.environ[FORKS_OF] = str(os.getpid())
    _FORKS.set_forkserver_preload([*PRELOADED, *sorted(extra)] if modules else ["stages"])


def start(command: str, folder: Path, log: Path, environment: dict[str, str]) -> Running:
    """Start a command in `folder`; what it prints goes to `log`. It ends when this process does."""
    work = _run if _module(command) else _run_in_shell
    fork = _FORKS.Process(target=work, args=(command, folder, log.absolute(), environment))
    fork.start()
    return Running(fork, fork.sentinel)


def wait(running: Iterable[Running], seconds: float) -> list[Running]:
    """Those that have ended, at the latest after so many seconds."""
    by_end = {one.ended: one for one in running}
    return [
        by_end[end] for end in multiprocessing.connection.wait(list(by_end), seconds) if isinstance(end, int)
    ]


def _module(command: str) -> str | None:
    """The stage's module, if the command is one of ours and asks nothing of a shell."""
    if set(command) & SHELL:
        return None
    words = shlex.split(command)
    ours = words[:2] == ["python", "-m"] and words[2:] and words[2].startswith("stages.")
    return words[2] if ours else None


def _run(command: str, folder: Path, log: Path, environment: dict[str, str]) -> None:
    """The stage `command` in this process, which was forked for it."""
    _enter(folder, log, environment)
    signalled_with_parent()  # whose end the kernel tells at once, also while a library holds Python's lock
    if (threads := environment.get("OMP_NUM_THREADS", "")).isdigit() and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(threads))  # torch read what it was when it was imported
    module, *words = shlex.split(command)[2:]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_in_shell(command: str, folder: Path, log: Path, environment: dict[str, str]) -> None:
    """`command` below this process, which leads its group and so ends all of it."""
    _enter(folder, log, environment)
    sys.exit(subprocess.call(command, shell=True))


def _enter(folder: Path, log: Path, environment: dict[str, str]) -> None:
    os.setsid()
    end_with_starter(whole_group=True)
    with log.open("wb") as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
