"""Archives: members read in place, and every unsafe or damaged one refused by name."""

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from farfield.datasets import archive_checks, archives
from farfield.datasets.archives import read, scan, stream, visit
from farfield.errors import InputError

FILES = {"a/1.jpg": b"one", "a/2.jpg": b"", "b/3.jpg": bytes(range(256)) * 40}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    mode = {"gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(path.suffix[1:], "w")
    with tarfile.open(path, mode) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    return write_tar(path, [(tarfile.TarInfo(name), data) for name, data in files.items()])


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_archive(tmp_path / f"images.{request.param}", FILES)


def test_members_are_listed_in_the_order_of_the_archive(archive):
    assert [(member.name, member.size) for member in scan(archive)] == [
        (name, len(data)) for name, data in FILES.items()
    ]


def test_wanted_members_come_in_the_order_of_the_archive(archive):
    assert list(stream(archive, ["b/3.jpg", "a/1.jpg"])) == [
        ("a/1.jpg", b"one"),
        ("b/3.jpg", FILES["b/3.jpg"]),
    ]
    assert list(stream(archive, [])) == []


def test_one_member_is_read_whole_or_as_a_file(archive):
    assert read(archive, "a/2.jpg") == b""
    for file in visit(archive, ["b/3.jpg"], lambda member, file: [file]):
        assert file.read(3) == bytes([0, 1, 2])
        assert file.read() == FILES["b/3.jpg"][3:]


def test_a_member_that_is_not_there_is_named(archive):
    with pytest.raises(InputError, match=r"images\..* does not hold a/9\.jpg"):
        list(stream(archive, ["a/1.jpg", "a/9.jpg"]))
    with pytest.raises(InputError, match=r"does not hold a/9\.jpg"):
        list(visit(archive, ["a/9.jpg"], lambda member, file: [file]))


@pytest.mark.parametrize(
    ("share", "kinds"), [(0.2, KINDS), (0.6, KINDS), (0.97, ["zip", "tar.gz", "tar.xz"])]
)
def test_a_truncated_archive_is_named(tmp_path, share, kinds):
    noise = {name: random.Random(1).randbytes(4000) for name in FILES}
    for kind in kinds:
        path = write_archive(tmp_path / f"cut.{kind}", noise)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(InputError, match=rf"cut\.{kind} is truncated, damaged"):
            scan(path)


def test_a_tar_cut_between_two_members_is_noticed(tmp_path):
    path = write_archive(tmp_path / "cut.tar", FILES)
    path.write_bytes(path.read_bytes()[:1024])  # one header, one block of data
    with pytest.raises(InputError, match="mark of its end is missing"):
        scan(path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_damaged_bytes_are_noticed_by_their_checksum(tmp_path, kind):
    path = write_archive(tmp_path / f"bad.{kind}", {"a.jpg": random.Random(1).randbytes(20_000)})
    content = bytearray(path.read_bytes())
    content[10_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.{kind} is"):
        list(stream(path, [member.name for member in scan(path)]))


def test_a_zip_that_claims_less_than_it_holds_is_refused(tmp_path):
    path = write_archive(tmp_path / "liar.zip", {"a.jpg": b"x" * 5000})
    content = path.read_bytes()
    size = (5000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (50).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"liar\.zip is truncated, damaged"):
        read(path, "a.jpg")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK", b"\x1f\x8b"])
def test_what_is_no_archive_is_named(tmp_path, content):
    path = tmp_path / "page.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"page\.zip is truncated, damaged or no zip or tar archive"):
        scan(path)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.zip does not exist"):
        scan(tmp_path / "none.zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("../out.jpg", r"'\.\.'"),
        ("a/../../out.jpg", r"'\.\.'"),
        ("C:/out.jpg", "drive letter"),
        ("a\\b.jpg", "backslash"),
    ],
)
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, kind, name, reason):
    path = write_archive(tmp_path / f"unsafe.{kind}", {"good.jpg": b"", name: b"x"})
    for use in (scan, lambda path: list(stream(path, [name])), lambda path: read(path, name)):
        with pytest.raises(InputError, match=rf"unsafe\.{kind} holds an unsafe member: .*{reason}"):
            use(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_devices_and_pipes_in_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "good.jpg"
    path = write_tar(tmp_path / "odd.tar", [(tarfile.TarInfo("good.jpg"), b"x"), (info, b"")])
    with pytest.raises(InputError, match="'odd' is a link, a device, a pipe"):
        scan(path)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_devices_and_pipes_in_a_zip_are_refused(tmp_path, mode):
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as packed:
        info = zipfile.ZipInfo("odd")
        info.external_attr = mode << 16
        packed.writestr(info, "good.jpg")
    with pytest.raises(InputError, match="'odd' is a link, a device or a pipe"):
        scan(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path, kind):
    path = tmp_path / f"twice.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("a.jpg", b"1")
            packed.writestr("./a.jpg", b"2")
    else:
        write_tar(path, [(tarfile.TarInfo("a.jpg"), b"1"), (tarfile.TarInfo("./a.jpg"), b"2")])
    with pytest.raises(InputError, match="is there twice"):
        scan(path)


def test_folders_may_be_named_again_and_names_lose_their_dots(tmp_path):
    folder = tarfile.TarInfo("./a")
    folder.type = tarfile.DIRTYPE
    root = tarfile.TarInfo("./")
    root.type = tarfile.DIRTYPE
    file = tarfile.TarInfo("./a//1.jpg")
    path = write_tar(tmp_path / "dots.tar", [(root, b""), (folder, b""), (file, b"x"), (folder, b"")])
    assert [(member.name, member.folder) for member in scan(path)] == [("a", True), ("a/1.jpg", False)]
    assert read(path, "a/1.jpg") == b"x"


def test_an_encrypted_file_is_refused(tmp_path):
    path = write_archive(tmp_path / "secret.zip", {"a.jpg": b"x"})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"'a\.jpg' is encrypted"):
        scan(path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_that_unpacks_to_far_more_than_it_weighs_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 2**20)
    path = write_archive(tmp_path / f"bomb.{kind}", {f"{n}.bmp": bytes(2**20) for n in range(5)})
    with pytest.raises(InputError, match=rf"bomb\.{kind} holds an unsafe member: .*unpack to"):
        scan(path)


def test_endless_padding_behind_a_tar_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 2**20)
    plain = write_archive(tmp_path / "plain.tar", FILES).read_bytes()
    path = tmp_path / "padded.tar.gz"
    path.write_bytes(gzip.compress(plain + bytes(8 * 2**20)))
    with pytest.raises(InputError, match="padding at its end"):
        scan(path)


