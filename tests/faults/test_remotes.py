"""What a team shares through a folder, a real S3 server (moto's) and a real sshd, whole and damaged."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.clones import Clone, ran

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
PACKED = "data/packed/target/leaves"
OBJECT = f"{PACKED}/images.npy"
EMBED = "pipelines/fewshot/dvc.yaml:embed@objects"


@dataclass
class Remote:
    """url, settings: as `dvc remote add` and `modify` take them. write: an object's bytes, None to lose it."""

    url: str
    settings: dict[str, str]
    write: Callable[[str, bytes | None], None]


def in_folder(root: Path) -> Callable[[str, bytes | None], None]:
    def write(name: str, data: bytes | None) -> None:
        path = root / name
        path.chmod(0o644)
        path.unlink() if data is None else path.write_bytes(data)

    return write


@contextlib.contextmanager
def folder(place: Path) -> Iterator[Remote]:
    yield Remote(str(place / "a remote"), {}, in_folder(place / "a remote"))


@contextlib.contextmanager
def s3(place: Path) -> Iterator[Remote]:
    server = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")
    pytest.importorskip("dvc_s3", reason="needs the extra s3")
    import boto3

    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="team")

        def write(name: str, data: bytes | None) -> None:
            key = {"Bucket": "team", "Key": f"farfield/{name}"}
            client.head_object(**key)  # it is there
            client.delete_object(**key) if data is None else client.put_object(**key, Body=data)

        yield Remote("s3://team/farfield", {"endpointurl": endpoint}, write)
    finally:
        running.stop()


@contextlib.contextmanager
def ssh(place: Path) -> Iterator[Remote]:
    if not Path(SSHD).exists():
        pytest.skip("needs sshd (Debian: openssh-server)")
    pytest.importorskip("dvc_ssh", reason="needs the extra ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {place}/host",
        f"AuthorizedKeysFile {place}/user.pub",
        "StrictModes no",
        "PasswordAuthentication no",
        "PidFile none",
        "Subsystem sftp internal-sftp",
    ]
    (place / "sshd_config").write_text("\n".join(lines) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # which it gives up its rights in
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", place / "sshd_config"], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None, server.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        url = f"ssh://{user}@127.0.0.1:{port}{place}/remote"
        yield Remote(url, {"keyfile": f"{place}/user"}, in_folder(place / "remote"))
    finally:
        server.terminate()
        server.communicate()


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
