"""Archives in any form in which people have labels: `farfield.datasets.layouts.forms`."""

import sys
from pathlib import Path
from typing import Any

from farfield.datasets.layouts.contents import archives_in
from farfield.datasets.layouts.forms import labelled_images
from farfield.datasets.layouts.holdout import hold_out
from farfield.datasets.layouts.index import Index
from farfield.datasets.layouts.options import take_options
from farfield.errors import InputError, first_few


def labelled(raw: Path, options: dict[str, Any]) -> Index:
    """The layout of archives in any of these forms. What is left out and remarked is said on stderr.

    Option: `holdout`, see `hold_out`, where the labels come without splits; images of one group stay together.
    """
    holdout = take_options("labelled", options, holdout={})["holdout"]
    if not archives_in(raw) and not any(raw.glob("**/*.parquet")):
        raise InputError(f"{raw} holds no archive and no parquet file; download it first.")
    found = labelled_images(raw)
    said = [f"{len(found.left_out)} files are left out: {first_few(sorted(found.left_out))}."] * bool(
        found.left_out
    )
    for remark in (*said, *found.remarks):
        print(f"{raw}, {found.form}: {remark}", file=sys.stderr)
    if not holdout:
        return found.index
    if {record.split for record in found.index.records} != {"all"}:
        raise InputError(
            f"{raw} has splits; the option holdout of the layout labelled is for labels without."
        )
    names = found.index.class_names
    records = hold_out(found.index.records, names, holdout, lambda record: record.group or record.path)
    return Index(tuple(records), names)
