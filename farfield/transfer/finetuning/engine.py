"""Fine-tuning of batches of episodes (`Ft All`, `Ft Last-k` and `Transductive Ft` of BSCD-FSL).

Every episode starts from the pretrained backbone and trains its own copy together with a new head.
Episodes are independent, so the copies of several are stacked into one network (`stacking`) whose
step is the step of each of them. A frozen part whose BatchNorm is in evaluation mode gives an image
the same map at every step and in every episode, so it is run once and its maps are kept.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.episodes.minibatches import minibatch_orders
from farfield.networks.views import shown
from farfield.transfer.finetuning.descent import Descent
from farfield.transfer.finetuning.layers import State, chain, evaluation
from farfield.transfer.finetuning.layout import episodes_together, lay_out
from farfield.transfer.finetuning.settings import FineTuning, Readout, check_readouts
from farfield.transfer.finetuning.stacking import StackedProduct
from farfield.transfer.finetuning.tsa import adapted_logits
from farfield.transfer.linear_head import initial_heads

FORWARD_IMAGES = 128  # of evaluation in one forward


def fine_tune(
    backbone: Backbone,
    support: Tensor,
    query: Tensor,
    settings: FineTuning,
    readouts: Sequence[Readout],
    *,
    seed: int,
    first: int = 0,
) -> dict[Readout, Tensor]:
    """Adapt one copy of `backbone` to each episode and read it out; `backbone` is left as it was.

    support [E, way, shot, 3, H, W] and query [E, Q, 3, H, W] are normalised images on the device and
    in the precision of the backbone. `first` is the number of the first episode in its list; it keys
    the initial heads and the order of the minibatches. Returns, for each of `readouts`:

    head: logits [E, Q, way] in evaluation mode.
    transductive: logits [E, Q, way] with BatchNorm as in training, on all queries of an episode at once.
    support_features [E, way, shot, d], query_features [E, Q, d]: features in evaluation mode.
    support_stages [E, way, shot, sum(stage_dims)], query_stages [E, Q, sum(stage_dims)]: the map after
        each stage averaged over its positions, in evaluation mode.

    Of several views the head's logits are one mean, and stages are those of each view, views of an image
    following each other: [E, way, shot * views, ...] and [E, Q * views, ...].
    """
    check_readouts(readouts)
    settings.check(readouts)
    layers = chain(backbone)
    trained = layers.layers[layers.frozen(settings.last, settings.unit) :]
    together = episodes_together(trained, support.device)
    if settings.tsa:
        return {"head": adapted_logits(backbone, support, query, settings.tsa)}
    parts = []
    for start in range(0, len(support), together):
        group = slice(start, start + together)
        answers = []
        for each, epochs in settings.trainings:
            adapted = _Adapted(backbone, support[group], query[group], each, seed, first + start)
            for until in epochs:
                adapted.train(until)
                answers.append(adapted.read(readouts))
        if settings.grid:
            logits = torch.stack([answer["head"].log_softmax(-1) for answer in answers])
            answers = [{"head": logits.mean(0)}]
        parts.append(answers[0])
    return {name: torch.cat([part[name] for part in parts]) for name in readouts}


class _Adapted:
    """The networks of E episodes, from their pretrained to their adapted state."""

    def __init__(
        self,
        backbone: Backbone,
        support: Tensor,
        query: Tensor,
        settings: FineTuning,
        seed: int,
        first: int,
    ) -> None:
        self.backbone, self.settings = backbone, settings
        self.episodes, self.way, self.shot = support.shape[:3]
        self.chain = chain(backbone)
        frozen = self.chain.frozen(settings.last, settings.unit)
        # Layers before `self.begin` are run once; those before `frozen` but after it without gradients.
        self.begin = frozen if settings.frozen_norm == "eval" else 0
        # Views of an image follow each other.
        self.support, self.support_stages = self._prefix(shown(support, settings.views).flatten(1, 3))
        self.query, self.query_stages = self._prefix(shown(query, settings.views).flatten(1, 2))
        self.layers = self._copies()
        self.still, self.moving = self.layers[: frozen - self.begin], self.layers[frozen - self.begin :]
        for layer in self.still:
            layer.requires_grad_(False)
        heads = initial_heads(seed, self.episodes, self.way, backbone.feature_dim, first)
        self.weight, self.bias = (head.to(support).requires_grad_() for head in heads)
        images = self.way * self.shot
        orders = minibatch_orders(seed, self.episodes, settings.epochs, images, first)
        self.orders = torch.from_numpy(orders).to(support.device)
        self.targets = torch.arange(self.way, device=support.device).repeat_interleave(self.shot)
        modules = [module for layer in self.moving for module in layer.modules()]
        products = [module for module in modules if isinstance(module, StackedProduct)]
        moving = [p for layer in self.moving for p in layer.parameters() if p.requires_grad]
        head = [self.weight] if settings.classifier == "cosine" else [self.weight, self.bias]
        self.below, self.above = Descent(moving, settings.backbone, products), Descent(head, settings.head)
        self.done = 0

    def train(self, until: int) -> None:
        """The epochs that are still to come before number `until`."""
        settings, below, above = self.settings, self.below, self.above
        moving, products, head = below.parameters, below.products, above.parameters
        self._mode(training=True)
        for epoch in range(self.done, until):
            for batch in self.orders[:, epoch].split(settings.batch_size, dim=1):  # [E, b]
                views = len(settings.views)
                features = self._features(self._gather(batch * views + epoch % views))
                logits = self._classify(features)
                # Each episode's loss is its mean, so that each network gets its own gradient.
                loss = F.cross_entropy(logits.flatten(0, 1), self.targets[batch].flatten(), reduction="sum")
                outputs = [product.output for product in products]
                gradients = torch.autograd.grad(loss / batch.shape[1], moving + outputs + head)
                below.step(gradients[: len(moving) + len(outputs)])
                above.step(gradients[len(moving) + len(outputs) :])
        self.done = until

    @torch.no_grad()
    def read(self, readouts: Sequence[Readout]) -> dict[Readout, Tensor]:
        self._mode(training=False)
        out: dict[Readout, Tensor] = {}
        if {"head", "query_features", "query_stages"} & set(readouts):
            features, stages = self._evaluate(self.query, self.query_stages)
            logits = self._classify(features)
            if len(self.settings.views) > 1:
                of_views = logits.log_softmax(-1).unflatten(1, (-1, len(self.settings.views)))
                logits = of_views.mean(2)
            out |= {"head": logits, "query_features": features, "query_stages": stages}
        if {"support_features", "support_stages"} & set(readouts):
            grid = (self.way, -1)
            features, stages = self._evaluate(self.support, self.support_stages)
            out |= {
                "support_features": features.unflatten(1, grid),
                "support_stages": stages.unflatten(1, grid),
            }
        if "transductive" in readouts:
            # Last, since this forward moves the running statistics.
            self._mode(training=True)
            out["transductive"] = self._classify(self._features(_side_by_side(self.query)))
        return {name: out[name] for name in readouts}

    def _mode(self, training: bool) -> None:
        for layers, norm in ((self.still, self.settings.frozen_norm), (self.moving, self.settings.norm)):
            for layer in layers:
                layer.train(training and norm == "train")

    @torch.no_grad()
    def _copies(self) -> list[nn.Module]:
        layers = self.chain.layers[self.begin :]
        with evaluation(layers):
            sample = tuple(maps[0, :1] for maps in self.support)
            return lay_out(layers, sample, self.settings.batch_size, self.episodes)

    @torch.no_grad()
    def _prefix(self, images: Tensor) -> tuple[State, list[Tensor]]:
        """Maps [E, n, ...] that enter the first layer that is not run once, and the pooled stages on
        the way, for images [E, n, 3, H, W]."""
        if not self.begin:
            return (images,), []
        layers = self.chain.layers[: self.begin]
        states, pooled = [], []
        with evaluation(layers):
            for piece in images.flatten(0, 1).split(FORWARD_IMAGES):
                state, stages = self._forward((piece,), layers, 0)
                states.append(state)
                pooled.append(stages)
        shape = images.shape[:2]
        return (
            tuple(torch.cat(maps).unflatten(0, shape) for maps in zip(*states, strict=True)),
            [torch.cat(stage).unflatten(0, shape) for stage in zip(*pooled, strict=True)],
        )

    def _forward(self, state: State, layers: Sequence[nn.Module], begin: int) -> tuple[State, list[Tensor]]:
        """Run `layers`, the first of which is number `begin` of the chain, pooling each stage's output."""
        pooled = []
        for number, layer in enumerate(layers, start=begin + 1):
            state = layer(state)
            if number in self.chain.stage_ends:
                pooled.append(state[0].mean((2, 3)))
        return state, pooled

    def _features(self, state: State) -> Tensor:
        """Stacked maps [b, E * C, h, w] to features [E, b, d]."""
        with torch.no_grad():
            for layer in self.still:
                state = layer(state)
        for layer in self.moving:
            state = layer(state)
        return self.backbone.pool(state[0]).unflatten(1, (self.episodes, -1)).transpose(0, 1)

    def _classify(self, features: Tensor) -> Tensor:
        """Features [E, n, d] to logits [E, n, way]."""
        if self.settings.classifier == "cosine":
            weight = F.normalize(self.weight, dim=-1)
            return self.settings.scale * (F.normalize(features, dim=-1) @ weight.mT)
        return torch.baddbmm(self.bias, features, self.weight.mT)

    def _gather(self, batch: Tensor) -> State:
        """The views `batch` [E, b] of support images as stacked maps [b, E * C, h, w]."""
        episode = torch.arange(self.episodes, device=batch.device)
        return tuple(maps[episode, batch.T].flatten(1, 2) for maps in self.support)

    def _evaluate(self, state: State, known: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Features [E, n, d] and pooled stages [E, n, sum(stage_dims)] of the maps [E, n, ...]."""
        features, stages = [], []
        step = max(1, FORWARD_IMAGES // self.episodes)
        for start in range(0, state[0].shape[1], step):
            piece = tuple(maps[:, start : start + step] for maps in state)
            end, pooled = self._forward(_side_by_side(piece), self.layers, self.begin)
            features.append(self._apart(self.backbone.pool(end[0])))
            parts = [stage[:, start : start + step] for stage in known] + [self._apart(p) for p in pooled]
            stages.append(torch.cat(parts, dim=-1))
        return torch.cat(features, dim=1), torch.cat(stages, dim=1)

    def _apart(self, stacked: Tensor) -> Tensor:
        """[n, E * d] to [E, n, d]."""
        return stacked.unflatten(1, (self.episodes, -1)).transpose(0, 1)


def _side_by_side(state: State) -> State:
    """Maps [E, n, C, h, w] to stacked ones [n, E * C, h, w]."""
    return tuple(maps.transpose(0, 1).flatten(1, 2) for maps in state)
