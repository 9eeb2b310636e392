"""`dvc exp run -S`: an experiment differs from the commit in what it says, or stops."""

import json
import re

import pytest

from tests.pipeline.clones import Clone, ran

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
