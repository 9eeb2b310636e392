"""The simulation of a profile on many GPUs: against sums, bounds and a plan that is counted by hand."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from commands.compose import composed
from commands.costs import Stage, plan_of
from commands.record import fresh_record
from commands.scale import longest_chain, measured, report, simulate
from commands.side_by_side import SECONDS, note_seconds
from farfield.errors import InputError
from stages.frame.params import with_recipes

ROOT = Path(__file__).parents[2]


def random_stages(seed: int) -> list[Stage]:
    random = np.random.default_rng(seed)
    stages = []
    for number in range(12):
        before = [f"s{other}" for other in range(number) if random.random() < 0.2]
        stages.append(Stage(f"s{number}", tuple(before), tuple(random.exponential(5, random.integers(1, 9)))))
    return stages


def test_a_plan_counted_by_hand():
    """Two GPUs: a's pieces of 3 and 1 begin at 1; b follows a and begins at 4 + 1; c fills the gap."""
    stages = [Stage("a", (), (3.0, 1.0)), Stage("b", ("a",), (2.0,)), Stage("c", (), (4.0,))]
    plan = simulate(stages, 2, start=1.0)
    assert plan.makespan == 7.0  # b from 5 to 7; c from 2 to 6
    assert plan.utilisation == pytest.approx(10 / 14)
    assert plan.widest == 2
    assert longest_chain(stages, start=1.0) == (7.0, ["a", "b"])


@pytest.mark.parametrize("seed", range(5))
def test_makespans_lie_between_their_bounds(seed):
    stages = random_stages(seed)
    work = sum(sum(stage.pieces) for stage in stages)
    chain, names = longest_chain(stages, start=0)
    assert simulate(stages, 1, start=0).makespan == pytest.approx(work)
    assert simulate(stages, 10_000, start=0).makespan == pytest.approx(chain)
    for gpus in (2, 3, 8):
        plan = simulate(stages, gpus, start=0)
        # Graham's bound of list scheduling (1969).
        assert max(work / gpus, chain) - 1e-9 <= plan.makespan <= work / gpus + chain * (1 - 1 / gpus) + 1e-9
        assert plan.utilisation == pytest.approx(work / (gpus * plan.makespan))
    order = {stage.name: stage for stage in stages}
    assert all(first in order[second].after for first, second in pairwise(names))


def test_so_many_stages_at_once_and_no_more():
    stages = [Stage(f"s{number}", (), (1.0,)) for number in range(6)]
    assert simulate(stages, 6, jobs=6, start=0).makespan == 1
    assert simulate(stages, 6, jobs=2, start=0).makespan == 3


def test_a_circle_is_found():
    with pytest.raises(ValueError, match="follow what is no stage"):
        simulate([Stage("a", ("b",), (1.0,)), Stage("b", ("a",), (1.0,))], 1)


@pytest.fixture(scope="module")
def tiny() -> list[Stage]:
    return plan_of(with_recipes(composed(fresh_record("tiny"))), 1e9)


def test_a_profile_has_the_pieces_that_its_stages_make(tiny):
    found = {stage.name: stage for stage in tiny}
    assert found["finetune@all"].after == ("pretrain@objects",)
    assert len(found["finetune@all"].pieces) == 4  # two datasets at two shots, a chunk each
    assert len(found["tune@spottune-standard"].pieces) == 2  # replicates of one task
    assert "ensemble@finetuned" in found
    assert len(found["indomain@protonet"].pieces) == 2  # of both columns
    assert found["branch@learning_to_branch"].after == ("warmup",)
    assert len(found["branch@learning_to_branch"].pieces) == 1 + 2  # a search, and replicates of a table
    assert len(found["recommend@treemtl"].pieces) == 1 + 3 * 2 + 2  # alone, pairs, replicates
    text = report("tiny", tiny, (1, 2), 1e9)
    assert "| 1 " in text
    assert "pretrain@objects, embed@objects, views@objects" in text.split("The longest chain")[1]
    sharing = [stage for stage in tiny if not stage.name.startswith("views")]
    chain = report("tiny", sharing, (1, 2), 1e9).split("The longest chain")[1]
    assert "warmup, search@adashare, retrain@adashare" in chain


def test_stages_as_they_ran_here(tmp_path, monkeypatch):
    """Those of the committed plan, with the seconds that the runner noted."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("commands.scale.SECONDS", tmp_path / "seconds.json")
    monkeypatch.setattr("commands.side_by_side.SECONDS", tmp_path / "seconds.json")
    with pytest.raises(InputError, match=r"seconds\.json is not there"):
        measured()
    note_seconds("pipelines/networks/dvc.yaml:pretrain@objects", 100.0)
    note_seconds("pipelines/fewshot/dvc.yaml:embed@objects", 20.04)
    stages = measured()
    [embed] = [stage for stage in stages if stage.name == "pipelines/fewshot/dvc.yaml:embed@objects"]
    assert embed.pieces == (20.0,)
    assert "pipelines/networks/dvc.yaml:pretrain@objects" in embed.after
    assert longest_chain(stages, start=0)[0] == 120.0


def test_seconds_that_were_cut_off_begin_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    note_seconds("one", 1.0)
    SECONDS.write_text(SECONDS.read_text()[:5])
    note_seconds("two", 2.0)
    assert json.loads(SECONDS.read_text()) == {"two": 2.0}
