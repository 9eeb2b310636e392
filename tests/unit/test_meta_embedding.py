"""ProtoNet, MatchingNet and RelationNet against computations written out one query at a time."""

import pytest
import torch
from torch import nn

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning import meta_learner

WAY, SHOT, QUERIES = 3, 2, 4
LEARNERS = [
    ("protonet", {}),
    ("matchingnet", {}),
    ("relationnet", {}),
    ("relationnet", {"loss": "softmax", "prototype": "sum", "head_norm": "batch"}),
]


class Flat(Backbone):
    """The numbers of an image are its features."""

    def __init__(self, dim):
        super().__init__()
        self.feature_dim, self.stage_dims = dim, (dim,)

    def stages(self, images):
        return [images]

    def pool(self, last):
        return last.flatten(1)


def learner_on_images(name, settings, backbone="resnet10", width=4):
    torch.manual_seed(0)
    learner = meta_learner(name, build(backbone, width=width, image_size=32), WAY, settings)
    learner(*images(seed=9))  # in training mode, so that running statistics are not the initial ones
    return learner


def images(episodes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    support = torch.randn(episodes, WAY, SHOT, 3, 32, 32, generator=generator)
    return support, torch.randn(episodes, WAY * QUERIES, 3, 32, 32, generator=generator)


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "settings"), LEARNERS)
def test_many_episodes_at_once_are_the_same_episodes_one_by_one(name, settings):
    learner = learner_on_images(name, settings).eval()
    support, query = images(episodes=3)
    together = learner(support, query)
    assert together.shape == (3, WAY * QUERIES, WAY)
    for e in range(3):
        torch.testing.assert_close(
            together[e : e + 1], learner(support[e : e + 1], query[e : e + 1]), atol=2e-5, rtol=1e-5
        )


@pytest.mark.parametrize(("name", "settings"), LEARNERS)
@pytest.mark.parametrize("backbone", ["resnet10", "conv4"])
def test_the_loss_reaches_every_weight(name, settings, backbone):
    learner = learner_on_images(name, settings, backbone)
    loss, logits = learner.loss(*images())
    loss.backward()
    assert logits.shape == (2, WAY * QUERIES, WAY)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learner.parameters())
    assert next(learner.backbone.parameters()).grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["protonet", "relationnet"])
def test_relabelling_the_ways_permutes_the_logits(name):
    learner = learner_on_images(name, {}).eval()
    support, query = images()
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        learner(support[:, order], query), learner(support, query)[..., order], atol=1e-5, rtol=1e-5
    )


def test_in_training_batchnorm_sees_one_episode_at_a_time():
    learner = learner_on_images("relationnet", {})
    support, query = images()
    torch.testing.assert_close(learner(support, query)[1:], learner(support[1:], query[1:]))


def test_protonet_is_minus_the_squared_distance_to_the_class_mean():
    learner = meta_learner("protonet", Flat(5), WAY, {})
    support, query = vectors(2, WAY, SHOT, 5), vectors(2, WAY * QUERIES, 5, seed=1)
    logits = learner.classify(support, query)
    for e in range(2):
        for q in range(WAY * QUERIES):
            for k in range(WAY):
                mean = (support[e, k, 0] + support[e, k, 1]) / 2
                assert logits[e, q, k].item() == pytest.approx(
                    -((query[e, q] - mean) ** 2).sum().item(), abs=1e-4
                )


