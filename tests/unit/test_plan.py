"""The plan: params/ is what conf/ and params.yaml compose, and every stage declares the code it runs, no more."""

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from commands.compose import composed, texts
from commands.record import fresh_record, read_record
from farfield.backbones import BACKBONES, LIBRARIES
from farfield.datasets.layouts import DENSE_LAYOUTS, LAYOUTS
from farfield.metalearning import META_LEARNERS
from farfield.sharing.methods import METHODS as SHARING
from farfield.transfer.ensembles import ENSEMBLES
from farfield.transfer.feature_learners import FEATURE_LEARNERS
from farfield.transfer.readouts import READOUTS
from farfield.transfer.transductive import TRANSDUCTIVE
from farfield.tuning.registry import METHODS as TUNING
from stages.frame.params import with_recipes

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
# How a stage is started, finds its files and reads its parameters. None of it can change what a stage
# computes: the values it reads are declared as `params`, the places as `outs` and `deps`.
FRAME = {
    "stages/__init__.py",
    "commands/__init__.py",
    *(
        f"stages/frame/{name}.py"
        for name in ("__init__", "declared", "inputs", "leftovers", "params", "paths", "run")
    ),
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "stages/frame/schema").glob("*.py")),
    "farfield/errors.py",
    "farfield/local.py",
    "farfield/parents.py",
    "farfield/process.py",
    # Imported only where this machine names a cluster; tests/cluster holds it to the bytes of one process.
    "farfield/cluster.py",
    "farfield/nodes.py",
    "farfield/ray_workers.py",
}
# What `compose` asks whether names and settings are known, and what tells DVC that it ran.
ONLY_REFUSES = {"commands/choices.py", "commands/scalars.py", "commands/side_by_side.py"}
PROFILES = sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))
# The registry of which a stage imports the one module that its row names, and where the row names it.
ROW = {
    "stages.tune": (TUNING, lambda params, study, key: params[study]["methods"][key]["method"]),
    "stages.baseline": (SHARING, lambda params, key: params["sharing"]["baselines"][key]["method"]),
    "stages.transfer": (FEATURE_LEARNERS, lambda params, key: params["fewshot"]["transfer"][key]["learner"]),
    "stages.metatrain": (META_LEARNERS, lambda params, key: params["fewshot"]["meta"][key]["learner"]),
    "stages.indomain": (META_LEARNERS, lambda params, key: params["indomain"]["rows"][key]["learner"]),
    "stages.metatest": (META_LEARNERS, lambda params, key: params["fewshot"]["meta"][key]["learner"]),
}
# Registries of whose modules a stage may import any: DVC cannot name the files of a list of rows.
ANY = {
    "farfield/backbones/__init__.py": (BACKBONES, LIBRARIES),
    "farfield/transfer/readouts/__init__.py": (READOUTS,),
    "farfield/transfer/ensembles/__init__.py": (ENSEMBLES,),
    "farfield/transfer/transductive/__init__.py": (TRANSDUCTIVE,),
}

LAYOUT_KINDS = (LAYOUTS, DENSE_LAYOUTS)


@pytest.fixture(scope="module")
def stages():
    return list(Repo(ROOT).index.stages)


def module_file(module: str) -> Path | None:
    base = ROOT / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules of this repository that a file imports, packages on the way included."""
    names: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return  # never imported
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text()))
    if started := re.search(r'Path\(__file__\)\.with_name\("(\w+)\.py"\)', path.read_text()):  # as a program
        names.add(".".join(path.relative_to(ROOT).with_name(started.group(1)).parts))
    parents = {".".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 2)}
    return frozenset(name for name in parents if name.split(".")[0] in ("farfield", "stages", "commands"))


@cache
def closure(module: str) -> frozenset[str]:
    """Paths of all files of this repository that running `module` can import, without the frame."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        path = module_file(todo.pop())
        if path is None:
            continue
        name = path.relative_to(ROOT).as_posix()
        if name not in seen | FRAME | ONLY_REFUSES:
            seen.add(name)
            todo += imports(path)
            todo += [registry.module(key) for registry in ANY.get(name, ()) for key in registry]
    return frozenset(name for name in seen if holds_code(ROOT / name))


