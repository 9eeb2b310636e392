"""A classifier of all images: fitted as in an episode, saved, loaded, and as an ONNX graph."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import (
    Description,
    ImageClassifier,
    load_classifier,
    save_classifier,
)
from farfield.deployment.fitting import fit_network
from farfield.deployment.onnx_export import export_onnx
from farfield.episodes.minibatches import affordable_epochs
from farfield.errors import InputError
from farfield.training.images import evaluation_view
from farfield.training.recipe import SGD
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.settings import FineTuning
from farfield.transfer.learner import AllImages, Head
from farfield.transfer.linear_head import LinearHead
from farfield.transfer.nearest_centroid import NearestCentroid

CPU = torch.device("cpu")
CLASSES, SHOT, SIZE = 3, 3, 16  # nine images: minibatches of four leave one image over
LABELS = np.repeat(np.arange(CLASSES), SHOT)


def features(count: int = CLASSES * SHOT, dim: int = 12) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(1))


def network(name: str = "resnet10") -> nn.Module:
    torch.manual_seed(0)
    backbone = build(name, width=4, image_size=SIZE)
    with torch.no_grad():  # running statistics that differ from those of a fresh network
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return backbone.eval()


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, SIZE + 2, SIZE + 2, 3), dtype=np.uint8)


def test_a_head_on_all_images_is_that_of_an_episode_with_the_same_images():
    learner = LinearHead(epochs=7, seed=3)
    support, query = features(), features(5)
    head, facts = learner.export(AllImages(lambda: support, LABELS, CLASSES))
    assert facts == {"epochs": 7, "epochs_in_episodes": 7}
    episode = learner(support.view(1, CLASSES, SHOT, -1), query[None])[0]
    torch.testing.assert_close(query @ head.weight.T + head.bias, episode, rtol=1e-4, atol=1e-5)


def test_a_head_learns_classes_of_any_size():
    labels = np.array([2, 0, 1, 1, 0, 1, 1, 1, 1, 1])
    points = 4 * torch.eye(CLASSES)[torch.from_numpy(labels)] + 0.1 * features(10, CLASSES)
    learner = LinearHead(epochs=50, learning_rate=0.1, seed=0)
    head, _ = learner.export(AllImages(lambda: points, labels, CLASSES))
    assert (points @ head.weight.T + head.bias).argmax(-1).tolist() == labels.tolist()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_class_means_as_a_head_classify_as_the_nearest_centroid(distance):
    support, query = features(), features(5)
    nearest = NearestCentroid(distance)
    mixed = torch.tensor([4, 0, 8, 2, 6, 1, 7, 3, 5])
    head, _ = nearest.export(AllImages(lambda: support[mixed], LABELS[mixed], CLASSES))
    classifier = ImageClassifier(nn.Identity(), head)
    wanted = nearest(support.view(1, CLASSES, SHOT, -1), query[None])[0]
    torch.testing.assert_close(classifier(query).softmax(-1), wanted.softmax(-1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet10", FineTuning(epochs=3)),
        ("resnet10", FineTuning(epochs=3, last=1, classifier="cosine", scale=5.0)),
        ("resnet10", FineTuning(epochs=3, last=2, unit="layer", frozen_norm="train")),
        ("conv4", FineTuning(epochs=3, backbone=SGD(0.01, momentum=0.9, dampening=0.9, weight_decay=0.001))),
    ],
    ids=["all layers", "last block, cosine", "last layers, training norm", "conv4"],
)
def test_a_network_fitted_to_all_images_is_that_of_an_episode_with_the_same_images(name, settings):
    backbone, images = network(name), pixels(CLASSES * SHOT + 4)
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    classifier = fit_network(
        backbone,
        images[: CLASSES * SHOT],
        LABELS,
        CLASSES,
        settings,
        image_size=SIZE,
        seed=5,
        device=CPU,
        epochs=settings.epochs,
        title="fitting",
    )
    view = evaluation_view(torch.from_numpy(images), SIZE)
    support = view[: CLASSES * SHOT].view(1, CLASSES, SHOT, 3, SIZE, SIZE)
    query = view[CLASSES * SHOT :]
    wanted = fine_tune(backbone, support, query[None], settings, ["head"], seed=5)["head"][0]
    torch.testing.assert_close(classifier(query), wanted, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(tensor, before[key]) for key, tensor in backbone.state_dict().items())


def test_epochs_are_those_of_the_recipe_as_long_as_steps_allow():
    assert affordable_epochs(100, images=25, batch_size=4, most_steps=1000) == 100
    assert affordable_epochs(100, images=400, batch_size=4, most_steps=1000) == 10
    assert affordable_epochs(100, images=10**6, batch_size=4, most_steps=1000) == 1


def made_classifier(name: str, scale: float | None) -> tuple[ImageClassifier, Description]:
    backbone = network(name)
    head = Head(torch.randn(CLASSES, backbone.feature_dim), torch.randn(CLASSES), scale)
    described = Description(
        ("ant", "bee", "café"),
        SIZE,
        Packing(18),
        name,
        4,
        scale,
        facts={"method": "made up"},
        ranges={"uint16 x 1": (212.0, 3890.5)},
    )
    return ImageClassifier(backbone, head).eval(), described


@pytest.mark.parametrize("scale", [None, 7.5])
def test_a_saved_classifier_is_the_same_one_again(tmp_path, scale):
    classifier, description = made_classifier("resnet10", scale)
    for folder in ("once", "twice"):
        (tmp_path / folder).mkdir()
        save_classifier(tmp_path / folder, classifier, description)
    again, described = load_classifier(tmp_path / "once")
    images = torch.randn(2, 3, SIZE, SIZE)
    assert torch.equal(again(images), classifier(images))
    assert described == description
    cut = replace(description, packing=Packing(18, channels=(4, 3, 2), range=(0.0, 3000.0)))
    save_classifier(tmp_path, classifier, cut)
    assert load_classifier(tmp_path)[1] == cut
    for file in ("classifier.safetensors", "classifier.json"):
        assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "twice" / file).read_bytes()


def test_a_folder_that_is_no_classifier_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"holds no classifier\.safetensors"):
        load_classifier(tmp_path)
    classifier, description = made_classifier("conv4", None)
    save_classifier(tmp_path, classifier, replace(description, class_names=("ant", "bee")))
    with pytest.raises(InputError, match="conv4 of width 4 with 2 classes"):
        load_classifier(tmp_path)
    save_classifier(tmp_path, classifier, replace(description, mean=(0.5, 0.5, 0.5)))
    with pytest.raises(InputError, match="normalises with mean"):
        load_classifier(tmp_path)
    for text in ("{", "[]", json.dumps({"class_names": []})):
        (tmp_path / "classifier.json").write_text(text)
        with pytest.raises(InputError, match="does not describe a classifier"):
            load_classifier(tmp_path)


@pytest.mark.parametrize(("name", "scale"), [("resnet10", None), ("resnet10", 7.5), ("conv4", None)])
def test_the_onnx_graph_gives_the_same_logits_for_any_number_of_images(tmp_path, name, scale):
    runtime = pytest.importorskip("onnxruntime")
    classifier, description = made_classifier(name, scale)
    export_onnx(tmp_path / "model.onnx", classifier, description)
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.randn(count, 3, SIZE, SIZE)
        [logits] = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(logits, classifier(images).detach().numpy(), rtol=1e-4, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["class_names"] == "ant\nbee\ncafé"
