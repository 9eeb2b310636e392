"""The stage that adapts several models to each episode."""

from collections.abc import Iterator

import numpy as np
import pytest

from stages.ensemble import cell_by_cell


def test_what_is_finished_of_a_model_is_kept_before_another_is_waited_for():
    """Models in the place of `fine_tune_cells`: a cell is kept once it was asked for, and found again."""
    kept: list[tuple[str, int]] = []

    def model(name: str, breaks: bool = False) -> Iterator[dict]:
        for cell in range(3):
            if (name, cell) not in kept:
                if breaks:
                    raise KeyboardInterrupt
                kept.append((name, cell))
            yield {"query_stages": np.array([len(name), cell])}

    with pytest.raises(KeyboardInterrupt):
        next(cell_by_cell([lambda: model("one"), lambda: model("other", breaks=True)]))
    assert kept == [("one", 0), ("one", 1), ("one", 2)]
    found = cell_by_cell([lambda: model("one"), lambda: model("other")])
    told = [tuple(output["query_stages"].tolist() for output in outputs) for outputs in found]
    assert told == [([3, cell], [5, cell]) for cell in range(3)]
    assert kept == [(name, cell) for name in ("one", "other") for cell in range(3)]
