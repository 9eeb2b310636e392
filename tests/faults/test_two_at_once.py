"""Two commands at once in one checkout, one folder, one cache."""

import time
from pathlib import Path

import yaml

from farfield.deployment.classifier import load_classifier
from tests.faults.test_kills import DVC, RUNNER
from tests.pipeline.clones import Clone
from tests.unit.own_folder import coloured

FIXED = "pipelines/fewshot/dvc.yaml:transfer@fixed"


def both(*started) -> list[str]:
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    return said


def wait_for(condition, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.01)


def test_two_runs_in_one_checkout(done, tally):
    line = tally("two `make repro` in one checkout", "started at the same time")
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    said = both(done.start(*RUNNER), done.start(*RUNNER))
    waited = [one for one in said if "waiting for process" in one]
    assert len(waited) == 1, said
    assert "up to date" in waited[0]
    line.mended += 2
    line.said = next(one for one in waited[0].splitlines() if "waiting" in one)


def test_composing_while_stages_run(done, tally):
    line = tally(
        "`farfield compose` in one checkout", "during `make repro`, and during a stage of `dvc repro`"
    )
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    compose = ["python", "-m", "commands.compose", "fewshot.transfer.fixed.settings.epochs=4"]
    running = done.start(*RUNNER)
    wait_for((done.path / ".farfield/run.lock.by").exists)
    said = both(running, done.start(*compose))
    assert "waiting for process" in said[1]
    line.mended += 1
    lock = yaml.safe_load((done.path / "pipelines/fewshot/dvc.lock").read_text())["stages"]
    assert "epochs: 3" in yaml.safe_dump(lock["transfer@fixed"]["params"])
    before = (done.path / "params.yaml").read_bytes()
    running = done.start(*DVC, "--single-item", FIXED)
    table = done.path / ".dvc/tmp/rwlock"
    wait_for(lambda: table.exists() and "results/fixed" in table.read_text())
    refused = done.run(*compose[:3], "fewshot.transfer.fixed.settings.epochs=5", ok=False)
    assert (done.path / "params.yaml").read_bytes() == before
    line.refuses(refused)
    both(running)


def said(folder: Path) -> tuple[str, list[list[str]]]:
    """The predictions and the report of an evaluation, without the seconds that its candidates took."""
    lines = [line.split("|") for line in (folder / "report.md").read_text().splitlines()]
    lines = [[*cells[:-3], *cells[-2:]] if len(cells) > 3 else cells for cells in lines]
    return (folder / "predictions.csv").read_text(), lines


def test_two_evaluations_into_one_folder(template, tmp_path, tally):
    line = tally("two `farfield evaluate` of the same images", "at the same time, into one folder")
    own = coloured(tmp_path / "own")
    here = Clone(tmp_path / "here")
    here.path.mkdir()
    words = ["farfield", "evaluate", str(own), "--out", "out"]
    both(*(here.start(*words, "--seed", seed) for seed in ("0", "1")))
    found = said(here.path / "out")
    load_classifier(here.path / "out/classifier")
    for seed in ("0", "1"):
        here.run("farfield", "evaluate", str(own), "--out", f"alone{seed}", "--seed", seed)
    alone = [said(here.path / f"alone{seed}") for seed in ("0", "1")]
    assert found in alone, "the files of two evaluations are mixed"
    line.mended += 2
    line.said = "packed once; written one after the other, each whole"


def test_two_checkouts_on_one_cache(template, tmp_path, tally):
    line = tally("two checkouts on one cache", "the same stages at the same time")
    clones = [template.copy(tmp_path / name) for name in "ab"]
    for clone in clones:
        clone.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    stage = "data/dvc.yaml:pack@leaves"
    both(*(clone.start("dvc", "repro", stage) for clone in clones))
    one, two = (clone.path / "data/packed/target/leaves/images.npy" for clone in clones)
    assert one.stat().st_ino == two.stat().st_ino, "both are links to one object"
    assert clones[0].lock() == clones[1].lock()
    line.mended += 2
    line.said = "links to one object"
