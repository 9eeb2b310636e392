"""The doctor, on a small DVC repository: what it finds, what it says, and that a repair loses nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dvc.cli
import pytest
import yaml

from commands.doctor.__main__ import main
from commands.doctor.finding import SET_ASIDE

ROOT = Path(__file__).parents[2]
STAGES = {
    "folder": {
        "cmd": "mkdir -p folder && cp in.txt folder/one && echo two > folder/two",
        "deps": ["in.txt"],
        "outs": ["folder"],
    },
    "whole": {"cmd": "cat folder/* > whole.txt", "deps": ["folder"], "outs": ["whole.txt"]},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(["git", "init", "-q", folder], check=True)
    before, variables = Path.cwd(), dict(os.environ)
    os.environ["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("site"))
    os.chdir(folder)
    try:
        assert dvc.cli.main(["init", "-q"]) == 0
        Path(".dvc/config").write_text(
            "[core]\n    analytics = false\n[cache]\n    type = hardlink,symlink\n"
        )
        Path("in.txt").write_text("in\n")
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
        assert dvc.cli.main(["repro", "-q"]) == 0
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(variables)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it, hard links kept, as the current folder."""
    subprocess.run(["cp", "-a", made, tmp_path / "here"], check=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "here"


def object_of(text: str) -> Path:
    """The object of the cache that holds this text."""
    return next(
        path
        for path in Path(".dvc/cache/files/md5").rglob("*")
        if path.is_file() and path.read_text() == text
    )


def overwrite(path: Path, text: str) -> None:
    """In place, as an accident does it."""
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(0o444)


def sound(capfd) -> bool:
    capfd.readouterr()
    return main([]) == 0 and "all is well" in capfd.readouterr().out


def test_a_sound_repository_is_sound(here, capfd):
    assert sound(capfd)


@pytest.mark.parametrize("kind", ["a folder", "a link that leads nowhere"])
def test_what_is_no_object_is_found_set_aside_and_its_stage_runs_again(here, capfd, kind):
    place = object_of("two\n")
    place.unlink()
    if kind == "a folder":
        (place / "within").mkdir(parents=True)
    else:
        place.symlink_to("nowhere")
    assert main([]) == 3
    assert f"{place.name} is {kind}, where DVC keeps a file" in capfd.readouterr().out
    main(["--repair"])
    assert sound(capfd)
    assert Path("folder/two").read_text() == "two\n"


@pytest.mark.parametrize("text", ["tws\n", ""])
def test_a_damaged_object_is_found_set_aside_and_computed_again(here, capfd, text):
    """It is a link of the workspace's file, so that both hold the same wrong bytes."""
    damaged = object_of("two\n")
    overwrite(damaged, text)
    assert main([]) == 3
    said = capfd.readouterr().out
    assert f"{damaged.name} is damaged: {len(text)} bytes" in said
    assert "folder" in said
    assert "costs: DVC trusts it" in said
    assert Path("folder/two").read_text() == text  # only looked at
    assert main(["--repair"]) == 0, capfd.readouterr().out
    assert Path("folder/two").read_text() == "two\n"
    assert [path.read_text() for path in SET_ASIDE.rglob("*") if path.is_file()] == [text]


def test_a_file_that_is_gone_is_linked_again(here, capfd):
    Path("folder/one").unlink()
    assert main([]) == 3
    assert "folder/one must be linked again; the cache has it" in capfd.readouterr().out
    assert main(["--repair"]) == 0
    assert Path("folder/one").stat().st_nlink == 2
    assert not SET_ASIDE.exists()


def test_what_somebody_changed_is_kept(here, capfd):
    Path("whole.txt").unlink()
    Path("whole.txt").write_text("mine\n")
    Path("folder/more").write_text("mine too\n")
    assert main([]) == 3
    said = capfd.readouterr().out
    assert "whole.txt is not what the lock file of whole.txt says" in said
    assert "folder/more is not what the lock file of folder says" in said
    assert main(["--repair"]) == 0
    assert (SET_ASIDE / "workspace/whole.txt").read_text() == "mine\n"
    assert (SET_ASIDE / "workspace/folder/more").read_text() == "mine too\n"
    assert Path("whole.txt").read_text() == "in\ntwo\n"


def test_an_object_that_is_gone_is_computed_again(here, capfd):
    gone = object_of("in\ntwo\n")
    gone.chmod(0o644)
    gone.unlink()
    Path("whole.txt").unlink()
    assert main([]) == 3
    assert "whole.txt is in no cache" in capfd.readouterr().out
    assert main(["--repair"]) == 0
    assert object_of("in\ntwo\n") == gone


def test_copies_and_objects_that_can_be_written_to_are_named_and_mended(here, capfd):
    text = Path("whole.txt").read_text()
    Path("whole.txt").unlink()
    Path("whole.txt").write_text(text)
    object_of("two\n").chmod(0o644)
    assert main([]) == 3
    said = capfd.readouterr().out
    assert "whole.txt: copies of what is in the cache" in said
    assert "1 objects of the cache can be written to" in said
    assert main(["--repair"]) == 0
    assert Path("whole.txt").stat().st_nlink == 2
    assert object_of("two\n").stat().st_mode & 0o777 == 0o444


def test_locks_of_killed_processes(here, capfd):
    gone = subprocess.Popen(["true"])
    gone.wait()
    table = {"read": {"a": [{"pid": gone.pid, "cmd": "x"}]}, "write": {"b": {"pid": os.getpid(), "cmd": "y"}}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(table))
    assert main([]) == 3
    assert f"names processes that were killed: {gone.pid}" in capfd.readouterr().out
    assert main(["--repair"]) == 0
    assert json.loads(Path(".dvc/tmp/rwlock").read_text()) == {"read": {}, "write": table["write"]}
    Path(".dvc/tmp/rwlock").write_text('{"wri')
    assert main([]) == 3
    assert "was cut off by a kill: 5 bytes" in capfd.readouterr().out
    assert main(["--repair"]) == 0


def test_half_a_lock_file_is_named(here, capfd):
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text("<<<<<<< HEAD\n" + text[: len(text) // 2])
    assert main(["--repair"]) == 3
    said = capfd.readouterr().out
    assert "dvc.lock cannot be read" in said
    assert "git checkout -- dvc.lock" in said


def test_a_stage_that_never_ran_is_named(here, capfd):
    plan = {"stages": {**STAGES, "new": {"cmd": "cp in.txt new", "deps": ["in.txt"], "outs": ["new"]}}}
    Path("dvc.yaml").write_text(yaml.safe_dump(plan))
    assert main([]) == 3
    assert "1 stages: new never ran" in capfd.readouterr().out
    assert main(["--repair"]) == 0


@pytest.mark.parametrize("text", ["", "tws\n"])
def test_a_remote_is_read_object_by_object(here, tmp_path, capfd, text):
    assert dvc.cli.main(["remote", "add", "-q", "-d", "team", str(tmp_path / "remote")]) == 0
    assert main(["--remote"]) == 3
    assert "the remote lacks 4 objects" in capfd.readouterr().out
    assert dvc.cli.main(["push", "-q"]) == 0
    name = object_of("two\n")
    overwrite(tmp_path / "remote" / name.relative_to(".dvc/cache"), text)
    assert main(["--remote", "team"]) == 3
    said = capfd.readouterr().out
    assert f"{name.parent.name}{name.name} of the remote" in said
    assert "dvc remote modify team verify true" in said
    assert main(["--remote", "--repair"]) == 0
    assert (tmp_path / "remote" / name.relative_to(".dvc/cache")).read_text() == "two\n"
    assert "verify = true" in Path(".dvc/config").read_text().lower()


@pytest.mark.parametrize("kind", ["of another result", "cut off"])
def test_an_entry_of_the_cache_of_runs_that_was_changed_is_set_aside(here, capfd, kind):
    entries = [path for path in Path(".dvc/cache/runs").rglob("*") if path.is_file()]
    assert len(entries) == 2
    [entry] = [path for path in entries if "whole.txt" in path.read_text()]
    held = yaml.safe_load(entry.read_text())
    held["outs"][0]["md5"] = object_of("two\n").parent.name + object_of("two\n").name
    entry.chmod(0o644)
    entry.write_text(yaml.safe_dump(held) if kind == "of another result" else entry.read_text()[:40])
    assert main([]) == 3
    assert f"{entry.name} is not what its name says" in capfd.readouterr().out
    assert main(["--repair"]) == 0
    assert not entry.parent.exists()
    assert list((SET_ASIDE / "runs").rglob(entry.name))
    Path("whole.txt").unlink()
    assert dvc.cli.main(["repro", "-q"]) == 0
    assert Path("whole.txt").exists()


def test_an_empty_folder_of_earlier_runs_is_removed(here, capfd):
    for path in [*Path(".dvc/cache/runs").rglob("*")]:
        if path.is_file():
            path.unlink()
    assert main([]) == 3
    assert capfd.readouterr().out.count("where DVC remembers runs of a stage, is empty") == 2
    assert main(["--repair"]) == 0
    assert main([]) == 0


def test_a_folder_without_dvc_and_a_remote_that_is_none(here, tmp_path, monkeypatch, capfd):
    with pytest.raises(ValueError, match="no remote to look into"):
        main(["--remote", "nowhere"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no root of a DVC repository"):
        main([])
