"""The everyday loop of two commits side by side: `python tests/benchmarks/everyday_loop.py BASE [FIGURE ...]`.

BASE is a commit; it is measured beside the working tree's HEAD, each in a clone of its own with its own .venv, in
turn, so that a machine whose speed drifts drifts for both. Prints the medians and their ratio. Figures:

  first    `make repro`, .venv there, nothing else (minutes; --runs 1 suffices to see it)
  noop     a second `make repro`, with nothing to do
  status   `dvc status`, with nothing to do
  change   the epochs of transfer.fixed changed: compose, then `dvc repro` to the new report
  pull     a fresh clone, `dvc repro --pull` from a folder remote
  start    CPU seconds of all stages before their first useful instruction, DVC's own included
  finetune `python -m stages.finetune all` in one process, without a cluster
  test     `make test`
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIGURES = ("first", "noop", "status", "change", "pull", "start", "finetune", "test")
# Imports and parameters of a stage, without its work; in a fork where stages are forked.
STARTED = """
import importlib, os, resource, sys
fork, modules = sys.argv[1] == "fork", sys.argv[3:]
if fork:
    from commands.starting import PRELOADED, PRELOADED_FOR
    for name in {*PRELOADED, *(name for module in modules for name in PRELOADED_FOR.get(module, ()))}:
        importlib.import_module(name)
def start(module):
    importlib.import_module(module)
    importlib.import_module(sys.argv[2]).load_params()
if not fork:
    start(modules[0])
for module in modules if fork else ():
    if os.fork() == 0:
        start(module)
        os._exit(0)
    os.wait()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(one.ru_utime + one.ru_stime for one in used))
"""


class Clone:
    def __init__(self, path: Path, commit: str) -> None:
        self.path, self.epochs = path, 100
        if not path.exists():
            subprocess.run(["git", "clone", "-q", ROOT, path], check=True)
            subprocess.run(["git", "checkout", "-q", commit], cwd=path, check=True)
            self.run("make", ".venv/installed")

    def run(self, *command: str, where: Path | None = None) -> float:
        """Seconds that it took."""
        begin = time.perf_counter()
        log = self.path.parent / f"{self.path.name}.log"
        with log.open("a") as out:
            subprocess.run(
                command, cwd=where or self.path, env=self.environment, stdout=out, stderr=out, check=True
            )
        return time.perf_counter() - begin

    @property
    def environment(self) -> dict[str, str]:
        sites = self.path.parent / f"{self.path.name}-site-cache"
        path = f"{self.path}/.venv/bin{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "DVC_SITE_CACHE_DIR": str(sites), "DVC_NO_ANALYTICS": "1"}

    def commands(self) -> list[str]:
        listed = subprocess.run(
            ["python", "-c", "from dvc.repo import Repo; print([s.cmd for s in Repo().index.stages])"],
            cwd=self.path,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return re.findall(r"python -m (stages\.\w+)", listed)

    def first(self) -> float:
        fresh = self.path.parent / f"{self.path.name}-first"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.environment["DVC_SITE_CACHE_DIR"], ignore_errors=True)
        subprocess.run(["git", "clone", "-q", self.path, fresh], check=True)
        (fresh / ".venv").symlink_to(self.path / ".venv")
        for lock in fresh.rglob("dvc.lock"):
            lock.unlink()
        return self.run("make", "repro", where=fresh)

    def noop(self) -> float:
        return self.run("make", "repro")

    def status(self) -> float:
        return self.run("dvc", "status")

    def change(self) -> float:
        self.epochs += 1
        # Else what an earlier sitting in this folder ran would be restored and not run.
        shutil.rmtree(self.path / ".dvc/cache/runs", ignore_errors=True)
        setting = f"fewshot.transfer.fixed.settings.epochs={self.epochs}"
        module = "commands.compose" if (self.path / "commands").exists() else "stages.compose"
        return self.run("python", "-m", module, setting) + self.run("dvc", "repro")

    def pull(self) -> float:
        remote, fresh = (self.path.parent / f"{self.path.name}-{name}" for name in ("remote", "colleague"))
        if not remote.exists():
            self.run("git", "checkout", "-q", ".")
            self.run("dvc", "repro")
            self.run("dvc", "remote", "add", "-f", "--local", "-d", "team", str(remote))
            self.run("dvc", "push")
            self.run(
                "git",
                "-c",
                "user.name=me",
                "-c",
                "user.email=me@example.org",
                "commit",
                "-qam",
                "results",
                "--allow-empty",
            )
        shutil.rmtree(fresh, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", self.path, fresh], check=True)
        self.run("dvc", "remote", "add", "--local", "-d", "team", str(remote), where=fresh)
        return self.run("dvc", "repro", "--pull", where=fresh)

    def start(self) -> float:
        modules = self.commands()
        forks = (self.path / "commands/starting.py").exists()
        own = _cpu(
            ["make", "repro"], self.path, self.environment
        )  # with nothing to do: deciding for all stages
        if forks:
            return own + self._started("fork", *modules)
        alone = _cpu(["dvc", "repro", "--single-item", "report"], self.path, self.environment)
        each = {module: self._started("alone", module) for module in {*modules}}
        return own + sum(each[module] + alone for module in modules)

    def _started(self, *words: str) -> float:
        frame = "stages.frame.params" if (self.path / "stages/frame").exists() else "stages.params"
        how, *modules = words
        command = ["python", "-c", STARTED, how, frame, *modules]
        ran = subprocess.run(
            command, cwd=self.path, env=self.environment, check=True, capture_output=True, text=True
        )
        return float(ran.stdout)

    def finetune(self) -> float:
        return self.run("env", "FARFIELD_WORKERS=1", "python", "-m", "stages.finetune", "all")

    def test(self) -> float:
        return self.run("make", "test")


def _cpu(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    begin = os.times()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    end = os.times()
    return end.children_user + end.children_system - begin.children_user - begin.children_system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], default=["noop", "status", "change"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/everyday-loop"))
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    old, new = Clone(words.folder / "old", words.base), Clone(words.folder / "new", head.strip())
    for clone in (old, new):
        if not (clone.path / "site").exists():
            clone.run("make", "repro")
    for figure in words.figures:
        times: dict[str, list[float]] = {"old": [], "new": []}
        for _ in range(words.runs):
            for name, clone in (("old", old), ("new", new)):
                times[name].append(getattr(clone, figure)())
        one, two = statistics.median(times["old"]), statistics.median(times["new"])
        print(f"{figure}: {one:.1f} s -> {two:.1f} s, {two / one:.2f} of it", json.dumps(times), flush=True)


if __name__ == "__main__":
    sys.exit(main())
