"""Downloads: sources in order, partial files continued, checksums never skipped."""

import errno
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_server import Server

from farfield.datasets import download
from farfield.datasets.archives import scan
from farfield.datasets.cards import Archive
from farfield.datasets.download import fetch
from farfield.errors import InputError

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def zip_of(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr(zipfile.ZipInfo(name), b"x" * 100)
    return packed.getvalue()


def started(server: Server) -> Iterator[Server]:
    server.files["a.zip"] = CONTENT
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from started(Server())


@pytest.fixture
def plain_server() -> Iterator[Server]:
    """Like `python -m http.server`: it ignores Range."""
    yield from started(Server(ranges=False))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    (folder / "A").mkdir(parents=True)
    (folder / "A/a.zip").write_bytes(CONTENT)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw/a.zip"


def partial_of(target: Path) -> Path:
    return target.with_name("a.zip.partial")


def leave_partial(target: Path, content: bytes) -> None:
    target.parent.mkdir()
    partial_of(target).write_bytes(content)


def get(archive: Archive, target: Path, mirror: object = None, access: str = "") -> str:
    return fetch("a.zip", archive, target, None if mirror is None else str(mirror), access, progress=False)


def test_an_archive_comes_from_the_mirror(mirror, target):
    line = get(Archive(path="A/a.zip", sha256=SHA256, size=len(CONTENT)), target, mirror)
    assert target.read_bytes() == CONTENT
    assert f"{mirror}/A/a.zip" in line
    assert "sha256 verified" in line
    assert list(target.parent.iterdir()) == [target]


def test_a_mirror_may_be_a_file_url(mirror, target):
    get(Archive(path="A/a.zip", md5=MD5), target, mirror.as_uri())
    assert target.read_bytes() == CONTENT


def test_a_mirror_may_be_a_web_server(server, target):
    server.files["files/A/a.zip"] = CONTENT
    line = get(Archive(path="A/a.zip", md5=MD5), target, server.url("files/"))
    assert target.read_bytes() == CONTENT
    assert "md5 verified" in line


def test_the_url_is_used_when_the_mirror_lacks_the_file(mirror, server, target):
    line = get(Archive(path="B/b.zip", urls=(server.url("a.zip"),), sha256=SHA256), target, mirror)
    assert target.read_bytes() == CONTENT
    assert f"not from {mirror}/B/b.zip: there is no such file" in line


def test_a_partial_file_is_continued_and_not_begun_anew(server, target):
    leave_partial(target, CONTENT[:90_000])
    get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - 90_000


def test_many_pieces_make_the_file(server, target, monkeypatch):
    monkeypatch.setattr(download, "PIECE", 1000)
    get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize("already", [0, 50_000])
def test_a_server_without_ranges_is_read_as_a_whole(plain_server, target, monkeypatch, already):
    monkeypatch.setattr(download, "PIECE", 1000)
    leave_partial(target, CONTENT[:already])
    get(Archive(urls=(plain_server.url("a.zip"),), sha256=SHA256), target)
    assert target.read_bytes() == CONTENT


def test_a_partial_file_that_is_complete_needs_no_more_bytes(server, target):
    leave_partial(target, CONTENT)
    get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target)
    assert target.read_bytes() == CONTENT
    assert server.sent == 0


@pytest.mark.parametrize("wrong", [b"x" * 500, b"x" * 200_000])
def test_a_continued_file_with_a_wrong_checksum_is_brought_once_more(server, target, wrong):
    leave_partial(target, wrong)
    get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_goes_to_the_next_source_and_leaves_nothing_behind(mirror, server, target):
    (mirror / "A/a.zip").write_bytes(b"damaged")
    line = get(Archive(path="A/a.zip", urls=(server.url("a.zip"),), sha256=SHA256), target, mirror)
    assert target.read_bytes() == CONTENT
    assert f"its sha256 is {hashlib.sha256(b'damaged').hexdigest()}, but the card says {SHA256}" in line
    assert list(target.parent.iterdir()) == [target]


