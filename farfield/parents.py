"""A process ends with the one that it works for, however that ends, and writes nothing that a next run writes.

The kernel sends the signal (Linux, PR_SET_PDEATHSIG), so it comes at once and at any moment, also while libraries
load. Asking for it comes first, and then a look whether the parent had ended before: in the other order a kill
between the two would go unseen. Elsewhere a thread watches.
"""

import contextlib
import ctypes
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
FORKS_OF = "FARFIELD_FORKS_OF"  # the process that starts a server of forks
RWLOCK = Path(".dvc/tmp/rwlock")  # DVC's table of which process reads and writes what


def signalled_with_parent(number: int = signal.SIGKILL) -> None:
    """The kernel sends this process a signal when its parent's thread that started it ends. Kept by exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def end_with(parent: int) -> None:
    """End this process with its parent, whose id is `parent`: for a child before it executes another program."""
    signalled_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def end_with_starter(whole_group: bool = False) -> None:
    """End this process with the one that `multiprocessing` started it for.

    whole_group: and all of the process group that it leads, at the same time.
    """
    starter = multiprocessing.parent_process()
    if starter is None:
        return
    if not whole_group:
        signalled_with_parent()

    def end() -> None:
        if whole_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    if multiprocessing.connection.wait([starter.sentinel], 0):
        end()
    _watch(lambda: multiprocessing.connection.wait([starter.sentinel]), end)


def end_with_dvc() -> None:
    """At the first instruction of `python -m <stage>`: end with the `dvc` that runs this stage, if one does.

    DVC says so in DVC_STAGE, and in its table of locks with which process. If that process is no ancestor of this
    one, it was killed while Python started.
    """
    if any(word.startswith("from multiprocessing.forkserver") for word in sys.orig_argv):
        end_with(
            int(os.environ.get(FORKS_OF, os.getppid()))
        )  # what stages are forked from, before it loads torch
    if "--multiprocessing-fork" in sys.orig_argv:  # a worker of a stage, whose `end_with_starter` looks again
        signalled_with_parent()
    if "DVC_STAGE" not in os.environ or sys.argv[:1] != ["-m"]:
        return
    signalled_with_parent()
    import psutil

    ancestors = []
    with contextlib.suppress(psutil.Error):
        ancestors = psutil.Process().parents()
    known = holders()
    dvc = next((one for one in ancestors if one.pid in (known or ()) or is_dvc(one)), None)
    if dvc is None:
        if known is not None and ancestors:
            print("error: the dvc that started this stage has ended; run it again", file=sys.stderr)
            os._exit(1)
    elif dvc.pid != os.getppid() or sys.platform != "linux":  # a shell between them would outlive it
        _watch(lambda: _wait(dvc), lambda: os._exit(1))


def holders() -> set[int] | None:
    """The processes in DVC's table of locks. None if there is none, or none that can be read for a while."""
    for _ in range(50):  # DVC writes it in place, so for a moment there may be half of it
        with contextlib.suppress(FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
            table = json.loads(RWLOCK.read_bytes())
            readers = [entry for entries in table.get("read", {}).values() for entry in entries]
            return {entry["pid"] for entry in [*readers, *table.get("write", {}).values()]}
        time.sleep(0.01)
    return None


def is_dvc(process: "psutil.Process") -> bool:
    """Whether it is the program `dvc`."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return any(Path(word).name == "dvc" for word in process.cmdline()[:3])
    return False


def _wait(process: "psutil.Process") -> None:
    """Until it ends, whether or not somebody has asked for its status since."""
    import psutil

    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(ProcessLookupError):
            multiprocessing.connection.wait([os.pidfd_open(process.pid)])
        return
    with contextlib.suppress(psutil.Error):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.2)


def _watch(wait: Callable[[], object], end: Callable[[], None]) -> None:
    def watch() -> None:
        wait()
        end()

    threading.Thread(target=watch, daemon=True).start()
