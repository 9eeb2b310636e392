"""What a probe says of the images themselves: copies, groups, wrong labels, outliers, classes that are one."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from farfield.own.words import headline
from farfield.probing.diagnosing import diagnose
from farfield.probing.diagnosis import Planted
from farfield.probing.duplicates import (
    clusters,
    differing_bits,
    groups_of_names,
    merged,
    near_duplicates,
    signs,
    spectra,
)
from farfield.probing.evaluation import Candidate, parts_of, test
from farfield.probing.families import families
from farfield.probing.planting import plant, with_changes
from farfield.probing.suspects import nearest, outliers, same_classes, suspects
from farfield.seeds import stream

test.__test__ = False  # not one of these


def pictures(count, side=48, seed=0):
    """uint8 [count, side, side, 3]: smooth random colours."""
    torch.manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6)
    fine = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)
    return (255 * fine).permute(0, 2, 3, 1).to(torch.uint8).numpy()


def clouds(n=150, d=40, classes=5, apart=1.0, seed=0):
    """Unit features [n, d] and labels [n]."""
    torch.manual_seed(seed)
    labels = torch.arange(n) % classes
    return F.normalize(torch.randn(n, d) + apart * torch.randn(classes, d)[labels]), labels.numpy()


def answered(features, labels, seed=0, groups=None):
    parts = parts_of(labels, groups, seed)
    return test(Candidate("own", "own", ("all",), 1.0), {"all": features}, labels, parts), parts


def test_hashes_of_mirrored_and_turned_copies_agree():
    images = pictures(6)
    copies = [images, images[:, ::-1], images[:, :, ::-1], images.swapaxes(1, 2), np.rot90(images, 1, (1, 2))]
    for copy in copies:
        bits = differing_bits(spectra(np.concatenate([images, copy])))[:6, 6:]
        assert (np.diag(bits) <= 2).all()
        assert (bits[~np.eye(6, dtype=bool)] > 10).all()
    plain = (signs(spectra(images)) != signs(spectra(np.ascontiguousarray(images[:, ::-1])))).sum(1)
    assert (plain > 10).all()  # without asking for mirrors they differ


def test_a_spectrum_is_that_of_the_averaged_image():
    from scipy.fft import dctn

    images = pictures(2, side=64)
    grey = images.sum(-1).astype(float).reshape(2, 32, 2, 32, 2).mean((2, 4))
    for image, found in zip(grey, spectra(images), strict=True):
        expected = dctn(image, norm="ortho")[:8, :8]
        expected[0, 0] = 0
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)
    assert spectra(pictures(1, side=20)).shape == (1, 8, 8)  # smaller than the grid of the hash


def test_copies_are_found_by_either_witness_and_nothing_else_is():
    images, (features, labels) = pictures(20), clouds(20, classes=4, apart=0.1)
    noisy = (images[:3].astype(int) + np.random.default_rng(0).integers(-6, 7, images[:3].shape)).clip(0, 255)
    shown = np.concatenate([images, noisy.astype(np.uint8)[:, ::-1], pictures(1, seed=9)])
    near = F.normalize(features[:3] + 0.04 * torch.randn(3, 40))
    all_features = torch.cat([features, near, features[7:8]]).numpy()
    labels = np.concatenate([labels, labels[:2], [3], labels[7:8]])
    found = near_duplicates(all_features, shown, labels, parts_of(labels, None, 0))
    assert sorted(map(tuple, found.pairs)) == [(0, 20), (1, 21), (2, 22), (7, 23)]
    assert tuple(found.pairs[0]) == (7, 23)  # the most alike
    where = {tuple(pair): place for place, pair in enumerate(found.pairs)}
    assert found.bits[where[7, 23]] > 10  # another picture for the hash, the same for the features
    assert not found.same_class[where[2, 22]]
    assert found.same_class[where[0, 20]]
    assert found.clusters[0] == found.clusters[20]
    assert len(set(found.clusters)) == 20
    parts = parts_of(labels, found.clusters, 0)
    assert near_duplicates(all_features, shown, labels, parts).same_part.all()


def test_groups_are_joined_where_they_share_anything():
    generator = np.random.default_rng(0)
    groups, others = generator.integers(0, 12, 40), generator.integers(0, 25, 40)
    expected = np.arange(40)
    for _ in range(40):  # a plain loop: the smallest number spreads
        for each in (groups, others):
            for name in np.unique(each):
                expected[each == name] = expected[each == name].min()
    found = merged(groups, others)
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))
    assert clusters(np.array([0, 3]), np.array([3, 1]), 5).tolist() == [0, 0, 1, 0, 2]


def test_names_suggest_groups_only_where_they_repeat():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    paths = ["a/p1_1.png", "a/p1_2.png", "a/p2_1.png", "a/p2_2.png"]
    both = [*paths, "b/p7-flip1.png", "b/p7-flip2.png", "b/p8-1.png", "b/p8-2.png"]
    assert groups_of_names(both, labels).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (
        groups_of_names([f"{'ab'[label]}/image_{n:03}.png" for n, label in enumerate(labels)], labels) is None
    )
    alone = [f"{'ab'[label]}/{chr(97 + n) * 3}.png" for n, label in enumerate(labels)]
    assert groups_of_names(alone, labels) is None


def test_planted_wrong_labels_come_first():
    features, truth = clouds(300, apart=1.0)
    labels = truth.copy()
    flipped = np.random.default_rng(0).choice(300, 15, replace=False)
    labels[flipped] = (labels[flipped] + 1 + np.arange(15) % 4) % 5
    tested, _ = answered(features, labels)
    rows, _ = nearest(features.numpy(), 10)
    found = suspects(tested.logits, labels, rows)
    first = np.argsort(-found.scores, kind="stable")[:15]
    assert np.isin(first, flipped).mean() >= 0.6
    assert np.isin(found.rows, flipped).mean() >= 0.6
    named = np.isin(found.rows, flipped)
    assert (found.suggested[named] == truth[found.rows[named]]).mean() > 0.8
    assert (found.other > found.own).all()
    assert (found.neighbours > 50).all()


def test_a_list_of_wrong_labels_is_trusted_where_classes_are_known_and_not_where_they_are_not():
    for apart, misleading in ((2.0, False), (0.3, True)):
        features, labels = clouds(400, apart=apart)
        tested, parts = answered(features, labels)
        rows, _ = nearest(features.numpy(), 10)
        found = plant(tested.basis, labels, parts[:1], rows, seed=3)
        assert found.changed == 40  # two copies, a twentieth each
        assert found.misleading == misleading
        assert plant(tested.basis, labels, parts[:1], rows, seed=3) == found
        draws, by_hand = stream(3, "planted labels"), [0, 0]
        for _ in range(2):
            copy, changed = with_changes(labels, draws)
            assert (np.flatnonzero(copy != labels) == np.sort(changed)).all()
            again = test(Candidate("own", "own", ("all",), 1.0), {"all": features}, copy, parts[:1])
            seem = suspects(again.logits, copy, rows).rows
            by_hand[0] += len(seem)
            by_hand[1] += len({*seem.tolist()} & {*changed.tolist()})
        assert [found.listed, found.found] == by_hand
    assert not Planted(4, 3, 0).misleading  # too few to say so


def test_no_class_loses_all_its_labels_to_the_trial():
    labels = np.repeat(np.arange(6), 2)
    for seed in range(20):
        copy, changed = with_changes(labels, np.random.default_rng(seed))
        assert len(changed) == 1
        assert set(copy) == set(range(6))
        assert (copy[changed] != labels[changed]).all()


def test_nearest_are_those_of_a_plain_loop_and_not_copies_of_oneself():
    features, _ = clouds(30)
    features = torch.cat([features, features[:2]]).numpy()
    together = np.concatenate([np.arange(30), [0, 1]])
    rows, distances = nearest(features, 3, together)
    for row in range(32):
        far = [
            (1 - float(features[row] @ other), place)
            for place, other in enumerate(features)
            if together[place] != together[row]
        ]
        assert distances[row] == pytest.approx([each for each, _ in sorted(far)[:3]], abs=1e-5)
        assert not set(together[rows[row]]) & {together[row]}


def test_images_unlike_all_others_lie_beyond_the_fence():
    features, _ = clouds(200, apart=2.0)
    strange = F.normalize(torch.cat([features[:1] * 0 - features.mean(0), -features[5:6]]))
    known = torch.cat([features, strange]).numpy()
    _, distances = nearest(known, 10)
    found = outliers(distances)
    assert set(found.rows) == {200, 201}
    by_hand = 1 - np.sort(known[0] @ known[1:].T)[-5:].mean()
    assert found.distances[0] == pytest.approx(by_hand, abs=1e-6)


def test_classes_that_are_one_are_named_and_others_are_not():
    features, labels = clouds(200, classes=4, apart=1.0)
    labels = np.where(
        (labels == 3) & (np.arange(200) % 8 == 3), 4, labels
    )  # half of class 3 has another name
    tested, _ = answered(features, labels)
    found = same_classes(tested.logits, labels)
    assert found.pairs.tolist() == [[3, 4]]
    mean = tested.logits.mean(0)
    inside = labels >= 3
    area = roc_auc_score(labels[inside] == 3, (mean[:, 3] - mean[:, 4])[inside])
    assert found.right[0, 0] == pytest.approx(100 * area)


def repeated(copies, seed=0):
    """Features of things that were taken `copies` times each, with little to tell classes by; labels, things."""
    torch.manual_seed(seed)
    things = 120
    labels = torch.arange(things) % 4
    own = torch.randn(things, 60) + 0.35 * torch.randn(4, 60)[labels]
    taken = own.repeat_interleave(copies, 0) + 0.35 * torch.randn(things * copies, 60)
    return F.normalize(taken), labels.repeat_interleave(copies).numpy(), np.repeat(np.arange(things), copies)


def test_an_estimate_that_knows_the_images_it_is_asked_about_is_caught():
    features, labels, things = repeated(4)
    images = pictures(len(labels), 16)
    tested, parts = answered(features, labels)
    found = diagnose(images, features, labels, tested, parts, 0, suggested=things)
    [leak] = [leak for leak in found.leakage if leak.kind == "names"]
    assert leak.misleading
    assert leak.apart - leak.together > 10
    assert leak.excess.low > 0
    assert leak.groups == 120
    grouped, parts = answered(features, labels, groups=things)
    told = diagnose(images, features, labels, grouped, parts, 0, groups=things)
    [same] = [leak for leak in told.leakage if leak.kind == "groups"]
    assert same.misleading
    assert same.excess.value == pytest.approx(leak.excess.value, abs=5)
    assert told.groups == 120
    wide, narrow = told.scores.accuracy, found.scores.accuracy
    assert wide.high - wide.low > narrow.high - narrow.low


def views(things: int, copies: int, near: float) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Features of `copies` pictures of each of many things of four classes, further from each other than copies
    are, and their labels and things."""
    labels = torch.arange(things) % 4
    own = F.normalize(torch.randn(things, 300)) + 0.2 * F.normalize(torch.randn(4, 300))[labels]
    taken = own.repeat_interleave(copies, 0) + near * F.normalize(torch.randn(things * copies, 300))
    labels = labels.repeat_interleave(copies).numpy()
    return F.normalize(taken), labels, np.repeat(np.arange(things), copies)


