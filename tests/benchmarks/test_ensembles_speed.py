"""Incremental multi-model selection against the loop of the released code."""

import pytest
import torch
from torch.nn import functional as F

from farfield.transfer.ensembles.ims import IMS

MODELS, DIMS = 5, (64, 128, 256, 512)


def plain_head(features, targets, epochs):
    layer = torch.nn.Linear(features.shape[1], 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
    for _ in range(epochs):
        for batch in torch.randperm(len(features)).split(4):
            optimizer.zero_grad()
            F.cross_entropy(layer(features[batch]), targets[batch]).backward()
            optimizer.step()
    return layer


@torch.no_grad()
def validation_loss(layer, features, targets):
    return F.cross_entropy(layer(features), targets).item()


def plain_ims(stages, queries, shot):
    """One episode: 20 heads for the layers, 5 a round for the models, and the last one."""
    targets = torch.arange(5).repeat_interleave(shot)

    def loss(features):
        layer = plain_head(features[1::2], targets[1::2], 20)
        return validation_loss(layer, features[::2], targets[::2])

    layers = [min(range(len(DIMS)), key=[loss(s) for s in model].__getitem__) for model in stages]
    chosen, best = [], float("inf")
    for _ in range(MODELS):
        losses = [
            loss(torch.cat([stages[m][layers[m]] for m in [*chosen, candidate]], dim=1))
            for candidate in range(MODELS)
        ]
        if min(losses) < best:
            best = min(losses)
            chosen.append(losses.index(best))
    layer = plain_head(torch.cat([stages[m][layers[m]] for m in chosen], dim=1), targets, 100)
    return layer(torch.cat([queries[m][layers[m]] for m in chosen], dim=1))


@pytest.mark.parametrize(("shot", "episodes"), [(5, 200), (20, 60)])
def test_ims_of_five_models(ratio, shot, episodes):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(episodes, 5, 1, sum(DIMS), generator=generator) / 2
    support = [
        (centres + torch.randn(episodes, 5, shot, sum(DIMS), generator=generator)).relu()
        for _ in range(MODELS)
    ]
    query = [
        (centres + torch.randn(episodes, 5, 15, sum(DIMS), generator=generator)).relu().flatten(1, 2)
        for _ in range(MODELS)
    ]
    stages = [s[0].flatten(0, 1).split(DIMS, dim=-1) for s in support]
    queries = [q[0].split(DIMS, dim=-1) for q in query]
    ratio(
        lambda: IMS(seed=0, stage_dims=[DIMS] * MODELS)(support, query),
        lambda: plain_ims(stages, queries, shot),
        least=10,
        share=1 / episodes,
    )
