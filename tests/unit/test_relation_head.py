"""The head of RelationNet against the published network on concatenated pairs."""

import copy

import pytest
import torch
from torch.nn import functional as F

from farfield.metalearning.relationnet import RelationHead

WAY = 3


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def relation_by_hand(head, prototypes, query):
    """Scores [q, way] of one episode: every pair concatenated, then the published layers in turn."""
    pairs = torch.stack([torch.cat([p, q]) for q in query for p in prototypes])
    x = F.max_pool2d(head.norm1(head.conv1(pairs)).relu(), 2)
    x = F.max_pool2d(head.norm2(head.conv2(x)).relu(), 2)
    return head.fc2(head.fc1(x.flatten(1)).relu()).view(len(query), len(prototypes))


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_relation_head_is_the_published_network_on_maps_of_7_by_7(running, training):
    torch.manual_seed(0)
    head = RelationHead(6, running)
    head(vectors(1, WAY, 6, 7, 7, seed=2), vectors(1, 5, 6, 7, 7, seed=3))
    head.train(training)
    prototypes, query = vectors(2, WAY, 6, 7, 7), vectors(2, 5, 6, 7, 7, seed=1)
    twin = copy.deepcopy(head)
    expected = torch.stack([relation_by_hand(twin, prototypes[e], query[e]) for e in range(2)])
    torch.testing.assert_close(head(prototypes, query), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dict(head.named_buffers()), dict(twin.named_buffers()), atol=1e-5, rtol=1e-5)


def test_the_published_relation_head_is_1024_512_512_8_1():
    head = RelationHead(512, running=True)
    shapes = [tuple(layer.weight.shape) for layer in (head.conv1, head.conv2, head.fc1, head.fc2)]
    assert shapes == [(512, 1024, 3, 3), (512, 512, 3, 3), (8, 512), (1, 8)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 3), (5, 5), (14, 14)])
def test_the_relation_head_takes_maps_of_any_size(size):
    head = RelationHead(4, running=True).eval()
    scores = head(vectors(1, WAY, 4, *size), vectors(1, 5, 4, *size, seed=1))
    assert scores.shape == (1, 5, WAY)
    assert scores.std() > 0


def test_running_statistics_of_the_relation_head_are_those_of_the_last_episode():
    head = RelationHead(4, running=True)
    prototypes, query = vectors(2, WAY, 4, 2, 2), vectors(2, 5, 4, 2, 2, seed=1)
    head(prototypes, query)
    last = copy.deepcopy(head)
    last(prototypes[1:], query[1:])
    torch.testing.assert_close(head.norm2.running_mean, last.norm2.running_mean)
    torch.testing.assert_close(head.norm2.running_var, last.norm2.running_var)
