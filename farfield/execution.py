"""Where pieces of work run: in this process, in several single-threaded ones, or wherever an `Executor` says."""

import contextlib
import ctypes
import importlib
import io
import mmap
import multiprocessing
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from queue import SimpleQueue
from types import FunctionType
from typing import Any, Protocol, TypeVar

import numpy as np

from farfield.errors import InputError
from farfield.parents import end_with_starter

Item = TypeVar("Item")
Result = TypeVar("Result")
Keep = Callable[[Any, Any], Any]  # of an item and its result


class Executor(Protocol):
    """Runs pieces of work that do not depend on each other, here or elsewhere."""

    def map(
        self, task: Callable[[Item], Any], items: Sequence[Item], keep: Keep | None = None
    ) -> Iterator[Any]:
        """Yield task(item) for each item, in their order, with the same bytes wherever each was worked on.

        `task`, items and results may travel to other processes and machines: they must be picklable and belong
        at the top level of a module. So items are small: paths, numbers and parameters, not arrays. Arrays of
        `task` that are memory maps of files travel as the names of these.
        keep: called here with an item and its result as soon as that is finished, in whatever order; what it
        returns is yielded in the result's place. So what is finished is kept when this process is killed.
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

    def map(
        self, task: Callable[[Item], Any], items: Sequence[Item], keep: Keep | None = None
    ) -> Iterator[Any]:
        """As of `Executor`. InputError if a process is killed."""
        if self.count <= 1 or (self._pool is None and len(items) == 1):
            keep_freed_memory()
            for item in items:
                with _one_thread():
                    result = task(item)
                yield keep(item, result) if keep else result
            return
        if not items:
            return
        if self._pool is None:
            # Spawned, not forked: a fork of a process whose threads hold locks may hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_start)
        # The task is pickled here, once and plainly: torch would otherwise move its tensors to shared
        # memory that outlives a kill.
        pool, pickled, done = self._pool, pickled_task(task), SimpleQueue[tuple[int, Future[Any]]]()

        def start(place: int) -> None:
            future = pool.submit(_work, pickled, items[place])
            future.add_done_callback(lambda ended: done.put((place, ended)))

        def finished() -> Iterator[tuple[int, Any]]:
            place, ended = done.get()
            yield place, ended.result()

        try:
            yield from in_order(items, start, finished, len(items), keep)
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {self.count} worker processes was killed, most likely because memory ran out. What "
                f"is finished is kept: run the same command again with fewer workers."
            ) from error


def in_order(
    items: Sequence[Item],
    start: Callable[[int], None],
    finished: Callable[[], Iterable[tuple[int, Any]]],
    ahead: int,
    keep: Keep | None = None,
) -> Iterator[Any]:
    """The results of items that are worked on elsewhere, in the order of the items.

    start: begins with the item of a place. finished: waits for one or more that are done, and yields their places
    and results. ahead: so many are begun and not done at the same time, at most.
    """
    begun = running = given = 0
    results: dict[int, Any] = {}
    while given < len(items):
        while begun < len(items) and running < ahead:
            start(begun)
            begun, running = begun + 1, running + 1
        for place, result in finished():
            running -= 1
            results[place] = keep(items[place], result) if keep else result
        while given in results:
            yield results.pop(given)
            given += 1


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


# Tasks of several networks may take turns.
@lru_cache(maxsize=4)
def _unpickled(task: bytes) -> Callable[[Any], Any]:
    return unpickled_task(task)


def pickled_task(
    task: Callable[..., Any], by_path: bool = True, buffers: list[pickle.PickleBuffer] | None = None
) -> bytes:
    """What `unpickled_task` makes the task of, in another process that has this code.

    by_path: memory maps of whole files as the names of these, to be opened there. buffers: receives the bytes of
    arrays, which then are not part of the result.
    """
    file = io.BytesIO()
    _Pickler(file, by_path, buffers).dump(task)
    return file.getvalue()


def unpickled_task(pickled: bytes, buffers: Sequence[Any] = ()) -> Callable[..., Any]:
    task: Callable[..., Any] = pickle.loads(pickled, buffers=buffers)
    return task


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, by_path: bool, buffers: list[pickle.PickleBuffer] | None) -> None:
        super().__init__(file, protocol=5, buffer_callback=None if buffers is None else buffers.append)
        self.by_path = by_path

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.memmap):
            if self.by_path and _is_whole(value):
                return _opened, (str(value.filename), value.dtype.str, value.offset, value.shape)
            return value.view(np.ndarray).__reduce_ex__(5)  # whose bytes can go beside the task
        # What the module of a stage defines is called __main__ where the stage was started, and nowhere else.
        main = sys.modules["__main__"].__spec__
        if main is not None and isinstance(value, type | FunctionType) and value.__module__ == "__main__":
            return _named, (main.name, value.__qualname__)
        return NotImplemented


def _is_whole(array: np.memmap) -> bool:
    """Whether `offset` and `shape` say where the array lies in its file: it is no part of another one."""
    return array.filename is not None and array.flags.c_contiguous and isinstance(array.base, mmap.mmap)


def _opened(path: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.memmap:
    return np.memmap(path, dtype, "r", offset, shape)


def _named(module: str, name: str) -> Any:
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


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
