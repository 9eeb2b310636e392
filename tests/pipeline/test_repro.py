"""What a newcomer and a team do, with real DVC runs on the tiny profile."""

import json

import pytest

from tests.pipeline.clones import Clone, ran


def test_one_repro_runs_every_stage_and_a_second_none(two_runs):
    clone = two_runs[0]
    executed = ran((clone.path / "repro.log").read_text())
    assert len(executed) == len(set(executed)) == 58
    assert executed[-1] == "report"
    assert ran(clone.run("dvc", "repro")) == []
    assert "up to date" in two_runs[1].run("python", "-m", "commands.side_by_side", "2")
    scores = json.loads((clone.path / "metrics/fewshot.json").read_text())
    assert list(scores) == [
        *(
            "protonet",
            "random",
            "fixed",
            "inductive",
            "inductive_views",
            "ft_all",
            "transductive",
            "mean_centroid",
        ),
        *("all_embeddings", "ims_f"),
    ]
    assert list(scores["fixed"]) == ["leaves", "radiographs"]
    assert 0 < scores["fixed"]["leaves"]["5-shot"] < 100
    assert (clone.path / "site/index.html").exists()


def test_two_runs_from_scratch_give_the_same_bytes(two_runs):
    """Of `dvc repro` with two workers, and of what `make repro` runs with one."""
    one, two = (clone.lock() for clone in two_runs)
    assert len(one) == 59
    assert one == two
    assert two_runs[0].lock_files() == two_runs[1].lock_files()


def test_git_sees_what_it_should(two_runs):
    clone = two_runs[0]
    changed = clone.run("git", "status", "--porcelain", "-uall")
    tracked = {line[3:] for line in changed.splitlines()} - {"repro.log"}
    facts = ("fewshot", "spottune", "decathlon", "sharing", "claims", "training", "transductive", "indomain")
    plots = ("fewshot", "policy_map", "policy_entropy", "tuned_blocks", "sharing_scores", "sharing_delta")
    results = {f"metrics/{name}.json" for name in facts}
    results |= {f"metrics/{name}.csv" for name in (*plots, "sharing_map", "sharing_search")}
    assert results <= tracked
    assert all(name in results or name.endswith(("dvc.lock", ".gitignore")) for name in tracked), tracked


@pytest.fixture
def colleague(done, tmp_path):
    done.run("git", "clone", "-q", str(done.path), str(tmp_path / "colleague"))
    return Clone(tmp_path / "colleague")


def test_a_colleague_pulls_and_runs_nothing(done, tmp_path, colleague):
    for clone in (done, colleague):
        clone.dvc("remote", "add", "-q", "--local", "-d", "team", str(tmp_path / "remote"))
    done.dvc("push", "-q")
    assert ran(colleague.dvc("repro", "--pull")) == []
    assert (colleague.path / "site/index.html").exists()
    assert colleague.lock() == done.lock()


def test_a_shared_cache_needs_no_remote(done, colleague):
    colleague.dvc("cache", "dir", "--local", str(done.path / ".dvc/cache"))
    assert ran(colleague.dvc("repro")) == []
    assert (colleague.path / "site/index.html").exists()
    assert colleague.lock() == done.lock()
