"""A user's own folder of class folders, packed into one archive."""

import zipfile
from pathlib import Path

import pytest

from farfield.datasets.zipping import zip_folder
from farfield.errors import InputError


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for name in ("cat/b.jpg", "cat/a.jpg", "dog/c.jpg", "dog/.hidden.jpg", ".git/config"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "newt").mkdir()
    return folder


def test_a_folder_becomes_a_sorted_zip_without_hidden_files(own_images, tmp_path):
    zip_folder(own_images, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as packed:
        assert packed.namelist() == ["cat/", "cat/a.jpg", "cat/b.jpg", "dog/", "dog/c.jpg", "newt/"]
        assert packed.read("cat/a.jpg") == b"cat/a.jpg"
        assert {info.date_time for info in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in packed.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_files_give_the_same_zip(own_images, tmp_path):
    zip_folder(own_images, tmp_path / "first.zip")
    (own_images / "cat/a.jpg").touch()
    (own_images / "cat/a.jpg").chmod(0o600)
    zip_folder(own_images, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_a_linked_file_is_packed_as_its_content(own_images, tmp_path):
    (tmp_path / "elsewhere.jpg").write_bytes(b"elsewhere")
    (own_images / "cat/z.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    zip_folder(own_images, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as packed:
        assert packed.read("cat/z.jpg") == b"elsewhere"
        assert packed.getinfo("cat/z.jpg").external_attr >> 16 == 0o100644


@pytest.mark.parametrize(("target", "message"), [("cat", "link to a folder"), ("gone", "broken link")])
def test_links_that_cannot_be_followed_are_named(own_images, tmp_path, target, message):
    (own_images / "link").symlink_to(own_images / target)
    with pytest.raises(InputError, match=message):
        zip_folder(own_images, tmp_path / "mine.zip")
    assert not (tmp_path / "mine.zip").exists()


def test_a_folder_that_is_absent_or_empty_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        zip_folder(tmp_path / "nowhere", tmp_path / "mine.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no files"):
        zip_folder(tmp_path / "empty", tmp_path / "mine.zip")
