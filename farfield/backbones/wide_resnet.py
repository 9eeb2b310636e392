"""The two networks that are called WRN-28-10 in few-shot learning."""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone, maps_after

BLOCKS = 4  # of each of three groups: 28 = 3 * 2 * 4 + 4


class Before(nn.Module):
    """A block that normalises and activates before each convolution; conv 1x1 as shortcut where shapes
    change."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        changed = before != after or stride > 1
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if changed else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.norm1(x).relu()
        kept = x if self.shortcut is None else self.shortcut(active)
        return kept + self.conv2(self.norm2(self.conv1(active)).relu())


class After(nn.Module):
    """A block that normalises after each convolution; a shortcut without parameters: every stride-th
    position, and zeros for further channels."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.stride, self.further = stride, after - before

    def forward(self, x: Tensor) -> Tensor:
        found = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        kept = x[:, :, :: self.stride, :: self.stride]
        if self.further:
            kept = F.pad(kept, (0, 0, 0, 0, 0, self.further))
        return (found + kept).relu()


class WideResNet(Backbone):
    """Three groups of four blocks of widths 160, 320 and 640 times width / 64; features are averages.

    style: "before" is the usual one (Zagoruyko and Komodakis, arXiv 1605.07146), which LEO's features are
    said to come from: 36,472,784 parameters. "after" is what the code of "Few-shot image recognition by
    predicting parameters from activations" (arXiv 1706.03466) has in its place, with a first convolution of
    80 channels: 36,308,240 parameters."""

    def __init__(self, width: int = 64, image_size: int = 80, style: str = "before") -> None:
        super().__init__()
        usual = style == "before"
        widths = [width * times // 64 for times in (160, 320, 640)]
        first = width * (16 if usual else 80) // 64
        block = Before if usual else After
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv=nn.Conv2d(3, first, 3, 1, 1, bias=False))
        if not usual:
            layers |= {"norm": nn.BatchNorm2d(first), "relu": nn.ReLU()}
        self.entry = nn.Sequential(layers)
        groups = []
        for i, (before, after) in enumerate(zip([first, *widths], widths, strict=False)):
            stride = 1 if usual and i == 0 else 2
            own: list[nn.Module] = [block(before, after, stride)]
            own += [block(after, after, 1) for _ in range(BLOCKS - 1)]
            groups.append(nn.Sequential(*own))
        if usual:
            groups[-1] = nn.Sequential(*groups[-1], nn.BatchNorm2d(widths[-1]), nn.ReLU())
        self.groups = nn.ModuleList(groups)
        self.stage_dims = tuple(widths)
        self.feature_dim = widths[-1]

    def stages(self, images: Tensor) -> list[Tensor]:
        return maps_after(self.groups, self.entry(images))

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3))


def wrn28_10(width: int = 64, image_size: int = 80) -> WideResNet:
    return WideResNet(width, image_size)


def wrn28_10_after(width: int = 64, image_size: int = 80) -> WideResNet:
    return WideResNet(width, image_size, "after")
