"""Tars inside archives are read where they lie, by the rules for all archives."""

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from made_up_archives import pack, tar_of

from farfield.datasets import archive_checks
from farfield.datasets.archives import scan, stream, visit
from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.errors import InputError

FILES = {
    f"set/{number}.jpg": random.Random(number).randbytes(size)
    for number, size in enumerate((0, 1, 511, 512, 513, 70_000, 0, 200_000, 3))
}
OTHERS = {"other/1.jpg": bytes(30_000)}


@pytest.fixture(params=["zip", "tar", "tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"data.{request.param}"
    pack(path, {"other.tar": tar_of(OTHERS), "set.tar": tar_of(FILES), "note.txt": b"about"})
    return path


def test_members_of_the_inner_tar_are_listed(archive):
    assert [(member.name, member.size) for member in scan(archive, "set.tar")] == [
        (name, len(data)) for name, data in FILES.items()
    ]
    assert [member.name for member in scan(archive)] == ["other.tar", "set.tar", "note.txt"]


def test_wanted_members_of_the_inner_tar_come_in_its_order(archive):
    assert dict(stream(archive, FILES, "set.tar")) == FILES
    wanted = ["set/7.jpg", "set/4.jpg", "set/0.jpg"]
    assert list(stream(archive, wanted, "set.tar")) == [(name, FILES[name]) for name in sorted(wanted)]


def test_what_is_not_there_is_named(archive):
    with pytest.raises(InputError, match=rf"{archive.name} does not hold svhn\.tar"):
        scan(archive, "svhn.tar")
    with pytest.raises(InputError, match=rf"{archive.name}: set\.tar does not hold set/9\.jpg"):
        list(stream(archive, ["set/9.jpg"], "set.tar"))


def test_what_is_no_tar_is_named(archive):
    with pytest.raises(InputError, match=rf"{archive.name} is truncated, damaged or no zip or tar archive"):
        scan(archive, "note.txt")


def test_an_open_member_can_be_searched_like_a_file(archive):
    [places] = visit(archive, ["set.tar"], lambda member, file: [_searched(file)])
    assert places == (FILES["set/7.jpg"], bytes(512), 5)


def _searched(file):
    with tarfile.open(fileobj=file) as tar:
        inner = tar.extractfile("set/7.jpg")
        assert inner is not None
        content = inner.read()
        file.seek(-512, 2)
        end = file.read()
        file.seek(0)
        file.seek(5, 1)
        return content, end, file.tell()


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_an_inner_tar_that_is_cut_short_is_noticed(tmp_path, cut):
    inner = tar_of(FILES)
    pack(tmp_path / "data.tar.gz", {"set.tar": inner[: int(cut * len(inner))], "after.tar": tar_of(OTHERS)})
    with pytest.raises(InputError, match=r"data\.tar\.gz is truncated, damaged"):
        scan(tmp_path / "data.tar.gz", "set.tar")


@pytest.mark.parametrize("name", ["../out.jpg", "/out.jpg", "a\\b.jpg"])
def test_an_unsafe_name_in_the_inner_tar_is_refused(tmp_path, name):
    pack(tmp_path / "data.tar.gz", {"set.tar": tar_of({name: b"1"})})
    with pytest.raises(InputError, match=r"data\.tar\.gz: set\.tar holds an unsafe member"):
        scan(tmp_path / "data.tar.gz", "set.tar")


def test_an_inner_archive_that_is_compressed_again_is_no_tar(tmp_path):
    pack(tmp_path / "data.tar", {"set.tar": gzip.compress(tar_of({"bomb.jpg": bytes(10**6)}))})
    with pytest.raises(InputError, match=r"data\.tar is truncated, damaged or no zip or tar"):
        scan(tmp_path / "data.tar", "set.tar")


def test_an_outer_archive_that_unpacks_to_far_more_than_it_weighs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("set.tar", tar_of({"1.jpg": bytes(10**6)}))
    with pytest.raises(InputError, match="makes the archive unpack to"):
        scan(tmp_path / "data.zip", "set.tar")


def zip_of(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize("outer", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("inner", ["zip", "tar", "tar.gz"])
def test_a_path_may_go_on_inside_an_archive(tmp_path, outer, inner):
    kinds = {"zip": zip_of, "tar": tar_of, "tar.gz": lambda files: gzip.compress(tar_of(files), 1)}
    innermost = kinds[inner](FILES)
    path = tmp_path / f"data.{outer}"
    pack(
        path, {"note.txt": b"", f"sets/one.{inner}": innermost, "deep.zip": zip_of({f"x.{inner}": innermost})}
    )
    for within in (path / f"sets/one.{inner}", path / f"deep.zip/x.{inner}"):
        assert [(member.name, member.size) for member in scan(within)] == [
            (name, len(data)) for name, data in FILES.items()
        ]
        assert dict(stream(within, ["set/7.jpg", "set/1.jpg"])) == {
            name: FILES[name] for name in ("set/1.jpg", "set/7.jpg")
        }
    with pytest.raises(InputError, match=rf"data\.{outer} does not hold sets/two\.zip"):
        scan(path / "sets/two.zip")
    with pytest.raises(InputError, match=r"does not exist"):
        scan(tmp_path / "none.zip/one.zip")


def test_what_unpacks_in_two_steps_may_not_weigh_more_than_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_checks, "FREE_BYTES", 2**20)
    bomb = zip_of({f"{n}.bmp": bytes(2**20) for n in range(5)})
    (tmp_path / "data.zip").write_bytes(zip_of({"inner.zip": bomb}))
    assert len(scan(tmp_path / "data.zip")) == 1
    with pytest.raises(InputError, match=r"data\.zip/inner\.zip holds an unsafe member: .*unpack to"):
        scan(tmp_path / "data.zip/inner.zip")


def test_layouts_look_into_archives_of_archives(tmp_path):
    pack(tmp_path / "all.zip", {"one.zip": zip_of({"a/1.png": b"1"}), "two.tar": tar_of({"b/1.png": b"2"})})
    index = LAYOUTS.find("folder")(tmp_path, {})
    assert [record.path for record in index.records] == ["all.zip/one.zip/a/1.png", "all.zip/two.tar/b/1.png"]
    assert dict(read_images(tmp_path, index)) == {0: b"1", 1: b"2"}
