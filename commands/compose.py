"""compose: the parameters of all stages, from params.yaml and conf/ to the files of params/.

As a stage it runs before all others: `dvc repro` after an edit of params.yaml or conf/, and `dvc exp run -S`,
which edits params.yaml, run with what these files then say. As a command, `python -m commands.compose
fewshot.episodes=200` first says that in params.yaml; `profile=` begins anew there, anything else is added.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException, UnsupportedInterpolationType
from omegaconf.resolvers import oc
from ruamel.yaml import YAML

from commands.choices import check_choices
from commands.record import CONF, RECORD, Record, hydra_config, read_record, recorded
from commands.scalars import require_plain
from commands.side_by_side import INSIDE, RUN, record_compose
from farfield.alone import alone
from farfield.errors import InputError, one_message
from farfield.files import atomic_file, file_hash
from farfield.parents import holders, is_dvc
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import PARAMS, check_params
from stages.frame.schema.values import with_text_keys

# The parameters of each file of params/.
FILES = {
    "shared": ("profile", "image_size", "packing", "seeds", "recipes"),
    **{
        name: (name,)
        for name in ("datasets", "networks", "fewshot", "indomain", "spottune", "decathlon", "sharing")
    },
}
OF_THIS_MACHINE = ("oc.env", "now", "hydra", "python_version")  # interpolations


def composed(record: Record, conf: Path = CONF) -> dict[str, Any]:
    """All parameters. InputError if conf/ does not compose so, or what it composes is not valid."""
    values = {name: value for name, value in record.items() if name not in ("profile", "overrides")}
    for path in sorted(conf.rglob("*.yaml")):
        require_plain(path)
    config = hydra_config(record, conf)
    try:
        OmegaConf.set_struct(config, False)
        for name in {*values.get("datasets", {})} - {*config.get("datasets", {})}:
            config.datasets[name] = OmegaConf.load(conf / "dataset/card.yaml")  # what a card leaves out
        config.merge_with(json.loads(json.dumps(values)))  # plain values, without the comments
        with same_everywhere():
            OmegaConf.resolve(config)
        tree = with_text_keys(OmegaConf.to_container(config, throw_on_missing=True))
    except UnsupportedInterpolationType as error:
        unresolved = OmegaConf.to_container(config, resolve=False)
        raise InputError(
            f"{' and '.join(reading_the_machine(unresolved)) or 'a parameter'}: {str(error).splitlines()[0]}. "
            f"Parameters are the same on all machines and all days, so they read neither environment nor clock; "
            f"say the value itself. What this machine alone decides stands in local.yaml."
        ) from error
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise InputError(f"conf/ does not compose with the values of {RECORD}: {error}") from error
    assert isinstance(tree, dict)
    parameters = {str(key): section for key, section in tree.items()}
    for section in parameters.values():
        if isinstance(section, dict):
            section.pop("shared", None)  # what the files of conf/ refer to, and nothing else
    params = check_params(parameters, f"what {RECORD} and conf/ compose")
    check_choices(params)
    # conf/ says it of more datasets than a profile tests on; of a mistyped one nothing would be shown in views.
    for name in params.fewshot.views:
        if name not in params.datasets and not (conf / f"dataset/{name}.yaml").exists():
            raise InputError(
                f"fewshot.views.{name}: there is no such dataset; the datasets are "
                f"{', '.join(params.datasets)}, and those of {conf}/dataset"
            )
    return parameters


@contextlib.contextmanager
def same_everywhere() -> Iterator[None]:
    """Without the interpolations that read this machine: its environment, its clock, its Python."""
    for name in OF_THIS_MACHINE:  # Hydra registers its own whenever it composes
        OmegaConf.clear_resolver(name)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env)


def reading_the_machine(value: Any, key: str = "") -> Iterator[str]:
    """The parameters that such interpolations stand in."""
    if isinstance(value, dict | list):
        for name, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from reading_the_machine(entry, f"{key}.{name}" if key else str(name))
    elif isinstance(value, str) and any(f"{name}:" in value for name in OF_THIS_MACHINE):
        yield key


def texts(tree: dict[str, Any]) -> dict[Path, str]:
    """The files of params/ and what they hold. InputError if a parameter is no number that JSON has."""
    try:
        return {
            PARAMS / f"{file}.json": json.dumps(
                {key: tree[key] for key in keys}, indent=1, ensure_ascii=False, allow_nan=False
            )
            + "\n"
            for file, keys in FILES.items()
        }
    except ValueError as error:
        raise InputError(f"a parameter is infinite or no number at all: {error}") from error


def main(overrides: list[str]) -> None:
    if "DVC_STAGE" in os.environ or INSIDE in os.environ:
        compose(overrides)
        return
    with alone(RUN):
        require_no_stage()
        compose(overrides)


def require_no_stage() -> None:
    """InputError while a plain `dvc` runs a stage: its parameters would change below it, and DVC would write
    into its lock file those of afterwards."""
    import psutil

    for pid in sorted((holders() or set()) - {one.pid for one in psutil.Process().parents()}):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if is_dvc(process):
                raise InputError(
                    f"process {pid}, `{' '.join(process.cmdline())}`, runs a stage of this checkout, which "
                    f"reads {PARAMS}. Compose when it has ended; nothing was changed."
                )


def compose(overrides: list[str]) -> None:
    """Say `overrides` in params.yaml, write params/, and remove the outputs of what it no longer declares."""
    record = recorded(overrides) if overrides else read_record()
    tree = composed(record)
    changed = {
        path: text
        for path, text in texts(tree).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if overrides:
        with atomic_file(RECORD) as partial:
            YAML().dump(record, partial)
    as_stage = "DVC_STAGE" in os.environ
    if as_stage:
        require_untouched(changed)
    before = declared() if changed and as_stage else {}
    for path, text in changed.items():
        with atomic_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    prune_undeclared(check_params(tree, str(PARAMS)))
    if not as_stage:
        record_compose()
        return
    after = declared() if changed else {}
    if names := sorted(name for name in {*before, *after} if before.get(name) != after.get(name)):
        raise InputError(
            f"{RECORD} asks for other stages than those that this run began with: {', '.join(names[:4])}"
            f"{' and more' if len(names) > 4 else ''}. params/ now says so: run the same command once more, or, "
            f"if this was an experiment in a folder of its own, `python -m commands.compose` first."
        )


def require_untouched(paths: Iterable[Path], lock: Path = Path("dvc.lock")) -> None:
    """InputError if one of the files was edited since DVC knows it: what it says would be lost."""
    stages = yaml.load(lock.read_bytes(), yaml.CSafeLoader)["stages"] if lock.exists() else {}
    known = {out["path"]: out["md5"] for out in stages.get("compose", {}).get("outs", [])}
    for path in paths:
        if path.exists() and file_hash(path, "md5") != known.get(str(path), file_hash(path, "md5")):
            raise InputError(
                f"{path} was edited, but it is composed from {RECORD} and conf/. Say there what it should hold, "
                f"as `dvc exp run -S ++fewshot.episodes=200` does; `python -m commands.compose` writes it anew."
            )


def declared() -> dict[str, Any]:
    """What the files dvc.yaml declare with the parameters as they are: commands, dependencies and outputs."""
    from dvc.repo import Repo

    return {
        stage.addressing: (
            stage.cmd,
            sorted(dep.def_path for dep in stage.deps),
            sorted(str(name) for dep in stage.params for name in dep.params),
            sorted(out.def_path for out in stage.outs),
        )
        for stage in Repo().index.stages
    }


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
