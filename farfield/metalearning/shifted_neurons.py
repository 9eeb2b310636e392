"""Conditionally shifted neurons (adaResNet, Munkhdalai et al., arXiv 1712.09926), the direct feedback
variant.

Best effort: there is no code of the authors, and the equations here are recalled, agreeing with an
unfinished port."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.metalearning.learner import EmbeddingLearner, query_targets

SHARPNESS = 10.0  # of the attention over cosines; not published


class ShiftedNeurons(EmbeddingLearner):
    """A classifier whose neurons a memory of the support shifts.

    On features z: a = A z + c, h = relu(a) + relu(beta_1), logits = B h + e + beta_2. The memory of an
    episode has a key k_i = f(x_i) for each support image and a value for each neuron: of the hidden neuron
    j g_1(relu'(a_j) dL_i/dlogits), of the logit j g_2(dL_i/dlogit_j dL_i/dlogits), the losses L_i of the
    plain network. beta(x) is the mean of the values under softmax_i of 10 cos(f(x), k_i). f is a second
    network of the same shape. Without shifts it is the plain network, to the bit. Gradients do not pass
    through dL_i.

    hidden: neurons. feedback: units of the two hidden layers of g.
    """

    one_way = True

    def __init__(self, backbone: Backbone, way: int, hidden: int = 64, feedback: int = 20) -> None:
        super().__init__(backbone)
        self.key = copy.deepcopy(backbone)
        for module in self.key.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
                module.reset_parameters()
        self.hidden, self.output = nn.Linear(backbone.feature_dim, hidden), nn.Linear(hidden, way)
        self.of_hidden, self.of_output = _perceptron(way, feedback), _perceptron(way, feedback)

    def embed(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] to features beside keys, [n, 2 d]."""
        return torch.cat([self.backbone(images), self.key(images)], dim=1)

    def classify(self, support: Tensor, query: Tensor) -> Tensor:
        way, shot = support.shape[1:3]
        features, keys = support.flatten(1, 2).chunk(2, dim=-1)  # [E, n, d]
        asked, asking = query.chunk(2, dim=-1)
        with torch.no_grad():
            before = self.hidden(features)
            truth = F.one_hot(query_targets(way, way * shot, support.device), way).to(features)
            slope = self.output(before.relu()).softmax(-1) - truth  # dL_i/dlogits, [E, n, way]
            active = (before > 0).to(features)[..., None] * slope[:, :, None]  # [E, n, hidden, way]
            crossed = slope[..., None] * slope[:, :, None]  # [E, n, way, way]
        cosines = F.normalize(asking, dim=-1) @ F.normalize(keys, dim=-1).mT
        attention = (SHARPNESS * cosines).softmax(-1)  # [E, queries, n]
        shift_hidden = attention @ self.of_hidden(active)[..., 0]
        shift_output = attention @ self.of_output(crossed)[..., 0]
        return self.output(self.hidden(asked).relu() + shift_hidden.relu()) + shift_output


def _perceptron(inputs: int, units: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1)
    )
