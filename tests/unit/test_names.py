"""Names: of images in lists, of members in zips, and what is nobody's image."""

import zipfile
import zlib
from pathlib import Path

import pytest
from made_up_archives import index_of, named, pack

from farfield.datasets.archives import read, scan
from farfield.datasets.layouts.names import ImagesByName
from farfield.datasets.visible import is_litter, opened, visible_paths
from farfield.errors import InputError

# Names in lists


def images(*members: str) -> ImagesByName:
    return ImagesByName(Path("raw"), (("a.zip", member) for member in members))


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("x/1.jpg", "x/1.jpg"),
        ("1.jpg", "set/x/1.JPG"),  # folders less, another spelling of the ending
        ("1", "x/1.jpeg"),  # no ending
        ("ISIC.0001", "ISIC.0001.png"),
        ("/home/me/set/x/1.jpg", "x/1.jpg"),  # folders more
        ("C:\\set\\x\\1.JPG", "x/1.jpg"),
        (" ./X/1.tif ", "set/x/1.TIFF"),
        ("Z\u00fcrich/cafe\u0301.png", "zu\u0308rich/caf\u00e9.png"),  # accents composed otherwise
    ],
)
def test_an_image_is_found_by_what_a_list_calls_it(name, member):
    found = images("other/2.jpg", member)
    assert name in found
    assert found[name] == ("a.zip", member)


@pytest.mark.parametrize(
    ("name", "near"),
    [("y/1.jpg", "a.zip/x/1.jpg"), ("1.png", "a.zip/x/1.jpg"), ("2.jpg", "")],
)
def test_another_folder_or_another_format_is_near_and_no_more(name, near):
    found = images("x/1.jpg")
    assert name not in found
    assert near in found.near(name)


def test_of_several_that_fit_the_one_that_is_meant_exactly_is_taken():
    found = images("1.jpg", "x/1.jpg", "y/x/1.jpg", "y/X/1.JPG")
    assert found["x/1.jpg"][1] == "x/1.jpg"
    assert found["1.jpg"][1] == "1.jpg"
    assert found["y/X/1.JPG"][1] == "y/X/1.JPG"
    with pytest.raises(InputError, match=r"the image 1\.jpg is both in a\.zip/x/1\.jpg and a\.zip/y/1\.jpg"):
        images("x/1.jpg", "y/1.jpg")["1.jpg"]


def test_lists_of_paths_in_classes_that_number_their_files_anew(tmp_path):
    files = named(*(f"images/n{k}/{i}.jpg" for k in (1, 2, 3) for i in (1, 2)))
    lists = {
        f"{split}.csv": f"filename,label\nn{k}/1.jpg,n{k}\n n{k}/2.jpg , n{k} \n"
        for k, split in enumerate(("train", "val", "test"), 1)
    }
    pack(tmp_path / "Mini.zip", files | {name.upper(): text.encode() for name, text in lists.items()})
    index = index_of("split_csv", tmp_path)
    assert index.class_names == ("n1", "n2", "n3")
    assert [record.member for record in index.records] == list(files)


# Names in zips

CLASSES = {b"AAAA": "\u5c0f\u9ea6", b"BBBB": "\u6c34\u7a3b"}


def write_zip(path: Path, encoding: str, extra: bool = False) -> None:
    """A zip without the mark for UTF-8 and with names in this encoding."""
    with zipfile.ZipFile(path, "w") as packed:
        for stand_in, name in CLASSES.items():
            info = zipfile.ZipInfo(f"{stand_in.decode()}/1.png")
            if extra:
                plain = name.encode(encoding) + b"/1.png"
                field = b"\x01" + zlib.crc32(plain).to_bytes(4, "little") + f"{name}/1.png".encode()
                info.extra = b"\x75\x70" + len(field).to_bytes(2, "little") + field
            packed.writestr(info, b"x")
    data = path.read_bytes()
    for stand_in, name in CLASSES.items():
        raw = name.encode(encoding)
        assert len(raw) == len(stand_in) or encoding == "utf-8"
        data = data.replace(stand_in + b"/", raw + b"/") if len(raw) == len(stand_in) else data
    path.write_bytes(data)


def test_names_in_another_encoding_are_asked_for(tmp_path):
    write_zip(tmp_path / "crops.zip", "gbk")
    with pytest.raises(
        InputError, match=r"'\u5c0f\u9ea6/1\.png' \(gbk\).*--metadata-encoding gbk -e .*crops\.zip"
    ):
        scan(tmp_path / "crops.zip")


def test_names_in_the_field_for_unicode_are_taken(tmp_path):
    write_zip(tmp_path / "crops.zip", "gbk", extra=True)
    assert [member.name for member in scan(tmp_path / "crops.zip")] == [
        f"{name}/1.png" for name in CLASSES.values()
    ]
    assert read(tmp_path / "crops.zip", "\u5c0f\u9ea6/1.png") == b"x"


def test_names_in_utf8_without_its_mark_are_taken(tmp_path):
    path = tmp_path / "mac.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("caf__/1.png", b"x")
    path.write_bytes(path.read_bytes().replace(b"caf__", "caf\u00e9".encode()))
    assert [member.name for member in scan(path)] == ["caf\u00e9/1.png"]
    assert read(path, "caf\u00e9/1.png") == b"x"


# What is nobody's image


@pytest.mark.parametrize(
    "path",
    [
        "__MACOSX/a/._1.png",
        "a/@eaDir/1.png",
        "a/Thumbs.db",
        "a/THUMBS.DB",
        "$RECYCLE.BIN/1.png",
        "#recycle/1.png",
        "a/.DS_Store",
        "desktop.ini",
        "a/~$list.csv",
        "lost+found/1.png",
    ],
)
def test_what_systems_leave_is_litter_everywhere(tmp_path, path):
    assert is_litter(path.split("/"))
    (tmp_path / "own" / path).parent.mkdir(parents=True)
    (tmp_path / "own" / path).write_bytes(b"")
    assert not [p for p in visible_paths(tmp_path / "own") if p.is_file()]
    pack(tmp_path / "a.zip", named("a/1.png", path))
    assert [record.path for record in index_of("folder", tmp_path).records] == ["a/1.png"]


def test_links_to_another_disk_are_followed_and_circles_refused(tmp_path):
    disk, own = tmp_path / "disk", tmp_path / "own"
    (disk / "a").mkdir(parents=True)
    (disk / "a/1.png").write_bytes(b"")
    own.mkdir()
    (own / "a").symlink_to(disk / "a")
    assert [path.relative_to(own).as_posix() for path in visible_paths(own)] == ["a", "a/1.png"]
    (own / "b").symlink_to(disk / "a")
    with pytest.raises(InputError, match=r"a link to a folder, .* that is reached by another way too"):
        visible_paths(own)
    (own / "b").unlink()
    (disk / "a/up").symlink_to(disk)
    with pytest.raises(InputError, match="a link to a folder"):
        visible_paths(own)


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path):
    (tmp_path / "1.png").write_bytes(b"one")

    def read_while_written():
        with opened(tmp_path / "1.png") as file:
            (tmp_path / "1.png").write_bytes(b"another")
            return file.read()

    with pytest.raises(InputError, match=r"1\.png changed while it was read"):
        read_while_written()
    with pytest.raises(InputError, match=r"2\.png is no longer there"), opened(tmp_path / "2.png"):
        pass
