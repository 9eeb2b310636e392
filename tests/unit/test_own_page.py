"""What `farfield evaluate` writes for people: the page, the predictions, the answer as JSON."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from headless import SCREENS, Browser
from own_folder import coloured
from PIL import Image
from test_site import VOID, Reader

from farfield.command.main import main
from farfield.deployment.classifier import load_classifier
from farfield.execution import Workers
from farfield.files import read_json
from farfield.own.appending import Appender
from farfield.own.prediction import Prediction, images_of
from farfield.own.prediction_on_nodes import predicted as on_nodes


def farfield(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images of three colours in mine/, the answer to them in evaluation/, and as JSON."""
    folder = tmp_path_factory.mktemp("written")
    data = coloured(folder / "mine")
    (data / "green/odd <b>.png").write_bytes((data / "red/0.png").read_bytes())  # a wrong label, and a copy
    (data / "red/damaged.png").write_bytes(b"damaged")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FARFIELD_WORKERS", "1")
        patched.setenv("FARFIELD_DEVICE", "cpu")
        patched.setenv("XDG_CACHE_HOME", str(folder / "caches"))
        said = farfield("evaluate", data, "--out", folder / "evaluation", "--json")
    assert said.exit_code == 0, said.output
    (folder / "answer.json").write_text(said.stdout)
    return folder


@pytest.fixture(scope="module")
def page(written: Path) -> Reader:
    VOID.add("link")
    return Reader((written / "evaluation/report/index.html").read_text(encoding="utf-8"))


def test_the_answer_stands_on_top_of_one_page_that_loads_nothing(written, page):
    assert len(page.all("h1")) == 1
    assert re.search(r"^\d+ % of new images are named correctly$", page.text, re.M)
    for section in (
        "What to do next",
        "Which classes are taken for which",
        "The worst images",
        "As stored, and as the network sees them",
        "How to use it",
    ):
        assert section in page.text
    loaded = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    loaded += [attributes["href"] for attributes in page.all("link")]
    assert loaded
    assert all(target.startswith("data:") for target in loaded)
    assert all(image["alt"] for image in page.all("img"))
    assert all(heading["scope"] for heading in page.all("th"))


def test_links_lead_to_places_on_the_page_and_to_files_beside_it(written, page):
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    for link in page.all("a"):
        target = link["href"]
        assert (
            target[1:] in anchors
            if target.startswith("#")
            else (written / "evaluation/report" / target).is_file()
        ), target


def test_names_on_the_page_are_text(written, page):
    assert "odd <b>.png" in page.text
    assert "<b>" not in (written / "evaluation/report/index.html").read_text(encoding="utf-8")


def test_a_browser_finds_nothing_wrong(written):
    with Browser() as browser:
        browser.open(written / "evaluation/report/index.html")
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
        shown = "Promise.all([...document.images].map((i) => i.decode().then(() => i.naturalWidth)))"
        assert min(browser.run(shown)) > 0
        columns = browser.run("document.querySelectorAll('th button').length")
        assert columns > 8
        for place in range(columns):
            script = f"""(() => {{
                const button = document.querySelectorAll('th button')[{place}];
                button.click();
                const rows = [...button.closest('table').tBodies[0].rows];
                return rows.map((row) => row.cells[button.dataset.column].dataset.value);
            }})()"""
            once, again = ([value for value in browser.run(script) if value is not None] for _ in range(2))
            if all(re.fullmatch(r"-?[\d.e+-]+", value) for value in once):
                once, again = [-float(value) for value in once], [-float(value) for value in again]
            assert once == sorted(once)
            assert again == sorted(again, reverse=True)
        for place in range(browser.run("document.links.length")):
            href = browser.run(f"document.links[{place}].getAttribute('href')")
            if href.startswith("#"):
                browser.run(f"document.links[{place}].click()")
                assert browser.run("location.hash") == href
                assert browser.run("document.querySelector(location.hash) !== null")
        assert browser.errors == []


