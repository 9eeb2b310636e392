"""Where pieces of work run: in this process, in several single-threaded ones, or wherever an `Executor` says."""

import contextlib
import ctypes
import multiprocessing
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar

from farfield.errors import InputError
from farfield.parents import end_with_starter

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs pieces of work that do not depend on each other, here or elsewhere."""

    def map(self, task: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield task(item) for each item, in their order, with the same bytes wherever each was worked on.

        `task`, items and results may travel to other processes and machines: they must be picklable and belong
        at the top level of a module. So items are small: paths, numbers and parameters, not arrays. A task keeps
        what it has finished in a file of its own, and is not asked again for an item whose file is there.
        """
        ...


class Workers:
    """The executor of one machine: processes of one thread each.

    Results do not depend on `count`: every item is worked on by one process with one thread. With a
    count of 1, and for a single item, that is this process. Processes start with the first work and serve
    until `with` ends, since each needs seconds to import torch. They end with this process, however it ends.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, task: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """As of `Executor`. InputError if a process is killed."""
        if self.count <= 1 or (self._pool is None and len(items) == 1):
            keep_freed_memory()
            for item in items:
                with _one_thread():
                    result = task(item)
                yield result
            return
        if not items:
            return
        if self._pool is None:
            # Spawned, not forked: a fork of a process whose threads hold locks may hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_start)
        # The task is pickled here, once and plainly: torch would otherwise move its tensors to shared
        # memory that outlives a kill.
        work = partial(_work, pickle.dumps(task))
        try:
            yield from self._pool.map(work, items)
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {self.count} worker processes was killed, most likely because memory ran out. What "
                f"is finished is kept: run the same command again with fewer workers."
            ) from error


def forked(tasks: Sequence[Callable[[], Result]], count: int) -> list[Result]:
    """The results of functions without arguments, in their order, by `count` forks of this process.

    For work on what is in memory already, whose results can be pickled. Neither the tasks nor this process
    before them may use torch's threads or an accelerator, which do not survive a fork. Where forks are not
    safe, as on macOS, and with a count of 1 this process does the work.
    """
    if count <= 1 or sys.platform != "linux":
        return [task() for task in tasks]
    with ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("fork"), initializer=_inherit, initargs=(tasks,)
    ) as pool:
        return list(pool.map(_inherited, range(len(tasks))))


_tasks: Sequence[Callable[[], Any]] = ()


def _inherit(tasks: Sequence[Callable[[], Any]]) -> None:
    """In a fork, arguments are inherited, not pickled."""
    global _tasks
    _tasks = tasks
    end_with_starter()


def _inherited(place: int) -> Any:
    return _tasks[place]()


def _start() -> None:
    end_with_starter()
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _work(pickled: bytes, item: Any) -> Any:
    return _unpickled(pickled)(item)


@lru_cache(maxsize=1)
def _unpickled(task: bytes) -> Callable[[Any], Any]:
    return pickle.loads(task)


def keep_freed_memory() -> None:
    """Tell glibc not to hand large blocks back. Otherwise every gradient is mapped, zeroed and unmapped
    again by the kernel: hundreds of page faults a training step, 5 to 20 % of its time."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        for option, value in ((-1, 2**31 - 1), (-2, 2**26), (-4, 0)):  # trim, top pad, blocks of mmap
            libc.mallopt(option, value)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
