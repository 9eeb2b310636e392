"""`farfield diff` on small repositories with made-up results: what it names, where it looks, when it refuses."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_repository import FEWSHOT, Repository, parquet
from test_two_runs import episodes as made_up_scores

from commands.diff.__main__ import main
from farfield.errors import InputError

ROWS = ("row0", "row1", "row2", "row3")


def table(seed: int, better: dict | None = None, count: int = 30) -> pd.DataFrame:
    """As the files of few-shot results have it, on leaves at 1 to 3 shots."""
    names = {f"set{i} 5-shot": f"leaves {i + 1}-shot" for i in range(3)}
    back = {
        (row, old): by
        for old, new in names.items()
        for (row, cell), by in (better or {}).items()
        if cell == new
    }
    found = made_up_scores(seed, rows=4, cells=3, count=count, better=back)
    return pd.DataFrame(
        {
            "method": found["row"],
            "dataset": "leaves",
            "shot": found["cell"].str[3].astype("int32") + 1,
            "episode": found["unit"],
            "accuracy": found["value"],
        }
    )


def episodes(seed: int, count: int = 30) -> bytes:
    """As data/episodes has them: episode e depends on the seed and on e."""
    drawn = {
        shot: np.random.default_rng(seed).permuted(np.tile(np.arange(60), (100, 1)), axis=1)
        for shot in (1, 2, 3)
    }
    arrays = {}
    for shot, rows in drawn.items():
        arrays[f"rows_{shot}"] = rows[:count, : 2 * (shot + 3)].reshape(count, 2, shot + 3).astype(np.int32)
        arrays[f"classes_{shot}"] = np.zeros((count, 2), np.int32)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def data(repository: Repository, seed: int = 2, count: int = 30, manifest: bytes = b"rows") -> None:
    packed = {"images.npy": b"pixels", "manifest.parquet": manifest}
    repository.stage("data/pack", "data/packed/target/leaves", packed, {"data/archive": manifest})
    repository.stage(
        "data/episodes", "data/episodes/leaves.npz", episodes(seed, count), {}, **{"seeds.episodes": seed}
    )


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Repository:
    """On `main` four rows; on the branch that it stands on another setting of row1, which is better by it, while
    row0 was trained anew and row2 and row3 are as they were."""
    made = Repository(tmp_path / "house")
    data(made)
    first = table(1)
    made.rows(*ROWS, table=first, **{"fewshot.shared": 1})
    made.claims = {"crossdomain": {"row1_best": {"verdict": "undecided", "difference": -0.4}}}
    made.commit()
    made.git("switch", "-qc", "longer")
    second = table(2, {("row1", f"leaves {shot}-shot"): 0.12 for shot in (1, 2, 3)})
    made.rows("row0", table=table(5), **{"fewshot.shared": 1})
    made.stages[f"{FEWSHOT}/row0"]["deps"][0]["md5"] = "0" * 32  # other code
    made.rows("row1", table=second, **{"fewshot.row1.epochs": 200})
    made.claims = {"crossdomain": {"row1_best": {"verdict": "supported", "difference": 8.2}}}
    made.commit()
    monkeypatch.chdir(made.path)
    return made


def said(capsys, *words: str) -> str:
    main(list(words))
    return capsys.readouterr().out


def named(text: str) -> set[str]:
    """The rows of the lines that have an interval."""
    return {line.split()[1] for line in text.splitlines() if "±" in line and line.startswith("  ")}


def test_the_row_whose_setting_changed_is_named_with_the_setting(repository, capsys):
    text = said(capsys, "main", "longer")
    assert named(text) == {"row1"}
    assert "crossdomain.row1_best: undecided → supported (−0.4 → +8.2)" in text
    assert "fewshot.row1.epochs: - → 200  (row1)" in text
    assert "code: stages/transfer.py  (row0)" in text
    assert "3 cells within their intervals" in text
    assert "2 results the same, byte for byte" in text
    found = json.loads(said(capsys, "main", "longer", "--json"))
    assert len(found["lines"]) == 6
    both = [one[(one["method"] == "row1") & (one["shot"] == 2)] for one in (table(1), table(2, CHANGED))]
    [line] = [one for one in found["lines"] if (one["row"], one["cell"]) == ("row1", "leaves 2-shot")]
    assert line["before"] == pytest.approx(both[0]["accuracy"].mean())
    assert line["difference"] == pytest.approx(both[1]["accuracy"].mean() - both[0]["accuracy"].mean())
    assert (line["paired"], line["units"]) == (True, 30)


CHANGED = {("row1", f"leaves {shot}-shot"): 0.12 for shot in (1, 2, 3)}


def test_the_same_commit_twice_names_nothing(repository, capsys):
    for words in (("main", "main"), ("longer",), ("longer", "HEAD")):
        text = said(capsys, *words)
        assert not named(text)
        assert text.rstrip().endswith("4 results the same, byte for byte.")


def test_the_workspace_is_read_as_it_stands(repository, capsys):
    repository.git("switch", "-q", "main")
    repository.rows("row1", table=table(2, CHANGED), **{"fewshot.row1.epochs": 200})
    repository.commit()
    repository.git("reset", "-q", "HEAD~1")  # in the workspace alone
    assert named(said(capsys, "main")) == {"row1"}
    assert "main" in said(capsys, "main", "--markdown").splitlines()[0]
    # Composed, and not run.
    repository.params["fewshot"]["row1"]["epochs"] = 300
    (repository.path / "params/all.json").write_text(json.dumps(repository.params))
    text = said(capsys, "main")
    assert f"the workspace asks for: the results of {FEWSHOT}/row1; `make repro` there first" in text


def test_a_fresh_clone_takes_results_from_the_remote(repository, capsys, tmp_path, monkeypatch):
    expected = said(capsys, "main", "longer")
    clone = repository.cloned(tmp_path / "clone")
    monkeypatch.chdir(clone)
    with pytest.raises(InputError, match=r"no remote is set.*results/row0.parquet of origin/main"):
        main(["origin/main", "HEAD"])
    (clone / ".dvc/config").write_text(
        f"[core]\n    remote = team\n['remote \"team\"']\n    url = {tmp_path}/team\n"
    )
    with pytest.raises(InputError, match="nor in the remote"):
        main(["origin/main", "HEAD"])
    repository.push(tmp_path / "team")
    text = said(capsys, "origin/main", "HEAD")
    assert text.splitlines()[1:] == expected.splitlines()[1:]
    fetched = [path for path in (clone / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert len(fetched) == 4  # row0 and row1 of both, and neither images nor episodes


def test_a_key_of_a_remote_that_the_commit_does_not_know_stops_nothing(repository, capsys, tmp_path):
    """Where `dvc metrics diff` stops: see README on sharing."""
    (repository.path / ".dvc/config").write_text(f"['remote \"team\"']\n    url = {tmp_path}/team\n")
    (repository.path / ".dvc/config.local").write_text("['remote \"team\"']\n    verify = true\n")
    repository.git("commit", "-qam", "a remote")
    assert named(said(capsys, "main", "longer")) == {"row1"}


def test_a_commit_that_is_not_there_is_named(repository):
    with pytest.raises(
        InputError, match=r"no commit, branch, tag or experiment 'mian' here \(known: longer, main\)"
    ):
        main(["mian"])
    repository.git("switch", "-q", "--orphan", "empty")
    repository.git("commit", "-q", "--allow-empty", "-m", "nothing")
    with pytest.raises(InputError, match=r"the workspace has no dvc\.lock that names a result"):
        main(["main"])


def test_rows_that_are_new_or_gone_are_listed(repository, capsys):
    """Locks keep stages that are gone."""
    own = table(3)
    own["method"] = own["method"].replace("row3", "mine")
    repository.rows("mine", table=own, **{"fewshot.shared": 1})
    repository.commit()
    plan = repository.path / FEWSHOT / "dvc.yaml"
    plan.write_text(
        "".join(part for part in plan.read_text().splitlines(True)).replace("  row2:", "  row2_of_old:")
    )
    repository.git("commit", "-qam", "without row2")
    text = said(capsys, "main", "HEAD")
    assert "New rows: fewshot mine" in text
    assert "Gone rows: fewshot row2" in text


def test_other_episodes_are_not_paired(repository, capsys):
    data(repository, seed=9)
    repository.rows(
        *ROWS, table=table(7, {(row, "leaves 1-shot"): 0.3 for row in ROWS}), **{"fewshot.shared": 1}
    )
    repository.commit()
    text = said(capsys, "main", "HEAD")
    assert "over other episodes or images, unpaired" in text
    assert "seeds.episodes: 2 → 9" in text
    assert not any(line["paired"] for line in json.loads(said(capsys, "main", "HEAD", "--json"))["lines"])


def test_more_episodes_are_paired_on_those_that_both_have(repository, capsys):
    data(repository, count=50)
    repository.rows(*ROWS, table=table(7, count=50), **{"fewshot.shared": 1})
    repository.commit()
    lines = json.loads(said(capsys, "main", "HEAD", "--json"))["lines"]
    assert {(line["paired"], line["units"]) for line in lines} == {(True, 30)}


def test_other_images_under_the_same_episodes_are_not_paired(repository, capsys):
    data(repository, manifest=b"other rows")
    repository.rows("row1", table=table(7), **{"fewshot.shared": 1})
    repository.commit()
    lines = json.loads(said(capsys, "main", "HEAD", "--json"))["lines"]
    assert not any(line["paired"] for line in lines)


def test_another_machine_is_named_where_nothing_declared_differs(repository, capsys):
    repository.git("switch", "-qc", "elsewhere", "main")
    made = Repository.__new__(Repository)
    made.__dict__ |= repository.__dict__
    made.stages = {}
    data(made)
    made.params = {"seeds": {"compare": 6, "episodes": 2}}
    made.rows(*ROWS, table=table(1), **{"fewshot.shared": 1})
    made.rows("row2", table=table(4), **{"fewshot.shared": 1})
    made.commit()
    text = said(capsys, "main", "HEAD")
    assert "Parameters, code and data are the same, and pipelines/fewshot/results/row2.parquet differ" in text
    assert not named(text)
    assert "Parameters, code" not in said(capsys, "main", "longer")


def test_a_change_of_everything_stays_within_forty_lines(repository, capsys):
    changed = {(row, f"leaves {shot}-shot"): 0.3 for row in ROWS for shot in (1, 2, 3)}
    tables = [table(seed, better) for seed, better in ((1, {}), (8, changed))]
    for i, own in enumerate(tables):
        for k in range(12):
            many = own.assign(method=own["method"] + f"_{k}")
            repository.rows(*(f"{row}_{k}" for row in ROWS), table=many, **{f"fewshot.set{k}": i})
        repository.claims = {
            "part": {f"claim{j}": {"verdict": ["undecided", "supported"][i]} for j in range(9)}
        }
        repository.commit()
    text = said(capsys, "HEAD^", "HEAD")
    assert len(text.splitlines()) <= 40
    assert "144 of 144 cells are beyond chance" in text
    assert len(said(capsys, "HEAD^", "HEAD", "--markdown").splitlines()) <= 50


def test_images_of_a_tuning_study_are_paired(repository, capsys):
    def answers(seed: int, level: float) -> bytes:
        right = np.random.default_rng(seed).random(200) < level
        facts = {
            "method": "standard",
            "task": "leaves",
            "replicate": 0,
            "row": range(200),
            "draw": 0,
            "label": 1,
        }
        return parquet(pd.DataFrame(facts | {"prediction": right.astype(int)}))

    for level in (0.5, 0.8):
        files = {"predictions.parquet": answers(int(10 * level), level), "costs.json": b"{}"}
        repository.stage(
            "pipelines/spottune/standard",
            "pipelines/spottune/results/standard",
            files,
            {},
            **{"spottune.lr": level},
        )
        repository.params["spottune"]["tasks"] = {"leaves": {"dataset": "leaves"}}
        repository.commit()
    text = said(capsys, "HEAD^", "HEAD")
    assert named(text) == {"standard"}
    assert "spottune.lr: 0.5 → 0.8  (standard)" in text


def test_a_page_shows_every_cell(repository, tmp_path, capsys):
    main(["main", "longer", "--html", str(tmp_path / "page")])
    page = (tmp_path / "page/index.html").read_text()
    assert "forest.svg" in page
    assert page.count(">leaves 3-shot<") == 2
    plot = (tmp_path / "page/forest.svg").read_text()
    assert "fewshot row1, leaves 3-shot" in plot


def test_markdown_is_a_table(repository, capsys):
    lines = said(capsys, "main", "longer", "--markdown").splitlines()
    assert lines[0].startswith("### main")
    assert any(line.startswith("| fewshot | row1  |") for line in lines)


def test_it_says_where_it_can_be_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no root of a DVC repository"):
        main(["main"])
    assert Path.cwd() == tmp_path
