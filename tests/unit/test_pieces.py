"""Pieces of the stages that train: what an executor takes to another process must be small and pickle."""

import pickle
from pathlib import Path

import pytest

from stages.frame import sharing_training, tree_training, tuning_training
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
}


@pytest.mark.parametrize(("train", "piece"), PIECES.values(), ids=PIECES)
def test_a_piece_and_its_task_travel_to_another_process(train, piece):
    assert pickle.loads(pickle.dumps(train)) is train
    sent = pickle.dumps(piece)
    assert pickle.loads(sent) == piece
    assert len(sent) < 1000


@pytest.mark.parametrize(("_", "piece"), PIECES.values(), ids=PIECES)
def test_a_piece_is_done_once_it_is_sealed(tmp_path, _, piece):
    piece = piece._replace(folder=tmp_path)
    (tmp_path / "scores.json").write_text("{}")
    (tmp_path / "predictions.parquet").touch()
    assert not piece.done
    seal(tmp_path)
    assert piece.done


def damage(folder: Path) -> None:
    content = bytearray((folder / "scores.json").read_bytes())
    content[5] ^= 1
    (folder / "scores.json").write_bytes(content)


def swap(folder: Path) -> None:
    other = folder.with_name("nyuv2-1")
    folder.rename(folder.with_name("nyuv2-0-old"))
    other.rename(folder)


@pytest.mark.parametrize(
    "change",
    [
        damage,
        swap,
        lambda folder: (folder / "sums.json").write_text("{"),
        lambda folder: (folder / "sums.json").write_bytes(b"\xff"),
        lambda folder: (folder / "scores.json").unlink(),
        lambda folder: (folder / "more.json").touch(),
    ],
    ids=["damaged", "of another", "sums cut short", "sums damaged", "lost", "more"],
)
def test_what_is_not_as_it_was_left_is_done_again(tmp_path, capsys, change):
    for sample in (0, 1):
        folder = tmp_path / f"nyuv2-{sample}"
        folder.mkdir()
        (folder / "scores.json").write_text('{"depth": 0.2}')
        seal(folder)
        assert is_sealed(folder)
    folder = tmp_path / "nyuv2-0"
    change(folder)
    assert not is_sealed(folder)
    assert f"{folder} does not hold the bytes that were left there" in capsys.readouterr().err
    assert not is_sealed(folder)
    assert not capsys.readouterr().err
    seal(folder)
    assert is_sealed(folder)