@cache
def holds_code(path: Path) -> bool:
    text = path.read_text()
    return bool(text.strip().count("\n")) or "import" in text


def imported(stage, params) -> set[str]:
    """What the command of a stage can import."""
    module = re.search(r"python -m (\S+)", stage.cmd).group(1)
    files = set(closure(module))
    if module in ROW:
        registry, named = ROW[module]
        words = stage.cmd.split()[3:]
        method = named(params, *words)  # `constant` is in no registry, but lies beside the others
        files |= closure(registry.module(method) if method in registry else f"{registry.package}.{method}")
    if module == "stages.pack":
        files |= closure(f"farfield.datasets.layouts.{params['datasets'][stage.cmd.split()[3]]['layout']}")
    if module == "stages.baseline":
        weighting = params["sharing"]["baselines"][stage.cmd.split()[3]]["weighting"]["name"]
        files |= closure(f"farfield.sharing.weighting.{weighting}")
    if module == "stages.transductive":  # which start from any learner
        files.update(*(closure(FEATURE_LEARNERS.module(name)) for name in FEATURE_LEARNERS))
    if module == "stages.retrain":
        files |= closure("farfield.sharing.methods.adashare") | closure("farfield.sharing.weighting.fixed")
    return files


def declared(stage) -> set[str]:
    return {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps}


@pytest.fixture(scope="module")
def params():
    """All of params/, recipes by name."""
    return {
        key: value
        for path in (ROOT / "params").glob("*.json")
        for key, value in json.loads(path.read_text()).items()
    }


@cache
def composed_once(record: str) -> dict:
    """What a record, as JSON, composes: the committed one and a fresh one of its profile may be the same."""
    return composed(json.loads(record), CONF)


def test_params_are_what_conf_and_params_yaml_compose():
    record = read_record(ROOT / "params.yaml")
    assert record["profile"] == "quick"
    written = texts(composed_once(json.dumps(record)))
    for path, text in written.items():
        assert (ROOT / path).read_text() == text, f"{path} is not what `python -m commands.compose` writes"
    assert len(written) == len(list((ROOT / "params").iterdir()))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_composes_and_is_valid(profile):
    assert composed_once(json.dumps(fresh_record(profile, CONF)))["profile"] == profile


def test_every_stage_declares_the_code_it_runs(stages, params):
    for stage in stages:
        missing = {
            name
            for name in imported(stage, params)
            if not any(name == dep or name.startswith(f"{dep}/") for dep in declared(stage))
        }
        assert not missing, f"{stage.addressing} imports {sorted(missing)} but does not depend on them"


def test_no_stage_depends_on_code_that_it_never_imports(stages, params):
    """Else a change of a file would run stages again that cannot see it."""
    groups: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for stage in stages:  # the stages of a group declare the same, and import what one of them needs
        group = stage.name.split("@")[0]
        files, code = groups.setdefault((stage.path, group), (set(), set()))
        files |= imported(stage, params)
        if group == "pack":  # the layouts of other profiles share code that none of this one has
            files.update(*(closure(registry.module(name)) for registry in LAYOUT_KINDS for name in registry))
        for dep in declared(stage):
            inside = (ROOT / dep).rglob("*.py") if (ROOT / dep).is_dir() else [ROOT / dep]
            code |= {
                path.relative_to(ROOT).as_posix()
                for path in inside
                if dep.startswith(("farfield", "stages", "commands")) and holds_code(path)
            }
    for (path, name), (files, code) in groups.items():
        assert not code - files, f"{name} of {path} declares {sorted(code - files)} and never imports them"


