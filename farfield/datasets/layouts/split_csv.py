"""miniImageNet as it is passed on: `images/<file>` and a CSV file for each split of the classes."""

from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import contents_of
from farfield.datasets.layouts.index import Index
from farfield.datasets.layouts.options import take_options
from farfield.datasets.layouts.split_lists import in_split_lists


def split_csv(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by split, then as the CSV files (`filename,label`) list them.

    Classes are the labels of all splits (WordNet ids), sorted. No options.
    """
    take_options("split_csv", options)
    return in_split_lists(raw, contents_of(raw))
