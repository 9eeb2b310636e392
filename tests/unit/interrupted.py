"""A training that is killed just after a checkpoint was written."""

from collections.abc import Callable

import pytest

from farfield.training.checkpoints import save_state


class KilledError(Exception):
    pass


def kill_after_two_epochs(monkeypatch: pytest.MonkeyPatch, train: Callable[[], object]) -> None:
    """Run `train`, which must write a checkpoint an epoch, and see it killed."""

    kill_after(2, monkeypatch, train)


def kill_after(steps: int, monkeypatch: pytest.MonkeyPatch, train: Callable[[], object]) -> None:
    """Run `train`, which must write a checkpoint a step, and see it killed after so many."""

    def killed(path, modules, optimizers, facts, best):
        save_state(path, modules, optimizers, facts, best)
        if facts["done"] == steps:
            raise KilledError

    monkeypatch.setattr("farfield.training.steps.save_state", killed)
    with pytest.raises(KilledError):
        train()
    monkeypatch.undo()
