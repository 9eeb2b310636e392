"""The static site: well formed, self-contained, deterministic, plain about what is not real."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from headless import Browser, problems_of_site
from made_up_study import PROVENANCE, site_pages

from farfield.errors import InputError
from farfield.report.index_page import index_page
from farfield.report.provenance_page import provenance_page
from farfield.report.site import Drawn, Page, write_site

PAGES = (
    "index",
    "fewshot",
    "documents",
    "own",
    "methods",
    "comparisons",
    "claims",
    "training",
    "data",
    "provenance",
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    preview = folder / "preview.png"
    preview.write_bytes(b"a picture")
    write_site(folder / "site", site_pages(preview))
    return folder / "site"


class Reader(HTMLParser):
    """Collects elements and text, and fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(site: Path, slug: str) -> Reader:
    return Reader((site / f"{slug}.html").read_text(encoding="utf-8"))


def well_formed(site: Path, slug: str, *elsewhere: str) -> Reader:
    """A page whose pictures, links and places are there; its links lead nowhere else but to `elsewhere`."""
    page = read(site, slug)
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    assert len(page.all("h1")) == 1
    assert all(image["alt"] and (site / image["src"]).is_file() for image in page.all("img"))
    targets = [link["href"] for link in page.all("a")]
    for target in targets:
        file, _, place = target.partition("#")
        if not (elsewhere and target.startswith(elsewhere)):
            assert not file or (site / file).is_file(), target
            assert not place or f'id="{place}"' in (site / (file or f"{slug}.html")).read_text(
                encoding="utf-8"
            )
    return page


def test_pages_are_well_formed_and_navigate_to_each_other(site):
    for slug in PAGES:
        page = well_formed(site, slug, "https://")
        assert [a["href"] for a in page.all("a") if a.get("aria-current") == "page"] == [f"{slug}.html"]


