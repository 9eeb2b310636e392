"""Words of YAML that its readers take for different things."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from ruamel.yaml import YAML

from commands.scalars import require_plain
from farfield.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def said(tmp_path):
    def problems(text: str, **how) -> str:
        path = tmp_path / "card.yaml"
        path.write_text(text)
        try:
            require_plain(path, **how)
        except InputError as error:
            return str(error)
        return ""

    return problems


@pytest.mark.parametrize("word", ["no", "yes", "off", "12:30", "012", "0o17", "09", "2020-01-01"])
def test_a_word_that_is_read_in_two_ways_is_refused_with_its_place_and_the_cure(said, tmp_path, word):
    message = said(f"a:\n  b: [1, {word}]\n")
    assert "card.yaml" in message
    assert f"line 2, a.b: {word} is " in message
    assert f"in quotes if it is text: '{word}'" in message
    one = OmegaConf.to_container(OmegaConf.load(tmp_path / "card.yaml"))["a"]["b"][1]
    other = YAML(typ="safe", pure=True).load(tmp_path / "card.yaml")["a"]["b"][1]
    assert (type(one), one) != (type(other), other)
    assert said(f"a: '{word}'\n") == ""


@pytest.mark.parametrize("key", ["yes", "012", "12:30", "null", "true", "1.50"])
def test_a_class_of_that_name_needs_quotes(said, key):
    message = said(f"class_images: {{{key}: 5, a: 5}}\n")
    assert f"class_images.{key}" in message
    assert f"quotes: '{key}'" in message or f"text: '{key}'" in message
    assert said(f"class_images: {{'{key}': 5, a: 5}}\n") == ""


def test_what_all_readers_agree_on_passes(said):
    assert said("{0: 5, 1: 5}\n") == ""
    assert (
        said("a: [1, -2, 0.5, .5, 1e-3, ~, null, true, no one, y, n, 'no', Mine: 3, '${x.y}', v1.2]\nb: {}\n")
        == ""
    )
    assert said("{") == ""  # its reader says so


def test_where_all_follow_the_newer_yaml_its_texts_are_texts(said):
    assert said("a: no\nb: 12:30\n", text_wins=True) == ""
    assert "b: 012 is 10 in YAML 1.1 and 12" in said("b: 012\n", text_wins=True)
    assert "null" in said("{null: 5}\n", text_wins=True)


def test_conf_and_params_yaml_say_nothing_in_two_ways():
    for path in (ROOT / "conf").rglob("*.yaml"):
        require_plain(path)
    require_plain(ROOT / "params.yaml", text_wins=True)
