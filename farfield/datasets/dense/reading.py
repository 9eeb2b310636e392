"""Reading the files of dense datasets in the order in which they lie in archives and MATLAB files."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from farfield.datasets.archives import stream
from farfield.datasets.dense.records import Source
from farfield.errors import InputError


def read_sources(raw: Path, wanted: Mapping[int, Source]) -> Iterator[tuple[int, bytes | np.ndarray]]:
    """Yield (row, content) of every wanted file, one in memory at a time.

    The content is the bytes of a member, or an array out of a MATLAB 7.3 file with the order of its axes
    as MATLAB has it. InputError names what cannot be read.
    """
    by_archive: defaultdict[str, dict[int, Source]] = defaultdict(dict)
    for row, source in wanted.items():
        by_archive[source.archive][row] = source
    for archive, sources in sorted(by_archive.items()):
        if archive.endswith(".mat"):
            yield from _read_matlab(raw / archive, sources)
            continue
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, source in sources.items():
            rows[source.member].append(row)
        for name, data in stream(raw / archive, rows):
            for row in rows[name]:
                yield row, data


def _read_matlab(path: Path, sources: Mapping[int, Source]) -> Iterator[tuple[int, np.ndarray]]:
    import h5py

    try:
        with h5py.File(path) as file:
            for row, source in sorted(sources.items(), key=lambda item: (item[1].member, item[1].entry)):
                # MATLAB counts the axes from the other side.
                yield row, np.ascontiguousarray(file[source.member][source.entry].T)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path} is damaged or no MATLAB 7.3 file ({error}). Delete it and download it again."
        ) from error