def test_distances_are_taken_in_float32_under_autocast():
    learner = learner_on_images("protonet", {}).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = learner(*images())
        support, query = learner.embed_episodes(*images())
    assert (support.dtype, logits.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(logits, learner.classify(support.float(), query.float()))


def matching_by_hand(learner, support, query):
    """Log-probabilities of one episode: support [way, shot, d], query [q, d]; torch's own LSTM cells."""
    way, shot, dim = support.shape
    sequence = list(support.flatten(0, 1))
    lstm = learner.support_lstm
    encoded = list(sequence)
    for suffix, positions in (("", range(len(sequence))), ("_reverse", reversed(range(len(sequence))))):
        cell = nn.LSTMCell(dim, dim, dtype=torch.float64)
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(cell, part, getattr(lstm, f"{part}_l0{suffix}"))
        state = (support.new_zeros(1, dim), support.new_zeros(1, dim))
        for i in positions:
            state = cell(sequence[i][None], state)
            encoded[i] = encoded[i] + state[0][0]
    memory = torch.stack(encoded)
    rows = []
    for image in query:
        hidden, cell_state = image, image.new_zeros(dim)
        for _ in sequence:
            weights = torch.softmax(memory @ hidden, 0)
            read = sum(w * row for w, row in zip(weights, memory, strict=True))
            hidden, cell_state = learner.query_lstm(torch.cat([image, read]), (hidden, cell_state))
            hidden = hidden + image
        cosines = [(hidden / (hidden.norm() + 1e-5)) @ (row / (row.norm() + 1e-5)) for row in memory]
        attention = torch.softmax(100 * torch.stack(cosines).clamp(min=0), 0)
        probability = [attention[k * shot : (k + 1) * shot].sum() for k in range(way)]
        rows.append(torch.log(torch.stack(probability) + 1e-6))
    return torch.stack(rows)


def matchingnet(dim=6):
    learner = meta_learner("matchingnet", Flat(dim), WAY, {}).double()
    for number, parameter in enumerate(learner.parameters()):
        parameter.data = vectors(*parameter.shape, seed=number).double() / 2
    return learner


def test_matchingnet_is_the_computation_with_full_context_embeddings():
    learner = matchingnet()
    # A common direction keeps cosines positive, so that the rectifier does not hide them.
    support, query = vectors(2, WAY, SHOT, 6).double() + 1, vectors(2, 7, 6, seed=1).double() + 1
    logits = learner.classify(support, query)
    expected = torch.stack([matching_by_hand(learner, support[e], query[e]) for e in range(2)])
    torch.testing.assert_close(logits, expected, atol=1e-9, rtol=1e-9)
    assert logits.exp().max() > 0.5
    torch.testing.assert_close(logits.exp().sum(-1), torch.full((2, 7), 1 + WAY * 1e-6, dtype=torch.float64))


def test_matchingnet_trains_on_the_negative_log_probability():
    learner = matchingnet(dim=3)
    support = vectors(2, WAY, SHOT, 3, 1, 1).double()
    query = vectors(2, WAY * QUERIES, 3, 1, 1, seed=1).double()
    loss, logits = learner.loss(support, query)
    truth = [logits[e, q, q // QUERIES] for e in range(2) for q in range(WAY * QUERIES)]
    torch.testing.assert_close(loss, -torch.stack(truth).mean(), atol=1e-12, rtol=1e-12)


def test_matchingnet_depends_on_the_order_of_the_support_alone():
    learner = matchingnet()
    support, query = vectors(1, WAY, SHOT, 6).double(), vectors(1, 8, 6, seed=1).double()
    logits = learner.classify(support, query)
    assert not torch.allclose(learner.classify(support.flip(2), query), logits, atol=1e-3)
    torch.testing.assert_close(learner.classify(support, query.flip(1)), logits.flip(1), atol=1e-5, rtol=1e-5)


def test_relationnet_compares_unpooled_maps_of_mean_or_summed_shots():
    mean, total = (
        meta_learner("relationnet", Flat(4), WAY, {"prototype": p}).eval() for p in ("mean", "sum")
    )
    total.load_state_dict(mean.state_dict())
    support, query = vectors(1, WAY, SHOT, 4, 3, 3), vectors(1, 5, 4, 3, 3, seed=1)
    torch.testing.assert_close(total(support / SHOT, query), mean(support, query))
    assert mean.embed(support.flatten(0, 2)).shape == (WAY * SHOT, 4, 3, 3)


def test_relationnet_trains_on_squared_errors_of_sigmoids_or_on_cross_entropy():
    squares, softmax = (meta_learner("relationnet", Flat(4), WAY, {"loss": x}) for x in ("mse", "softmax"))
    softmax.load_state_dict(squares.state_dict())
    support, query = vectors(2, WAY, SHOT, 4, 3, 3), vectors(2, WAY * QUERIES, 4, 3, 3, seed=1)
    loss, logits = squares.loss(support, query)
    errors, entropies = [], []
    for row in logits.reshape(2, WAY, QUERIES, WAY).transpose(1, 2).reshape(-1, WAY, WAY):
        for k in range(WAY):
            errors += [(torch.sigmoid(row[k, j]) - float(j == k)) ** 2 for j in range(WAY)]
            entropies.append(row[k].logsumexp(0) - row[k, k])
    torch.testing.assert_close(loss, torch.stack(errors).mean())
    torch.testing.assert_close(softmax.loss(support, query)[0], torch.stack(entropies).mean())


def test_only_statistics_of_the_episode_make_relationnet_transductive():
    running, batch = (
        meta_learner("relationnet", Flat(4), WAY, {"head_norm": norm}).eval() for norm in ("running", "batch")
    )
    support, query = vectors(1, WAY, SHOT, 4, 2, 2), vectors(1, 8, 4, 2, 2, seed=1)
    assert (running.transductive, batch.transductive) == (False, True)
    torch.testing.assert_close(running(support, query[:, :3]), running(support, query)[:, :3])
    assert not torch.allclose(batch(support, query[:, :3]), batch(support, query)[:, :3], atol=1e-3)


def test_an_unknown_learner_is_an_error_with_the_choices():
    with pytest.raises(InputError, match=r"siamese.*protonet, matchingnet"):
        meta_learner("siamese", Flat(4), WAY, {})


def test_unknown_settings_are_errors_that_name_them():
    with pytest.raises(InputError, match=r"protonet.*temperature"):
        meta_learner("protonet", Flat(4), WAY, {"temperature": 2})
    with pytest.raises(InputError, match=r"prototype of relationnet must be mean or sum, found 'max'"):
        meta_learner("relationnet", Flat(4), WAY, {"prototype": "max"})
