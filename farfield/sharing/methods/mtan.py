"""MTAN: multi-task attention network (Liu et al., CVPR 2019, arXiv 1803.10704), for residual networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.sharing.deeplab import DeeplabResNet, ResidualFunction, Shortcut
from farfield.sharing.methods.network import NetworkSettings, TaskNetwork, Tasks


class MTAN(TaskNetwork):
    """One shared backbone; each task chooses from its features by attention masks, one a stage.

    With u_b the map of stage s before its last block and u_t the one after it, task k has

        m = sigmoid(BN(1x1(ReLU(BN(1x1([u_b; a_{s-1}]))))))    [n, C_s, h, w]
        a_s = R_s(m * u_t)

    where R_s, a residual block to the next stage's width, is shared by the tasks, and pools by two after
    stage 1, as the backbone's stride does; stage 1 has no a_{s-1}, stage 4 no R_s, and its head reads
    m * u_t. Pooling rounds sizes up as the backbone does. The layers are those of the authors' residual
    networks; AdaShare's table counts more parameters, of a design that it does not describe.

    scale: of the learning rate of attention and R_s.
    """

    def __init__(self, tasks: Tasks, settings: NetworkSettings, scale: float = 1.0) -> None:
        super().__init__(tasks, settings, [settings.backbone()])
        self.scale = scale
        channels = self.trunks[0].channels
        self.attention = nn.ModuleDict()  # task -> an attention module a stage
        for task in tasks:
            settings.draw_from("attention", task)
            self.attention[task] = nn.Sequential(
                *(_attention(width * (1 if stage == 0 else 2), width) for stage, width in enumerate(channels))
            )
        settings.draw_from("refinement")
        self.refine = nn.ModuleList(map(Refine, channels, channels[1:]))

    def features(self, images: Tensor) -> list[Tensor]:
        backbone = self.trunks[0]
        x = backbone.stem(images)
        chosen: list[Tensor] = []
        for stage, blocks in enumerate(backbone.stages):
            before, x = _around_last_block(backbone, blocks, x)
            sees = [torch.cat([before, a], dim=1) for a in chosen] or [before] * len(self.tasks)
            masks = [self._attention(task, stage)(s) for task, s in zip(self.tasks, sees, strict=True)]
            chosen = [mask * x for mask in masks]
            if stage < len(self.refine):
                chosen = [self.refine[stage](a) for a in chosen]
                if stage == 0:
                    chosen = [F.max_pool2d(a, 2, ceil_mode=True) for a in chosen]
        return chosen

    def _attention(self, task: str, stage: int) -> nn.Module:
        return self.attention.get_submodule(f"{task}.{stage}")


class Refine(nn.Module):
    """A residual block to another width, at the same size: R_s."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = ResidualFunction(inputs, outputs, stride=1, dilation=1)
        self.shortcut = Shortcut(inputs, outputs, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.block(x))


def _attention(inputs: int, channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 1),
        nn.BatchNorm2d(channels),
        nn.Sigmoid(),
    )


def _around_last_block(backbone: DeeplabResNet, blocks: range, x: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of a stage before and after its last block. Where that is the only block, the one before
    it is the stage's input by way of the shortcut, which has the stage's size and width."""
    *earlier, last = blocks
    for block in earlier:
        x = backbone.run_block(block, x)
    skipped = backbone.shortcuts[last](x)
    return x if earlier else skipped, F.relu(skipped + backbone.blocks[last](x))
