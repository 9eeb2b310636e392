"""Whole slides as tiles: `[root/]<class>/<slide>` in one archive or several, best packed without compression."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders.containers import slides as container
from farfield.datasets.layouts.contents import contents_of, is_image
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import take_options
from farfield.datasets.sources import Stack
from farfield.errors import InputError


def slides(raw: Path, options: dict[str, Any]) -> Index:
    """Tiles by archive, slide and place; their group is the slide, and the split is "all".

    Options: `root`, the folder that holds the classes. `tile`, their side in pixels, of the level `level` (from
    0, the largest). `tissue`: a tile counts if so many percent of it are tissue (`containers.slides`).
    """
    taken = take_options("slides", options, root="", tile=224, level=0, tissue=25)
    above = PurePosixPath(taken["root"].strip("/")).parts
    found: list[tuple[str, Member, str]] = []
    for archive, members in contents_of(raw).items():
        for member in filter(is_image, members):
            parts = PurePosixPath(member.name).parts
            if parts[: len(above)] == above:
                if len(parts) != len(above) + 2:
                    where = "/".join((*above, "<class>/<slide>"))
                    raise InputError(f"{raw / archive}: the slide {member.name} does not lie at {where}.")
                found.append((archive, member, parts[-2]))
    names = sorted({name for _, _, name in found})
    stack = Stack(container.called(taken["tile"], taken["level"]), "hwc")
    records = []
    for archive in sorted({archive for archive, _, _ in found}):
        labels = {member.name: names.index(name) for held, member, name in found if held == archive}
        look = partial(_tiles, str(raw / archive), stack, taken["tissue"] / 100)
        outer, _, inner = archive.partition("/")
        for slide, entry, (row, column) in archives.visit(raw / outer, labels, look, inner):
            path = f"{slide}#{row}-{column}"
            record = Record(outer, slide, path, labels[slide], "all", entry, inner, stack=stack, group=slide)
            records.append(record)
    records.sort(key=lambda record: (record.archive, record.inner, record.member, record.entry))
    return build_index(raw, records, names)


def _tiles(
    archive: str, stack: Stack, least: float, member: Member, file: IO[bytes]
) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """The slide, the number, and the row and column of each tile with tissue."""
    with container.opened(file, f"{archive}: {member.name}", stack.variable) as tiles:
        for number in np.flatnonzero(tiles.tissue() >= least).tolist():
            yield member.name, number, divmod(number, tiles.shape[1])
