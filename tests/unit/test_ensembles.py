"""Ensembles against loops that train torch.nn.Linear on concatenated features, one head at a time."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.transfer.ensembles import ensemble_learner
from farfield.transfer.ensembles.all_embeddings import AllEmbeddings
from farfield.transfer.ensembles.ims import IMS
from farfield.transfer.ensembles.settings import IMSChoices, IMSSettings
from farfield.transfer.ensembles.splits import split_support
from farfield.transfer.ensembles.validation import draw_heads
from farfield.transfer.hyper_ensemble import HyperEnsemble
from farfield.transfer.linear_head import LinearHead

DIMS = [(4, 8), (6, 5), (3, 9)]
SEED = 11


def ims(support, query, dims, settings, seed, first=0):
    """Logits and choices."""
    learner = IMS(seed=seed, stage_dims=dims, **vars(settings))
    fitted = learner.fit(support, first)
    return learner.scores(fitted, query), learner.choices(fitted)


def problem(shot, episodes=3, way=5, queries=4):
    """Features whose classes overlap, so that validation losses rise as well as fall."""
    generator = torch.Generator().manual_seed(shot)
    support, query = [], []
    for dims in DIMS:
        centres = 0.4 * torch.randn(episodes, way, 1, sum(dims), generator=generator)
        support.append(centres + torch.randn(episodes, way, shot, sum(dims), generator=generator))
        images = centres + torch.randn(episodes, way, queries, sum(dims), generator=generator)
        query.append(images.flatten(1, 2))
    return support, query


def held_out(way, shot, cv):
    """(training, validation) numbers of every fold, image by image as the released code tests them."""
    images = range(way * shot)
    if cv == "intended" and shot <= 5:
        rule = [[(i - r) % shot == 0 for i in images] for r in range(shot)]
    else:
        rule = [[(i % 10) % 2 == 0 for i in images]]
    return [([i for i in images if not out[i]], [i for i in images if out[i]]) for out in rule]


def serial_loss(features, shot, weight, bias, order, fold, settings):
    """Train one torch.nn.Linear on the training images of a fold; its loss on the others."""
    train, validation = fold
    layer = torch.nn.Linear(features.shape[1], weight.shape[0])
    layer.weight.data = weight / features.shape[1] ** 0.5
    layer.bias.data = bias / features.shape[1] ** 0.5
    optimizer = torch.optim.SGD(
        layer.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        dampening=settings.dampening,
        weight_decay=settings.weight_decay,
    )
    targets = torch.arange(len(features)) // shot
    for epoch in order:
        for batch in epoch.split(settings.batch_size):
            rows = torch.tensor(train)[batch]
            optimizer.zero_grad()
            F.cross_entropy(layer(features[rows]), targets[rows]).backward()
            optimizer.step()
    return F.cross_entropy(layer(features[validation]), targets[validation]).item()


def serial_ims(support, settings, episode):
    """The released selection in one episode: (layer of each model, model of each round)."""
    way, shot = support[0].shape[1:3]
    points = [s[episode].flatten(0, 1).split(dims, dim=-1) for s, dims in zip(support, DIMS, strict=True)]
    folds, split = held_out(way, shot, settings.cv), split_support(way, shot, settings.cv)
    k, count, widest = len(folds), len(DIMS), max(map(max, DIMS))

    def draw(step, rows, columns, candidates):
        return draw_heads(
            SEED,
            step,
            range(episode, episode + 1),
            weights=(rows, columns),
            candidates=candidates,
            way=way,
            epochs=settings.selector_epochs,
            split=split,
        )

    def loss(features, draws, c, weights):
        losses = [
            serial_loss(
                features, shot, weights[f], draws.bias[0, c, f], draws.orders[0, c, f], fold, settings
            )
            for f, fold in enumerate(folds)
        ]
        return sum(losses) / k

    draws = draw(0, k * way, sum(map(sum, DIMS)), sum(map(len, DIMS)))
    layers, c, column = [], 0, 0
    for model in points:
        losses = []
        for features in model:
            width = features.shape[1]
            weights = draws.weight[0, :, column : column + width].unflatten(0, (k, way))
            losses.append(loss(features, draws, c, weights))
            c, column = c + 1, column + width
        layers.append(losses.index(min(losses)))

    chosen = [model[layer] for model, layer in zip(points, layers, strict=True)]
    appended, best = [], float("inf")
    for r in range(1, (settings.rounds or count) + 1):
        draws = draw(r, count * k * way, r * widest, count)
        winner = -1
        for m in range(count):
            if m in appended and not settings.with_replacement:
                continue
            slots = [*appended, m]
            places = [*range(len(appended)), r - 1]
            weights = draws.weight[0].unflatten(0, (count, k, way))[m].unflatten(-1, (r, widest))
            columns = [(place, s) for place, s in zip(places, slots, strict=True) if s >= 0]
            value = loss(
                torch.cat([chosen[s] for _, s in columns], dim=1),
                draws,
                m,
                torch.cat([weights[..., place, : chosen[s].shape[1]] for place, s in columns], dim=-1),
            )
            if value < best:
                best, winner = value, m
        appended.append(winner)
        if winner < 0 and settings.early_stop:
            break
    return layers, appended + [-1] * ((settings.rounds or count) - len(appended))


@pytest.mark.parametrize(("shot", "sizes"), [(5, (12, 13)), (20, (50, 50)), (50, (125, 125))])
def test_the_released_code_halves_the_support_at_every_shot(shot, sizes):
    split = split_support(5, shot, "released_bug")
    assert split.validation.tolist() == [list(range(0, 5 * shot, 2))]
    assert split.train.tolist() == [list(range(1, 5 * shot, 2))]
    assert (split.train.shape[1], split.validation.shape[1]) == sizes


def test_the_intended_folds_hold_out_one_image_of_each_class_up_to_five_shots():
    split = split_support(5, 5, "intended")
    assert split.validation.tolist() == [
        [0, 5, 10, 15, 20],
        [1, 6, 11, 16, 21],
        [2, 7, 12, 17, 22],
        [3, 8, 13, 18, 23],
        [4, 9, 14, 19, 24],
    ]
    assert split.train[1].tolist() == [0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 20, 22, 23, 24]
    for shot in (20, 50):
        assert split_support(5, shot, "intended").train.tolist() == [list(range(1, 5 * shot, 2))]


@pytest.mark.parametrize(
    ("shot", "changes"),
    [
        (5, {}),
        (5, {"cv": "intended"}),
        (5, {"with_replacement": False}),
        (5, {"early_stop": True, "rounds": 5}),
        (5, {"rounds": 6, "momentum": 0.0}),
        (8, {"cv": "intended", "rounds": 2, "batch_size": 3}),
    ],
)
def test_ims_selects_what_one_head_after_another_selects(shot, changes):
    support, query = problem(shot)
    settings = IMSSettings(**{"selector_epochs": 4, "epochs": 5, "learning_rate": 0.05} | changes)
    logits, choices = ims(support, query, DIMS, settings, SEED)
    head = LinearHead(seed=SEED, epochs=5, **_sgd(settings))
    for e in range(3):
        layers, models = serial_ims(support, settings, e)
        assert choices.layers[e].tolist() == layers
        assert choices.models[e].tolist() == models
        parts = [_stages(support, e)[m][layers[m]] for m in models if m >= 0]
        queries = [_stages(query, e)[m][layers[m]] for m in models if m >= 0]
        expected = head(torch.cat(parts, dim=-1), torch.cat(queries, dim=-1), first=e)[0]
        torch.testing.assert_close(logits[e], expected, atol=1e-4, rtol=0)


def _sgd(settings):
    names = ("batch_size", "learning_rate", "momentum", "dampening", "weight_decay")
    return {name: getattr(settings, name) for name in names}


def _stages(features, e):
    return [f[e : e + 1].split(dims, dim=-1) for f, dims in zip(features, DIMS, strict=True)]


def test_rounds_without_a_gain_append_nothing_and_end_the_search_only_when_told():
    support, query = problem(5, episodes=20)
    settings = IMSSettings(rounds=6, epochs=1)
    _, on = ims(support, query, DIMS, settings, SEED)
    _, ended = ims(support, query, DIMS, replace(settings, early_stop=True), SEED)
    for going, stopped in zip(on.models.tolist(), ended.models.tolist(), strict=True):
        gains = going.index(-1) if -1 in going else 6
        assert stopped == going[:gains] + [-1] * (6 - gains)
    assert (on.models != ended.models).any()


def test_without_replacement_no_model_is_appended_twice():
    support, query = problem(5, episodes=20)
    _, again = ims(support, query, DIMS, IMSSettings(epochs=1), SEED)
    _, once = ims(support, query, DIMS, IMSSettings(epochs=1, with_replacement=False), SEED)
    twice = [len({m for m in row if m >= 0}) < sum(m >= 0 for m in row) for row in again.models.tolist()]
    assert any(twice)
    for row in once.models.tolist():
        assert len({m for m in row if m >= 0}) == sum(m >= 0 for m in row)


@pytest.mark.parametrize("cv", ["released_bug", "intended"])
def test_ims_does_not_depend_on_how_episodes_are_grouped(cv, monkeypatch):
    support, query = problem(5, episodes=4)
    settings = IMSSettings(cv=cv, epochs=10)
    logits, choices = ims(support, query, DIMS, settings, SEED)
    monkeypatch.setattr("farfield.transfer.ensembles.ims.CHUNK_BYTES", 1)
    chunked, same = ims(support, query, DIMS, settings, SEED)
    assert choices.layers.equal(same.layers)
    assert choices.models.equal(same.models)
    torch.testing.assert_close(chunked, logits, atol=1e-5, rtol=0)
    for e in range(4):
        alone = ([s[e : e + 1] for s in support], [q[e : e + 1] for q in query])
        serial, choice = ims(*alone, DIMS, settings, SEED, first=e)
        assert choice.models[0].equal(choices.models[e])
        torch.testing.assert_close(serial[0], logits[e], atol=1e-5, rtol=0)


def test_with_one_shot_the_last_stage_of_every_model_is_taken():
    support, query = problem(1)
    logits, choices = ims(support, query, DIMS, IMSSettings(epochs=10), SEED)
    assert choices.layers.tolist() == [[1, 1, 1]] * 3
    assert choices.models.tolist() == [[0, 1, 2]] * 3
    last = [
        torch.cat([f[..., dims[0] :] for f, dims in zip(x, DIMS, strict=True)], -1) for x in (support, query)
    ]
    torch.testing.assert_close(logits, LinearHead(seed=SEED, epochs=10)(*last), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shot", [1, 5, 20])
def test_all_embeddings_is_a_linear_head_on_the_concatenation(shot):
    support, query = problem(shot)
    learner = AllEmbeddings(seed=SEED, stage_dims=DIMS, epochs=30)
    logits = learner(support, query, first=2)
    head = LinearHead(seed=SEED, epochs=30)
    expected = head(torch.cat(support, dim=-1), torch.cat(query, dim=-1), first=2)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    alone = learner([s[1:2] for s in support], [q[1:2] for q in query], first=3)
    torch.testing.assert_close(alone[0], logits[1], atol=1e-5, rtol=0)


def test_choices_are_counted_for_the_report():
    choices = IMSChoices(torch.tensor([[0, 2], [1, 2]]), torch.tensor([[1, -1, 1], [0, 1, -1]]))
    assert choices.layer_counts(3).tolist() == [[1, 1, 0], [0, 0, 2]]
    assert choices.model_counts().tolist() == [1, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cv": "none"}, "cv should be 'released_bug' or 'intended', found 'none'"),
        ({"rounds": 0}, "rounds should be greater than 0, found 0"),
        ({"selector_epochs": 0.5}, "selector_epochs should be a valid integer, found 0.5"),
        ({"learning_rate": 0}, "learning_rate should be greater than 0, found 0"),
    ],
)
def test_impossible_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        IMSSettings(**changes)


def test_features_that_do_not_fit_are_named():
    support, query = problem(5)
    with pytest.raises(InputError, match=r"model 1 has 11 features, but its stages have \[6, 6\], 12 in all"):
        ims(support, query, [DIMS[0], (6, 6), DIMS[2]], IMSSettings(), SEED)
    support[2][0, 1, 2, 3] = torch.nan
    with pytest.raises(InputError, match="model 2 has support features that are not finite"):
        ims(support, query, DIMS, IMSSettings(), SEED)


def test_joined_networks_are_one_network_that_has_the_last_stages_of_all():
    generator = torch.Generator().manual_seed(3)
    dims = [(3, 4, 5), (2, 6, 4, 3)]
    support = [torch.rand(2, 3, 4, sum(widths), generator=generator) for widths in dims]
    query = [torch.rand(2, 6, sum(widths), generator=generator) for widths in dims]
    given = ensemble_learner("joined", 0, dims, {"stages": 2})(support, query)
    columns = [slice(3, 7), slice(7, 12)], [slice(8, 12), slice(12, 15)]
    blocks = [
        [values[..., place] for values, places in zip(part, columns, strict=True) for place in places]
        for part in (support, query)
    ]
    assert torch.equal(given, HyperEnsemble()(*blocks))
