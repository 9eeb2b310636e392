"""The table of kinds of files in docs/formats.md, made anew: `python -m tests.benchmarks.kinds_of_files`.

Each file is written by a tool that is not ours and read by the library or program of its field, called in the
plainest way; the rule of docs/formats.md, in plain numpy, makes grey of what that reads. It needs the extras
`geo`, `medical` and `documents`, and of Debian: gdal-bin libtiff-tools dcmtk libopenjp2-tools libjxl-tools
libheif-examples netpbm.
"""

import sys

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import decode
from tests.kinds import of_debian, of_dicom, of_others, of_tiff
from tests.kinds.kind import Kind, apart

KINDS = (*of_tiff.KINDS, *of_dicom.KINDS, *of_others.KINDS, *of_debian.KINDS)


def row(kind: Kind, levels: float) -> str:
    cells = (
        kind.format,
        kind.bits,
        kind.colours,
        kind.bands,
        kind.pages,
        kind.packed,
        kind.writer,
        kind.reader,
        f"{levels:g}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    worst = 0.0
    print("| format | bits | colours | bands | pages | packed | written by | read by | levels apart |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        data = kind.write()
        expected = kind.shown(data)
        found = decode(data, Packing(size=expected.shape[0], width=expected.shape[1]))
        levels = apart(found.pixels, expected)
        worst = max(worst, levels)
        print(row(kind, levels))
    print(f"{len(KINDS)} kinds, at most {worst:g} levels apart", file=sys.stderr)
    return int(worst > 1)


if __name__ == "__main__":
    sys.exit(main())
