"""One at a time, where two at once would mix what they write."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is in a block of the same `lock`, and say for which one.

    The kernel takes a lock back when its process ends, however that ends; the file stays. Beside it, in a file of
    the same name and `.by`, stands who is inside.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    by = lock.with_name(f"{lock.name}.by")
    held = FileLock(lock)
    try:
        held.acquire(timeout=0.1)
    except Timeout:
        other = by.read_text(encoding="utf-8") if by.exists() else "another process"
        print(f"waiting for {other}", file=sys.stderr, flush=True)
        held.acquire()
    try:
        by.write_text(f"process {os.getpid()}, {' '.join(sys.argv)}", encoding="utf-8")
        yield
    finally:
        by.unlink(missing_ok=True)
        held.release()
