"""Outputs that the parameters no longer declare."""

from functools import cache
from pathlib import Path

import pytest

from commands.compose import composed
from commands.record import fresh_record
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, check_params

CONF = Path(__file__).parents[2] / "conf"


@cache
def tiny() -> Params:
    return check_params(composed(fresh_record("tiny", CONF), CONF), "params")


@pytest.fixture
def packed(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("data/packed/target")
    (folder / "leaves").mkdir(parents=True)
    (folder / ".gitignore").write_text("/leaves\n")
    return folder


def test_what_is_declared_stays_and_the_rest_goes(packed, capsys):
    (packed / "dropped").mkdir()
    (packed / "dropped/images.npy").write_text("x")
    prune_undeclared(tiny())
    assert {path.name for path in packed.iterdir()} == {"leaves", ".gitignore"}
    assert "removing data/packed/target/dropped" in capsys.readouterr().err


def test_what_a_stage_beside_this_one_writes_stays(packed):
    (packed / ".leaves.partial").mkdir()
    (packed / ".dropped.partial").mkdir()
    prune_undeclared(tiny())
    assert {path.name for path in packed.iterdir()} == {"leaves", ".leaves.partial", ".gitignore"}


def test_of_a_link_only_the_link_goes(packed, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/keep").write_text("x")
    (packed / "elsewhere").symlink_to(tmp_path / "disk")
    prune_undeclared(tiny())
    assert not (packed / "elsewhere").is_symlink()
    assert (tmp_path / "disk/keep").exists()
