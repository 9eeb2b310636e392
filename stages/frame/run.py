"""How a stage starts and ends."""

import contextlib
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable

import psutil

from farfield.errors import one_message


def run(main: Callable[..., None]) -> None:
    """Call `main` with the command line's words; exit with one message if something given is wrong."""
    names = list(inspect.signature(main).parameters)
    if len(sys.argv) - 1 != len(names):
        module = getattr(sys.modules["__main__"].__spec__, "name", "stage")
        sys.exit(f"usage: python -m {module} {' '.join(f'<{name}>' for name in names)}")
    die_with_dvc()
    with one_message():
        main(*sys.argv[1:])


def die_with_dvc() -> None:
    """End this process soon after the `dvc` that started it is killed.

    Otherwise the stage would live on and write outputs that a second `dvc repro` is writing too.
    """
    parent = next((p for p in _ancestors() if "dvc" in " ".join(p.cmdline()[:3])), None)
    if parent is None:
        return

    def watch() -> None:
        try:
            while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.2)
        finally:  # also when the parent vanishes while it is asked
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ancestors() -> list[psutil.Process]:
    """Parents whose command line may be read."""
    readable = []
    for process in psutil.Process().parents():
        with contextlib.suppress(psutil.Error):
            process.cmdline()
            readable.append(process)
    return readable
