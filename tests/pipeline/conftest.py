"""Clones of this repository in which DVC really runs, on the tiny profile."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Clone:
    """A working copy with a Git history of its own."""

    path: Path

    def run(self, *command: str, ok: bool = True, **environment: str) -> str:
        """Run a command here; its output. Fails the test if the exit status is not as `ok` says."""
        result = subprocess.run(
            command,
            cwd=self.path,
            env=os.environ | ENVIRONMENT | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert (result.returncode == 0) == ok, result.stdout
        return result.stdout

    def start(self, *command: str) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=os.environ | ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def compose(self, *overrides: str, ok: bool = True) -> str:
        return self.run("python", "-m", "stages.compose", "profile=tiny", *overrides, ok=ok)

    def commit(self, message: str = "change") -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def lock(self) -> dict[str, dict[str, str]]:
        """{stage: {output: hash}} of all dvc.lock files."""
        import yaml

        stages = {}
        for path in sorted(self.path.glob("**/dvc.lock")):
            for name, stage in yaml.safe_load(path.read_text())["stages"].items():
                stages[name] = {out["path"]: out["md5"] for out in stage["outs"]}
        return stages


# One thread a process: two runs side by side on two cores, and no difference between machines.
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "OMP_NUM_THREADS": "1",
    "GIT_AUTHOR_NAME": "a colleague",
    "GIT_AUTHOR_EMAIL": "colleague@example.org",
    "GIT_COMMITTER_NAME": "a colleague",
    "GIT_COMMITTER_EMAIL": "colleague@example.org",
}


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` executed."""
    return [
        line.split("'")[1].split(":")[-1] for line in output.splitlines() if line.startswith("Running stage")
    ]


def copy_of_working_tree(path: Path) -> Clone:
    """The files that Git tracks or would track here, committed on `main` with the tiny profile."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listing.stdout.splitlines():
        source = ROOT / name
        if source.is_file() and source.name != "dvc.lock" and not name.startswith("metrics/"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path / name)
    clone = Clone(path)
    clone.run("git", "init", "-q", "-b", "main")
    clone.compose()
    clone.commit("the tiny profile")
    return clone


@pytest.fixture(scope="session", autouse=True)
def own_site_cache(tmp_path_factory):
    """DVC keeps facts on files for all of a machine's users; tests keep theirs to themselves."""
    ENVIRONMENT["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("site-cache"))


@pytest.fixture
def fresh(tmp_path):
    """A clone in which nothing has run."""
    return copy_of_working_tree(tmp_path / "fresh")


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory):
    """Two clones that ran everything from scratch, independently, side by side."""
    clones = [copy_of_working_tree(tmp_path_factory.mktemp(f"run{i}")) for i in range(2)]
    running = [clone.start("dvc", "repro") for clone in clones]
    for clone, process in zip(clones, running, strict=True):
        output, _ = process.communicate()
        assert process.returncode == 0, output
        (clone.path / "repro.log").write_text(output)
    return clones


@pytest.fixture
def done(two_runs, tmp_path):
    """A copy of a clone that ran everything, committed on `main`, with a cache of its own."""
    shutil.copytree(two_runs[0].path, tmp_path / "done", symlinks=True)
    clone = Clone(tmp_path / "done")
    clone.commit("results")
    return clone
