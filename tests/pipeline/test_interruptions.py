"""A killed run leaves nothing half-written and continues where it was."""

import hashlib
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.pipeline.clones import ran

MANY = "datasets.leaves.generator={domain: leaves, classes: 5, images: 600, size: 20}"


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.005)


def kill_when(clone, command, condition):
    """Start `command`, kill -9 it when `condition` holds, and see that no child of it lives on."""
    process = clone.start(*command)
    try:
        wait_for(lambda: process.poll() is not None or condition())
        assert process.poll() is None, process.communicate()[0]
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, f"it outlived its parent: {[process.as_dict(['cmdline']) for process in alive]}"


def python_starts(clone) -> bool:
    """Whether the process of a stage is there, which for seconds does nothing but import."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["cwd"] == str(clone.path) and "stages.pack" in words:
            return True
        if process.info["cwd"] == str(clone.path) and any("forkserver" in word for word in words):
            return True  # from which the runner forks it
    return False


def resumes_to_the_same(clone, stage: str, outputs: str) -> None:
    """A killed stage goes on where it was, and ends with the bytes of one that was never stopped."""
    scratch = clone.path / ".farfield/scratch"
    assert not hashes(clone.path / outputs), "a killed stage left an output"
    output = clone.dvc("repro", "--single-item", stage)
    assert ran(output) == [stage.split(":")[-1]]
    progress = [line for line in output.splitlines() if line.startswith(("packing", "pretraining"))]
    assert " 0/" not in progress[0], "it started again from nothing"
    assert not list(scratch.iterdir()), "finished work stays in the scratch folder"
    resumed = hashes(clone.path / outputs)

    clone.dvc("repro", "--single-item", "--force", "--no-run-cache", stage)
    assert hashes(clone.path / outputs) == resumed


@pytest.mark.parametrize("runner", ["dvc", "make"])
def test_a_killed_packing_resumes_to_the_same_result(fresh, runner):
    """Whether `dvc repro` is killed, or what `make repro` runs."""
    fresh.compose(MANY, "datasets.leaves.expected={images: 3000, classes: 5}")
    fresh.dvc("repro", "data/dvc.yaml:download@leaves")
    stage = "data/dvc.yaml:pack@leaves"
    commands = {
        "dvc": ["dvc", "repro", "--single-item", stage],
        "make": ["python", "-m", "commands.side_by_side", "2"],
    }

    def some_work_is_done():
        journals = (fresh.path / ".farfield/scratch").glob("pack-leaves-*/journal.jsonl")
        return any(path.stat().st_size > 0 for path in journals)

    kill_when(fresh, commands[runner], lambda: python_starts(fresh))
    kill_when(fresh, commands[runner], some_work_is_done)
    resumes_to_the_same(fresh, stage, "data/packed/target/leaves")


PRETRAIN = "pipelines/networks/dvc.yaml:pretrain@objects"


@pytest.fixture(scope="module")
def killed_pretraining(template, tmp_path_factory):
    """A clone in which `dvc repro` was killed while it trained, and a copy of it."""
    folder = tmp_path_factory.mktemp("killed")
    clone = template.copy(folder / "clone")
    clone.compose("recipes.pretraining.epochs=40")
    clone.dvc("repro", "data/dvc.yaml:validate@objects")
    checkpoints = clone.path / ".farfield/scratch"
    kill_when(
        clone,
        ["dvc", "repro", "--single-item", PRETRAIN],
        lambda: any(checkpoints.glob("pretrain-*/checkpoint.safetensors")),
    )
    return clone, clone.copy(folder / "copy")


def test_a_killed_pretraining_resumes_to_the_same_result(killed_pretraining):
    resumes_to_the_same(killed_pretraining[0], PRETRAIN, "pipelines/networks/models")


def test_changed_parameters_never_resume_from_stale_work(killed_pretraining):
    clone = killed_pretraining[1]
    clone.compose("recipes.pretraining.epochs=3")
    clone.dvc("repro", "--single-item", PRETRAIN)
    curve = (clone.path / "pipelines/networks/curves/objects.csv").read_text().splitlines()
    assert len(curve) == 4
