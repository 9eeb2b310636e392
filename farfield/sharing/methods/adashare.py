"""AdaShare: one backbone, and for each task a choice of its residual blocks (arXiv 1911.12423)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from farfield.errors import InputError
from farfield.sharing.execution import hard_features, soft_features
from farfield.sharing.methods.network import NetworkSettings, TaskNetwork, Tasks

Runs = Tensor | Sequence[Sequence[bool]]


class AdaShare(TaskNetwork):
    """One backbone and K heads.

    runs: bool [K, L], whether a task executes a block; None is all. A block that no task executes is not
    computed, and tasks share the work of a common beginning. update_skipped: let tasks that skip a block
    move its BatchNorm statistics too, as the released code does. `mixed` is the network of the search.
    """

    def __init__(
        self,
        tasks: Tasks,
        settings: NetworkSettings,
        runs: Runs | None = None,
        update_skipped: bool = False,
    ) -> None:
        norm_sets = len(tasks) if settings.norm == "per_task" else 1
        super().__init__(tasks, settings, [settings.backbone(norm_sets=norm_sets)])
        shape = (len(tasks), len(self.trunks[0].blocks))
        self.update_skipped = update_skipped
        # One computation serves all tasks, unless their BatchNorm differs.
        self.one_for_all = runs is None and norm_sets == 1
        self.runs = torch.ones(shape, dtype=torch.bool) if runs is None else torch.as_tensor(runs).bool()
        if self.runs.shape != shape:
            raise InputError(
                f"a policy for {shape[0]} tasks and {shape[1]} blocks is needed, found one of shape "
                f"{list(self.runs.shape)}; it belongs to another study or backbone"
            )

    def features(self, images: Tensor) -> list[Tensor]:
        if self.one_for_all:
            return [self.trunks[0](images)] * len(self.tasks)
        return hard_features(self.trunks[0], images, self.runs, update_skipped=self.update_skipped)

    def mixed(self, images: Tensor, mix: Tensor, opened: int) -> dict[str, Tensor]:
        """Predictions where block l of task k gives mix[k, l, 0] parts executed, mix[k, l, 1] skipped.

        opened: only so many blocks, the last ones, have a choice; the others are executed.
        """
        return self.predict(soft_features(self.trunks[0], images, mix, opened))