def test_when_every_source_fails_each_is_named_with_its_reason(mirror, server, target):
    (mirror / "A/a.zip").write_bytes(b"damaged")
    archive = Archive(path="A/a.zip", urls=(server.url("gone.zip"),), md5=MD5)
    with pytest.raises(InputError) as caught:
        get(archive, target, mirror, access="Sign up at example.org.")
    message = str(caught.value)
    assert f"{mirror}/A/a.zip: its md5 is {hashlib.md5(b'damaged').hexdigest()}" in message
    assert f"{server.url('gone.zip')}: there is no such file" in message
    assert f"Sign up at example.org.\nPlace the file at {mirror}/A/a.zip" in message
    assert list(target.parent.iterdir()) == []


def test_without_any_source_the_message_says_how_to_get_the_file(target):
    with pytest.raises(InputError, match=r"(?s)no url, and no mirror.*Sign up.*<mirror>/A/a\.zip"):
        get(Archive(path="A/a.zip", sha256=SHA256), target, access="Sign up.")


def test_a_mirror_that_does_not_exist_is_named_before_anything_is_downloaded(server, target, tmp_path):
    with pytest.raises(InputError, match=rf"the mirror {tmp_path}/nowhere does not exist"):
        get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target, tmp_path / "nowhere")
    assert server.sent == 0


def test_a_mirror_of_an_unknown_kind_is_named(target):
    with pytest.raises(InputError, match="the mirror nosuch://store cannot be read"):
        get(Archive(sha256=SHA256), target, "nosuch://store")


def test_a_size_that_the_card_does_not_have_is_refused_before_the_transfer(server, target):
    with pytest.raises(InputError, match="it offers 102400 bytes, but the card says 5"):
        get(Archive(urls=(server.url("a.zip"),), size=5, sha256=SHA256), target)
    assert server.sent == 0


def test_a_broken_connection_leaves_a_partial_file_that_the_next_run_continues(server, target, monkeypatch):
    monkeypatch.setattr(download, "PIECE", 30_000)
    archive = Archive(urls=(server.url("a.zip"),), sha256=SHA256)
    server.files["a.zip"] = CONTENT
    whole = server.files
    server.files = Breaking(whole, after=4)  # two of HEAD, then two pieces
    with pytest.raises(InputError, match=r"a\.zip could not be had"):
        get(archive, target)
    assert partial_of(target).read_bytes() == CONTENT[:60_000]
    server.files, server.sent = whole, 0
    get(archive, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - 60_000


class Breaking(dict):
    """Files that vanish after so many requests."""

    def __init__(self, files: dict[str, bytes], after: int) -> None:
        super().__init__(files)
        self.left = after

    def get(self, key: str, default: object = None) -> object:
        self.left -= 1
        return super().get(key, default) if self.left >= 0 else default


def test_a_truncated_answer_is_no_file(server, target):
    server.cut = 1000
    with pytest.raises(InputError, match=r"a\.zip could not be had"):
        get(Archive(urls=(server.url("a.zip"),), sha256=SHA256), target)
    assert not target.exists()


def test_an_unverified_archive_says_so_with_the_checksum_to_pin(mirror, target):
    line = get(Archive(path="A/a.zip", unverified="none is published"), target, mirror)
    assert "NOT VERIFIED (none is published)" in line
    assert SHA256 in line


def test_an_unverified_archive_is_never_joined_from_two_sources(mirror, server, target):
    leave_partial(target, b"from elsewhere")
    get(Archive(path="B/b.zip", urls=(server.url("a.zip"),), unverified="none"), target, mirror)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("etags", [("one", "one"), ("one", "two"), ("", "")])
def test_an_unverified_archive_is_continued_only_if_it_is_the_same_version(
    server, target, monkeypatch, etags
):
    """Of the same size, and nothing else would tell; a server that says nothing of versions is read anew."""
    archive = Archive(urls=(server.url("a.zip"),), unverified="none")
    monkeypatch.setattr(download, "PIECE", 30_000)
    server.etag, whole = etags[0], server.files
    server.files = Breaking(whole, after=4)
    with pytest.raises(InputError, match=r"a\.zip could not be had"):
        get(archive, target)
    assert partial_of(target).stat().st_size == 60_000
    now = CONTENT if etags[1] == "one" else CONTENT[::-1]
    server.files, server.etag, server.sent = {"a.zip": now}, etags[1], 0
    get(archive, target)
    assert target.read_bytes() == now
    assert server.sent == len(now) - (60_000 if etags == ("one", "one") else 0)
    assert not list(target.parent.glob("*.version"))


@pytest.mark.parametrize("left", [b"", b"{", b"\xff"])
def test_a_note_of_a_version_that_is_damaged_says_nothing(mirror, target, left):
    leave_partial(target, b"half")
    partial_of(target).with_name("a.zip.partial.version").write_bytes(left)
    get(Archive(path="A/a.zip", unverified="none is published"), target, mirror)
    assert target.read_bytes() == CONTENT


def test_a_full_disk_stops_with_the_file_named_and_what_came_kept(mirror, target, monkeypatch):
    monkeypatch.setattr(download, "PIECE", 40_000)
    real = Path.open

    def open_full(path, *args, **keywords):
        file = real(path, *args, **keywords)
        return Full(file) if path.name.endswith(".partial") and args == ("wb",) else file

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OSError, match="No space left") as caught:
        get(Archive(path="A/a.zip", sha256=SHA256), target, mirror)
    assert caught.value.filename == str(partial_of(target))
    assert not target.exists()
    monkeypatch.undo()
    assert partial_of(target).read_bytes() == CONTENT[:40_000]
    get(Archive(path="A/a.zip", sha256=SHA256), target, mirror)
    assert target.read_bytes() == CONTENT


