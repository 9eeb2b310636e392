"""What all multi-task networks have in common: backbones, one head a task, groups for the optimizer."""

from collections.abc import Iterable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.seeds import integer_seed
from farfield.settings import BelowOne, Positive, settings
from farfield.sharing.deeplab import DeeplabResNet, build_deeplab
from farfield.sharing.heads import AsppHead

Tasks = dict[str, int]  # the channels of each task's prediction, in the order of the study


@settings
class NetworkSettings:
    """The parts that methods are made of.

    name, width: of the Deeplab-ResNet. head_mid, dropout: of the heads. norm: "shared" BatchNorm for the
    tasks that go through one backbone, or "per_task" statistics, scales and shifts. seed: of the first
    weights, which depend on it and on the name of a part alone: methods start from the same ones.
    """

    name: str = "resnet34"
    width: Positive = 64
    head_mid: Positive = 1024
    dropout: BelowOne = 0.5
    norm: Literal["shared", "per_task"] = "shared"
    seed: int = 0

    def draw_from(self, *key: str) -> None:
        """Let torch draw the next weights from the stream of this part."""
        torch.manual_seed(integer_seed(self.seed, "weights", *key))

    def backbone(self, key: str = "shared", norm_sets: int = 1) -> DeeplabResNet:
        self.draw_from("backbone", key)
        return build_deeplab(self.name, self.width, norm_sets=norm_sets)

    def heads(self, tasks: Tasks, features: int) -> nn.ModuleDict:
        heads = {}
        for task, channels in tasks.items():
            self.draw_from("head", task)
            heads[task] = AsppHead(features, channels, mid=self.head_mid, dropout=self.dropout)
        return nn.ModuleDict(heads)


class TaskNetwork(nn.Module):
    """Images [n, 3, h, w] to a prediction [n, C, h / 8, w / 8] for each task.

    A method defines `features`. scale: of the learning rate of the parameters that are neither a
    backbone's nor a head's, of which the backbones' is the base.
    """

    scale: float = 1.0

    def __init__(self, tasks: Tasks, settings: NetworkSettings, backbones: Iterable[DeeplabResNet]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.backbones = nn.ModuleList(backbones)
        self.heads = settings.heads(tasks, self.trunks[0].features)

    @property
    def trunks(self) -> list[DeeplabResNet]:
        """The backbones."""
        return cast(list[DeeplabResNet], [*self.backbones])

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps [n, features, h / 8, w / 8] that the head of each task reads."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.predict(self.features(images))

    def predict(self, features: Iterable[Tensor]) -> dict[str, Tensor]:
        """What each head says of its task's features."""
        return {task: self.heads[task](maps) for task, maps in zip(self.tasks, features, strict=True)}

    def penalty(self) -> Tensor | None:
        """A term that the training loss has beside the tasks' losses."""
        return None

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters, by kind: `backbone`, `head`, and `fusion` with its `scale` if there are such."""
        backbone, head = [*self.backbones.parameters()], [*self.heads.parameters()]
        known = {id(parameter) for parameter in backbone + head}
        fusion = [parameter for parameter in self.parameters() if id(parameter) not in known]
        groups: list[dict[str, Any]] = [
            {"params": backbone, "kind": "backbone"},
            {"params": head, "kind": "head"},
        ]
        if fusion:
            groups.append({"params": fusion, "kind": "fusion", "scale": self.scale})
        return groups


class Columns(TaskNetwork):
    """A backbone for each task, side by side; `fuse` mixes what they computed after each stage."""

    def __init__(self, tasks: Tasks, settings: NetworkSettings) -> None:
        super().__init__(tasks, settings, [settings.backbone(task) for task in tasks])

    def features(self, images: Tensor) -> list[Tensor]:
        columns = self.fuse(0, [backbone.stem(images) for backbone in self.trunks])
        for stage in range(len(self.trunks[0].stages)):
            maps = zip(self.trunks, columns, strict=True)
            columns = self.fuse(stage + 1, [backbone.run_stage(stage, x) for backbone, x in maps])
        return columns

    def fuse(self, unit: int, columns: list[Tensor]) -> list[Tensor]:
        """The columns after unit 0, the stem, and units 1 to 4, the stages. Here they stay apart."""
        del unit
        return columns


def check_own(own: float) -> None:
    if not 0 <= own <= 1:
        raise InputError(f"own, the share of a task's own features at the start, must be in [0, 1]: {own}")


def unit_channels(backbone: DeeplabResNet) -> tuple[int, ...]:
    """Channels after the stem and after each stage."""
    return (backbone.channels[0], *backbone.channels)


def initial_mixture(tasks: int, own: float) -> Tensor:
    """[K, K]: `own` on the diagonal, and the rest of each row spread evenly over the other tasks.
    InputError if `own` is no share."""
    check_own(own)
    others = (1 - own) / max(tasks - 1, 1)
    return torch.full((tasks, tasks), others).fill_diagonal_(own)
