"""`farfield cluster` where there is no cluster, no Ray and no checkout."""

import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from farfield.command.main import main
from farfield.errors import InputError
from farfield.local import Local
from stages.frame import run
from stages.frame.executor import executor


def check() -> Result:
    return CliRunner().invoke(main, ["cluster", "check"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARFIELD_CLUSTER", raising=False)
    return monkeypatch


def test_without_a_cluster_it_says_what_to_do(here):
    said = check()
    assert said.exit_code == 1
    assert "no cluster is named: say `cluster: auto` in local.yaml" in said.stderr


def test_without_ray_it_says_what_to_install(here):
    here.setenv("FARFIELD_CLUSTER", "auto")
    here.setitem(sys.modules, "ray", None)
    said = check()
    assert said.exit_code == 1
    assert "Ray is not installed: pip install 'farfield[ray]', on all nodes" in said.stderr


def test_a_plan_needs_a_checkout(here):
    said = CliRunner().invoke(main, ["cluster", "plan", "paper"])
    assert said.exit_code == 1
    assert "lies in no checkout of farfield" in said.stderr


def test_a_stage_says_what_to_install_too(here):
    import torch

    here.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match="Ray is not installed"),
        executor(Local(cluster="auto"), torch.device("cpu")),
    ):
        pass


def test_stages_in_one_piece_run_here_without_a_cluster_and_under_torchrun(here):
    here.setattr("stages.frame.executor.executor", None)  # which is not asked
    assert not run.on_a_node("pretrain", ["objects"])
    here.setenv("FARFIELD_CLUSTER", "auto")
    here.setenv("FARFIELD_PROCESSES", "2")
    assert not run.on_a_node("pretrain", ["objects"])
    here.setenv("FARFIELD_PROCESSES", "1")
    assert not run.on_a_node("finetune", ["all"])  # which hands over its pieces itself


def test_nothing_imports_ray_that_names_no_cluster():
    code = (
        "import sys, farfield.cluster, farfield.command.cluster, farfield.own.prediction_on_nodes; "
        "print([name for name in sys.modules if name.split('.')[0] == 'ray'])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