def test_relatives_are_those_far_nearer_than_their_class():
    torch.manual_seed(2)
    looks, labels, things = (each[:60] for each in views(40, 3, 0.55))
    alone = np.arange(60)
    found = families(looks.numpy(), labels, alone)
    np.testing.assert_array_equal(found[:, None] == found, things[:, None] == things)
    near = np.zeros((60, 60), dtype=bool)
    for one in range(60):  # a plain loop
        for other in range(60):
            limits = []
            for row in (one, other):
                mine = [i for i in range(60) if labels[i] == labels[row] and i != row]
                distances = [np.log(1 - float(looks[row] @ looks[i])) for i in mine]
                low, middle, high = np.percentile(distances, [25, 50, 75])
                limits.append(middle - 3 * (high - low))
            if one != other and labels[one] == labels[other]:
                near[one, other] = np.log(1 - float(looks[one] @ looks[other])) < min(limits)
    np.testing.assert_array_equal(near, (things[:, None] == things) & ~np.eye(60, dtype=bool))
    assert families(looks[::3].numpy(), labels[::3], alone[:20]) is None
    assert families(looks.numpy(), labels, things) is None  # copies, which are found without it


def test_views_of_one_thing_that_nobody_grouped_are_caught_and_said():
    torch.manual_seed(0)
    looks, labels, things = views(48, 4, 0.55)
    images = pictures(len(labels), 16)
    tested, parts = answered(looks, labels)
    found = diagnose(images, looks, labels, tested, parts, 0)
    assert not len(found.duplicates.pairs)
    [leak] = found.leakage
    assert (leak.kind, leak.groups, leak.misleading) == ("families", 48, True)
    honest, parts = answered(looks, labels, groups=things)
    told = diagnose(images, looks, labels, honest, parts, 0, groups=things)
    assert leak.excess.value > 10
    assert leak.together == pytest.approx(told.scores.accuracy.value, abs=5)
    assert found.doubt is leak
    assert told.doubt is None
    said = headline(found)
    assert (
        said == f"{leak.together:.0f} % of new images are named correctly, not {leak.apart:.0f} % as it seems"
    )


def test_copies_are_kept_on_one_side_unasked():
    features, labels, things = repeated(3)
    close = F.normalize(features[::3].repeat_interleave(3, 0) + 0.01 * torch.randn(360, 60))
    images = pictures(120, 16).repeat(3, 0)
    tested, parts = answered(close, labels)
    found = diagnose(images, close, labels, tested, parts, 0)
    [leak] = found.leakage
    assert (leak.kind, leak.groups, leak.misleading) == ("duplicates", 120, True)
    assert len(set(zip(found.duplicates.clusters, things, strict=True))) == 120


def test_a_diagnosis_is_the_same_twice_and_calm_where_nothing_is_wrong():
    features, labels = clouds(200, classes=4, apart=1.2)
    images = pictures(200, 16)
    tested, parts = answered(features, labels)
    first, second = (diagnose(images, features, labels, tested, parts, 0) for _ in range(2))
    assert not first.leakage
    assert not len(first.duplicates.pairs)
    assert not len(first.same_classes.pairs)
    assert len(first.suspects.rows) <= 10
    assert (first.images, first.classes, first.groups) == (200, 4, 200)
    for part in dataclasses.fields(first):
        one, other = getattr(first, part.name), getattr(second, part.name)
        assert repr(one) == repr(other)
