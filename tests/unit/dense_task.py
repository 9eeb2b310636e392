"""Studies of a few small images with dense targets, to train on in a blink."""

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.sharing.dense import DenseImages
from farfield.sharing.methods.network import NetworkSettings
from farfield.sharing.objective import Objective
from farfield.sharing.protocol import FIXED
from farfield.sharing.tasks import make_tasks

CPU = torch.device("cpu")
CLASSES, IMAGES, SIZE = 4, 12, 32
NETWORK = NetworkSettings(name="small", width=4, head_mid=8)


def targets(tasks: tuple[str, ...], images: Tensor) -> dict[str, Tensor]:
    """Packed targets of uint8 images [n, H, W, 3] that depend on them, and are not known everywhere."""
    red, green = images[..., 0].float(), images[..., 1].float()
    labels = (images[..., 2] // (256 // CLASSES)).to(torch.int16)
    made = {
        "segmentation": labels.where(red > 20, -1),
        "normals": images.where((green > 20)[..., None], 255),
        "depth": (1 + red / 64).where(green > 20, torch.nan),
        "keypoints": (red / 128 - 1).where(green > 20, torch.nan),
        "edges": (green / 128 - 1).where(red > 20, torch.nan),
    }
    return {task: made[task] for task in tasks}


def study(*tasks: str, images: int = IMAGES, size: int = SIZE) -> tuple[DenseImages, Objective]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, size, size, 3), generator=generator, dtype=torch.uint8)
    made = make_tasks("scene", tasks, CLASSES, FIXED)
    data = DenseImages(pixels, targets(tuple(made), pixels), torch.arange(images))
    return data, Objective(made, dict.fromkeys(made, 1.0))


def channels(objective: Objective) -> dict[str, int]:
    return {name: task.channels for name, task in objective.tasks.items()}


def weighed_loss(objective: Objective, predictions: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    """The loss written out: targets reduced to the size of the predictions, each task's loss times its weight."""
    value = torch.zeros(())
    for name, task in objective.tasks.items():
        given = predictions[name]
        maps = targets[name].float().view(len(given), -1, *targets[name].shape[-2:])
        small = F.interpolate(maps, size=given.shape[-2:], mode="nearest")
        target = small[:, 0].long() if name == "segmentation" else small
        value = value + objective.weights[name] * task.loss(given, target)
    return value


def snapshot(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert left.keys() == right.keys()
    assert [name for name, tensor in left.items() if not torch.equal(tensor, right[name])] == []