def test_a_huge_header_is_not_read(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    path = tmp_path / "header.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InputError, match="one whose header has 1073741824 bytes"):
        scan(path)


def test_a_file_too_large_for_memory_is_only_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_IN_MEMORY", 100)
    path = write_archive(tmp_path / "large.tar", FILES)
    with pytest.raises(InputError, match=r"b/3\.jpg claims to hold 10240 bytes"):
        read(path, "b/3.jpg")
    assert list(visit(path, ["b/3.jpg"], lambda member, file: [len(file.read())])) == [10240]


def test_more_members_than_memory_should_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "MOST_MEMBERS", 2)
    with pytest.raises(InputError, match="comes after 2 others"):
        scan(write_archive(tmp_path / "many.zip", FILES))


def test_a_name_that_is_no_utf8_can_still_be_written_down(tmp_path):
    path = tmp_path / "latin.tar"
    with tarfile.open(path, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("café.jpg")
        tar.addfile(info)
    [member] = scan(path)
    assert member.name == "caf\ufffd.jpg"
    assert read(path, member.name) == b""


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_without_a_name_is_refused(tmp_path, kind):
    path = tmp_path / f"nameless.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("a.jpg", b"x")
            packed.writestr(zipfile.ZipInfo(""), b"y")
    else:
        write_tar(path, [(tarfile.TarInfo("a.jpg"), b"x"), (tarfile.TarInfo("./"), b"y")])
    with pytest.raises(InputError, match=rf"nameless\.{kind} holds an unsafe member: .*has an empty name"):
        scan(path)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (tarfile.GNUTYPE_LONGNAME, tarfile.GNU_FORMAT),
        (tarfile.XHDTYPE, tarfile.PAX_FORMAT),
        (tarfile.XGLTYPE, tarfile.PAX_FORMAT),
    ],
)
def test_thousands_of_extended_headers_are_refused_in_one_message(tmp_path, kind, form):
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, int(kind == tarfile.GNUTYPE_LONGNAME)
    path = tmp_path / "deep.tar"
    path.write_bytes((info.tobuf(form) + bytes(512 * info.size)) * 5000 + bytes(1024))
    with pytest.raises(
        InputError, match=r"deep\.tar is truncated, damaged or no zip or tar archive \(Recursion"
    ):
        scan(path)
