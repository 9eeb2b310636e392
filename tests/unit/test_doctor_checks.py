"""The doctor's checks of a machine and a plan, one by one."""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml

from commands.doctor import machine, plan
from commands.doctor.contents import Contents
from commands.doctor.finding import SET_ASIDE
from farfield.training.checkpoints import save_tensors


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_other_versions_are_named_and_absent_extras_are_not(here):
    lock = here / "requirements.lock"
    hashed = " \\\n    --hash=sha256:0\n"
    lock.write_text(f"numpy=={version('numpy')}{hashed}pillow==0.0.1{hashed}not-installed-at-all==1.0\n")
    [found] = machine.versions(lock)
    assert f"pillow {version('pillow')} instead of 0.0.1" in found.what
    assert "numpy" not in found.what
    assert found.repair is None
    # Of several versions the one for this Python counts.
    lock.write_text(
        f"numpy=={version('numpy')} ; python_version < '99'{hashed}numpy==99.0 ; python_version >= '99'{hashed}"
    )
    assert not list(machine.versions(lock))
    lock.write_text(f"numpy==99.0 ; python_version < '99'{hashed}")
    assert [found.what for found in machine.versions(lock)] == [
        f"other versions than those of {lock}: numpy {version('numpy')} instead of 99.0"
    ]


def test_a_lock_that_git_left_is_set_aside(here):
    (here / ".git").mkdir()
    (here / ".git/index.lock").write_text("")
    [found] = machine.locks()
    assert ".git/index.lock was left by a Git that was killed" in found.what
    found.repair()
    assert not (here / ".git/index.lock").exists()
    assert (SET_ASIDE / ".git/index.lock").exists()


@pytest.fixture
def stage(here):
    """A process that looks like a stage: its command line, its folder and what DVC says to stages."""
    (here / "stages").mkdir()
    (here / "stages/__init__.py").touch()
    (here / "stages/wait.py").write_text("import time; open('ready', 'w'); time.sleep(60)")
    started = [sys.executable, "-m", "stages.wait"]
    environment = {**os.environ, "DVC_STAGE": "wait"}
    process = subprocess.Popen(started, cwd=here, env=environment, start_new_session=True)
    until = time.monotonic() + 30
    while not (here / "ready").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def test_a_stage_whose_dvc_has_ended_is_named_and_ended(here, stage):
    [found] = machine.orphans(here)
    assert f"process {stage.pid}, `-m stages.wait`, runs on although its dvc has ended" in found.what
    assert not list(machine.orphans(here / "elsewhere"))
    found.repair()
    assert not psutil.pid_exists(stage.pid)


def test_a_stage_whose_dvc_runs_is_none(here, stage, monkeypatch):
    monkeypatch.setattr(machine, "_runs_stages", lambda parent: parent.pid == os.getpid())
    assert psutil.Process(stage.pid).ppid() == os.getpid()
    assert not list(machine.orphans(here))


@pytest.mark.parametrize(("mode", "wrong"), [(0o777, True), (0o1777, False), (0o755, False), (0o700, False)])
def test_a_folder_of_dvc_that_anybody_can_write_to(here, monkeypatch, mode, wrong):
    monkeypatch.setattr(Path, "parents", property(lambda path: [path.parent]))
    (here / "site/repo").mkdir(parents=True)
    (here / "site").chmod(mode)
    (here / "site/repo").chmod(0o755)
    monkeypatch.setenv("HOME", str(here / "home"))
    said: dict[str, dict] = {}

    class Config:
        def edit(self, level):
            assert level == "local"
            return self

        def __enter__(self):
            return said

        def __exit__(self, *_):
            pass

    found = list(machine.site_cache(SimpleNamespace(site_cache_dir=str(here / "site/repo"), config=Config())))
    assert bool(found) == wrong
    if found:
        assert f"anybody on this machine can write to {here}/site" in found[0].what
        found[0].repair()
        assert said == {"core": {"site_cache_dir": f"{here}/home/.cache/dvc-site"}}
        assert (here / "home/.cache/dvc-site").stat().st_mode & 0o777 == 0o700


