"""What runs again after a change of parameters, and what is left when it is taken back."""

import json
import re

from tests.pipeline.clones import ran


def test_a_changed_parameter_reruns_what_it_touches_and_going_back_nothing(done):
    done.run("git", "switch", "-qc", "shorter")
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    assert ran(done.dvc("repro")) == ["transfer@fixed", "report_fewshot", "report"]
    done.commit("three epochs")
    difference = done.dvc("metrics", "diff", "main", "--md")
    row = r"\| metrics/fewshot.json +\| fixed.leaves.5-shot +\| [\d.]+ +\| [\d.]+ +\|"
    assert re.search(row, difference)
    assert "random." not in difference
    assert "ft_all." not in difference
    parameters = done.dvc("params", "diff", "main", "--md")
    assert re.search(r"fewshot.transfer.fixed.settings.epochs +\| 100 +\| 3 ", parameters)
    told = done.run("python", "-m", "commands.diff", "main")
    assert "fewshot.transfer.fixed.settings.epochs: 100 → 3  (fixed)" in told
    assert len(told.splitlines()) <= 40
    assert "code:" not in told
    done.dvc("plots", "diff", "main", "-o", "dvc_plots")
    page = (done.path / "dvc_plots/index.html").read_text()
    assert "leaves 5-shot fixed" in page
    assert "objects, training loss" in page

    # Going back restores from the cache.
    done.compose()
    output = done.dvc("repro")
    assert set(ran(output)) <= {"report"}  # cheap, and its outputs are in Git, not in the cache
    assert "transfer@fixed' is cached - skipping run" in output


def test_a_dropped_target_leaves_no_trace(done):
    """DVC keeps the outputs of a stage that is gone; they must not enter what depends on their folder."""
    names = ("dvc.lock", "data/dvc.lock", "pipelines/fewshot/dvc.lock", "pipelines/fewshot/meta/dvc.lock")
    locks = {name: (done.path / name).read_text() for name in names}
    done.compose("~fewshot.targets.radiographs", "~datasets.radiographs")
    done.make()
    assert "radiographs" not in json.loads((done.path / "metrics/fewshot.json").read_text())["fixed"]
    for left in ("packed/target/radiographs", "validated/target/radiographs", "episodes/radiographs.npz"):
        assert not (done.path / "data" / left).exists()
    done.compose()
    done.make()
    assert locks == {name: (done.path / name).read_text() for name in locks}


def test_repro_composes_what_was_edited(done):
    """Values at once; what asks for other stages, with the next command, since DVC has its plan by then."""
    text = (done.path / "params.yaml").read_text()
    (done.path / "params.yaml").write_text(f"{text}recipes: {{meta: {{learning_rate: 0.002}}}}\n")
    assert ran(done.dvc("repro", "pipelines/fewshot/meta/dvc.yaml:metatrain@protonet")) == [
        "compose",
        "metatrain@protonet",
    ]
    (done.path / "params.yaml").write_text(
        f"{text}overrides: ['~fewshot.transfer.random']\n".replace("overrides: []", "")
    )
    assert "run the same command once more" in done.dvc("repro", ok=False)
    assert "transfer.random" not in done.dvc("stage", "list", "--all")
