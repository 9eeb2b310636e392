"""A killed run leaves nothing half-written and continues where it was."""

import hashlib
import signal
import time
from pathlib import Path

import psutil
import pytest
from conftest import ran

MANY = "datasets.leaves.generator={domain: leaves, classes: 5, images: 1400, size: 20}"


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
    assert not alive, "the stage outlived dvc"


@pytest.mark.parametrize(
    ("killed", "runner"), [("pack@leaves", "dvc"), ("pretrain@objects", "dvc"), ("pack@leaves", "make")]
)
def test_a_killed_stage_resumes_to_the_same_result(fresh, killed, runner):
    """Whether `dvc repro` is killed, or what `make repro` runs."""
    fresh.compose(
        MANY, "datasets.leaves.expected={images: 7000, classes: 5}", "recipes.pretraining.epochs=40"
    )
    stage = (
        f"data/dvc.yaml:{killed}" if killed.startswith("pack") else f"pipelines/networks/dvc.yaml:{killed}"
    )
    outputs = "data/packed/target/leaves" if killed.startswith("pack") else "pipelines/networks/models"
    upstream = (
        "data/dvc.yaml:download@leaves" if killed.startswith("pack") else "data/dvc.yaml:validate@objects"
    )
    fresh.dvc("repro", upstream)
    scratch = fresh.path / ".farfield/scratch"

    def some_work_is_done():
        journals = [path.stat().st_size > 0 for path in scratch.glob("pack-leaves-*/journal.jsonl")]
        return any(journals) or any(scratch.glob("pretrain-*/checkpoint.safetensors"))

    commands = {
        "dvc": ["dvc", "repro", "--single-item", stage],
        "make": ["python", "-m", "commands.side_by_side", "2"],
    }
    kill_when(fresh, commands[runner], some_work_is_done)
    assert not hashes(fresh.path / outputs), "a killed stage left an output"
    output = fresh.dvc("repro", "--single-item", stage)
    assert ran(output) == [killed]
    progress = [line for line in output.splitlines() if line.startswith(("packing", "pretraining"))]
    assert " 0/" not in progress[0], "it started again from nothing"
    assert not list(scratch.iterdir()), "finished work stays in the scratch folder"
    resumed = hashes(fresh.path / outputs)

    fresh.dvc("repro", "--single-item", "--force", "--no-run-cache", stage)
    assert hashes(fresh.path / outputs) == resumed


def test_changed_parameters_never_resume_from_stale_work(fresh):
    fresh.compose("recipes.pretraining.epochs=40")
    fresh.dvc("repro", "data/dvc.yaml:validate@objects")
    scratch = fresh.path / ".farfield/scratch"
    stage = "pipelines/networks/dvc.yaml:pretrain@objects"
    checkpoint = "pretrain-*/checkpoint.safetensors"
    kill_when(fresh, ["dvc", "repro", "--single-item", stage], lambda: any(scratch.glob(checkpoint)))
    fresh.compose("recipes.pretraining.epochs=3")
    fresh.dvc("repro", "--single-item", stage)
    curve = (fresh.path / "pipelines/networks/curves/objects.csv").read_text().splitlines()
    assert len(curve) == 4
