"""Probes: a solver against scikit-learn's, answers for images left out, intervals that hold what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score
from torch.nn import functional as F

from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import Description, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.onnx_export import export_onnx
from farfield.errors import InputError
from farfield.probing.evaluation import (
    AXES,
    Candidate,
    ask,
    fit_all,
    joined,
    of_network,
    parts_of,
    recommended,
    test,
)
from farfield.probing.features import (
    BLOCKS,
    block_widths,
    network_blocks,
    pixel_blocks,
    seen_by,
    stretches,
)
from farfield.probing.logistic import PENALTIES, averaged, basis, fit
from farfield.probing.measures import calibration_error, interval, measure, temperature
from farfield.training.images import evaluation_view
from farfield.transfer.blocks import root
from farfield.transfer.learner import Head

test.__test__ = False  # not one of these


def clouds(n=120, d=40, classes=4, apart=0.6, seed=0):
    torch.manual_seed(seed)
    labels = torch.arange(n) % classes
    return torch.randn(n, d) + apart * torch.randn(classes, d)[labels], labels


@pytest.mark.parametrize(("n", "d"), [(60, 90), (120, 40)])
def test_fits_are_those_of_scikit_learn(n, d):
    features, labels = clouds(n, d)
    found = basis(features)
    used = torch.ones(2, n)
    used[1, ::3] = 0
    strengths = (0.01, 0.1, 1.0)
    fits = fit(found, labels, 4, used, strengths, steps=400)
    given = fits.logits(found.coordinates).softmax(-1).numpy()
    for part in range(2):
        inside = used[part] > 0
        for place, strength in enumerate(strengths):
            peer = LogisticRegression(C=strength, tol=1e-10, max_iter=20_000)
            peer.fit(features[inside].double().numpy(), labels[inside].numpy())
            right = peer.predict_proba(features.double().numpy())
            np.testing.assert_allclose(given[part * 3 + place], right, atol=2e-4)


def test_the_mean_of_all_penalties_is_one_linear_classifier():
    features, labels = clouds()
    found = basis(features)
    fits = fit(found, labels, 4, torch.ones(1, 120), PENALTIES)
    mean = fits.logits(found.coordinates).log_softmax(-1).mean(0).softmax(-1)
    one = averaged(fits, len(PENALTIES)).logits(found.coordinates)[0].softmax(-1)
    torch.testing.assert_close(one, mean, rtol=1e-4, atol=1e-5)
    weight, bias = fit_all(basis(features, AXES), labels.numpy())
    torch.testing.assert_close((features @ weight.T + bias).softmax(-1), mean, rtol=1e-3, atol=1e-4)


def test_no_image_is_answered_by_what_learned_from_it():
    """Each part again by itself: fitted to the others alone, in a basis of the others alone."""
    features, labels = clouds()
    features = F.normalize(features)  # as blocks are
    parts = parts_of(labels.numpy(), None, seed=1)
    found = test(Candidate("x", "x", ("a",), 1.0), {"a": features}, labels.numpy(), parts)
    for repeat in range(2):
        for part in range(5):
            inside = torch.from_numpy(parts[repeat] == part)
            weight, bias = fit_all(basis(features[~inside], AXES), labels[~inside].numpy())
            right = (features[inside] @ weight.T + bias).softmax(-1)
            given = torch.from_numpy(found.logits[repeat])[inside].softmax(-1)
            torch.testing.assert_close(given, right, rtol=5e-3, atol=5e-3)


def test_groups_never_stand_on_both_sides_and_classes_everywhere():
    labels, groups = np.repeat(np.arange(3), 40), np.arange(120) // 4
    for parts in parts_of(labels, groups, seed=0):
        assert all(len(set(parts[groups == group])) == 1 for group in np.unique(groups))
        assert all(set(labels[parts != part]) == {0, 1, 2} for part in np.unique(parts))
    with pytest.raises(InputError, match="single group"):
        parts_of(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), seed=0)
    with pytest.raises(InputError, match="single image"):
        parts_of(np.array([0, 0, 1]), None, seed=0)


def test_measures_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 90)
    logits = generator.normal(size=(2, 90, 3)) + 2 * np.eye(3)[labels]
    found = measure(logits, labels, np.tile(np.arange(90) % 5, (2, 1)))
    truth, answers = np.tile(labels, 2), logits.argmax(-1).ravel()
    assert found.accuracy == pytest.approx(100 * (truth == answers).mean())
    assert found.balanced == pytest.approx(100 * balanced_accuracy_score(truth, answers))
    assert found.macro_f1 == pytest.approx(100 * f1_score(truth, answers, average="macro"))
    assert (found.confusion == confusion_matrix(truth, answers)).all()


def test_temperature_undoes_what_logits_are_multiplied_by():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 3))
    draws = generator.random(20_000)[:, None]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (probabilities.cumsum(1) < draws).sum(1)
    assert temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)
    assert calibration_error(logits, labels) < 0.02 < 0.1 < calibration_error(3 * logits, labels)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_intervals_hold_the_accuracy_on_half_as_many_new_images(share):
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        right = generator.random(300) < share
        held += abs(right.mean() - (generator.random(150) < share).mean()) <= interval(right.astype(float))
    assert 0.93 <= held / 2000 <= 0.985


def test_the_cheap_one_is_taken_unless_the_dear_one_is_better():
    features, labels = clouds(apart=0.9)
    blocks = {"good": features, "noise": torch.randn(120, 40)}
    parts = parts_of(labels.numpy(), None, seed=0)

    def tested(name, cost):
        return test(Candidate(name, name, (name,), cost), blocks, labels.numpy(), parts)

    assert recommended([tested("good", 2.0), tested("noise", 1.0)]).candidate.key == "good"
    both = [tested("good", 1.2), tested("good", 1.0)]
    assert recommended(both).candidate.cost == 1.0
    worse = replace(both[1], right=both[1].right.copy(), measures=replace(both[1].measures, accuracy=0.0))
    assert recommended([both[0], worse]) is both[0]  # about as dear, and more accurate
    cheap = replace(worse, candidate=replace(worse.candidate, cost=0.1))
    assert recommended([both[0], cheap]) is cheap


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_written_classifier_answers_as_the_probe(mirrored, tmp_path):
    torch.manual_seed(0)
    network = build("resnet10", width=4).eval()
    images = np.random.default_rng(0).integers(0, 256, (12, 110, 110, 3)).astype(np.uint8)
    seen = seen_by(network, images, 96, torch.device("cpu"), batch_size=5)
    if mirrored:
        seen = seen_by(network, images, 96, torch.device("cpu"), batch_size=5, plain=seen)
    assert {name: block.shape[1] for name, block in seen.items()} == block_widths(network)
    features = joined(seen, BLOCKS)
    if not mirrored:
        torch.testing.assert_close(features[:, :32].norm(dim=1), torch.ones(12))
    weight, bias = fit_all(basis(features, AXES), np.arange(12) % 3)
    classifier = ImageClassifier(network, Head(weight, bias), BLOCKS, mirrored).eval()
    views = evaluation_view(torch.from_numpy(images), 96)
    with torch.inference_mode():
        given = classifier(views)
        other = classifier(views.flip(3))
    torch.testing.assert_close(given, features @ weight.T + bias, rtol=1e-3, atol=1e-3)
    assert torch.allclose(given, other, atol=1e-3) == mirrored
    description = Description(
        ("a", "b", "c"), 96, Packing(size=110), "resnet10", 4, None, blocks=BLOCKS, mirrored=mirrored
    )
    save_classifier(tmp_path, classifier, description)
    again, _ = load_classifier(tmp_path)
    torch.testing.assert_close(again(views), given)
    export_onnx(tmp_path / "classifier.onnx", classifier, description)
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "classifier.onnx"))
    [outside] = session.run(None, {"images": views.contiguous().numpy()})
    np.testing.assert_allclose(outside, given.numpy(), rtol=1e-3, atol=1e-3)


def test_maxima_spreads_and_places_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    network, seen = build("resnet10", width=4).eval(), torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        maps, blocks = network.stages(seen), network_blocks(network, seen)
    for name, pooled in (("maxima", np.max), ("spreads", np.std)):
        rows = [[pooled(channel.numpy()) for channel in one] for one in (each[0] for each in maps)]
        parts = [np.sqrt(row) / np.linalg.norm(np.sqrt(row)) for row in map(np.array, rows)]
        expected = np.concatenate(parts) / np.linalg.norm(np.concatenate(parts))
        np.testing.assert_allclose(blocks[name][0].numpy(), expected, atol=1e-5)
    assert maps[-2].shape[-1] % 3 == 0  # so that torch's own pooling has fields of equal size
    expected = F.adaptive_avg_pool2d(maps[-2], 3).flatten(1).sqrt()
    found = blocks["places"][:, : 9 * network.stage_dims[-2]]
    torch.testing.assert_close(F.normalize(found), F.normalize(expected), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(stretches(6, 3), F.adaptive_avg_pool1d(torch.eye(6), 3).T)
    odd = stretches(7, 2)
    torch.testing.assert_close(odd.sum(1), torch.ones(2))
    torch.testing.assert_close(odd[0] * 3.5, torch.tensor([1, 1, 1, 0.5, 0, 0, 0]))


def test_blocks_are_of_each_image_alone():
    torch.manual_seed(0)
    network, seen = build("resnet10", width=4).eval(), torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        whole, last = network_blocks(network, seen), network(seen)
        for name, block in whole.items():
            alone = network_blocks(network, seen[1:2])[name]
            torch.testing.assert_close(block[1:2], alone)
    expected = last.sqrt() / last.sum(1, keepdim=True).sqrt()  # after a ReLU none is below 0
    torch.testing.assert_close(whole["features"], expected)
    assert root(torch.tensor([[-4.0, 0.0, 9.0]])).tolist() == [[-2, 0, 3]]
    images = np.random.default_rng(0).integers(0, 256, (4, 50, 60, 3)).astype(np.uint8)
    plain = pixel_blocks(images)
    assert {name: block.shape[1] for name, block in plain.items()} == {
        "pixels": 3072,
        "hog": 1764,
        "colours": 48,
    }
    counts = np.stack([np.histogram(image[..., c], 16, (0, 256))[0] for image in images for c in range(3)])
    torch.testing.assert_close(
        plain["colours"].square(), torch.from_numpy(counts.reshape(4, 48) / 9000).float()
    )


def test_a_test_split_is_asked_of_a_fit_to_the_others():
    features, labels = clouds()
    asked = np.arange(120) % 4 == 1
    given = ask(Candidate("own", "own", ("all",), 1.0), {"all": features}, labels.numpy(), asked)
    weight, bias = fit_all(basis(features[~torch.from_numpy(asked)], AXES), labels.numpy()[~asked])
    np.testing.assert_allclose(given, (features @ weight.T + bias).numpy()[asked], rtol=1e-3, atol=1e-4)
    parts = np.zeros((1, len(given)), dtype=int)
    found = measure(given[None], labels.numpy()[asked], parts, heat=2.0)
    assert found.temperature == 2.0
    assert found.ece_calibrated == pytest.approx(100 * calibration_error(given / 2, labels.numpy()[asked]))


def test_what_is_tried_of_a_network_are_blocks_that_it_makes():
    tried = of_network("lite0", 0.05)
    assert [one.cost for one in tried] == sorted(one.cost for one in tried)
    assert len({one.key for one in tried}) == len(tried)
    for one in tried:
        assert {name.partition(".")[2] for name in one.blocks} <= set(BLOCKS)
        assert one.mirrored == one.blocks[0].startswith("lite0 mirrored.")


def test_only_the_axes_of_largest_values_are_kept():
    features, _ = clouds(90, 60)
    whole, few = basis(features), basis(features, 10)
    assert few.axes.shape == (60, 10)
    assert few.scale.min() >= whole.scale.sort().values[-10] * (1 - 1e-4)
    torch.testing.assert_close(
        few.coordinates, (features - features.mean(0)) @ few.axes, rtol=1e-3, atol=1e-3
    )
