"""What a team shares through a folder, a real S3 server (moto's) and a real sshd: whole, cut off and damaged.

`make test-remotes` runs these alone.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farfield.files import file_hash
from tests.pipeline.clones import Clone, ran
from tests.pipeline.servers import Remote, add_remote, remote

__all__ = ["remote"]

PACKED = "data/packed/target/leaves"
OBJECT = f"{PACKED}/images.npy"
EMBED = "pipelines/fewshot/dvc.yaml:embed@objects"
MANY = 300  # files, so that a kill comes in the middle of them

pytestmark = pytest.mark.remotes


def share(clone: Clone, remote: Remote) -> None:
    """Say in a commit where the remote is."""
    add_remote(clone, remote.url, remote.settings)
    clone.commit("a remote")


@pytest.fixture
def shared(done, remote) -> Clone:
    """A clone whose results are in the remote, and whose commit says where that is."""
    share(done, remote)
    done.dvc("push", "-q")
    return done


@pytest.fixture(scope="module")
def embedded(template, tmp_path_factory) -> Clone:
    """To look at: a clone in which all that `EMBED` follows has run."""
    clone = template.copy(tmp_path_factory.mktemp("embedded") / "clone")
    clone.dvc("repro", "-q", EMBED)
    clone.commit("features")
    return clone


def colleague(shared: Clone, path: Path) -> Clone:
    shared.run("git", "clone", "-q", str(shared.path), str(path))
    return Clone(path)


def name_of(shared: Clone, file: str) -> str:
    """The object of a file of an output, as caches and remotes name it."""
    inode = (shared.path / file).stat().st_ino
    cache = shared.path / ".dvc/cache"
    return next(
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.is_file() and path.stat().st_ino == inode
    )


def test_results_go_through_a_remote(shared, remote, tmp_path, tally):
    kind = kind_of(remote)

    line = tally(f"a remote: {kind}", "none: pushed, pulled into a fresh clone")
    fresh = colleague(shared, tmp_path / "fresh")
    fresh.dvc("pull", "-q")
    assert fresh.make() == []
    assert (fresh.path / OBJECT).read_bytes() == (shared.path / OBJECT).read_bytes()
    line.mended += 1
    line.said = "nothing to run"

    name = name_of(shared, OBJECT)
    oid = "".join(Path(name).parts[-2:])
    right = (shared.path / OBJECT).read_bytes()
    wrong = {"of 0 bytes": b"", "with one bit flipped": bytes([*right[:-1], right[-1] ^ 1])}
    for fault, data in wrong.items():
        remote.write(name, data)
        line = tally(f"a remote: {kind}", f"an object {fault}; a stage that reads it, after `dvc pull`")
        fresh = colleague(shared, tmp_path / fault)
        fresh.dvc("pull", "-q")
        said = fresh.dvc("repro", "--single-item", "--force", EMBED, ok=False)
        assert f"error: {PACKED} is not what its stage left" in said
        line.refuses(said[said.index("error: ") :])

        line = tally(f"a remote: {kind}", f"an object {fault}; `farfield doctor --remote`")
        said = shared.doctor("--remote", ok=False)
        line.refuses(next(one for one in said.splitlines() if oid in one).strip("- "))

        line = tally(f"a remote: {kind}", f"an object {fault}; `dvc pull` with verify = true")
        careful = colleague(shared, tmp_path / f"{fault}, verified")
        careful.dvc("remote", "modify", "team", "verify", "true")
        said = careful.dvc("pull", ok=False)
        assert not (careful.path / OBJECT).exists() or (careful.path / OBJECT).stat().st_size == len(right)
        line.refuses(next(one for one in said.splitlines() if "ERROR" in one or "WARNING" in one))

    line = tally(f"a remote: {kind}", "an object lost; `farfield doctor --remote`, then `make repro`")
    remote.write(name, None)
    said = shared.doctor("--remote", ok=False)
    line.refuses(next(one for one in said.splitlines() if "the remote lacks 1 objects" in one).strip("- "))
    fresh = colleague(shared, tmp_path / "lost")
    fresh.dvc("pull", "-q", ok=False)
    output = fresh.dvc("repro", "data/dvc.yaml:pack@leaves")
    assert "pack@leaves" in ran(output)
    assert (fresh.path / OBJECT).read_bytes() == right
    line.mended += 1


def kind_of(remote: Remote) -> str:
    return remote.url.split(":")[0] if ":" in remote.url else "folder"


def features(clone: Clone) -> dict[str, str]:
    folder = clone.path / "pipelines/fewshot/features/objects"
    return {path.name: file_hash(path) for path in folder.iterdir()}


def test_a_lost_cache_comes_back_and_nothing_runs(embedded, remote, tmp_path, tally):
    line = tally(f"a remote: {kind_of(remote)}", "the local cache and all outputs dropped")
    clone = embedded.copy(tmp_path / "clone")
    share(clone, remote)
    before = features(clone)
    clone.dvc("push", "-q", EMBED)
    clone.dvc("push", "-q", "-d", EMBED)
    clone.run("chmod", "-R", "u+w", ".dvc/cache")
    clone.run(
        "rm", "-rf", ".dvc/cache", "pipelines/fewshot/features", "data/packed", "pipelines/networks/models"
    )
    said = clone.dvc("repro", "--pull", EMBED)
    assert ran(said) == []
    assert features(clone) == before
    line.mended += 1
    line.said = "`dvc repro --pull` runs no stage"


def killed_between(clone: Clone, words: list[str], count: Callable[[], int], whole: int) -> None:
    """Start `dvc` and kill it when some objects have arrived, and not all."""
    before = count()
    process = clone.start("dvc", *words, "--jobs", "1")
    until = time.monotonic() + 300
    while count() - before < whole // 10 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert 0 < count() - before < whole, "the kill came too late, or too early"


def test_a_killed_push_and_a_killed_pull_go_on(template, remote, tmp_path, tally):
    kind = kind_of(remote)
    clone = template.copy(tmp_path / "clone")
    many = clone.path / "many"
    many.mkdir()
    for number in range(MANY):
        (many / str(number)).write_bytes(hashlib.shake_256(str(number).encode()).digest(20_000))
    clone.dvc("add", "-q", "many")
    share(clone, remote)

    line = tally(f"a remote: {kind}", f"`dvc push` of {MANY} files, kill -9 in the middle, pushed again")
    killed_between(clone, ["push", "many.dvc"], remote.count, MANY)
    clone.dvc("push", "-q", "many.dvc")
    assert remote.count() == MANY + 1  # with the list of the folder
    line.mended += 1

    line = tally(f"a remote: {kind}", f"`dvc pull` of {MANY} files, kill -9 in the middle, pulled again")
    theirs = colleague(clone, tmp_path / "theirs")
    cache = theirs.path / ".dvc/cache/files/md5"
    killed_between(theirs, ["pull", "many.dvc"], lambda: sum(1 for _ in cache.glob("??/*")), MANY)
    theirs.dvc("pull", "-q", "many.dvc")
    for number in range(MANY):
        assert (theirs.path / "many" / str(number)).read_bytes() == (many / str(number)).read_bytes()
    line.mended += 1
    line.said = "the bytes that were pushed"
