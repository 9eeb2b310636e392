"""Optimization as a model for few-shot learning (Meta-LSTM, Ravi and Larochelle, ICLR 2017, and its
code)."""

import math
from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.learner import MetaLearner, query_targets

HIDDEN = 20
SCALE = 10.0  # p of the preprocessing
SPREAD = 0.01  # gates start uniform within


class State(NamedTuple):
    """Of each of P weights: the learner's own, hidden and cell of the LSTM [P, HIDDEN], gates before the
    sigmoid."""

    weights: Tensor
    hidden: Tensor
    cell: Tensor
    forget: Tensor
    rate: Tensor


class MetaLSTM(MetaLearner):
    """An LSTM updates the weights of a network, whose start is learned with it: w_0, the weights here.

    Of every weight the gates see the gradient g and the loss on the support, both as constants, and share
    their parameters: h = LSTM of these, a = w_F . [h; w; a'] + b_F, b = w_I . [h; w; b'] + b_I with the
    values a', b' of the step before, and w <- sigmoid(a) w - sigmoid(b) g. The whole support is in each of
    `steps` steps.

    divided: the gradient of the mean loss is divided once more by the number of support images, as in the
    released code. forget, rate: b_F and b_I start within half of these, uniformly. BatchNorm's running
    statistics are begun anew in each episode and filled by the support; queries are seen with their own in
    training and with the running ones in tests, so that they are answered one by one."""

    one_way = True

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        steps: int = 8,
        divided: bool = True,
        forget: float = 4.5,
        rate: float = -4.5,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise InputError(f"steps of Meta-LSTM must be at least 1, found {steps}")
        self.steps, self.divided = steps, divided
        self.network = nn.Sequential(
            OrderedDict(backbone=backbone, classifier=nn.Linear(backbone.feature_dim, way))
        )
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = 1e-3, 0.95
        self.gates = Gates(forget, rate)

    def forward(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        return torch.stack([self._episode(s, q) for s, q in zip(support, query, strict=True)])

    def _episode(self, support: Tensor, query: Tensor) -> Tensor:
        training = self.training
        # What inference mode made cannot be differentiated.
        with torch.inference_mode(False), torch.enable_grad():
            weights = self.adapted(support.clone() if support.is_inference() else support)
        self.network.train(training)
        return functional_call(self.network, weights, (query,))

    def adapted(self, support: Tensor) -> dict[str, Tensor]:
        """The network's weights by name after all steps on the support [way, shot, 3, H, W] of one episode;
        a differentiable function of its own and of the gates in training mode."""
        named = dict(self.network.named_parameters())
        start = torch.cat([value.flatten() for value in named.values()])
        state = self.gates.start(start if self.training else start.detach())
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        self.network.train()
        images = support.flatten(0, 1)
        target = query_targets(support.shape[0], len(images), images.device)
        for _ in range(self.steps):
            leaf = state.weights.detach().requires_grad_()
            loss = F.cross_entropy(functional_call(self.network, _split(leaf, named), (images,)), target)
            (gradient,) = torch.autograd.grad(loss, leaf)
            if self.divided:
                gradient = gradient / len(images)
            with torch.set_grad_enabled(self.training):
                state = self.gates.step(state, gradient, loss.detach())
        return _split(state.weights, named)


class Gates(nn.Module):
    """The meta-learner without its start: 2,046 parameters."""

    def __init__(self, forget: float, rate: float) -> None:
        super().__init__()
        self.on_input, self.on_hidden = nn.Linear(4, 4 * HIDDEN), nn.Linear(HIDDEN, 4 * HIDDEN, bias=False)
        self.forget, self.rate = nn.Linear(HIDDEN + 2, 1), nn.Linear(HIDDEN + 2, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -SPREAD, SPREAD)
        nn.init.uniform_(self.forget.bias, forget - 0.5, forget + 0.5)
        nn.init.uniform_(self.rate.bias, rate - 0.5, rate + 0.5)

    def start(self, weights: Tensor) -> State:
        """Of weights [P]: empty memory, gates at zero."""
        empty = weights.new_zeros(len(weights), HIDDEN)
        gate = weights.new_zeros(len(weights))
        return State(weights, empty, empty, gate, gate)

    def step(self, state: State, gradient: Tensor, loss: Tensor) -> State:
        """gradient: [P]. loss: a number."""
        seen = torch.cat([preprocessed(loss).expand(len(gradient), -1), preprocessed(gradient)], dim=1)
        entry, kept, candidate, output = (self.on_input(seen) + self.on_hidden(state.hidden)).chunk(4, dim=1)
        cell = kept.sigmoid() * state.cell + entry.sigmoid() * candidate.tanh()
        hidden = output.sigmoid() * cell.tanh()
        forget, rate = (
            gate(torch.cat([hidden, state.weights[:, None], before[:, None]], dim=1))[:, 0]
            for gate, before in ((self.forget, state.forget), (self.rate, state.rate))
        )
        weights = forget.sigmoid() * state.weights - rate.sigmoid() * gradient
        return State(weights, hidden, cell, forget, rate)


def preprocessed(values: Tensor) -> Tensor:
    """[..., 2]: (log|x| / 10, sign x) where |x| > e^-10, else (-1, e^10 x)."""
    small = values.abs() <= math.exp(-SCALE)
    logarithm = values.abs().clamp_min(math.exp(-SCALE)).log() / SCALE
    large = torch.stack([logarithm, values.sign()], dim=-1)
    tiny = torch.stack([-torch.ones_like(values), math.exp(SCALE) * values], dim=-1)
    return torch.where(small[..., None], tiny, large)


def _split(flat: Tensor, named: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    pieces = flat.split([value.numel() for value in named.values()])
    return {name: piece.view_as(value) for (name, value), piece in zip(named.items(), pieces, strict=True)}