def test_on_screens_of_any_width_the_page_fits_and_answers_at_once(written):
    with Browser() as browser:
        page = written / "evaluation/report/index.html"
        for size in SCREENS:
            assert browser.problems(page, *size, answer="h1") == []


def test_the_json_says_what_the_files_say(written):
    answer = json.loads((written / "answer.json").read_text())
    assert answer["images"] == 28
    assert answer["classes"] == ["blue", "green", "red"]
    table = pd.read_csv(written / "evaluation/evaluation.csv")
    assert answer["accuracy"]["percent"] == pytest.approx(
        table.loc[table["written"], "accuracy"].item(), abs=0.01
    )
    assert answer["accuracy"]["low"] <= answer["accuracy"]["percent"] <= answer["accuracy"]["high"]
    assert ["green/odd <b>.png", "red/0.png"] in [sorted(pair) for pair in answer["copies"]]
    assert answer["left_out"] == {"red/damaged.png": "not an image that Pillow knows"}
    described = read_json(written / "evaluation/classifier/classifier.json")
    assert described["facts"]["metrics"]["accuracy"] == answer["accuracy"]
    assert described["facts"]["recall"] == answer["recall"]
    assert np.sum(answer["confusion"]) == 2 * 28


def test_every_image_has_its_left_out_prediction(written):
    with (written / "evaluation/predictions.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert len(rows) == 28
    odd = rows["green/odd <b>.png"]
    assert (odd["truth"], odd["predicted"], odd["right"]) == ("green", "red", "0")
    assert max(rows.values(), key=lambda row: float(row["suspicion"])) is odd
    assert min(rows.values(), key=lambda row: float(row["probability_of_truth"])) is odd


def test_new_images_get_sets_and_are_told_when_they_are_unlike_all(written, tmp_path, monkeypatch):
    monkeypatch.setenv("FARFIELD_WORKERS", "2")
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "strange.png")
    said = farfield("predict", written / "evaluation/classifier", tmp_path, written / "mine/red", "--json")
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert list(lines[0]) == ["path", "class", "probability", "set", "unlike", "distance"]
    strange, *known = lines
    assert (strange["unlike"], strange["distance"]) == (True, 1.0)
    assert all(line["class"] in line["set"] for line in lines)
    assert not any(line["unlike"] for line in known)
    _, description = load_classifier(written / "evaluation/classifier")
    assert description.sets.coverage == 90
    assert len(description.sets.least) == 3


def predicted(folder: Path, *words: object) -> Result:
    return farfield("predict", folder / "evaluation/classifier", folder / "mine/red", *words)


def test_a_stopped_prediction_is_continued_and_ends_as_one_that_was_not(written, tmp_path, monkeypatch):
    for form, option in (("csv", []), ("json", ["--json"])):
        whole, again = tmp_path / f"whole.{form}", tmp_path / f"again.{form}"
        assert predicted(written, "--out", whole, *option).exit_code == 3  # a file is damaged
        lines = whole.read_text().splitlines(keepends=True)
        mark = re.compile(rf"again\.{form}\.[0-9a-f]{{8}}\.{form}\.partial")
        with monkeypatch.context() as patched:
            patched.setattr("farfield.own.prediction.BATCH", 3)
            patched.setattr("farfield.own.appending.Appender.add", stopping_after(2))
            assert predicted(written, "--out", again, *option).exit_code == 1
        [partial] = [path for path in tmp_path.iterdir() if mark.fullmatch(path.name)]
        with partial.open("a") as file:
            file.write(lines[-1][:9])  # what a killed process leaves of its last line
        said = predicted(written, "--out", again, *option)
        assert f"images are done already; {again} is continued" in said.stderr
        assert again.read_text() == whole.read_text()
        assert not partial.exists()


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", "a\rb", "a\r\nb"])
def test_a_line_is_one_row_whatever_a_name_holds(name):
    line = Prediction(f"{name}.png", name, 0.5, (name, "c"), 0.25).line("csv")
    assert line.endswith("\n")
    assert not line.endswith("\r\n")
    [row] = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert row == [f"{name}.png", name, "0.5000", f"{name}|c", "0", "0.250"]


