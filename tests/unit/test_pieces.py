"""Pieces of the stages that train: what an executor takes to another process must be small and pickle."""

import pickle
from pathlib import Path

import pytest

from stages.frame import sharing_training, tree_training, tuning_training

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


@pytest.mark.parametrize(
    ("piece", "last"),
    [
        (PIECES["tuning"][1], "predictions.parquet"),
        (PIECES["sharing"][1], "scores.json"),
        (PIECES["trees"][1], "scores.json"),
    ],
    ids=PIECES,
)
def test_a_piece_is_done_once_its_last_file_is_there(tmp_path, piece, last):
    piece = piece._replace(folder=tmp_path)
    (tmp_path / "checkpoint.safetensors").touch()
    assert not piece.done
    (tmp_path / last).touch()
    assert piece.done
