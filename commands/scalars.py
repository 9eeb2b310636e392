"""Words of YAML files that are text to one reader and a number or a boolean to another. It only refuses.

conf/ is read by OmegaConf, which keeps to YAML 1.1: `no` is false, `12:30` is 750 and `012` is 10. params.yaml is
read by ruamel.yaml here and in DVC, which keep to YAML 1.2: two texts, and 12.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from farfield.errors import InputError, first_few

# What all readers agree on, which is nearly everything: names and sentences, whole numbers, decimal fractions.
CONSTANT = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null)")
AGREED = re.compile(r"[A-Za-z$][^:]*|-?(0|[1-9]\d*)(\.\d+)?")


def require_plain(path: Path, text_wins: bool = False) -> None:
    """InputError that names words without quotes which readers of YAML take for different things, and keys that
    are none. text_wins: words that YAML 1.2 takes for text are text, since all readers of this file follow it.
    A file that is no YAML is left to its reader.
    """
    try:
        node = yaml.compose(path.read_bytes(), yaml.CSafeLoader)
    except yaml.YAMLError:
        return
    found = list(_problems(node, (), text_wins)) if node else []
    if found:
        raise InputError(f"{path} says what can be read in two ways:\n{first_few(found, chr(10))}")


def _problems(node: yaml.Node, keys: tuple[str, ...], text_wins: bool) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inside = (*keys, str(name.value))
            if isinstance(name, yaml.ScalarNode):
                yield from _key_problems(name, inside, text_wins)
            yield from _problems(value, inside, text_wins)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _problems(value, keys, text_wins)
    elif isinstance(node, yaml.ScalarNode) and not node.style:
        yield from _readings(node, keys, text_wins)


def _key_problems(node: yaml.ScalarNode, keys: tuple[str, ...], text_wins: bool) -> Iterator[str]:
    if node.style:
        return
    yield from (differ := list(_readings(node, keys, text_wins)))
    key = _read(node.value)[1]
    if not differ and not isinstance(key, str | Exception) and str(key) != node.value:
        yield (
            f"{_place(node, keys)}: a key is text, and this one is read as {key!r}; put it in quotes: "
            f"'{node.value}'"
        )


def _readings(node: yaml.ScalarNode, keys: tuple[str, ...], text_wins: bool) -> Iterator[str]:
    old, new = _read(node.value)
    if (type(old), old) == (type(new), new) or isinstance(old, Exception) or isinstance(new, Exception):
        return
    if not (text_wins and isinstance(new, str)):
        yield (
            f"{_place(node, keys)}: {node.value} is {old!r} in YAML 1.1 and {new!r} in YAML 1.2; put it in quotes"
            f" if it is text: '{node.value}', and else write the value itself"
        )


def _place(node: yaml.ScalarNode, keys: tuple[str, ...]) -> str:
    return f"- line {node.start_mark.line + 1}, {'.'.join(keys)}"


@cache
def _read(word: str) -> tuple[Any, Any]:
    """What YAML 1.1 as OmegaConf speaks it, and YAML 1.2, make of a word without quotes; or how they fail."""
    if AGREED.fullmatch(word) and not CONSTANT.fullmatch(word):
        value = yaml.safe_load(word) if word[:1] in "-0123456789" else word
        return value, value
    from omegaconf.errors import OmegaConfBaseException
    from ruamel.yaml.error import YAMLError

    readings: list[Any] = []
    for read in _readers():
        try:
            readings.append(read(word))
        except (yaml.YAMLError, YAMLError, OmegaConfBaseException, ValueError) as error:
            readings.append(error)
    return readings[0], readings[1]


@cache
def _readers() -> tuple[Callable[[str], Any], Callable[[str], Any]]:
    from omegaconf import DictConfig, OmegaConf
    from ruamel.yaml import YAML

    def old(word: str) -> Any:
        made = OmegaConf.create(f"a: {word}")
        return OmegaConf.to_container(made, resolve=False)["a"] if isinstance(made, DictConfig) else word  # type: ignore[index, call-overload]

    return old, YAML(typ="safe", pure=True).load
