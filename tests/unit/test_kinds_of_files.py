"""Kinds of files of other tools, within a grey level of what the field's own library makes of them."""

from pathlib import Path

import pytest

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import decode
from tests.kinds import of_debian, of_dicom, of_others, of_tiff
from tests.kinds.kind import Kind, apart

MODULES = {
    "imagecodecs": "geo",
    "jpeg_ls": "medical",
    "nibabel": "medical",
    "pillow_heif": "documents",
    "pypdfium2": "documents",
}
KINDS = (*of_tiff.KINDS, *of_dicom.KINDS, *of_others.KINDS)


def needs(kind: Kind) -> None:
    if kind.format == "DICOM":
        pytest.importorskip("pydicom", reason="needs the extra `medical`")
    for module, extra in MODULES.items():
        if extra == kind.extra:
            pytest.importorskip(module, reason=f"needs the extra `{extra}`")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_file_is_shown_as_the_library_of_its_field_and_the_rule_show_it(kind):
    needs(kind)
    data = kind.write()
    expected = kind.shown(data)
    found = decode(data, Packing(size=expected.shape[0], width=expected.shape[1]))
    assert apart(found.pixels, expected) <= 1
    assert found.pages == kind.pages


def test_kinds_are_told_apart():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 60


def test_the_table_in_the_documents_has_them_all():
    text = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    lines = text.split("## Proof")[1].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    every = (*KINDS, *of_debian.KINDS)
    shown = [
        (k.format, k.bits, k.colours, str(k.bands), str(k.pages), k.packed, k.writer, k.reader) for k in every
    ]
    assert [tuple(row[:-1]) for row in rows] == shown
    assert all(float(row[-1]) <= 1 for row in rows)
    assert f"{len(every)} kinds of files" in text
