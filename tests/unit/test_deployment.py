"""A classifier of all images: fitted as in an episode, saved, loaded, and as an ONNX graph."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.datasets.decoders import decode
from farfield.deployment.classifier import ImageClassifier, load_classifier, save_classifier
from farfield.deployment.description import Description, Sets
from farfield.deployment.familiarity import NEIGHBOURS, familiarity
from farfield.deployment.fitting import fit_network
from farfield.deployment.folder import export, write_classifier
from farfield.deployment.model_card import SNIPPET
from farfield.deployment.onnx_export import export_onnx
from farfield.deployment.onnx_whole import export_whole
from farfield.episodes.minibatches import affordable_epochs
from farfield.errors import InputError
from farfield.training.checkpoints import save_tensors
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
    assert session.get_modelmeta().custom_metadata_map["class_names"] == '["ant", "bee", "café"]'


def edited(text: str, key: str, value: object) -> str:
    values = json.loads(text)
    *way, last = key.split(".")
    held = values
    for part in way:
        held = held[part]
    if value is ...:
        del held[last]
    else:
        held[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image_size", "16", "image_size: Input should be a valid integer"),
        ("image_size", -1, "image_size must be above 0, found -1"),
        ("image_size", 64, "was changed after it was written"),
        ("packing.size", 0, "packing.size must be above 0"),
        ("width", 0, "width must be above 0"),
        ("width", ..., "width"),
        ("backbone", "conv5", "no backbone 'conv5'|was changed"),
        ("scale", "x", "scale: Input should be a valid number"),
        ("scale", float("nan"), "scale: Input should be a finite number"),
        ("scale", -2.0, "scale must be above 0"),
        ("class_names", "xyz", "class_names: Input should be a valid array"),
        ("class_names", [1, 2, 3], r"class_names\.0: Input should be a valid string"),
        ("class_names", ["ant", "ant", "bee"], "class_names holds a name twice"),
        ("class_names", ["bee", "ant", "café"], "was changed after it was written"),
        ("class_names", ["ant", "bee"], "was changed after it was written"),
        ("packing.resample", "foo", r"packing\.resample: Input should be 'nearest'"),
        ("packing.size", 19, "was changed after it was written"),
        ("packing.unknown", 1, r"packing\.unknown: Unexpected keyword"),
        ("blocks", ["edges"], "blocks are some of features, stages, .*, found edges"),
        ("weights_mean", [0.1, 0.1, 0.1], "weights_mean and weights_std are given both"),
        ("std", [0.1, 0.1, 0], "std and weights_std must be above 0"),
        ("sets", {"coverage": 90}, r"sets\.least: Field required"),
        ("facts.method", "another", "was changed after it was written"),
        ("weights_sha256", "0", "was changed after it was written"),
        ("weights_sha256", ..., "was changed after it was written"),
        ("sha256", ..., "was changed after it was written"),
        ("more", 1, "more: Unexpected keyword"),
    ],
)
def test_a_description_that_was_edited_is_refused_by_its_name(tmp_path, key, value, message):
    save_classifier(tmp_path, *made_classifier("conv4", None))
    file = tmp_path / "classifier.json"
    file.write_text(edited(file.read_text(), key, value))
    with pytest.raises(InputError, match=message) as refused:
        load_classifier(tmp_path)
    assert "classifier.json" in str(refused.value)


def test_weights_of_another_classifier_are_refused(tmp_path):
    classifier, description = made_classifier("conv4", None)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save_classifier(tmp_path / folder, classifier, description)
        with torch.no_grad():
            classifier.bias += 1
    (tmp_path / "other/classifier.safetensors").replace(tmp_path / "one/classifier.safetensors")
    with pytest.raises(
        InputError, match=r"safetensors is not the file that .*classifier\.json was written for"
    ):
        load_classifier(tmp_path / "one")


def test_a_classifier_of_an_older_version_is_read_and_exported_anew(tmp_path):
    classifier, description = made_classifier("conv4", None)
    old = tmp_path / "old"
    old.mkdir()
    save_classifier(old, classifier, description)
    save_tensors(old / "classifier.safetensors", classifier.state_dict())
    text = (old / "classifier.json").read_text()
    for key in ("sha256", "weights_sha256", "sets"):
        text = edited(text, key, ...)
    (old / "classifier.json").write_text(text)
    export(old, tmp_path / "new")
    again, described = load_classifier(tmp_path / "new")
    images = torch.randn(2, 3, SIZE, SIZE)
    assert torch.equal(again(images), classifier(images))
    assert described == description
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "README.md",
        "classifier.json",
        "classifier.onnx",
        "classifier.safetensors",
        "model.onnx",
        "predict.py",
    }
    with pytest.raises(InputError, match=r"holds no classifier\.json; move it away"):
        export(old, Path(__file__).parent)


@pytest.mark.parametrize(
    "packing",
    [
        Packing(18),
        Packing(18, resample="bicubic"),
        Packing(17, pre_size=24),
        Packing(20, width=18),
        Packing(14),
    ],
    ids=["bilinear", "bicubic", "two steps", "wide", "enlarged"],
)
def test_the_graph_that_takes_images_packs_them_as_the_pipeline_does(tmp_path, packing):
    """Its only difference are levels that two ways of rounding set apart by one."""
    runtime = pytest.importorskip("onnxruntime")
    classifier, description = made_classifier("resnet10", None)
    description = replace(description, packing=packing)
    export_onnx(tmp_path / "model.onnx", classifier, description)
    export_whole(tmp_path / "whole.onnx", tmp_path / "model.onnx", description)
    session = runtime.InferenceSession(tmp_path / "whole.onnx", providers=["CPUExecutionProvider"])
    for shape in ((18, 18), (40, 50), (90, 31), (7, 200), (333, 500)):
        image = np.random.default_rng(4).integers(0, 256, (*shape, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        packed = torch.tensor(decode(file.getvalue(), packing).pixels)[None]
        wanted = classifier(evaluation_view(packed, SIZE)).softmax(-1).detach().numpy()
        [given] = session.run(["probabilities"], {"images": np.stack([image, image])})
        np.testing.assert_allclose(given, np.repeat(wanted, 2, 0), atol=0.01)


def test_a_filter_that_onnx_lacks_is_named_and_its_folder_holds_one_graph(tmp_path):
    classifier, description = made_classifier("conv4", None)
    description = replace(description, packing=Packing(18, resample="lanczos"))
    write_classifier(tmp_path / "it", classifier, description, pixels(3))
    assert not (tmp_path / "it/classifier.onnx").exists()
    assert "predict.py" not in (tmp_path / "it/README.md").read_text()
    with pytest.raises(InputError, match="no filter 'lanczos'"):
        export_whole(tmp_path / "whole.onnx", tmp_path / "it/model.onnx", description)


def test_predict_py_needs_neither_farfield_nor_torch(tmp_path):
    pytest.importorskip("onnxruntime")
    classifier, description = made_classifier("conv4", None)
    write_classifier(tmp_path / "it", classifier, description, pixels(3))
    Image.fromarray(pixels(1)[0]).save(tmp_path / "one.png")
    assert len(SNIPPET.splitlines()) <= 24
    none = "assert not {'torch', 'farfield'} & {*sys.modules}"
    watch = f"import sys, runpy; runpy.run_path(sys.argv.pop(1)); {none}"
    command = [sys.executable, "-c", watch, str(tmp_path / "it/predict.py"), str(tmp_path / "one.png")]
    said = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    view = evaluation_view(torch.tensor(pixels(1)), SIZE)
    best = classifier(view).softmax(-1)[0].detach().max(0)
    path, name, probability = said.stdout.strip().rsplit(",", 2)
    assert (path, name) == (str(tmp_path / "one.png"), description.class_names[int(best.indices)])
    assert float(probability) == pytest.approx(float(best.values), abs=1e-3)


def test_predict_py_quotes_names_that_are_no_plain_words_of_csv(tmp_path):
    pytest.importorskip("onnxruntime")
    classifier, description = made_classifier("conv4", None)
    names = tuple(f'{name}, "röd"\nor blue' for name in description.class_names)
    write_classifier(tmp_path / "it", classifier, replace(description, class_names=names), pixels(3))
    image = tmp_path / "one, two.png"
    Image.fromarray(pixels(1)[0]).save(image)
    command = [sys.executable, str(tmp_path / "it/predict.py"), str(image)]
    narrow = {**os.environ, "PYTHONIOENCODING": "ascii"}
    said = subprocess.run(command, capture_output=True, env=narrow, check=True).stdout.decode()
    [[path, name, _]] = csv.reader(io.StringIO(said))
    assert path == str(image)
    assert name in names


@pytest.mark.parametrize("file", ["classifier.onnx", "classifier.json"])
def test_predict_py_refuses_a_graph_that_was_changed(tmp_path, file):
    pytest.importorskip("onnxruntime")
    write_classifier(tmp_path / "it", *made_classifier("conv4", None), pixels(3))
    Image.fromarray(pixels(1)[0]).save(tmp_path / "one.png")
    said = json.loads((tmp_path / "it/classifier.json").read_text())["graphs_sha256"]
    if file == "classifier.onnx":
        changed = bytearray((tmp_path / "it" / file).read_bytes())
        changed[len(changed) // 2] ^= 1
    else:
        changed = (tmp_path / "it" / file).read_bytes().replace(said["classifier.onnx"].encode(), b"0" * 64)
    (tmp_path / "it" / file).write_bytes(changed)
    command = [sys.executable, str(tmp_path / "it/predict.py"), str(tmp_path / "one.png")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert not refused.stdout
    assert refused.stderr.startswith("classifier.onnx is not the file that classifier.json was written for")


def test_the_model_card_says_figures_with_intervals_and_the_licence(tmp_path):
    classifier, description = made_classifier("conv4", None)
    measured = {"percent": 81.25, "low": 70.0, "high": 92.5}
    facts = {
        "method": "made up",
        "licence": "Apache-2.0",
        "doubts": ["Views of one thing."],
        "class_images": {"ant": 4, "bee": 5, "café": 6},
        "metrics": {"accuracy": measured},
        "recall": {"ant": measured, "bee": measured, "café": {"percent": 50.0}},
    }
    description = replace(description, facts=facts, sets=Sets(90, (0.2, 0.2, 0.3)))
    write_classifier(tmp_path / "it", classifier, description, pixels(3))
    card = (tmp_path / "it/README.md").read_text(encoding="utf-8")
    rows = [
        [part.strip() for part in line.strip("|").split("|")] for line in card.splitlines() if "|" in line
    ]
    assert ["accuracy", "81.2", "70.0 to 92.5"] in rows
    assert ["café", "6", "50.0", ""] in rows
    assert "Apache-2.0" in card
    assert SNIPPET in card
    assert "hold the truth of 90 %" in card
    assert card.index("Views of one thing.") < card.index("| accuracy")


def test_familiarity_is_the_share_of_left_out_images_that_lie_nearer():
    """Against distances in a loop, with axes that keep all lengths."""
    points = features(30, 5)
    parts = np.arange(30) % 3
    found = familiarity(points, parts, seed=0)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(5), atol=1e-5)

    def apart(image, others):
        return np.sort(np.linalg.norm(others - image, axis=1))[:NEIGHBOURS].mean()

    known = points.numpy()
    left_out = sorted(apart(known[i], known[parts != parts[i]]) for i in range(30))
    np.testing.assert_allclose(found.distances, left_out, rtol=1e-4)
    new = np.concatenate([known[:3] + 0.01, 3 * known[3:8]])
    wanted = [np.mean(np.array(left_out) < apart(image, known)) for image in new]
    np.testing.assert_allclose(found(torch.from_numpy(new).float()), wanted, atol=1e-6)
    assert found(torch.full((1, 5), 50.0)).item() == 1


def test_familiarity_is_saved_with_a_classifier(tmp_path):
    classifier, description = made_classifier("conv4", None)
    classifier.familiar = familiarity(features(20, classifier.weight.shape[1]), np.arange(20) % 2, seed=0)
    save_classifier(tmp_path, classifier, description)
    again, _ = load_classifier(tmp_path)
    seen = features(4, classifier.weight.shape[1])
    assert torch.equal(again.familiar(seen), classifier.familiar(seen))
