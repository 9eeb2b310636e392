"""What a team shares through a folder, a real S3 server (moto's) and a real sshd, whole and damaged."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.clones import Clone, ran
from tests.pipeline.servers import KEYS, Remote, folder, s3, ssh

PACKED = "data/packed/target/leaves"
OBJECT = f"{PACKED}/images.npy"
EMBED = "pipelines/fewshot/dvc.yaml:embed@objects"


@pytest.fixture(params=[folder, s3, ssh], ids=["folder", "S3", "SSH"])
def remote(request, tmp_path, monkeypatch) -> Iterator[Remote]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "server").mkdir()
    with request.param(tmp_path / "server") as made:
        yield made


@pytest.fixture
def shared(done, remote) -> Clone:
    """A clone whose results are in the remote, and whose commit says where that is."""
    done.dvc("remote", "add", "-q", "-d", "team", remote.url)
    for name, value in remote.settings.items():
        done.dvc("remote", "modify", "team", name, value)
    done.commit("a remote")
    done.dvc("push", "-q")
    return done


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
    kind = remote.url.split(":")[0] if ":" in remote.url else "folder"

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
