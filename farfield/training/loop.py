"""The supervised loop that every study trains with.

Batches are cut from one packed array by index and augmented as tensors, so data never waits on
Python. Every draw is keyed by (seed, epoch, step): a run resumed after epoch e continues exactly as
one that never stopped, and p processes see the batches of one, in p shares.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.seeds import integer_seed, stream
from farfield.training import distributed
from farfield.training.augmentation import augment, draw
from farfield.training.devices import autocast
from farfield.training.images import evaluation_view
from farfield.training.optimizers import make_optimizer, set_learning_rate
from farfield.training.recipe import Recipe, learning_rate
from farfield.training.steps import Curve, Row, train_steps

# (network, images, targets, label smoothing) -> (mean loss, logits)
Loss = Callable[[nn.Module, Tensor, Tensor, float], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of a packed array with their targets.

    images: uint8 [N, H, W, 3], all of them. rows: int64 [n] into images. targets: int64 [n].
    """

    images: Tensor
    rows: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """uint8 images [b, H, W, 3] and targets [b] at positions `index` of `rows`, on `device`."""
        rows = self.rows[index].to(self.images.device)
        return self.images[rows].to(device, non_blocking=True), self.targets[index].to(device)


def cross_entropy(
    network: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    logits = network(images)
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing), logits


def fit(
    network: nn.Module,
    data: LabelledImages,
    recipe: Recipe,
    *,
    image_size: int,
    seed: int,
    device: torch.device,
    loss: Loss = cross_entropy,
    groups: list[dict] | None = None,
    before_epoch: Callable[[int, torch.optim.Optimizer], None] | None = None,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    checkpoint: Path | None = None,
    title: str = "training",
) -> Curve:
    """Train `network` in place and return one row an epoch.

    groups: parameter groups of the optimizer, all parameters by default; `scale` in a group
    multiplies its learning rate. before_epoch: called with the number of each epoch from 0 and the
    optimizer before it is trained. validate: called after each epoch on the first rank, its figures
    join the row. checkpoint: written after each epoch; if it exists the run continues from it.
    InputError if the loss stops being finite.
    """
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(recipe, list(network.parameters()) if groups is None else groups)
    parallel = distributed.parallel(network, device)

    def train(epoch: int) -> dict[str, float]:
        if before_epoch is not None:
            before_epoch(epoch, optimizer)
        return _epoch(parallel, data, recipe, optimizer, epoch, image_size, seed, device, loss)

    return run_epochs(
        network,
        [optimizer],
        recipe,
        train,
        validate=validate,
        checkpoint=checkpoint,
        title=title,
    )


def run_epochs(
    network: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    recipe: Recipe,
    train: Callable[[int], Row],
    *,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    select: str | None = None,
    checkpoint: Path | None = None,
    title: str = "training",
) -> Curve:
    """Call `train` with the number of each epoch that is still to come; return one row an epoch.

    train: returns the figures of the epoch, among them its mean `train_loss`. For select see
    `train_steps`; for validate, checkpoint and the InputError see `fit`.
    """

    def row(done: int, figures: list[Row]) -> Row:
        found = {"epoch": done, **figures[0], "learning_rate": learning_rate(recipe, done - 1)}
        if not found["train_loss"] < float("inf"):
            raise InputError(
                f"the training loss is {found['train_loss']} after epoch {done}, so the weights are lost; "
                f"lower the learning rate (it is {recipe.learning_rate})"
            )
        return found

    return train_steps(
        network,
        optimizers,
        recipe.epochs,
        train,
        row,
        validate=validate,
        select=select,
        checkpoint=checkpoint,
        title=title,
        unit="epoch",
    )


def _epoch(
    network: nn.Module,
    data: LabelledImages,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    image_size: int,
    seed: int,
    device: torch.device,
    loss: Loss,
) -> dict[str, float]:
    network.train()
    order = torch.from_numpy(stream(seed, "order", epoch).permutation(len(data)))
    batches = order.split(recipe.batch_size)
    ranks, rank = distributed.world_size(), distributed.rank()
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for step, batch in enumerate(batches):
        set_learning_rate(optimizer, learning_rate(recipe, epoch + step / len(batches)))
        share = batch[rank::ranks]
        if len(share) == 0:  # a last batch smaller than the number of ranks: count one image for nothing
            share, weight = batch[:1], 0.0
        else:
            weight = len(share) * ranks / len(batch)
        # What the network itself draws (dropout, noise layers) is keyed too.
        torch.manual_seed(integer_seed(seed, "network", epoch, step, rank))
        images, targets = data.batch(share, device)
        if recipe.augmentation is None:
            pixels = evaluation_view(images, image_size)
        else:
            generator = torch.Generator().manual_seed(integer_seed(seed, "augment", epoch, step))
            height, width = images.shape[1:3]
            draws = draw(len(batch), height, width, image_size, recipe.augmentation, generator)
            share_draws = draws[rank::ranks] if weight else draws[:1]
            pixels = augment(images, share_draws, image_size, recipe.augmentation.crop)
        with autocast(device, recipe.precision):
            value, logits = loss(network, pixels, targets, recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        (value * weight).backward()
        optimizer.step()
        correct = (logits.detach().argmax(1) == targets).sum() if weight else 0
        sums += torch.stack([value.detach() * len(share) * bool(weight), torch.as_tensor(correct).to(value)])
    mean_loss, accuracy = (distributed.total(sums) / max(len(data), 1)).tolist()
    return {"train_loss": round(mean_loss, 6), "train_accuracy": round(100 * accuracy, 4)}


@torch.inference_mode()
def predict(
    network: nn.Module, data: LabelledImages, *, image_size: int, device: torch.device, batch_size: int = 256
) -> Tensor:
    """int64 [n] on the CPU: the class given to the evaluation view of each image."""
    network.eval()
    parts = []
    for index in torch.arange(len(data)).split(batch_size):
        images, _ = data.batch(index, device)
        parts.append(network(evaluation_view(images, image_size)).argmax(1).cpu())
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def accuracy(
    network: nn.Module, data: LabelledImages, *, image_size: int, device: torch.device, batch_size: int = 256
) -> float:
    """Top-1 accuracy in percent on the evaluation view."""
    given = predict(network, data, image_size=image_size, device=device, batch_size=batch_size)
    return 100 * int((given == data.targets).sum()) / max(len(data), 1)
