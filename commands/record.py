"""params.yaml: what people say of the parameters, on top of conf/.

A profile; Hydra's overrides of groups and deletions; and any values, which stand in place of the profile's.
"""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from yaml import YAMLError as PyYAMLError

from commands.scalars import require_plain
from farfield.errors import InputError
from stages.frame.schema.values import with_text_keys

Record = dict[str, Any]

RECORD, CONF = Path("params.yaml"), Path("conf")
FRESH = """\
# What this checkout runs, on top of conf/. Any other parameter can stand here too, and wins, as in
#   fewshot: {{episodes: 200}}
# `python -m commands.compose fewshot.episodes=200` and `dvc exp run -S ++fewshot.episodes=200` write it here.
profile: quick
overrides: []   # Hydra's, of groups and deletions: +dataset@datasets.mine=mine, ~fewshot.targets.leaves
seeds:          # every random draw hangs on one of these
{seeds}
"""


def read_record(path: Path = RECORD) -> Record:
    """What params.yaml says, its comments kept with it. InputError if it cannot be read."""
    try:
        require_plain(path, text_wins=True)
        record = YAML().load(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing; write it with `python -m commands.compose profile=quick`"
        ) from error
    except YAMLError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("profile"), str):
        raise InputError(f"{path} must name a profile of conf/profile, as in `profile: quick`")
    overrides = record.setdefault("overrides", [])
    if not isinstance(overrides, list) or not all(isinstance(override, str) for override in overrides):
        raise InputError(f"{path}: overrides must be a list of Hydra's overrides, found {overrides!r}")
    return record


def fresh_record(profile: str, conf: Path = CONF) -> Record:
    """Nothing but a profile and the seeds of conf/."""
    seeds = OmegaConf.load(conf / "config.yaml").seeds
    lines = "\n".join(f"  {name}: {seed}" for name, seed in seeds.items())
    record: Record = YAML().load(FRESH.format(seeds=lines))
    record["profile"] = profile
    return record


def recorded(overrides: list[str], record: Record | None = None, conf: Path = CONF) -> Record:
    """`record` with these overrides said in it: values as values, groups and deletions as Hydra's overrides.

    `profile=` among them begins a fresh record, whatever was there. Without it, and without a record, that
    of params.yaml. InputError if one cannot be read, or deletes what is not there.
    """
    given = _parsed(overrides)
    for override in given:
        if override.key_or_group == "profile":
            profile = override.value()
            if override.is_delete() or not isinstance(profile, str):
                raise InputError(
                    f"{override.input_line}: a profile is one of conf/profile, as in profile=quick"
                )
            record = fresh_record(profile, conf)
    if record is None:
        record = read_record()
    for override in given:
        key = override.key_or_group
        if key == "profile":
            continue
        if override.package is not None or "/" in key or (conf / key).is_dir():
            _say(record, override)
        elif override.is_delete():
            said = _forget(record, key.split("."))
            *section, name = key.split(".")
            config = hydra_config(record, conf)
            holder = OmegaConf.select(config, ".".join(section)) if section else config
            if isinstance(holder, DictConfig) and name in list(holder):
                _say(record, override)
            elif not said:
                raise InputError(f"{override.input_line} deletes what is not there")
        else:
            _set(record, key.split("."), with_text_keys(override.value()))
    return record


def hydra_config(record: Record, conf: Path = CONF) -> DictConfig:
    """What conf/ composes with the profile and the overrides of `record`, its values not yet among it."""
    overrides = [f"profile={record['profile']}", *record["overrides"]]
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            return compose("config", overrides=overrides)
    except (HydraException, OmegaConfBaseException, PyYAMLError) as error:
        twice = (
            f" A file of conf/ lists it already, so take it out of `overrides` in {RECORD}."
            if "more than once" in str(error)
            else ""
        )
        raise InputError(f"conf/ does not compose with {' '.join(overrides)}: {error}.{twice}") from error


def _parsed(overrides: list[str]) -> list[Override]:
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise InputError(f"{' '.join(overrides)} cannot be read as Hydra's overrides: {error}") from error
    for override in parsed:
        if not override.key_or_group:
            raise InputError(f"{override.input_line!r} names no parameter, as in fewshot.episodes=200")
        if override.is_sweep_override():
            raise InputError(f"{override.input_line} gives several values, and a composition has one")
    return parsed


def _say(record: Record, override: Override) -> None:
    """Among the overrides, in the place of what was said of the same key."""
    others = [
        known
        for known in record["overrides"]
        if _parsed([known])[0].get_key_element().lstrip("+~") != override.get_key_element().lstrip("+~")
    ]
    record["overrides"] = [*others, override.input_line]


def _set(record: Record, path: list[str], value: Any) -> None:
    *sections, name = path
    for section in sections:
        if not isinstance(record.get(section), dict):
            record[section] = {}
        record = record[section]
    record[name] = value


def _forget(record: Record, path: list[str]) -> bool:
    """Remove a value, and the sections that hold nothing without it. Whether it was there."""
    name, *rest = path
    found = _forget(record[name], rest) if rest and isinstance(record.get(name), dict) else False
    if not rest or record.get(name) == {}:
        found = record.pop(name, None) is not None or found
    return found
