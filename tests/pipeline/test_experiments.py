"""`dvc exp run -S`: an experiment differs from the commit in what it says, or stops."""

import json
import re
import shlex
import time

import pytest

from tests.pipeline.clones import ROOT, Clone, ran

MINE = ("+dataset@datasets.mine=leaves", "+fewshot.targets.mine={shots: [5], study: crossdomain}")


def test_an_experiment_starts_from_what_the_commit_says(done):
    """An override that composed the committed parameters stays where an experiment says something else."""
    done.compose(*MINE)
    done.commit("a dataset more")
    before = parameters(done)
    done.dvc("exp", "run", "-S", "seeds.compare=7", "compose")
    assert difference(before, parameters(done)) == {"seeds.compare": (6, 7)}
    done.dvc("exp", "run", "-S", "++fewshot.episodes=9", "compose")
    assert difference(before, parameters(done)) == {"seeds.compare": (6, 7), "fewshot.episodes": (12, 9)}


def test_an_experiment_runs_what_its_parameter_touches(done):
    output = done.dvc("exp", "run", "-S", "++fewshot.transfer.fixed.settings.epochs=3")
    assert ran(output) == ["compose", "transfer@fixed", "report_fewshot", "report"]
    shown = done.dvc("exp", "show", "--only-changed", "--md")
    assert "fewshot.transfer.fixed.settings.epochs" in shown
    assert "fewshot.transfer.random.settings.epochs" not in shown


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("profile=quick", r"params.yaml asks for other stages than those that this run began with"),
        (
            "params/fewshot.json:fewshot.episodes=7",
            r"params/fewshot\.json was edited, but it is composed from",
        ),
        ("fewshot.epsodes=7", r"To append to your config use \+fewshot\.epsodes"),
        ("++fewshot.epsodes=7", r"fewshot\.epsodes: there is no such parameter"),
    ],
)
def test_an_experiment_that_cannot_be_stops_with_one_message(done, setting, message):
    output = done.dvc("exp", "run", "-S", setting, ok=False)
    assert re.search(message, output), output
    assert ran(output) in ([], ["compose"])
    assert "Traceback" not in output


def test_the_page_on_experiments_does_what_it_says(done):
    """Every command of docs/experiments.md, one after another; each in a process of its own, as people do it."""
    blocks = (ROOT / "docs/experiments.md").read_text().split("```")[1::2]
    lines = [shlex.split(line) for block in blocks for line in block.strip().splitlines()]
    (done.path / "local.yaml").write_text("workers: 1\nmirror: no/such/mirror\n")
    told = {}
    for words in lines:
        called = ["python", "-m", *words] if words[0] == "farfield" else words
        told[" ".join(words)] = done.run(*called, FARFIELD_WORKERS="")
        if words[1:3] == ["queue", "start"]:
            until = time.monotonic() + 600
            while re.search("Queued|Running", done.run("dvc", "queue", "status")):
                assert time.monotonic() < until, done.run("dvc", "queue", "logs", "one")
                time.sleep(2)
    shown = next(text for words, text in told.items() if "exp show" in words)
    assert "fewshot.transfer.fixed.settings.epochs" in shown
    assert "100 → 3  (fixed)" in told["farfield diff HEAD short"]
    left = done.run("dvc", "exp", "list", "--name-only").split()
    assert set(left) == {"short", "shorter", "two"}
    assert "short-heads" in done.run("git", "branch")
    assert parameters(done)["fewshot.transfer.fixed.settings.epochs"] == 3


def parameters(clone: Clone) -> dict:
    """All of params/, flat."""
    flat: dict = {}

    def walk(node, path):
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, [*path, key])
        else:
            flat[".".join(path)] = node

    for file in (clone.path / "params").glob("*.json"):
        walk(json.loads(file.read_text()), [])
    return flat


def difference(one: dict, two: dict) -> dict:
    return {key: (one.get(key), two.get(key)) for key in one | two if one.get(key) != two.get(key)}
