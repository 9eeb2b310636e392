"""The peak of a process's own memory, in bytes, while it packs a folder of files, for `test_formats_speed`."""

import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from farfield.datasets import unfinished
from farfield.datasets.layouts import Index, Record
from tests.benchmarks.test_formats_speed import packed


def anonymous() -> int:
    """Bytes that belong to no file."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def main(folder: Path) -> None:
    unfinished.KEPT_BYTES = 2**24
    names = sorted(path.name for path in folder.iterdir())
    index = Index(tuple(Record("", name, name, 0, "all") for name in names), ("a",))
    peak, done = [anonymous()], []

    def watch() -> None:
        while not done:
            peak.append(max(peak[-1], anonymous()))
            time.sleep(0.005)

    watcher = Thread(target=watch)
    watcher.start()
    with TemporaryDirectory() as out:
        packed(folder, index, Path(out) / "out")
    done.append(True)
    watcher.join()
    print(peak[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
