"""`farfield cluster check`: what it says of nodes."""

import pytest
from click.testing import CliRunner, Result

from farfield import nodes
from farfield.command.main import main

pytestmark = pytest.mark.cluster


def check() -> Result:
    return CliRunner().invoke(main, ["cluster", "check"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_it_names_nodes_and_times_a_round_trip(cluster, here):
    here.setenv("FARFIELD_CLUSTER", cluster.address)
    said = check()
    assert said.exit_code == 0, said.output
    assert "2 threads, 0 GPUs" in said.stdout
    assert said.stdout.count("sees this folder") == 2
    assert "a round trip takes" in said.stdout
    assert said.stdout.splitlines()[-1] == "all would give the same bytes"


def test_it_names_what_differs(cluster, here):
    mine = nodes.facts()
    here.setenv("FARFIELD_CLUSTER", cluster.address)
    here.setattr(nodes, "facts", lambda *_: {**mine, "torch": "1.0"})
    here.setattr("farfield.cluster.ask_nodes", lambda ray: {"node-7": {**mine, "sees": "no"}})
    said = check()
    assert said.exit_code == 3, said.output
    assert f"DIFFERS: node-7: torch is {mine['torch']}, here 1.0" in said.stderr
    assert "node-7" in said.stdout
    assert "DOES NOT SEE this folder" in said.stdout
