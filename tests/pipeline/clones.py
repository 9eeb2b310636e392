"""Clones of this repository in which DVC really runs, on the tiny profile.

DVC runs in this process where a test looks at what it does, which spares its start of two seconds, and the
commands of stages are forked as by `make repro`, which spares theirs; as a process of its own that starts others
where a test kills it or reads what a user would see, and for the whole run that all others are compared with.
"""

import compileall
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dvc.cli
import yaml

from commands import compose, side_by_side
from commands.doctor.__main__ import main as doctor
from farfield.errors import InputError

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

    def dvc(self, *words: str, ok: bool = True, **environment: str) -> str:
        """`dvc` with these words, in this process; its output and that of the stages."""
        with self._inside(environment) as said:
            status = dvc.cli.main(list(words))
        assert (status == 0) == ok, said[0]
        return said[0]

    def doctor(self, *words: str, ok: bool = True) -> str:
        """`farfield doctor` with these words, in this process; what it says."""
        with self._inside({}) as said:
            status = doctor(list(words))
        assert (status == 0) == ok, said[0]
        return said[0]

    def make(self) -> list[str]:
        """What `make repro JOBS=1` runs, in this process; the stages that it executed.

        Stages are forked from one process with torch imported, which all tests of a worker share.
        """
        ended = signal.getsignal(signal.SIGTERM)
        problem = None
        with self._inside({}) as said:
            try:
                side_by_side.main(1)
            except SystemExit as error:
                problem = error.code
            finally:
                signal.signal(signal.SIGTERM, ended)
        assert problem is None, f"{said[0]}{problem}"
        return [line.split()[1].split(":")[-1] for line in said[0].splitlines() if line.startswith("done ")]

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
        """`python -m commands.compose profile=tiny` with these overrides, in this process."""
        problem = ""
        with self._inside({}) as said:
            try:
                compose.main(["profile=tiny", *overrides])
            except InputError as error:
                problem = str(error)
        assert (not problem) == ok, problem or said[0]
        return said[0] + problem

    def say(self, **values) -> None:
        """Write values into params.yaml and compose them."""
        with self._inside({}):
            record = compose.read_record()
            for section, entries in values.items():
                record.setdefault(section, {}).update(entries)
            Path("params.yaml").write_text(yaml.safe_dump(plain(record), sort_keys=False))
            compose.main([])

    def copy(self, path: Path) -> "Clone":
        shutil.copytree(self.path, path, symlinks=True)
        return Clone(path)

    def commit(self, message: str = "change") -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def lock(self) -> dict[str, dict[str, str]]:
        """{stage: {output: hash}} of all dvc.lock files."""
        stages = {}
        for path in sorted(self.path.glob("**/dvc.lock")):
            for name, stage in yaml.load(path.read_bytes(), yaml.CSafeLoader)["stages"].items():
                stages[name] = {out["path"]: out["md5"] for out in stage["outs"]}
        return stages

    def lock_files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in self.path.glob("**/dvc.lock")
        }

    @contextlib.contextmanager
    def _inside(self, environment: dict[str, str]) -> Iterator[list[str]]:
        """This process in the clone's folder and with its environment. All that is printed, by processes
        that it starts too, is in the list afterwards."""
        said: list[str] = []
        kept = dict(os.environ), Path.cwd(), os.dup(1), os.dup(2)
        level = logging.getLogger("dvc").level  # which our commands change
        handlers = {handler: handler.stream for handler in logging.getLogger("dvc").handlers}
        with tempfile.TemporaryFile("w+", errors="replace") as file:
            try:
                os.chdir(self.path)
                os.environ.update(ENVIRONMENT | environment)
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
                with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                    for handler in handlers:  # DVC's keep the streams that they found when it was imported
                        handler.setStream(file)
                    yield said
            finally:
                before, folder, *streams = kept
                for number, stream in enumerate(streams, start=1):
                    os.dup2(stream, number)
                    os.close(stream)
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(before)
                logging.getLogger("dvc").setLevel(level)
                for handler, stream in handlers.items():
                    handler.setStream(stream)
                file.flush()
                file.seek(0)
                said.append(file.read())


def plain(value):
    """Without the comments that a parser kept."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


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


def copy_of_working_tree(path: Path) -> None:
    """The files that Git tracks or would track here, committed on `main` with the tiny profile, and their
    bytecode, so that no clone compiles them anew."""
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
    for package in ("farfield", "stages", "commands"):
        compileall.compile_dir(path / package, quiet=1)
