"""Pieces of the stages that train: what an executor takes to another process must be small and pickle."""

import errno
import pickle
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from farfield.execution import Workers
from farfield.files import read_json, write_json
from stages.frame import indomain_training, sharing_training, tree_training, tuning_training
from stages.frame.executor import train_missing
from stages.frame.finished import is_sealed, seal

RUNS = [[True] * 16] * 5  # a policy of five tasks
PIECES = {
    "tuning": (
        tuning_training.train,
        tuning_training.Piece("spottune", "standard", "cubs", 1, "cuda:0", Path("scratch/cubs-1")),
    ),
    "sharing": (
        sharing_training.train,
        sharing_training.Piece(
            "nyuv2", "adashare", {"runs": RUNS}, "pcgrad", {}, 7, "Row", "cpu", Path("scratch/nyuv2-0")
        ),
    ),
    "trees": (
        tree_training.train_tree,
        tree_training.TreePiece(
            *("nyuv2", ("normals", "depth"), (((0, 1),), ((0,), (1,))), (2,), 20, 7, "Row", "cpu"),
            folder=Path("scratch/nyuv2-0"),
        ),
    ),
    "indomain": (
        indomain_training.train,
        indomain_training.Piece(
            *("rfs", "miniimagenet", "own", 0, (1, 5)), "cpu", Path("scratch/miniimagenet-own-0")
        ),
    ),
}


@pytest.mark.parametrize(("train", "piece"), PIECES.values(), ids=PIECES)
def test_a_piece_and_its_task_travel_to_another_process(train, piece):
    assert pickle.loads(pickle.dumps(train)) is train
    sent = pickle.dumps(piece)
    assert pickle.loads(sent) == piece
    assert len(sent) < 1000


class Counted(NamedTuple):
    folder: Path


def count(piece: Counted) -> None:
    piece.folder.mkdir(exist_ok=True)
    with piece.folder.with_suffix(".times").open(
        "a"
    ) as file:  # beside it: a piece begins with an empty folder
        file.write("once\n")
    seal(piece.folder)


def test_what_is_sealed_is_not_done_again(tmp_path, capsys):
    pieces = [Counted(tmp_path / name) for name in "abc"]

    def times() -> list[int]:
        return [len(piece.folder.with_suffix(".times").read_text().split()) for piece in pieces]

    with Workers(1) as here:
        train_missing(here, count, pieces[:2])
        train_missing(here, count, pieces)
        assert times() == [1, 1, 1]
        (pieces[1].folder / "more.txt").touch()
        capsys.readouterr()
        train_missing(here, count, pieces)
    assert times() == [1, 2, 1]
    assert (
        capsys.readouterr().err.count(f"{pieces[1].folder} does not hold the bytes that were left there") == 1
    )
    assert all(is_sealed(piece.folder) for piece in pieces)


def damage(folder: Path) -> None:
    content = bytearray((folder / "scores.json").read_bytes())
    content[5] ^= 1
    (folder / "scores.json").write_bytes(content)


def swap(folder: Path) -> None:
    other = folder.with_name("nyuv2-1")
    folder.rename(folder.with_name("nyuv2-0-old"))
    other.rename(folder)


def name_it(piece: Counted) -> None:
    piece.folder.mkdir(exist_ok=True)
    write_json(piece.folder / "name.json", piece.folder.name)
    seal(piece.folder)


def lay_folder(place: Path) -> None:
    (place / "name.json").unlink()
    (place / "name.json").mkdir()


def lay_link(place: Path) -> None:
    shutil.rmtree(place)
    place.symlink_to("a")


@pytest.mark.parametrize("lay", [lay_folder, lay_link])
def test_what_is_laid_in_the_place_of_a_piece_gives_way_to_it(tmp_path, lay):
    pieces = [Counted(tmp_path / name) for name in "ab"]
    with Workers(1) as here:
        train_missing(here, name_it, pieces)
        lay(pieces[1].folder)
        train_missing(here, name_it, pieces)
    assert [read_json(piece.folder / "name.json") for piece in pieces] == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        damage,
        swap,
        lambda folder: (folder / "sums.json").write_text("{"),
        lambda folder: (folder / "sums.json").write_bytes(b"\xff"),
        lambda folder: (folder / "scores.json").unlink(),
        lambda folder: (folder / "sums.json").write_text("[" * 100_000),
        lambda folder: (folder / "more.json").touch(),
        lambda folder: (folder / "more").mkdir(),
        lambda folder: (folder / "more.json").symlink_to("nowhere"),
    ],
    ids=[
        "damaged",
        "of another",
        "sums cut short",
        "sums not text",
        "lost",
        "deep",
        "more",
        "a folder",
        "a link",
    ],
)
def test_what_is_not_as_it_was_left_is_not_sealed(tmp_path, change):
    for sample in (0, 1):
        folder = tmp_path / f"nyuv2-{sample}"
        folder.mkdir()
        (folder / "scores.json").write_text('{"depth": 0.2}')
        seal(folder)
        assert is_sealed(folder)
    folder = tmp_path / "nyuv2-0"
    change(folder)
    assert not is_sealed(folder)
    assert (folder / "sums.json").exists()  # on shared storage the rest may only be late
    seal(folder)
    assert is_sealed(folder)


def test_a_file_that_another_node_replaces_is_not_there_yet(tmp_path, monkeypatch):
    (tmp_path / "scores.json").write_text("{}")
    seal(tmp_path)

    def stale(path: Path) -> str:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("stages.frame.finished.file_hash", stale)
        assert not is_sealed(tmp_path)
    assert is_sealed(tmp_path)
