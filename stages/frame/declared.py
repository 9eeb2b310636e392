"""What a stage declares as its dependencies, read from the files dvc.yaml without DVC."""

import json
import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import yaml

from farfield.errors import InputError
from stages.frame.params import PARAMS

CODE = ("farfield/", "stages/")


def declared_code(command: str, root: Path = Path()) -> list[Path]:
    """Files that `python -m stages.<command>` depends on, those of a folder one by one, in order.

    InputError if no dvc.yaml has a stage with that command.
    """
    return sorted(  # once each: what a plan lists, and the file of a row, may be the same
        {
            file
            for name in declared(command, root)
            if name.startswith(CODE)
            for file in ((root / name).rglob("*.py") if (root / name).is_dir() else [root / name])
        }
    )


def declared(command: str, root: Path = Path()) -> list[str]:
    """All that `python -m stages.<command>` depends on. InputError as of `declared_code`."""
    for plan in (root / "dvc.yaml", root / "data/dvc.yaml", *sorted((root / "pipelines").rglob("dvc.yaml"))):
        for stage in yaml.load(plan.read_bytes(), yaml.CSafeLoader)["stages"].values():
            known = stage.get("do", stage)
            key = _key(known["cmd"], f"python -m stages.{command}")
            if key is None:
                continue
            item = _item(stage["foreach"], key, root) if "foreach" in stage else None
            return [_expanded(name, key, item) for name in known["deps"]]
    raise InputError(f"no dvc.yaml has a stage with the command `python -m stages.{command}`")


def _key(template: str, command: str) -> str | None:
    """What `${key}` (`${item}` of a list) stands for, empty if it has none; None if this is another command."""
    pattern = re.sub(r"\\\$\\{(key|item)\\}", r"(\\S+)", re.escape(template))
    found = re.fullmatch(pattern, command)
    return None if found is None else (found[1] if found.groups() else "")


def _item(foreach: str, key: str, root: Path) -> Any:
    """The parameters of one stage of a group: `foreach` names their section, as in ${fewshot.transfer}."""
    section, *names = foreach.removeprefix("${").removesuffix("}").split(".")
    values = json.loads((root / PARAMS / f"{section}.json").read_bytes())[section]
    for name in names:
        values = values[name]
    return values[key] if isinstance(values, dict) else key


def _expanded(name: str, key: str, item: Any) -> str:
    def value(found: re.Match[str]) -> str:
        return str(reduce(getitem, found[1].split("."), item))

    return re.sub(r"\$\{item\.([\w.]+)\}", value, name.replace("${key}", key).replace("${item}", key))
