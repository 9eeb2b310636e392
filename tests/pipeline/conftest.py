"""What tests in which DVC really runs share: its stages forked, and clones that have run."""

import multiprocessing.forkserver
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dvc.stage.run
import pytest
from dvc.stage.exceptions import StageCmdFailedError
from filelock import FileLock

from commands import side_by_side, starting
from tests.pipeline.clones import ENVIRONMENT, Clone, copy_of_working_tree


def run_forked(executable: str, command: str, cwd: str, env: dict[str, str], **_) -> None:
    """A stage's command for DVC in this process, as `make repro` starts it."""
    log = side_by_side.log_of("forked")
    status = starting.start(command, Path(cwd), log, env).result()
    print(log.read_text(errors="replace"), end="", flush=True)
    if status != 0:
        raise StageCmdFailedError(command, status)


@pytest.fixture(scope="session", autouse=True)
def forks():
    """One process that has imported what stages need, and from which all of a worker's stages are forked."""
    starting.preload(f"python -m {module}" for module in starting.PRELOADED_FOR)
    multiprocessing.forkserver.ensure_running()
    dvc.stage.run._run = run_forked


@pytest.fixture(scope="session", autouse=True)
def own_site_cache(tmp_path_factory):
    """DVC keeps facts on files for all of a machine's users; tests keep theirs to themselves."""
    ENVIRONMENT["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("site-cache"))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills: by the first worker that asks, for all of them."""
    own = factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, made = root / name, root / f"{name}.made"
    with FileLock(root / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return Clone(made_once(tmp_path_factory, "template", copy_of_working_tree))


@pytest.fixture
def fresh(template, tmp_path):
    """A clone in which nothing has run."""
    return template.copy(tmp_path / "fresh")


@pytest.fixture(scope="session")
def runs(template, tmp_path_factory):
    """The folder of two clones that ran everything from scratch, side by side: one by plain `dvc repro` and
    with two processes to adapt networks, one as `make repro` does it, two stages at a time, and with one
    process. Beside them, in `done`, the first one, committed."""

    def run(folder: Path) -> None:
        running = []
        commands = (["dvc", "repro"], ["python", "-m", "commands.side_by_side", "2"])
        for i, command in enumerate(commands):
            clone = template.copy(folder / f"run{i}")
            running.append((clone, clone.start("env", f"FARFIELD_WORKERS={2 - i}", *command)))
        for clone, process in running:
            output, _ = process.communicate()
            assert process.returncode == 0, output
            (clone.path / "repro.log").write_text(output)
        Clone(folder / "run0").copy(folder / "done").commit("results")

    return made_once(tmp_path_factory, "runs", run)


@pytest.fixture(scope="session")
def two_runs(runs):
    """To look at: the clones of `runs`, as they ended."""
    return [Clone(runs / "run0"), Clone(runs / "run1")]


@pytest.fixture
def done(runs, tmp_path):
    """A copy of a clone that ran everything, committed on `main`, with a cache of its own."""
    return Clone(runs / "done").copy(tmp_path / "done")
