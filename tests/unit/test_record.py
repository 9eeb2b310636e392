"""params.yaml: what is said there on top of conf/, and how a command line adds to it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from commands.compose import composed
from commands.record import fresh_record, hydra_config, read_record, recorded
from farfield.errors import InputError

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def tiny():
    return fresh_record("tiny")


def test_a_fresh_record_says_the_profile_and_the_seeds(tiny):
    assert list(tiny) == ["profile", "overrides", "seeds"]
    assert tiny["overrides"] == []
    assert tiny["seeds"]["compare"] == 6


def test_values_are_said_as_values_and_win(tiny):
    record = recorded(["fewshot.episodes=7", "+recipes.pretraining.epochs=3", "++seeds.compare=9"], tiny)
    assert record["overrides"] == []
    assert record["fewshot"] == {"episodes": 7}
    values = composed(record)
    assert values["fewshot"]["episodes"] == 7
    assert values["recipes"]["pretraining"]["epochs"] == 3
    assert values["seeds"]["compare"] == 9


def test_what_conf_refers_to_follows_a_value(tiny):
    made = composed(recorded(["fewshot.shared.width=8"], tiny))
    assert made["networks"]["trained"]["objects"]["width"] == 8


def test_groups_and_deletions_are_said_as_overrides(tiny):
    record = recorded(["protocol=legacy", "~fewshot.targets.radiographs", "~datasets.radiographs"], tiny)
    assert record["overrides"] == ["protocol=legacy", "~fewshot.targets.radiographs", "~datasets.radiographs"]
    values = composed(record)
    assert values["sharing"]["protocol"] == "legacy"
    assert list(values["fewshot"]["targets"]) == ["leaves"]
    assert recorded(["protocol=fixed"], record)["overrides"][-1] == "protocol=fixed"
    assert len(record["overrides"]) == 3


def test_what_is_said_is_added_to_what_was_said(tiny):
    mine = ["+dataset@datasets.mine=leaves", "+fewshot.targets.mine={shots: [5], study: crossdomain}"]
    record = recorded(["seeds.compare=7"], recorded(mine, tiny))
    values = composed(record)
    assert "mine" in values["datasets"]
    assert values["fewshot"]["targets"]["mine"]["shots"] == [5]
    assert values["seeds"]["compare"] == 7


def test_a_profile_begins_anew(tiny):
    record = recorded(["profile=quick", "fewshot.episodes=5"], recorded(["seeds.compare=7"], tiny))
    assert record["profile"] == "quick"
    assert record["seeds"]["compare"] == 6
    assert record["fewshot"] == {"episodes": 5}


def test_a_value_that_was_only_said_can_be_taken_back(tiny):
    record = recorded(["++fewshot.targets.mine.shots=[1]"], tiny)
    assert recorded(["~fewshot.targets.mine"], record)["overrides"] == []
    assert "fewshot" not in record


def test_comments_of_a_file_are_kept(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("# ours\nprofile: tiny  # small\noverrides: []\n")
    record = recorded(["seeds.compare=7"], read_record(path))
    YAML().dump(record, path)
    assert path.read_text() == "# ours\nprofile: tiny  # small\noverrides: []\nseeds:\n  compare: 7\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: [", "cannot be read"),
        ("a: 1", "must name a profile"),
        ("- quick", "must name a profile"),
        ("profile: quick\noverrides: x=1", "must be a list of Hydra's overrides, found 'x=1'"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_record(path)
    assert "params.yaml" in str(caught.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml is missing; write it with"):
        read_record(tmp_path / "params.yaml")


@pytest.mark.parametrize("override", ["fewshot.episodes", "fewshot.episodes=1,2", "=3"])
def test_an_override_that_is_none_is_refused(tiny, override):
    with pytest.raises(InputError):
        recorded([override], tiny)


@pytest.mark.parametrize("override", ["~fewshot.nothere", "~profile", "profile=3"])
def test_what_cannot_be_done_is_refused(tiny, override):
    with pytest.raises(InputError):
        recorded([override], tiny)


def test_a_row_that_is_listed_already_is_named_and_what_to_do(tiny):
    record = recorded(["+transfer@fewshot.transfer.fixed=fixed"], tiny)
    with pytest.raises(
        InputError, match=r"fewshot\.transfer\.fixed.*take it out of `overrides` in params\.yaml"
    ):
        hydra_config(record)


def test_a_profile_needs_no_readable_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("profile: [")
    assert recorded(["profile=tiny"], None, CONF)["profile"] == "tiny"
    with pytest.raises(InputError, match=r"params\.yaml cannot be read"):
        recorded(["fewshot.episodes=3"], None, CONF)
