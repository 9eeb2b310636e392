"""A chapter: what a family hands to the report through a folder is what it drew."""

from pathlib import Path

import pandas as pd
import pytest

from farfield.errors import InputError
from farfield.report.chapters import read_chapter, write_chapter
from farfield.report.index_page import index_page
from farfield.report.site import Drawn, write_site

# One picture stands on the page and on the first page.
PAGE = Drawn(
    "birds", "Birds", "<h1>Größe &amp; more</h1>\r\n", {"figures/one.svg": b"<svg/>", "birds.csv": b"a\n1\n"}
)
HEADLINE = Drawn("birds", "All birds", '<h2 id="birds">Birds</h2>\n', {"figures/one.svg": b"<svg/>"})


@pytest.fixture
def folder(tmp_path) -> Path:
    write_chapter(
        tmp_path / "chapter",
        [PAGE],
        [HEADLINE],
        metrics={"birds": {"wrens": 61.2, "Größe": 1}},
        tables={"curve": pd.DataFrame({"epoch": [1, 2], "loss": [0.1, 1 / 3]})},
        claims={"wrens": {"above": True}},
        ran={"Episodes": "600 a cell"},
        reservations=["Drawn by a program."],
    )
    return tmp_path / "chapter"


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_site_from_a_chapter_is_that_from_memory(folder, tmp_path):
    chapter = read_chapter(folder)
    for name, pages, headlines in (("read", chapter.pages, chapter.headlines), ("drawn", [PAGE], [HEADLINE])):
        write_site(tmp_path / name, [index_page(headlines, {}).drawn, *pages])
    read = files(tmp_path / "read")
    assert read == files(tmp_path / "drawn")
    assert {"index.html", "birds.html", "birds.csv", "figures/one.svg"} <= set(read)
    assert PAGE.html.encode() in read["birds.html"]
    assert HEADLINE.html.encode() in read["index.html"]


def test_facts_and_metrics_come_back(folder):
    chapter = read_chapter(folder)
    assert chapter.claims == {"wrens": {"above": True}}
    assert chapter.ran == {"Episodes": "600 a cell"}
    assert chapter.reservations == ["Drawn by a program."]
    assert {name: path.read_text(encoding="utf-8") for name, path in chapter.metrics.items()} == {
        "birds.json": '{\n  "wrens": 61.2,\n  "Größe": 1\n}\n',
        "curve.csv": f"epoch,loss\n1,0.1\n2,{1 / 3}\n",
    }


def test_a_chapter_whose_pages_bring_different_files_for_one_place_is_refused(tmp_path):
    other = Drawn("bees", "Bees", "", {"birds.csv": b"another"})
    with pytest.raises(InputError, match=r"birds\.csv"):
        write_chapter(tmp_path / "chapter", [PAGE, other], metrics={})
    assert list(tmp_path.iterdir()) == []


def test_a_chapter_of_studies_that_a_profile_leaves_out_reads_as_one_without_metrics(tmp_path):
    write_chapter(tmp_path / "nothing", [], metrics={})
    chapter = read_chapter(tmp_path / "nothing")
    assert (chapter.pages, chapter.metrics, chapter.claims) == ([], {}, {})
