"""`farfield add`: a folder of images becomes a target of the study, or nothing is changed."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image
from test_plan import ROOT

from commands import compose
from commands.add import add
from commands.side_by_side import RUN
from farfield.datasets.layouts import LAYOUTS
from farfield.datasets.zipping import zip_folder
from farfield.errors import InputError
from stages.frame.params import load_params


def dots(path: Path, images: int) -> None:
    path.mkdir(parents=True)
    for number in range(images):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path / f"{number}.png")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """What a checkout has for composing, and five classes of images beside it."""
    checkout = tmp_path / "checkout"
    for folder in ("conf", "params"):
        shutil.copytree(ROOT / folder, checkout / folder)
    shutil.copy(ROOT / "params.yaml", checkout)
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(compose, "record_compose", lambda: None)  # DVC is not here
    for name in ("a", "b", "c", "d", "e"):
        dots(tmp_path / "My Moths" / name, 20)
    return checkout


def test_a_folder_becomes_a_target(here):
    shots = add("moths", Path("../My Moths"), "Moths of my garden", "CC0")
    assert shots == (1, 5)  # of 15 queries and 20 images a class
    params = load_params()
    assert params.fewshot.targets["moths"].shots == (1, 5)
    card = params.card("moths")
    assert (card.title, card.role, card.licence) == ("Moths of my garden", "target", "CC0")
    assert Path(card.folder) == (here / "../My Moths").resolve()
    assert yaml.safe_load(Path("params.yaml").read_text())["overrides"] == ["+dataset@datasets.moths=moths"]


def test_what_is_counted_is_what_is_packed(here, tmp_path):
    mine = tmp_path / "exported/My Moths"
    mine.parent.mkdir()
    (tmp_path / "My Moths").rename(mine)
    shutil.copy(mine / "a/0.png", mine / "overview.png")
    assert add("moths", mine.parent) == (1, 5)
    card = load_params().card("moths")
    zip_folder(Path(card.folder), tmp_path / "raw/moths.zip")
    index = LAYOUTS.find(card.layout)(tmp_path / "raw", card.options)
    assert Counter(index.class_names[record.label] for record in index.records) == dict.fromkeys("abcde", 20)


def test_what_cannot_be_a_target_changes_nothing(here, tmp_path):
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    few = tmp_path / "few"
    for name in ("a", "b", "c"):
        dots(few / name, 2)
    for name, data, message in (
        ("Moths", Path("../My Moths"), "of small letters.*found 'Moths'"),
        ("leaves", Path("../My Moths"), r"leaves\.yaml is there already"),
        (
            "moths",
            few,
            r"has 3 class folders, and episodes of the study take 5 classes with 16 images or more",
        ),
        ("moths", Path("nowhere"), "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            add(name, data)
    Path("params.yaml").write_text("profile: nowhere\n")
    before[here / "params.yaml"] = b"profile: nowhere\n"
    with pytest.raises(InputError, match="conf/ does not compose"):
        add("moths", Path("../My Moths"))
    after = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert after.pop(here / RUN) == b""  # the lock of whoever composes
    assert after == before