def test_a_recipe_is_a_parameter_of_the_stages_that_use_it_alone(stages, params):
    """A changed recipe runs its rows again, and no others."""
    whole = with_recipes(params)
    for stage in stages:
        names = {
            name.split(".")[1] for dep in stage.params for name in dep.params if name.startswith("recipes.")
        }
        group, _, key = stage.name.partition("@")
        studies = ("networks", "fewshot", "spottune", "decathlon")
        inside = Path(stage.path).relative_to(ROOT).parts  # whatever the checkout is called
        study = next((name for name in studies if name in inside), "")
        section = {"pretrain": "trained", "metatrain": "meta", "tune": "methods"}.get(group)
        assert names == ({params[study][section][key]["recipe"]} if section else set()), stage.addressing
        if section:
            assert set(whole[study][section][key]["recipe"]) >= {"epochs", "learning_rate"}


def test_a_network_is_a_parameter_of_its_own_stage_alone(stages):
    """What others must know of it they read from its file, and so run again only if it changes."""
    for stage in stages:
        names = [name for dep in stage.params for name in dep.params if name.startswith("networks")]
        group, _, key = stage.name.partition("@")
        kind = {"pretrain": "trained", "weights": "given"}.get(group)
        assert names == ([f"networks.{kind}.{key}"] if kind else []), stage.addressing


def test_stages_have_descriptions_parameters_and_cached_outputs(stages):
    for stage in stages:
        assert stage.desc, stage.addressing
        params = stage.params or [name for name in declared(stage) if name.startswith("params")]
        assert params, stage.addressing
        if stage.name not in ("report", "compose"):
            assert all(out.use_cache for out in stage.outs), stage.addressing


def test_the_graph_is_sound_and_each_file_small():
    repo = Repo(ROOT)
    repo.index.check_graph()
    compose = next(stage for stage in repo.index.stages if stage.addressing == "compose")
    graph = repo.index.graph
    for stage in graph:  # parameters are composed before any stage reads them
        assert stage is compose or graph.has_edge(stage, compose), stage.addressing
    for path in {stage.path for stage in repo.index.stages}:
        assert sum(stage.path == path for stage in repo.index.stages) < 30, path


def test_the_lock_file_pins_hashes_and_names_no_host():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("--index")]
    packages = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert all("==" in line and line.endswith("\\") for line in packages)


def test_the_library_knows_neither_dvc_nor_params():
    for path in (ROOT / "farfield").rglob("*.py"):
        names = imports(path)
        assert not any(name.startswith(("stages", "commands")) for name in names), path
        assert not re.search(r"^\s*(import|from) (dvc|hydra)\b", path.read_text(), re.M), path


def test_generated_files_fit_each_other(stages):
    """Locks hold the parameters that params/ holds, and the hashes of the metrics that are there."""
    plans = {Path(stage.path).parent for stage in stages}
    locks = {folder: yaml.load((folder / "dvc.lock").read_bytes(), yaml.CSafeLoader) for folder in plans}
    for stage in stages:
        lock = locks[Path(stage.path).parent]["stages"]
        assert stage.name in lock, f"{stage.addressing} is in no lock file; `make regenerate` writes them"
        for dep in stage.params:
            name = Path(dep.fs_path).relative_to(ROOT).as_posix()
            said = lock[stage.name]["params"][name]
            assert said == dep.read_params(), (
                f"{stage.addressing} ran with other parameters; `make regenerate`"
            )
        for out in lock[stage.name]["outs"]:
            path = ROOT / out["path"]
            if path.parts[-2] in ("metrics", "params"):
                found = hashlib.md5(path.read_bytes()).hexdigest()
                assert found == out["md5"], f"{out['path']} is not what {stage.addressing} wrote"


def test_metrics_have_no_key_that_reads_as_a_path():
    """DVC joins nested keys with dots: one that holds a dot beside the same path ends `dvc metrics diff`, for all
    files."""

    def walk(tree: dict, path: str) -> None:
        for key, value in tree.items():
            assert "." not in key, f"{path}: {key}"
            assert isinstance(value, dict | float | int | str), f"{path}: {key}"
            if isinstance(value, dict):
                walk(value, path)

    for path in sorted((ROOT / "metrics").glob("*.json")):
        walk(json.loads(path.read_text()), path.name)
