"""docs/team.md: its program runs, and the models that it speaks of are outputs with cards."""

import re
from pathlib import Path

import pandas as pd
import yaml
from made_up_repository import Repository, parquet

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/team.md").read_text()


def test_the_program_reads_results_of_two_commits(tmp_path, monkeypatch, capsys):
    repository = Repository(tmp_path / "house")
    for branch, accuracy in (("main", 60.0), ("longer", 65.0)):
        table = pd.DataFrame(
            {"method": "fixed", "dataset": "leaves", "shot": 5, "accuracy": [accuracy, accuracy]}
        )
        repository.stage("pipelines/fewshot/fixed", "pipelines/fewshot/results/fixed.parquet", parquet(table))
        repository.commit()
        repository.git("branch", "-f", branch) if branch != "main" else None
    repository.git("switch", "-q", "longer")
    repository.git("branch", "-f", "main", "HEAD~1")
    monkeypatch.chdir(repository.path)
    [program] = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(compile(program, "docs/team.md", "exec"), {})
    assert re.search(r"leaves +5 +60.0 +65.0", capsys.readouterr().out)


def test_models_by_name_are_outputs_with_cards():
    plan = yaml.safe_load((ROOT / "pipelines/networks/dvc.yaml").read_text())
    locked = yaml.safe_load((ROOT / "pipelines/networks/dvc.lock").read_text())["stages"]
    outs = {out["path"] for stage in locked.values() for out in stage["outs"]}
    assert f"pipelines/networks:{next(iter(plan['artifacts']))}" in TEXT
    for name, model in plan["artifacts"].items():
        assert f"pipelines/networks/{model['path']}" in outs
        assert model["meta"]["card"] in outs
        assert Path(model["path"]).stem == Path(model["meta"]["card"]).stem == name
