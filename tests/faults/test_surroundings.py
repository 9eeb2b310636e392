"""A full disk, and a shell that is set otherwise than the one in which results were made."""

import hashlib
import os
import resource
import subprocess
import sys

import pytest

from tests.pipeline.clones import ENVIRONMENT

STAGES = {
    "download leaves": "data/raw/leaves",
    "pack leaves": "data/packed/target/leaves",
    "episodes leaves": "data/episodes/leaves.npz",
    "embed objects": "pipelines/fewshot/features/objects",
    "transfer fixed": "pipelines/fewshot/results/fixed.parquet",
    "finetune all": "pipelines/fewshot/results/all.parquet",
}


def contents(clone, output: str) -> dict[str, str]:
    path = clone.path / output
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def stage(clone, words: str, limit: int = 0, **environment: str | None) -> subprocess.CompletedProcess:
    """Run a stage by itself. limit: on the size of files. environment: None takes a name away."""
    variables = {**os.environ, **ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", *f"stages.{words}".split()],
        cwd=clone.path,
        env={name: value for name, value in variables.items() if value is not None},
        text=True,
        capture_output=True,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
    )


def without(clone, output: str) -> None:
    clone.run("rm", "-rf", output)


def test_the_disk_is_full(done, tally):
    """A limit on the size of files stands in for it: both refuse the space, at whatever is written first."""
    for words, output in STAGES.items():
        line = tally(f"`{words.split()[0]}`", "disk full while it writes")
        right = contents(done, output)
        for part in (0.02, 0.6):
            size = max(path.stat().st_size for path in [done.path / output, *(done.path / output).glob("*")])
            without(done, output)
            failed = stage(done, words, limit=max(int(size * part), 200))
            assert failed.returncode == 1, failed.stderr
            assert "Traceback" not in failed.stderr
            assert not (done.path / output).exists(), "an output is left, half-written"
            line.refuses(failed.stderr[failed.stderr.index("error: ") :])
            again = stage(done, words)
            assert again.returncode == 0, again.stderr
            assert contents(done, output) == right


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("no HOME", {"HOME": None}),
        ("Turkish, and far east of here", {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Auckland"}),
        ("plain C, no UTF-8 mode", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("another seed of hashes", {"PYTHONHASHSEED": "12345"}),
    ],
)
def test_the_shell_is_set_otherwise(done, tally, name, environment):
    line = tally("a stage", name)
    for words in ("pack leaves", "episodes leaves", "transfer fixed"):
        output = STAGES[words]
        right = contents(done, output)
        without(done, output)
        ended = stage(done, words, **environment)
        assert ended.returncode == 0, ended.stderr
        if contents(done, output) == right:
            line.mended += 1
        else:
            line.unnoticed.append(f"other bytes of {output}")


def test_a_checkout_that_may_not_be_written_to(done, tally):
    line = tally("`dvc repro`, `farfield compose`", "a checkout that may not be written to")
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    for folder in (done.path, done.path / "params"):
        folder.chmod(0o555)
    try:
        said = done.run("python", "-m", "commands.compose", "fewshot.episodes=7", ok=False)
        line.refuses(said)
    finally:
        for folder in (done.path, done.path / "params"):
            folder.chmod(0o755)