def test_batches_elsewhere_give_the_lines_of_one_process(written, capsys, monkeypatch):
    """What `predict` does on the nodes of a cluster, in a process of its own here."""
    monkeypatch.setattr("farfield.own.prediction.BATCH", 4)
    monkeypatch.setattr("farfield.own.prediction_on_nodes.BATCH", 4)
    classifier = written / "evaluation/classifier"
    said = predicted(written)
    images = [path for path in images_of([written / "mine/red"])]
    with Workers(2) as workers:
        found = [*on_nodes(workers, classifier, images, "csv", torch.device("cpu"))]
    assert "".join(lines for lines, _ in found) == said.stdout.partition("\n")[2]
    assert [problem for _, problems in found for problem in problems] == said.stderr.splitlines()
    assert len(found) == 3


def stopping_after(batches: int):
    add, left = Appender.add, [batches]

    def added(self, text: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        add(self, text)

    return added


def test_a_killed_prediction_is_continued_and_has_every_image_once(written, tmp_path):
    """Killed (SIGKILL) where nine bytes of its second batch are not on the disk."""
    killed = (
        "import os, signal, sys; import farfield.own.prediction as p; p.BATCH = 2; "
        "write, left = os.write, [3]\n"
        "def cut(file, data):\n"
        "    left[0] -= 1\n"
        "    write(file, data[:-9] if not left[0] else data)\n"
        "    return len(data) if left[0] else os.kill(os.getpid(), signal.SIGKILL)\n"
        "import farfield.own.appending as a; a.os = type('os', (), {**vars(os), 'write': cut})\n"
        "from farfield.command.main import main; main(sys.argv[1:])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "FARFIELD_DEVICE": "cpu"}
    whole, again = tmp_path / "whole.csv", tmp_path / "again.csv"
    assert predicted(written, "--out", whole).exit_code == 3
    words = ["predict", written / "evaluation/classifier", written / "mine/red", "--out", again]
    said = subprocess.run(
        [sys.executable, "-c", killed, *map(str, words)], capture_output=True, env=environment
    )
    assert said.returncode == -signal.SIGKILL
    assert not again.exists()
    [partial] = tmp_path.glob("again.csv.*.partial")
    left = partial.read_text()
    assert 2 < left.count("\n") < 9
    assert not left.endswith("\n")
    assert predicted(written, "--out", again).exit_code == 3
    assert again.read_bytes() == whole.read_bytes()
    paths = [row["path"] for row in csv.DictReader(again.read_text().splitlines())]
    assert len(paths) == len(set(paths)) == 9


def test_a_full_disk_leaves_whole_lines_and_one_message(written, tmp_path):
    """A limit on file sizes stands for the full disk."""
    limit = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, "
        "signal.SIG_IGN);resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700));from farfield.command.main "
        "import main; import farfield.own.prediction as p; p.BATCH = 2; main(sys.argv[1:])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "FARFIELD_DEVICE": "cpu"}
    for option in (["--out", str(tmp_path / "classes.csv")], []):
        words = ["predict", str(written / "evaluation/classifier"), str(written / "mine/red"), *option]
        with (tmp_path / "stdout.csv").open("wb") as stdout:
            said = subprocess.run(
                [sys.executable, "-c", limit, *words],
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        assert said.returncode == 1
        assert "no space left while writing" in said.stderr
        assert "Traceback" not in said.stderr
        [kept] = tmp_path.glob("classes.csv.*.partial") if option else [tmp_path / "stdout.csv"]
        text = kept.read_text()
        assert text.endswith("\n")
        rows = list(csv.reader(text.splitlines()))
        assert len(rows) > 1
        assert (len(rows) - 1) % 2 == 0
        assert {len(row) for row in rows} == {6}
