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
    assert "up to date" in two_runs[1].run("python", "-m", "commands.side_by_side", "2")
    scores = json.loads((clone.path / "metrics/fewshot.json").read_text())
    assert list(scores) == [
        *("protonet", "random", "fixed", "ft_all", "transductive", "mean_centroid"),
        *("all_embeddings", "ims_f"),
    ]
    assert list(scores["fixed"]) == ["leaves", "radiographs"]
    assert set(scores["fixed"]["leaves"]["5-shot"]) == {"accuracy", "ci95"}
    assert (clone.path / "site/index.html").exists()


def test_two_runs_from_scratch_give_the_same_bytes(two_runs):
    """Of `dvc repro` with two workers, and of what `make repro` runs with one."""
    one, two = (clone.lock() for clone in two_runs)
    assert len(one) == 37
    assert one == two
    assert two_runs[0].lock_files() == two_runs[1].lock_files()


def test_git_sees_what_it_should(two_runs):
    clone = two_runs[0]
    changed = clone.run("git", "status", "--porcelain", "-uall")
    tracked = {line[3:] for line in changed.splitlines()} - {"repro.log"}
    facts = ("fewshot", "spottune", "decathlon", "sharing", "claims", "training")
    plots = ("fewshot", "policy_map", "policy_entropy", "tuned_blocks", "sharing_scores", "sharing_delta")
    results = {f"metrics/{name}.json" for name in facts}
    results |= {f"metrics/{name}.csv" for name in (*plots, "sharing_map", "sharing_search")}
    assert results <= tracked
    assert all(name in results or name.endswith(("dvc.lock", ".gitignore")) for name in tracked), tracked


def test_a_changed_parameter_reruns_what_it_touches_and_the_diff_is_readable(done):
    done.run("git", "switch", "-qc", "shorter")
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    assert ran(done.dvc("repro")) == ["transfer@fixed", "report"]
    done.commit("three epochs")
    difference = done.dvc("metrics", "diff", "main", "--md")
    row = r"\| metrics/fewshot.json +\| fixed.leaves.5-shot.accuracy +\| [\d.]+ +\| [\d.]+ +\|"
    assert re.search(row, difference)
    assert "random." not in difference
    assert "ft_all." not in difference
    parameters = done.dvc("params", "diff", "main", "--md")
    assert re.search(r"fewshot.transfer.fixed.settings.epochs +\| 100 +\| 3 ", parameters)
    done.dvc("plots", "diff", "main", "-o", "dvc_plots")
    page = (done.path / "dvc_plots/index.html").read_text()
    assert "leaves 5-shot fixed" in page
    assert "objects, training loss" in page


def test_going_back_restores_from_the_cache(done):
    done.compose("fewshot.transfer.fixed.settings.epochs=3")
    done.dvc("repro")
    done.compose()
    output = done.dvc("repro")
    assert set(ran(output)) <= {"report"}  # cheap, and its outputs are in Git, not in the cache
    assert "transfer@fixed' is cached - skipping run" in output


def test_a_dropped_target_leaves_no_trace(done):
    """DVC keeps the outputs of a stage that is gone; they must not enter what depends on their folder."""
    names = ("dvc.lock", "data/dvc.lock", "pipelines/fewshot/dvc.lock", "pipelines/fewshot/meta/dvc.lock")
    locks = {name: (done.path / name).read_text() for name in names}
    done.compose("~fewshot.targets.radiographs", "~datasets.radiographs")
    done.dvc("repro")
    assert "radiographs" not in json.loads((done.path / "metrics/fewshot.json").read_text())["fixed"]
    for left in ("packed/target/radiographs", "validated/target/radiographs", "episodes/radiographs.npz"):
        assert not (done.path / "data" / left).exists()
    done.compose()
    done.dvc("repro")
    assert locks == {name: (done.path / name).read_text() for name in locks}


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
    assert ran(output) == ["compose", "transfer@fixed", "report"]
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
