"""What a newcomer and a team do, with real DVC runs on the tiny profile."""

import json
import re

import pytest
from conftest import Clone, ran


def test_one_repro_runs_every_stage_and_a_second_none(two_runs):
    clone = two_runs[0]
    executed = ran((clone.path / "repro.log").read_text())
    assert len(executed) == len(set(executed)) == 36
    assert executed[-1] == "report"
    assert ran(clone.run("dvc", "repro")) == []
    scores = json.loads((clone.path / "metrics/fewshot.json").read_text())
    assert list(scores) == [
        *("protonet", "random", "fixed", "ft_all", "transductive", "mean_centroid"),
        *("all_embeddings", "ims_f"),
    ]
    assert list(scores["fixed"]) == ["leaves", "radiographs"]
    assert set(scores["fixed"]["leaves"]["5-shot"]) == {"accuracy", "ci95"}
    assert (clone.path / "site/index.html").exists()


def test_two_runs_from_scratch_give_the_same_bytes(two_runs):
    one, two = (clone.lock() for clone in two_runs)
    assert len(one) == 36
    assert one == two


def test_git_sees_what_it_should(two_runs):
    clone = two_runs[0]
    changed = clone.run("git", "status", "--porcelain", "-uall")
    tracked = {line[3:] for line in changed.splitlines()} - {"repro.log"}
    facts = ("fewshot", "spottune", "decathlon", "adashare", "claims", "training")
    plots = ("fewshot", "policy_map", "policy_entropy", "tuned_blocks", "multitask_scores", "multitask_delta")
    results = {f"metrics/{name}.json" for name in facts}
    results |= {f"metrics/{name}.csv" for name in (*plots, "sharing_map", "sharing_search")}
    assert results <= tracked
    assert all(name in results or name.endswith(("dvc.lock", ".gitignore")) for name in tracked), tracked


def test_a_changed_parameter_reruns_what_it_touches_and_the_diff_is_readable(done):
    done.run("git", "switch", "-qc", "shorter")
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    assert ran(done.run("dvc", "repro")) == ["transfer@fixed", "report"]
    done.commit("three epochs")
    difference = done.run("dvc", "metrics", "diff", "main", "--md")
    row = r"\| metrics/fewshot.json +\| fixed.leaves.5-shot.accuracy +\| [\d.]+ +\| [\d.]+ +\|"
    assert re.search(row, difference)
    assert "random." not in difference
    assert "ft_all." not in difference
    parameters = done.run("dvc", "params", "diff", "main", "--md")
    assert re.search(r"fewshot.transfer.fixed.settings.epochs +\| 100 +\| 3 ", parameters)
    done.run("dvc", "plots", "diff", "main", "-o", "dvc_plots")
    page = (done.path / "dvc_plots/index.html").read_text()
    assert "leaves 5-shot fixed" in page
    assert "objects, training loss" in page


def test_going_back_restores_from_the_cache(done):
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    done.run("dvc", "repro")
    done.compose()
    output = done.run("dvc", "repro")
    assert set(ran(output)) <= {"report"}  # cheap, and its outputs are in Git, not in the cache
    assert "transfer@fixed' is cached - skipping run" in output


def test_a_dropped_target_leaves_no_trace(done):
    """DVC keeps the outputs of a stage that is gone; they must not enter what depends on their folder."""
    names = ("dvc.lock", "data/dvc.lock", "pipelines/fewshot/dvc.lock", "pipelines/fewshot/meta/dvc.lock")
    locks = {name: (done.path / name).read_text() for name in names}
    done.compose("~fewshot.targets.radiographs", "~datasets.radiographs")
    done.run("dvc", "repro")
    assert "radiographs" not in json.loads((done.path / "metrics/fewshot.json").read_text())["fixed"]
    for left in ("packed/target/radiographs", "validated/target/radiographs", "episodes/radiographs.npz"):
        assert not (done.path / "data" / left).exists()
    done.compose()
    done.run("dvc", "repro")
    assert locks == {name: (done.path / name).read_text() for name in locks}


@pytest.fixture
def colleague(done, tmp_path):
    done.run("git", "clone", "-q", str(done.path), str(tmp_path / "colleague"))
    return Clone(tmp_path / "colleague")


def test_a_colleague_pulls_and_runs_nothing(done, tmp_path, colleague):
    for clone in (done, colleague):
        clone.run("dvc", "remote", "add", "-q", "--local", "-d", "team", str(tmp_path / "remote"))
    done.run("dvc", "push", "-q")
    assert ran(colleague.run("dvc", "repro", "--pull")) == []
    assert (colleague.path / "site/index.html").exists()
    assert colleague.lock() == done.lock()


def test_a_shared_cache_needs_no_remote(done, colleague):
    colleague.run("dvc", "cache", "dir", "--local", str(done.path / ".dvc/cache"))
    assert ran(colleague.run("dvc", "repro")) == []
    assert (colleague.path / "site/index.html").exists()
    assert colleague.lock() == done.lock()


def test_hydra_composes_for_experiments(done):
    done.run(
        "dvc", "exp", "run", "-q", "-S", "profile=tiny", "-S", "fewshot.transfer.fixed.settings.epochs=3"
    )
    assert "epochs: 3" in (done.path / "params.yaml").read_text()
