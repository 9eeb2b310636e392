"""The plan: params.yaml is what conf/ composes, and every stage declares the code it runs."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from stages.compose import composed

ROOT = Path(__file__).parents[2]
# How a stage is started, finds its files and reads its parameters. None of it can change what a stage
# computes: the values it reads are declared as `params`, the places as `outs` and `deps`.
FRAME = {f"stages/{name}.py" for name in ("__init__", "leftovers", "local", "params", "paths", "run")} | {
    "farfield/errors.py",
    *(f"stages/schema/{name}.py" for name in ("__init__", "section", "fewshot", "finetuning", "multitask")),
}
PROFILES = sorted(path.stem for path in (ROOT / "conf/profile").glob("*.yaml"))


@pytest.fixture(scope="module")
def stages():
    return list(Repo(ROOT).index.stages)


def module_file(module: str) -> Path | None:
    base = ROOT / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


def imports(path: Path) -> set[str]:
    """Modules of this repository that a file names in its imports, packages on the way included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    parents = {".".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 2)}
    return {name for name in parents if name.split(".")[0] in ("farfield", "stages")}


def closure(module: str) -> set[str]:
    """Paths of all files of this repository that running `module` can import, without the frame."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        path = module_file(todo.pop())
        if path is None:
            continue
        name = path.relative_to(ROOT).as_posix()
        if name not in seen and name not in FRAME:
            seen.add(name)
            todo += imports(path)
    return {
        name
        for name in seen
        if (ROOT / name).read_text().strip().count("\n") or "import" in (ROOT / name).read_text()
    }


def test_params_yaml_is_what_conf_composes():
    text = (ROOT / "params.yaml").read_text()
    profile = yaml.safe_load(text)["profile"]
    assert profile == "quick"
    assert text == composed([], ROOT / "conf")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_composes_and_is_valid(profile):
    assert yaml.safe_load(composed([f"profile={profile}"], ROOT / "conf"))["profile"] == profile


def test_every_stage_declares_the_code_it_runs(stages):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage in stages:
        module = re.search(r"python -m (\S+)", stage.cmd).group(1)
        declared = {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps}
        run = closure(module)
        if module == "stages.spottune":  # which imports the module of its method when it knows the name
            _, study, key = stage.cmd.rsplit(" ", 2)
            run |= closure(f"farfield.spottune.methods.{params[study]['methods'][key]['method']}")
        if module == "stages.baseline":
            key = stage.cmd.rsplit(" ", 1)[1]
            run |= closure(f"farfield.multitask.methods.{params['adashare']['baselines'][key]['method']}")
        missing = {
            name for name in run if not any(name == dep or name.startswith(f"{dep}/") for dep in declared)
        }
        assert not missing, f"{stage.addressing} imports {sorted(missing)} but does not depend on them"


def test_stages_have_descriptions_parameters_and_cached_outputs(stages):
    for stage in stages:
        assert stage.desc, stage.addressing
        assert any(type(dep).__name__ == "ParamsDependency" for dep in stage.deps), stage.addressing
        if stage.name != "report":
            assert all(out.use_cache for out in stage.outs), stage.addressing


def test_the_graph_is_sound_and_each_file_small():
    repo = Repo(ROOT)
    repo.index.check_graph()
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
        assert not any(name.startswith("stages") for name in names), path
        assert not re.search(r"^\s*(import|from) (dvc|hydra)\b", path.read_text(), re.M), path
