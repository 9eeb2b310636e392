"""Do the parameters fit conf/, the lock files the parameters, and the folders of outputs both?"""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from commands.compose import composed, texts
from commands.compose import main as compose
from commands.doctor.contents import Contents, files_of, put_away
from commands.doctor.finding import FETCH, Finding, set_aside, some
from commands.record import CONF, RECORD, read_record
from farfield.errors import InputError
from farfield.local import SCRATCH
from stages.frame.leftovers import declared_outputs
from stages.frame.params import load_params

if TYPE_CHECKING:
    from dvc.repo import Repo


def unreadable_files(root: Path = Path()) -> Iterator[Finding]:
    """Files dvc.yaml and dvc.lock that are no YAML: cut off, or with a conflict in them. DVC stops at each."""
    for path in sorted({*root.rglob("dvc.lock"), *root.rglob("dvc.yaml")}):
        if {".dvc", ".git", ".venv", ".farfield"} & set(path.relative_to(root).parts):
            continue
        try:
            sound = isinstance(yaml.load(path.read_bytes(), yaml.CSafeLoader), dict)
        except yaml.YAMLError:
            sound = False
        if not sound:
            yield Finding(
                f"{path} cannot be read: it was cut off, or holds a conflict",
                "every dvc command stops at it",
                f"git checkout -- {path}; after a merge, as CONTRIBUTING.md says. The cache loses nothing by it",
            )


def parameters() -> Iterator[Finding]:
    """What params/ holds that params.yaml and conf/ do not compose."""
    if not (CONF / "config.yaml").exists() or not RECORD.exists():
        return
    try:
        tree = composed(read_record())
    except InputError as error:
        yield Finding(str(error), "nothing runs", "mend params.yaml or conf/")
        return
    wanted = texts(tree)
    if other := [
        path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    ]:
        yield Finding(
            f"{some(other)} is not what params.yaml and conf/ compose",
            "stages would run with other parameters than those that are said",
            "say in params.yaml what was edited in params/, if anything was; then `python -m commands.compose`",
            partial(_compose, other),
        )


def _compose(paths: list[Path]) -> None:
    for path in paths:
        if path.exists():
            set_aside(path, f"workspace/{path}")
    compose([])


def leftovers(contents: Contents) -> Iterator[Finding]:
    """Outputs of stages that are gone, which stages that read their folder would mix into theirs."""
    try:
        declared = declared_outputs(load_params())
    except InputError:
        return  # another finding, or no checkout of farfield
    for folder, kept in declared.items():
        names = {*kept, ".gitignore"}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in names or path.name.endswith(".partial"):
                continue
            files = files_of(path)
            contents.hashes.read(files)
            alone = [file for file in files if contents.hashes[file] not in contents.sound]
            yield Finding(
                f"{path} belongs to no stage of these parameters",
                f"whatever reads {folder} as a whole mixes it in",
                f"rm -r {path}: the cache has all of it"
                if not alone
                else f"{some(alone)} is in no cache: keep it elsewhere",
                partial(_remove, contents, path),
            )


def _remove(contents: Contents, path: Path) -> None:
    put_away(contents, files_of(path))
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # what is left are folders
    elif path.is_symlink():
        path.unlink()  # of a link the link: what it points to belongs to somebody else


def stale(repo: "Repo", contents: Contents) -> Iterator[Finding]:
    """Stages whose lock names other parameters than there are now, or that have no lock."""
    other, missing = [], []
    locked: dict[Path, dict[str, Any]] = {}  # many stages to a file, which is read once
    for stage in repo.index.stages:
        path = Path(stage.path).with_name("dvc.lock")
        if path not in locked:
            locked[path] = yaml.load(path.read_bytes(), yaml.CSafeLoader)["stages"] if path.exists() else {}
        lock = locked[path].get(stage.name)
        if lock is None:
            missing.append(stage.addressing)
            continue
        params = lock.get("params", {})
        for dep in stage.params:
            said = params.get(Path(dep.fs_path).relative_to(stage.wdir).as_posix(), {})
            if said != dep.read_params():
                other.append(stage.addressing)
    for names, what in (
        ([*dict.fromkeys(other)], "ran with other parameters than there are now"),
        (missing, "never ran"),
    ):
        if names:
            yield Finding(
                f"{len(names)} stages: {some(names)} {what}",
                "tables and metrics are not those of these parameters",
                "make repro",
                contents.fetch_or_recompute,
                FETCH,
            )


def damaged_scratch() -> Iterator[Finding]:
    """Checkpoints and other unfinished work whose bytes are not those that were saved."""
    files = sorted((SCRATCH / "scratch").rglob("*.safetensors"))
    if not files:
        return
    from farfield.training.checkpoints import load_tensors

    for path in files:
        try:
            load_tensors(path)
        except (InputError, OSError):  # also a folder, or a link to nothing
            yield Finding(
                f"{path}, unfinished work of a stage, is damaged",
                "its stage does this part again, or stops at it",
                f"rm {path}: the stage does this part again",
                partial(set_aside, path),
            )


def unfinished(root: Path = Path()) -> Iterator[Finding]:
    """Work that a kill cut off: half-written outputs, which nothing reads and the next run replaces."""
    found = [
        path
        for folder in ("data", "pipelines", "params", "metrics")
        for path in (root / folder).rglob(".*.partial")
    ]
    if found:
        size = sum(file.stat().st_size for path in found for file in files_of(path))
        yield Finding(
            f"half-written outputs of a killed run: {some(found)}",
            f"{size / 1e6:.1f} MB",
            "the next run of their stages removes them; or remove them by hand",
        )
