"""Remotes to share results through, each on a server of this machine: a folder, S3 (moto's), SSH (a real sshd).

Each is a context that yields a `Remote` with a place of its own below `place`; S3 wants `KEYS` as environment.
What a machine lacks for one skips the test, and says so.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.clones import Clone

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Remote:
    """url, settings: as `dvc remote add` and `modify` take them. write: an object's bytes, None to lose it.
    count: how many there are."""

    url: str
    settings: dict[str, str]
    write: Callable[[str, bytes | None], None]
    count: Callable[[], int]


def in_folder(root: Path) -> Callable[[str, bytes | None], None]:
    def write(name: str, data: bytes | None) -> None:
        path = root / name
        path.chmod(0o644)
        path.unlink() if data is None else path.write_bytes(data)

    return write


def count_in(root: Path) -> Callable[[], int]:
    """Without what is still being written, which has other names."""
    return lambda: sum(
        len(path.name.removesuffix(".dir")) == 30 for path in (root / "files/md5").glob("??/*")
    )


@contextlib.contextmanager
def folder(place: Path) -> Iterator[Remote]:
    root = place / "a remote"
    yield Remote(str(root), {}, in_folder(root), count_in(root))


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

        def count() -> int:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket="team", Prefix="farfield/files/md5/"
            )
            return sum(page["KeyCount"] for page in pages)

        yield Remote("s3://team/farfield", {"endpointurl": endpoint}, write, count)
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
    said = place / "sshd.log"  # no pipe, which processes that serve a connection would hold open
    with said.open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", place / "sshd_config"], stderr=log)
    try:
        until = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        url = f"ssh://{user}@127.0.0.1:{port}{place}/remote"
        root = place / "remote"
        yield Remote(url, {"keyfile": f"{place}/user"}, in_folder(root), count_in(root))
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(params=[folder, s3, ssh], ids=["folder", "S3", "SSH"])
def remote(request, tmp_path, monkeypatch) -> Iterator[Remote]:
    with started(request.param, tmp_path, monkeypatch) as made:
        yield made


@contextlib.contextmanager
def started(
    server: Callable[[Path], contextlib.AbstractContextManager[Remote]],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Remote]:
    """The remote of a server whose files lie below `place`, and `KEYS` in the environment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (place / "server").mkdir()
    with server(place / "server") as made:
        yield made


def add_remote(clone: Clone, url: str, settings: Mapping[str, str]) -> None:
    """Make it the clone's default, under the name `team`."""
    clone.dvc("remote", "add", "-q", "-d", "team", url)
    for name, value in settings.items():
        clone.dvc("remote", "modify", "team", name, value)
