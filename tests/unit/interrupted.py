"""A training that is killed just after its second checkpoint was written."""

from collections.abc import Callable

import pytest

from farfield.training.checkpoints import save_tensors


class KilledError(Exception):
    pass


def kill_after_two_epochs(monkeypatch: pytest.MonkeyPatch, train: Callable[[], object]) -> None:
    """Run `train`, which must write a checkpoint an epoch, and see it killed."""

    def killed_after_two(*arguments):
        save_tensors(*arguments)
        if len(arguments[2]["curve"]) == 2:
            raise KilledError

    monkeypatch.setattr("farfield.training.loop.save_tensors", killed_after_two)
    with pytest.raises(KilledError):
        train()
    monkeypatch.undo()