def test_half_written_outputs_are_counted(here):
    (here / "data/packed/.leaves.partial").mkdir(parents=True)
    (here / "data/packed/.leaves.partial/images.npy").write_bytes(bytes(2_000_000))
    (here / "data/packed/leaves").mkdir()
    [found] = plan.unfinished()
    assert "data/packed/.leaves.partial" in found.what
    assert found.costs == "2.0 MB"
    assert found.repair is None


def test_damaged_checkpoints_are_set_aside(here):
    for name in ("whole", "wrong"):
        save_tensors(here / f".farfield/scratch/pretrain-x/{name}.safetensors", {"w": torch.ones(50)})
    path = here / ".farfield/scratch/pretrain-x/wrong.safetensors"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    [found] = plan.damaged_scratch()
    assert "wrong.safetensors, unfinished work of a stage, is damaged" in found.what
    found.repair()
    assert not path.exists()
    assert not list(plan.damaged_scratch())


@pytest.mark.parametrize("lay", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "link"])
def test_what_is_no_file_is_set_aside(here, lay):
    path = here / ".farfield/scratch/pretrain-x/checkpoint.safetensors"
    path.parent.mkdir(parents=True)
    lay(path)
    [found] = plan.damaged_scratch()
    found.repair()
    assert not list(plan.damaged_scratch())


def test_parameters_that_conf_does_not_compose_are_composed_and_kept(here, monkeypatch):
    Path("conf").mkdir()
    Path("conf/config.yaml").touch()
    Path("params.yaml").touch()
    Path("params").mkdir()
    Path("params/fewshot.json").write_text("mine")
    wanted = {Path("params/fewshot.json"): "right"}
    monkeypatch.setattr(plan, "read_record", dict)
    monkeypatch.setattr(plan, "composed", lambda record: record)
    monkeypatch.setattr(plan, "texts", lambda tree: wanted)
    monkeypatch.setattr(plan, "compose", lambda words: Path("params/fewshot.json").write_text("right"))
    [found] = plan.parameters()
    assert "params/fewshot.json is not what params.yaml and conf/ compose" in found.what
    found.repair()
    assert (SET_ASIDE / "workspace/params/fewshot.json").read_text() == "mine"
    assert not list(plan.parameters())


def test_outputs_of_no_stage_go_if_the_cache_has_them_and_else_are_kept(here, monkeypatch):
    from farfield.files import file_hash

    for name in ("mine", "old", "kept"):
        Path("data/packed", name).mkdir(parents=True)
        Path("data/packed", name, "x").write_text(name)
    Path("disk").mkdir()
    Path("disk/y").write_text("theirs")
    Path("data/packed/link").symlink_to(here / "disk")
    monkeypatch.setattr(plan, "load_params", lambda: None)
    monkeypatch.setattr(plan, "declared_outputs", lambda params: {Path("data/packed"): ["kept"]})
    contents = Contents(SimpleNamespace())
    contents.__dict__["sound"] = {file_hash(Path("data/packed/old/x"), "md5")}
    link, mine, old = plan.leftovers(contents)
    assert "data/packed/mine belongs to no stage" in mine.what
    assert "data/packed/mine/x is in no cache" in mine.cure
    assert "the cache has all of it" in old.cure
    for one in (link, mine, old):
        one.repair()
    assert sorted(path.name for path in Path("data/packed").iterdir()) == ["kept"]
    assert (SET_ASIDE / "workspace/data/packed/mine/x").read_text() == "mine"
    assert Path("disk/y").read_text() == "theirs"


def test_parameters_of_another_time_and_stages_without_a_lock(here):
    Path("params.json").write_text(json.dumps({"epochs": 3}))
    lock = {"stages": {"same": {"params": {"params.json": {"epochs": 3}}}, "other": {"params": {}}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    dep = SimpleNamespace(fs_path=str(here / "params.json"), read_params=lambda: {"epochs": 3})
    stages = [
        SimpleNamespace(name=name, addressing=name, path=str(here / "dvc.yaml"), wdir=str(here), params=[dep])
        for name in ("same", "other", "new")
    ]
    repo = SimpleNamespace(index=SimpleNamespace(stages=stages))
    ran, never = plan.stale(repo, Contents(repo))
    assert "1 stages: other ran with other parameters" in ran.what
    assert "1 stages: new never ran" in never.what
