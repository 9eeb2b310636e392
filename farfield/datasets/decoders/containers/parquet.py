"""Parquet files with a column of pictures, as the Hugging Face hub has them: the bytes of a file a row, or a
struct with `bytes` and `path`."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import IO, Any

from farfield.errors import InputError

SIGNATURE = b"PAR1"


def knows(start: bytes) -> bool:
    return start.startswith(SIGNATURE)


@contextmanager
def parquet_file(file: IO[bytes], name: str) -> Iterator[Any]:
    """An open parquet file; InputError that begins with `name` if it, or what is read of it, is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as content:
            yield content
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk; damage has no number
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is damaged or no parquet file ({reason}). Get it again.") from error


@contextmanager
def opened(file: IO[bytes], name: str, variable: str) -> Iterator[Any]:
    """The pictures of a column, of which one group of rows is in memory at a time."""
    with parquet_file(file, name) as content:
        yield _Column(content, name, variable)


class _Column:
    def __init__(self, content: Any, name: str, variable: str) -> None:
        self.content, self.name, self.variable = content, name, variable
        groups = (content.metadata.row_group(number).num_rows for number in range(content.num_row_groups))
        self.starts = [0, *accumulate(groups)]
        self.group = -1
        self.values: list[Any] = []

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, entry: int | slice) -> Any:
        """InputError if there is no picture in the row, only the name of a file elsewhere."""
        if isinstance(entry, slice):
            return [self[row] for row in range(*entry.indices(len(self)))]
        group = bisect_right(self.starts, entry) - 1
        if group != self.group:
            self.values = self.content.read_row_group(group, columns=[self.variable]).column(0).to_pylist()
            self.group = group
        value = self.values[entry - self.starts[group]]
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise InputError(
                f"{self.name} holds no picture in row {entry}, but {value!r}; get a copy that does."
            )
        return data