def test_nothing_is_loaded_from_a_network(site):
    for path in site.glob("*.html"):
        page = Reader(path.read_text(encoding="utf-8"))
        loaded = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
        loaded += [attributes["href"] for attributes in page.all("link")]
        assert loaded
        for target in loaded:
            assert (site / target).is_file(), target
    for path in (site / "style.css", *site.glob("*.js"), *site.glob("figures/*.svg")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?(?!#)|href=\"(?!#)", text), path


def test_every_image_says_what_it_shows_and_every_column_what_it_heads(site):
    for path in site.glob("*.html"):
        page = Reader(path.read_text(encoding="utf-8"))
        assert all(image["alt"] for image in page.all("img"))
        assert all(heading["scope"] for heading in page.all("th"))
        assert len(page.all("caption")) == len(page.all("table"))


def test_names_are_escaped(site):
    assert "Ours <b>|" in read(site, "fewshot").text
    assert "<b>" not in (site / "fewshot.html").read_text(encoding="utf-8")
    assert "<healthy>" in read(site, "data").text


def test_readers_are_told_what_is_not_real(site):
    for slug in ("index", "fewshot", "comparisons", "claims"):
        assert "not results on ISIC" in read(site, slug).text
    assert "not results on ISIC" not in read(site, "documents").text
    assert "that stand in for ISIC: not a result on ISIC" in read(site, "data").text


def test_validation_is_told_in_sentences_and_long_lists_are_cut(site):
    text = read(site, "data").text
    assert "No copies." in text
    assert "(1 234 unexpected)" in text
    assert "a.jpg: truncated" in text
    assert "0.jpg = copy 0.jpg" in text
    assert "7 more are in the dataset's validation file" in text
    assert text.count("Not validated in this run.") == 2


def test_provenance_lists_nested_parameters(site):
    text = read(site, "provenance").text
    assert "episodes.shots" in text
    assert "5, 20" in text


def test_the_same_pages_give_the_same_bytes_in_another_process(site, tmp_path):
    """Another process has another order of sets, which must not show."""
    preview = tmp_path / "preview.png"
    preview.write_bytes(b"a picture")
    code = (
        "import sys; from pathlib import Path; from made_up_study import site_pages;"
        "from farfield.report.site import write_site;"
        "write_site(Path(sys.argv[1]), site_pages(Path(sys.argv[2])))"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}
    command = [sys.executable, "-c", code, str(tmp_path / "site"), str(preview)]
    subprocess.run(command, check=True, env=environment)
    files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    again = sorted(p.relative_to(tmp_path / "site") for p in (tmp_path / "site").rglob("*") if p.is_file())
    assert files == again
    changed = [
        str(path) for path in files if (site / path).read_bytes() != (tmp_path / "site" / path).read_bytes()
    ]
    assert changed == []


def test_each_page_of_the_study_holds_its_own_datasets_alone(site):
    crossdomain, documents = (read(site, slug).text for slug in ("fewshot", "documents"))
    assert "EuroSAT" in crossdomain
    assert "Papers" not in crossdomain
    assert "Papers" in documents
    assert "EuroSAT" not in documents
    assert "Papers" in (site / "figures/documents-shots.svg").read_text()
    assert (site / "documents.csv").read_text().count("papers") == 6
    assert (site / "comparisons.csv").read_text().count("documents") == 6


def test_the_first_page_counts_methods_and_lists_verdicts(site):
    text = " ".join(read(site, "index").text.split())
    assert "3 methods (1 of meta-learning and 2 of transfer) learn 5 new classes from 5 or 20 images" in text
    assert "Fine-tuning the network beats frozen features. not tested" in text


def test_training_sets_untrained_beside_trained_meta_learners(site):
    text = read(site, "training").text
    assert "31.50 ± 0.80" in text
    assert "48.25 ± 0.90" in text
    assert "mini source" in text


def test_choices_of_ensembles_are_counted_where_they_were_made(site):
    assert "block <4>" in read(site, "fewshot").text
    assert "Choices of the ensembles" not in read(site, "documents").text


def test_a_page_of_another_study_needs_no_other_page(tmp_path):
    extra = Page("spottune", "SpotTune", "provenance.html.j2", provenance_page(PROVENANCE).context)
    write_site(tmp_path / "site", [index_page([], {}).drawn, extra.drawn])
    assert "SpotTune" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_a_site_without_an_index_or_with_clashing_files_is_refused(tmp_path):
    index = index_page([], {}).drawn
    with pytest.raises(InputError, match="index"):
        write_site(tmp_path / "site", [provenance_page(PROVENANCE).drawn])
    with pytest.raises(InputError, match="slug"):
        write_site(tmp_path / "site", [index, index])
    one = Drawn("one", "One", index.html, {"a.csv": b"1"})
    two = Drawn("two", "Two", index.html, {"a.csv": b"2"})
    with pytest.raises(InputError, match=r"a\.csv"):
        write_site(tmp_path / "site", [index, one, two])
    assert not (tmp_path / "site").exists()


def test_each_row_has_a_page_below_the_table_of_all_rows(site):
    for key, title in (("protonet", "ProtoNet"), ("own", "Ours <b>|")):
        page = well_formed(site, f"row-{key}")
        assert title in page.text
        assert f"dvc repro transfer@{key}" in page.text
    text = " ".join(read(site, "row-own").text.split())
    assert "Blobs (procedural)" in text
    assert "rust: 4 of 15 right" in text
    assert "100 images pass through the network, and 200 more pass forward and backward" in text
    navigation = read(site, "index").all("a")
    assert not [link for link in navigation if link["href"].startswith("row-")]
    assert {"href": "methods.html"} in read(site, "row-own").all("a")


def test_the_table_of_all_rows_is_its_file(site):
    with (site / "methods.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 4 * 2
    text = read(site, "methods").text
    for line in lines:
        assert f"{float(line['accuracy']):.2f}" in text
    blocks = {line["method"]: line["block"] for line in lines}
    assert blocks == {"protonet": "deck", "fixed": "deck", "own": "beyond"}


def test_the_search_knows_every_heading_with_an_address(site):
    text = (site / "places.js").read_text(encoding="utf-8")
    places = json.loads(text.removeprefix("const PLACES = ").removesuffix(";\n"))
    for _, _, address in places:
        file, _, place = address.partition("#")
        assert not place or f'id="{place}"' in (site / file).read_text(encoding="utf-8")
    assert ["Ours <b>|", "Ours <b>|", "row-own.html"] in places
    assert ["Claims", "The claims of the talk", "claims.html"] in places
    assert "<" not in text.removeprefix("const PLACES = ")


def test_every_page_answers_on_every_screen(site):
    """In the first screen, with no request to a network, no scrolling sideways, black on white on paper."""
    assert problems_of_site(site) == []


def test_keys_reach_the_controls_of_the_table_of_all_rows_and_they_work(site):
    with Browser() as browser:
        browser.open(site / "methods.html")
        reached: list[str] = []
        while len(reached) < 40 and reached[-1:] != ["Mean of those shown"]:
            browser.press("Tab")
            reached.append(browser.run("(document.activeElement.name || document.activeElement.textContent)"))
        assert {"block", "study", "shot", "queries", "name"} <= set(reached)
        browser.press("Enter")
        assert browser.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
        choose = """(name, value) => {
            const form = document.querySelector("form.controls");
            form.elements[name].value = value;
            form.dispatchEvent(new Event("input"));
            return [...document.querySelectorAll("#rows tbody tr")].filter((row) => !row.hidden)
                .map((row) => [...row.cells].filter((cell) => !cell.hidden).map((cell) => cell.dataset.value));
        }"""
        everything = browser.run(f"({choose})('name', '')")
        means = [float(row[1]) for row in everything]
        assert means == sorted(means, reverse=True)
        assert all(len(row) == 2 + 6 + 2 for row in everything)
        few = browser.run(f"({choose})('shot', '5')")
        for row in few:
            assert float(row[1]) == pytest.approx(sum(map(float, row[2:5])) / 3)
        both = browser.run(f"({choose})('study', '')")
        assert all(row[1] is None and len(row) == 2 + 4 + 2 for row in both)
        assert [row[0] for row in browser.run(f"({choose})('block', 'beyond')")] == ["ours <b>|"]
        assert browser.run(f"({choose})('queries', 'transductive')") == []
        assert browser.errors == []


def test_the_search_leads_to_pages(site):
    with Browser() as browser:
        browser.open(site / "index.html")
        browser.run("document.querySelector('.find input').focus()")
        browser.run("new Promise((done) => setTimeout(done, 300))")
        script = """(() => {
            const field = document.querySelector(".find input");
            field.value = "claims TALK";
            field.dispatchEvent(new Event("input"));
            return [...document.querySelectorAll("#found a")].map((link) => link.getAttribute("href"));
        })()"""
        assert "claims.html" in browser.run(script)
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
        assert browser.errors == []