class Full:
    """A file on a disk with room for 50,000 bytes."""

    def __init__(self, file) -> None:
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()

    def tell(self) -> int:
        return self.file.tell()

    def write(self, data: bytes) -> int:
        if self.file.tell() + len(data) > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def test_a_password_in_an_address_is_not_shown(target):
    with pytest.raises(InputError) as caught:
        get(Archive(urls=("http://user:secret@127.0.0.1:9/a.zip",), sha256=SHA256), target)
    assert "secret" not in str(caught.value)


PAGE = b"<!DOCTYPE html>\n<html><head><title> Confirm\n the download </title></head></html>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PAGE, r"what came is a web page \('Confirm the download'\)"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?><!-- x --><HTML>", "what came is a web page"),
        (b'{"error": "quota exceeded"}', r"what came is refused: a\.zip is truncated, damaged or no zip"),
        (zip_of("a/1.png")[:-30], r"what came is refused: a\.zip is truncated"),
        (zip_of("../out.png"), r"what came is refused: a\.zip holds an unsafe member"),
    ],
)
def test_what_is_no_archive_is_refused_and_the_same_call_works_once_it_is_replaced(
    server, target, content, message
):
    archive = Archive(urls=(server.url("a.zip"),), unverified="none is published")
    server.files["a.zip"] = content
    with pytest.raises(InputError, match=message):
        fetch("a.zip", archive, target, None, "", walk=scan, progress=False)
    assert list(target.parent.iterdir()) == []
    server.files["a.zip"] = zip_of("a/1.png")
    fetch("a.zip", archive, target, None, "", walk=scan, progress=False)
    assert target.read_bytes() == zip_of("a/1.png")


def test_a_page_in_place_of_a_table_is_refused_too(server, target):
    server.files["a.csv"] = PAGE
    with pytest.raises(InputError, match="what came is a web page"):
        fetch(
            "a.csv", Archive(urls=(server.url("a.csv"),), unverified="none"), target, None, "", progress=False
        )


@pytest.mark.parametrize("name", ["my mirror", "a::b", "it's $x", "100% #1?"])
def test_a_mirror_may_have_any_name(tmp_path, target, name):
    (tmp_path / name / "A b").mkdir(parents=True)
    (tmp_path / name / "A b/a#1 %20.zip").write_bytes(CONTENT)
    get(Archive(path="A b/a#1 %20.zip", sha256=SHA256), target, tmp_path / name)
    assert target.read_bytes() == CONTENT


def test_a_mirror_may_be_below_the_home_folder(mirror, target, monkeypatch):
    monkeypatch.setenv("HOME", str(mirror.parent))
    get(Archive(path="A/a.zip", sha256=SHA256), target, "~/mirror")
    assert target.read_bytes() == CONTENT
    with pytest.raises(InputError, match=rf"the mirror {mirror.parent}/other does not exist"):
        get(Archive(path="A/a.zip", sha256=SHA256), target, "~/other")


def test_signs_that_mean_something_in_an_address_are_quoted(server, target):
    server.files["files/A b/a%231.zip"] = CONTENT  # as the server is asked
    server.files["files/A%20b/a%231.zip"] = CONTENT
    get(Archive(path="A b/a#1.zip", sha256=SHA256), target, server.url("files"))
    assert target.read_bytes() == CONTENT
