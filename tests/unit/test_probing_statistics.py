"""Intervals, prediction sets, learning curves, a limit of time: against simulation or another computation."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from farfield.probing.conformal import prediction_sets, thresholds
from farfield.probing.diagnosis import Estimate, LearningCurve
from farfield.probing.evaluation import Candidate, parts_of, test
from farfield.probing.intervals import found_again, scores, wilson
from farfield.probing.learning_curve import (
    curve_through,
    images_more,
    learning_curve,
    power_law,
    sub_samples,
)
from farfield.probing.logistic import basis
from farfield.probing.measures import interval, measure
from farfield.probing.trying import could_win, reason, try_candidates

test.__test__ = False  # not one of these


def answers(generator, n, classes=5, apart=1.6):
    """Labels [n], logits [n, classes] of images that are exchangeable, and calibrated."""
    labels = generator.integers(0, classes, n)
    labels[:classes] = np.arange(classes)
    logits = generator.normal(size=(n, classes))
    logits[np.arange(n), labels] += apart
    return labels, logits * apart


def split(generator, n, parts=5):
    return generator.permutation(n)[None] % parts


def test_scores_are_those_of_scikit_learn():
    labels, logits = answers(np.random.default_rng(0), 300)
    given = logits.argmax(1)
    parts = split(np.random.default_rng(0), 300)
    found = scores(logits[None], labels, measure(logits[None], labels, parts), seed=0)
    assert found.accuracy.value == pytest.approx(100 * (given == labels).mean())
    assert found.balanced.value == pytest.approx(100 * balanced_accuracy_score(labels, given))
    assert found.macro_f1.value == pytest.approx(100 * f1_score(labels, given, average="macro"))
    np.testing.assert_allclose(found.recall[:, 0], 100 * recall_score(labels, given, average=None))
    assert (found.recall[:, 1] <= found.recall[:, 0]).all()
    assert (found.recall[:, 0] <= found.recall[:, 2]).all()


def test_intervals_of_recalls_are_wilsons():
    low, high = wilson(np.array([0.8, 1.0]), np.array([20, 7]))
    for place, (hits, count) in enumerate(((16, 20), (7, 7))):
        peer = binomtest(hits, count).proportion_ci(method="wilson")
        assert (low[place], high[place]) == pytest.approx((peer.low, peer.high), abs=1e-6)


@pytest.mark.parametrize("recall", [0.6, 0.9, 0.97])
def test_intervals_of_recalls_hold_those_of_half_as_many_new_images(recall):
    generator = np.random.default_rng(1)
    here, new = generator.binomial(60, recall, 2000) / 60, generator.binomial(30, recall, 2000) / 30
    low, high = found_again(here, np.full(2000, 60.0))
    assert 0.93 <= ((low <= new) & (new <= high)).mean() <= 0.995
    assert ((low <= here) & (here <= high)).all()


def test_half_as_many_new_images_fall_into_the_intervals():
    """Of classes of different sizes, of which the smallest has a recall of its own."""
    generator = np.random.default_rng(3)
    held = np.zeros(3)
    sizes, recalls = np.array([20, 40, 90]), np.array([0.5, 0.8, 0.95])
    draws = 80
    for draw in range(draws):
        sides = []
        for scale in (2, 1):
            labels = np.repeat(np.arange(3), scale * sizes)
            wrong = generator.random(len(labels)) > recalls[labels]
            sides.append(
                (labels, np.where(wrong, (labels + generator.integers(1, 3, len(labels))) % 3, labels))
            )
        (labels, given), (new, new_given) = sides
        logits, parts = np.eye(3)[given][None], split(generator, len(labels))
        found = scores(logits, labels, measure(logits, labels, parts), seed=draw)
        held[0] += found.balanced.holds(100 * balanced_accuracy_score(new, new_given))
        held[1] += found.macro_f1.holds(100 * f1_score(new, new_given, average="macro"))
        held[2] += Estimate(*found.recall[0]).holds(100 * (new_given == new)[new == 0].mean())
    assert (held / draws >= 0.9).all()


def test_images_that_are_right_or_wrong_together_make_intervals_wider():
    generator = np.random.default_rng(4)
    held = np.zeros(2)
    units, new = np.repeat(np.arange(60), 6), np.repeat(np.arange(30), 6)
    for _ in range(400):
        right, later = (generator.random(each.max() + 1)[each] < 0.8 for each in (units, new))
        gap = abs(right.mean() - later.mean())
        held += (gap <= interval(right.astype(float), units), gap <= interval(right.astype(float)))
    together, apart = held / 400
    assert together >= 0.92
    assert apart < 0.8
    labels, logits = np.arange(360) // 6 % 4, np.eye(4)[np.arange(360) // 6 % 4]
    logits[right[:180].nonzero()[0]] = 0.25
    measures = measure(logits[None], labels, split(generator, 360))
    both = [scores(logits[None], labels, measures, 0, each) for each in (units, None)]
    for name in ("accuracy", "balanced", "macro_f1"):
        wide, narrow = (getattr(one, name) for one in both)
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)
    assert (both[0].recall[:, 1] < both[1].recall[:, 1]).all()


@pytest.mark.parametrize("each_class", [False, True])
def test_sets_hold_the_class_of_new_images_as_often_as_is_stated(each_class):
    generator = np.random.default_rng(5)
    covered, claimed, by_class = [], [], np.zeros((2, 5))
    for _ in range(30):
        labels, logits = answers(generator, 400)
        found = prediction_sets(logits[None], labels, split(generator, 400), 90.0, each_class=each_class)
        new, others = answers(generator, 2000)
        likely = np.exp(others / found.temperature)
        likely /= likely.sum(1, keepdims=True)
        inside = likely >= found.thresholds
        own = inside[np.arange(2000), new]
        covered.append(100 * own.mean())
        claimed.append(found.coverage.value)
        by_class += np.stack([np.bincount(new, weights=own), np.bincount(new)])
        assert found.sizes.sum() == 400
    assert np.mean(covered) == pytest.approx(90, abs=1.2)
    assert np.mean(claimed) == pytest.approx(90, abs=1.5)
    if each_class:
        np.testing.assert_allclose(by_class[0] / by_class[1], 0.9, atol=0.025)


def test_a_threshold_is_the_rank_that_one_more_image_would_have():
    own = np.full((1, 19, 2), 0.5)
    own[0, :, 0] = np.linspace(0.05, 0.95, 19)
    labels = np.zeros(19, dtype=int)
    assert thresholds(own, labels, 90.0, False)[0] == pytest.approx(own[0, 1, 0])  # the second of 20
    assert thresholds(own[:, :8], labels[:8], 90.0, False)[0] == 0  # 8 images promise no 90 %
    both = thresholds(np.repeat(own, 2, 0), labels, 90.0, False)[0]
    assert both == pytest.approx(own[0, 1, 0])  # answering twice adds no images


def test_a_law_is_the_least_of_squares_inside_its_bounds():
    sizes = np.array([40.0, 70.0, 110.0, 160.0])
    generator = np.random.default_rng(0)
    errors = np.stack([0.08 + 1.5 * sizes**-0.5, 0.3 * np.ones(4), 3 * sizes**-0.7]) + generator.normal(
        0, 0.004, (3, 4)
    )
    for row, (a, b, c) in zip(errors, zip(*power_law(sizes, errors), strict=True), strict=True):
        own = np.square(a + b * sizes**-c - row).sum()
        peers = [
            least_squares(
                lambda law, row=row: law[0] + law[1] * sizes ** -law[2] - row,
                start,
                bounds=([0, 0, 0.1], [1, np.inf, 1.0]),
            ).cost
            * 2
            for start in ([0.05, 1, 0.5], [0.2, 0.1, 1.0], [0.01, 3, 0.3])
        ]
        assert own**0.5 <= min(peers) ** 0.5 + 2e-4  # powers are those of a grid
    exact = power_law(sizes, (0.05 + 2 * sizes**-0.5)[None])
    assert [float(each[0]) for each in exact] == pytest.approx([0.05, 2, 0.5], abs=1e-9)
    more = images_more(0.05, 2.0, 0.5, 160, 2.0)
    assert 2.0 * (160 + more) ** -0.5 == pytest.approx(2.0 * 160**-0.5 - 0.02)
    assert images_more(0.05, 0.1, 0.5, 160, 2.0) == np.inf


def test_the_interval_of_more_labels_holds_what_the_law_says():
    sizes = np.array([100.0, 160.0, 260.0, 400.0])
    truth = 0.02 + 3 * sizes**-0.5
    expected = images_more(0.02, 3.0, 0.5, 500, 2.0)
    held = 0
    for draw in range(40):
        hard = np.random.default_rng(draw).random(500)
        found = curve_through(sizes, hard > truth[:, None], 500, seed=draw)
        held += found.more is None or found.more.low <= expected <= found.more.high
    assert held >= 35


def test_smaller_shares_lie_in_larger_ones_and_hold_whole_units():
    labels, units = np.arange(120) % 3, np.arange(120) // 6
    part = units % 5
    used, asked, sizes = sub_samples(labels, part, 0, units)
    for place in range(0, len(used), 4):
        assert (asked[place] == (part == place // 4)).all()
        assert not (used[place + 3] & asked[place]).any()
        assert (used[place + 3] | asked[place]).all()
        for small, large in zip(used[place : place + 3], used[place + 1 : place + 4], strict=True):
            assert not (small & ~large).any()
            assert all(len(set(small[units == unit])) == 1 for unit in range(20))
            assert set(labels[small]) == {0, 1, 2}
    assert (np.diff(sizes) > 0).all()


def test_more_labels_help_where_they_do():
    torch.manual_seed(0)
    labels = torch.arange(480) % 4
    features = torch.randn(480, 120) + 0.2 * torch.randn(4, 120)[labels]
    part = parts_of(labels.numpy(), None, 0)[0]
    found = learning_curve(basis(features), labels.numpy(), part, seed=0)
    assert found.accuracy[-1] > found.accuracy[0] + 5
    assert found.more is not None
    assert "more labels for +2 points" in found.sentence
    noise = learning_curve(basis(torch.randn(480, 120)), labels.numpy(), part, seed=0)
    assert abs(noise.accuracy[-1] - 25) < 12
    assert learning_curve(basis(features[:16]), labels[:16].numpy(), np.arange(16) % 2, seed=0) is None


def test_sentences_of_a_curve():
    def said(more):
        sizes = np.array([100.0, 400.0])
        return LearningCurve(sizes, sizes, sizes, 90.0, 1.0, 0.5, 80.0, 2.0, more).sentence

    assert said(Estimate(58.2, 30.0, 138.0)) == "About 59 more labels for +2 points, interval 30 to 140."
    assert "it may take far more" in said(Estimate(612.0, 201.0, np.inf))
    assert said(Estimate(612.0, 201.0, np.inf)).startswith(
        "About 620 more labels for +2 points, at least 210"
    )
    for never in (None, Estimate(5000.0, 300.0, np.inf)):
        assert said(never) == "More labels of this kind are unlikely to bring +2 points."


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def candidates():
    costs = {"noise": 0.01, "good": 0.1, "better": 1.0, "dear": 10.0}
    return [Candidate(key, key, (key,), cost) for key, cost in costs.items()]


def blocks_of(apart):
    """Blocks that separate four classes the more the larger `apart` says."""
    torch.manual_seed(0)
    labels = torch.arange(80) % 4
    centres = torch.randn(4, 30)
    return labels.numpy(), {key: torch.randn(80, 30) + far * centres[labels] for key, far in apart.items()}


def test_dear_candidates_wait_for_the_time_that_is_left():
    labels, blocks = blocks_of({"noise": 0.0, "good": 0.3, "better": 0.5, "dear": 0.6})
    parts, clock = parts_of(labels, None, 0), Clock()

    def taking_time(candidate):
        clock.now += candidate.cost * len(labels)
        return blocks

    tested, skipped = try_candidates(candidates()[::-1], taking_time, labels, parts, 200.0, clock=clock)
    assert [one.candidate.key for one in tested] == ["noise", "good", "better"]
    [late] = skipped
    assert late.candidate.key == "dear"
    assert late.why == "it takes about 8e+02 s, and 1.1e+02 of 200 s are left"
    whole, none = try_candidates(candidates(), lambda _: blocks, labels, parts)
    assert len(whole) == 4
    assert not none
    only, _ = try_candidates(candidates(), taking_time, labels, parts, 0.0, clock=clock)
    assert [one.candidate.key for one in only] == ["noise"]  # one is always tried


def test_nothing_dearer_is_tried_where_it_could_not_be_recommended():
    labels, blocks = blocks_of({"noise": 0.0, "good": 6.0, "better": 6.0, "dear": 6.0})
    tested, skipped = try_candidates(candidates(), lambda _: blocks, labels, parts_of(labels, None, 0))
    assert [one.candidate.key for one in tested] == ["noise", "good"]
    assert not could_win(tested[1])
    assert could_win(tested[0])
    assert all("no more could be told from it" in one.why for one in skipped)
    assert reason(tested, tested[1]).startswith("good is the most accurate, by 8")
    assert "the cheapest of those that these images do not tell" in reason([*tested, tested[1]], tested[0])
    alike = [dataclasses.replace(one, cost=0.1) for one in candidates()]
    tested, skipped = try_candidates(alike, lambda _: blocks, labels, parts_of(labels, None, 0))
    assert len(tested) == 4  # what costs no more is tried in any case
    assert not skipped
