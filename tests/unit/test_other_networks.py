"""Networks of other libraries and of files: features as those give them, and one message for what cannot be."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from onnx import TensorProto, helper
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from farfield.backbones import build
from farfield.backbones.backbone import shown
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import Description, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.onnx_export import export_onnx
from farfield.errors import InputError
from farfield.networks.cards import NetworkCard, network_cards
from farfield.networks.choice import Said, choose_network
from farfield.networks.embedding import embed, feature_columns
from farfield.networks.licences import mark, terms
from farfield.networks.weights import load_weights
from farfield.probing.features import network_blocks
from farfield.training.checkpoints import save_tensors
from farfield.training.images import evaluation_view
from farfield.transfer.learner import Head

SMALL = {"resnet10t": 64, "mobilenetv3_small_050": 64, "test_vit": 160, "test_convnext": 64}


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    """No test may reach beyond this machine, and none finds the user's own cache."""
    torch.manual_seed(0)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it reached for the network"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def saved(network: nn.Module, path: Path) -> Path:
    """Its weights in a file, after its statistics have been made unlike those of the start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    save_tensors(path, network.state_dict())
    return path


# timm


@pytest.mark.parametrize(("name", "size"), SMALL.items())
def test_logits_and_stages_are_those_of_timm(name, size, tmp_path):
    theirs = timm.create_model(name, num_classes=7).eval()
    ours = build(f"timm/{name}", image_size=size).eval()
    load_weights(ours, saved(theirs, tmp_path / "w.safetensors"))
    images = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        features, maps = ours.outputs(images)
        logits = theirs.get_classifier()(features)
        torch.testing.assert_close(logits, theirs(images), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours(images), features, rtol=0, atol=0)
        every = theirs.forward_intermediates(images, intermediates_only=True)
        for found in maps:
            assert any(each.shape == found.shape and torch.equal(each, found) for each in every)
    assert features.shape[1] == ours.feature_dim
    assert tuple(each.shape[1] for each in maps) == ours.stage_dims
    assert torch.equal(maps[-1], every[-1])


def test_a_vision_transformer_of_timm_sees_another_number_of_pixels(tmp_path):
    theirs = timm.create_model("test_vit", num_classes=0)
    path = saved(theirs, tmp_path / "w.safetensors")
    ours = build("timm/test_vit", image_size=64).eval()
    load_weights(ours, path)
    right = timm.create_model("test_vit", num_classes=0, img_size=64).eval()
    state = timm.models.vision_transformer.checkpoint_filter_fn(theirs.state_dict(), right)
    right.load_state_dict(state)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), right(images), rtol=1e-5, atol=1e-5)


def test_weights_of_another_network_of_timm_are_refused(tmp_path):
    path = saved(timm.create_model("test_vit"), tmp_path / "w.safetensors")
    with pytest.raises(
        InputError, match=r"w\.safetensors does not hold the weights of timm/resnet10t.*Missing"
    ):
        load_weights(build("timm/resnet10t", image_size=64), path)
    half = timm.create_model("resnet10t").state_dict()
    save_tensors(path, {key: half[key] for key in list(half)[:20]})
    with pytest.raises(InputError, match="Missing key"):
        load_weights(build("timm/resnet10t", image_size=64), path)


def test_a_pickle_is_refused_for_timm_too(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth is a pickle.*can run any code"):
        choose_network("timm/resnet10t", Said(tmp_path / "w.pth")).load()


def test_names_that_timm_does_not_have_are_refused():
    with pytest.raises(InputError, match=r"timm \S+ has no network 'resnet10u'; near it are resnet10t"):
        choose_network("timm/resnet10u")
    with pytest.raises(InputError, match=r"has no weights 'a9_in1k' of resnet18; it has resnet18\.a1_in1k"):
        choose_network("timm/resnet18.a9_in1k")
    with pytest.raises(InputError, match="no library of networks 'tim'; the library"):
        build("tim/resnet18")


def test_without_a_file_weights_come_from_the_cache_of_the_hub_alone(tmp_path):
    with pytest.raises(InputError, match=r"not on this machine.*--download.*of timm/resnet10t\.c3_in1k"):
        choose_network("timm/resnet10t")
    repo = tmp_path / "hub/models--timm--resnet10t.c3_in1k"
    (repo / "snapshots/abc").mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text("abc")
    theirs = timm.create_model("resnet10t").eval()
    saved(theirs, repo / "snapshots/abc/model.safetensors")
    card = choose_network("timm/resnet10t")
    assert (card.image_size, card.licence, card.installed, card.extra) == (176, "apache-2.0", True, "timm")
    assert "ImageNet-1k" in card.pretrained_on
    assert card.not_for == ("miniimagenet", "tieredimagenet")
    images = torch.randint(0, 256, (2, 176, 176, 3), dtype=torch.uint8)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (card.mean, card.std))
    with torch.inference_mode():
        found = theirs.get_classifier()(card.load().eval()(evaluation_view(images, 176)))
        torch.testing.assert_close(found, theirs((pixels - mean) / std), rtol=1e-4, atol=1e-5)


def test_weights_are_asked_for_where_the_user_allows_it(tmp_path):
    code = (
        "import time; time.sleep = lambda seconds: None  # between its tries\n"
        "from farfield.networks.choice import Said, choose_network\n"
        "try: choose_network('timm/resnet10t', Said(download=True))\n"
        "finally:\n"
        "    from huggingface_hub import constants\n"
        "    print('offline:', constants.HF_HUB_OFFLINE)\n"
    )
    nobody = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    known = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run([sys.executable, "-c", code], env=known | nobody, capture_output=True, text=True)
    assert done.stdout == "offline: False\n"
    assert "model.safetensors of timm/resnet10t.c3_in1k could not be fetched" in done.stderr


# torchvision


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_logits_are_those_of_torchvision(name, tmp_path):
    theirs = models.get_model(name, weights=None, num_classes=5).eval()
    ours = build(f"torchvision/{name}", image_size=64).eval()
    load_weights(ours, saved(theirs, tmp_path / "w.safetensors"))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        features, maps = ours.outputs(images)
        head = theirs.get_submodule(ours.classifier)
        torch.testing.assert_close(head(features), theirs(images), rtol=1e-5, atol=1e-5)
    assert tuple(each.shape[1] for each in maps) == ours.stage_dims
    assert len({each.shape[-1] for each in maps}) == len(maps)


def test_stages_of_torchvisions_resnet_are_those_of_ours(tmp_path):
    path = saved(models.resnet18(weights=None), tmp_path / "w.safetensors")
    theirs, ours = build("torchvision/resnet18", image_size=64).eval(), build("resnet18").eval()
    load_weights(theirs, path)
    load_weights(ours, path)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        for found, right in zip(theirs.stages(images)[-4:], ours.stages(images), strict=True):
            torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)


def test_tokens_of_torchvisions_transformer_become_maps():
    ours = build("torchvision/vit_b_32", image_size=224).eval()
    layers = {f"encoder.layers.encoder_layer_{i}": f"{i}" for i in (2, 5, 8, 11)}
    theirs = create_feature_extractor(ours.network, layers)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        maps, right = ours.stages(images), theirs(images)
    assert ours.stage_dims == (768,) * 4
    for found, tokens in zip(maps, right.values(), strict=True):
        torch.testing.assert_close(found.flatten(2).transpose(1, 2), tokens[:, 1:], rtol=1e-4, atol=1e-4)


def test_what_torchvision_does_not_have_is_refused(tmp_path):
    path = saved(models.resnet18(weights=None), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"no classifying network 'resnet19'; there are .*resnet18"):
        choose_network("torchvision/resnet19", Said(path))
    with pytest.raises(InputError, match="needs its weights: --weights"):
        choose_network("torchvision/resnet18")
    with pytest.raises(InputError, match="does not hold the weights of this TorchvisionNetwork"):
        choose_network("torchvision/resnet34", Said(path)).load()
    with pytest.raises(InputError, match="does not take images of 64 pixels"):
        build("torchvision/vit_b_32", image_size=64)


def test_a_file_with_torchvisions_own_name_says_what_it_is(tmp_path):
    named = tmp_path / "vit_b_16_swag-9ac1b537.safetensors"
    card = choose_network("torchvision/vit_b_16", Said(named))
    assert (card.image_size, terms(card.licence)) == (384, "non-commercial")
    card = choose_network("torchvision/resnet18", Said(tmp_path / "resnet18-f37072fd-converted.safetensors"))
    assert (card.licence, card.pretrained_on) == ("BSD-3-Clause", "ImageNet-1k (IMAGENET1K_V1)")
    assert choose_network("torchvision/resnet18", Said(tmp_path / "mine.safetensors")).licence == ""


# ONNX


def graph(path: Path, inputs: dict, output: list, nodes: list, opset: int = 18) -> Path:
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def pooling(**attributes) -> onnx.NodeProto:
    return helper.make_node("AveragePool", ["x"], ["y"], **attributes)


@pytest.fixture
def traced(tmp_path) -> tuple[nn.Module, Path]:
    """A network of ours and its graph."""
    network = build("resnet10", width=4, image_size=32).eval()
    path = tmp_path / "net.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, 32, 32),),
        str(path),
        input_names=["pixels"],
        output_names=["features"],
        dynamic_axes={"pixels": {0: "n"}, "features": {0: "n"}},
        dynamo=False,
        opset_version=17,
    )
    return network, path


def written(card: NetworkCard, folder: Path, blocks: tuple[str, ...]) -> ImageClassifier:
    """A classifier of three classes on that network, written to `folder` with its graph."""
    network = card.load().eval()
    width = {"features": network.feature_dim, "stages": sum(network.stage_dims)}
    columns = sum(width[block] for block in blocks or ("features",))
    head = Head(torch.randn(3, columns), torch.randn(3), None)
    classifier = ImageClassifier(network, head, blocks).eval()
    description = Description(
        ("a", "b", "c"),
        card.image_size,
        Packing(card.image_size),
        card.backbone,
        card.width,
        None,
        weights_mean=card.mean,
        weights_std=card.std,
        blocks=blocks,
    )
    save_classifier(folder, classifier, description)
    export_onnx(folder / "model.onnx", classifier, description)
    return classifier


def test_features_of_an_onnx_file_are_those_of_its_network(traced, tmp_path):
    network, path = traced
    card = choose_network(str(path), Said(card={"image_size": 32, "mean": [0.5] * 3, "std": [0.25] * 3}))
    assert (card.name, card.width, card.licence, card.extra) == ("net", 32, "", "onnx")
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    pixels = (images.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    ours = card.load().eval()
    with torch.inference_mode():
        torch.testing.assert_close(ours(evaluation_view(images, 32)), network(pixels), rtol=1e-4, atol=1e-4)
    assert set(network_blocks(ours, evaluation_view(images, 32))) == {"features"}
    assert feature_columns(ours) == {"features": (0, 32)}
    embed(ours, images, tmp_path / "f.npy", image_size=32, device=torch.device("cpu"))
    found = ours(evaluation_view(images, 32)).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("blocks", [(), ("features",)])
def test_a_classifier_on_an_onnx_file_is_written_as_one_graph(traced, tmp_path, blocks):
    card = choose_network(str(traced[1]), Said(card={"image_size": 32, "mean": [0.5] * 3, "std": [0.2] * 3}))
    classifier = written(card, tmp_path / "c", blocks)
    again, _ = load_classifier(tmp_path / "c")
    images = torch.randn(4, 3, 32, 32)
    session = onnxruntime.InferenceSession(str(tmp_path / "c/model.onnx"))
    with torch.inference_mode():
        right = classifier(images)
        torch.testing.assert_close(again(images), right)
    [logits] = session.run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(logits, right.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "output", "node", "right"),
    [
        # a map, whose positions are averaged; images one at a time, and channels last
        ({"x": ["n", 3, 8, 8]}, ["n", 3, 4, 4], pooling(kernel_shape=[2, 2], strides=[2, 2]), (2, 3)),
        ({"x": [1, 3, 8, 8]}, [1, 3, 4, 4], pooling(kernel_shape=[2, 2], strides=[2, 2]), (2, 3)),
        (
            {"x": ["n", 8, 8, 3]},
            ["n", 3],
            helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0),
            (2, 3),
        ),
    ],
    ids=["map", "one at a time", "channels last"],
)
def test_forms_of_onnx_networks(tmp_path, inputs, output, node, right):
    path = graph(tmp_path / "net.onnx", inputs, output, [node], opset=13)
    card = choose_network(str(path), Said(card={"image_size": 8}))
    assert (card.width, card.image_size) == (3, 8)
    images = torch.randn(3, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(card.load()(images), images.mean(right))
        classifier = written(card, tmp_path / "c", ("features",))
        session = onnxruntime.InferenceSession(str(tmp_path / "c/model.onnx"))
        [logits] = session.run(["logits"], {"images": images[:1].numpy()})
        np.testing.assert_allclose(logits, classifier(images[:1]).numpy(), rtol=1e-4, atol=1e-5)


def test_onnx_files_that_are_no_network_are_refused(tmp_path):
    two = helper.make_node("Add", ["a", "b"], ["y"])
    image = ["n", 3, 8, 8]
    same = helper.make_node("Identity", ["x"], ["y"])
    for number, (inputs, output, node, message) in enumerate(
        [
            ({"a": image, "b": image}, image, two, r"has 2 inputs \(a, b\), and a network has one, images"),
            ({"x": ["n", 1, 8, 8]}, ["n", 1, 8, 8], same, r"takes x \['n', 1, 8, 8\].*three channels"),
            ({"x": ["n", 3, 8, 9]}, ["n", 3, 8, 9], same, "as many rows as columns"),
            ({"x": ["n", 5]}, ["n", 5], same, "takes float32 images"),
        ]
    ):
        path = graph(tmp_path / f"{number}.onnx", inputs, output, [node])
        with pytest.raises(InputError, match=message):
            choose_network(str(path))
    path = graph(tmp_path / "size.onnx", {"x": ["n", 3, 8, 8]}, image, [same])
    with pytest.raises(InputError, match="takes images of 8 pixels, and is asked for 16"):
        choose_network(str(path), Said(card={"image_size": 16})).load()
    (tmp_path / "bad.onnx").write_bytes(b"PK hello")
    with pytest.raises(InputError, match=r"bad\.onnx is not an ONNX file"):
        choose_network(str(tmp_path / "bad.onnx"))
    with pytest.raises(InputError, match="there is no ONNX file at"):
        choose_network(str(tmp_path / "none.onnx"))


# Cards


def test_a_card_beside_the_weights_says_what_a_network_is(tmp_path):
    path = saved(timm.create_model("resnet10t"), tmp_path / "mine.safetensors")
    (tmp_path / "mine.yaml").write_text(
        "image_size: 96\nmean: [0.5, 0.5, 0.5]\nstd: [0.2, 0.2, 0.2]\nlicence: cc-by-nc-4.0\n"
        "pretrained_on: moths\nnot_for: [moths]\n"
    )
    card = choose_network("timm/resnet10t", Said(path, card={"image_size": 64}))
    assert (card.image_size, card.mean, card.not_for) == (64, (0.5, 0.5, 0.5), ("moths",))
    assert card.title == "timm/resnet10t [non-commercial]"
    with pytest.raises(InputError, match=r"cc-by-nc-4\.0.*--accept-licence"):
        card.require_accepted(False)
    card.require_accepted(True)
    for text, message in (
        ("pixels: 3", r"mine\.yaml: the card of a network may hold image_size, .*; found \['pixels'\]"),
        ("mean: [0.5, 0.5, 0.5]", "mean and std are given together"),
        ("{mean: [1, 1, 1], std: [1, 0, 1]}", "std must be 3 numbers .* all above 0"),
        ("image_size: -1", "number of pixels above 0, found -1"),
        ("a: [", "is not valid YAML"),
    ):
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(InputError, match=message):
            choose_network("timm/resnet10t", Said(path))


def test_terms_of_licences():
    for name in ("Apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "CC-BY-SA-4.0", "mine"):
        assert terms(name) == "free", name
        assert mark(name) == ""
    for name in ("cc-by-nc-4.0", "fair-noncommercial-research-license", "CC BY-NC 4.0", "apple-amlr"):
        assert terms(name) == "non-commercial", name
    for name in ("dinov3-license", "gemma", "nvidia-open-model-license"):
        assert terms(name) == "own terms", name
        assert "terms of its own" in mark(name)
    assert mark("mit", "gemma", "cc-by-nc-4.0") == mark("cc-by-nc-4.0")
    assert mark("mit", "gemma") == mark("gemma") != mark("mit", "")
    assert terms("") == terms("unknown") == "not stated"


def test_a_network_of_the_pipeline_is_taken_by_its_file(tmp_path):
    network = build("resnet10", width=4, image_size=32)
    state = {f"backbone.{key}": each for key, each in network.state_dict().items()}
    facts = {"backbone": "resnet10", "width": 4, "image_size": 32, "mean": None, "std": None}
    save_tensors(tmp_path / "objects.safetensors", state, facts)
    card = choose_network(str(tmp_path / "objects.safetensors"))
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(card.load().eval()(images), network.eval()(images))
    save_tensors(tmp_path / "other.safetensors", state)
    with pytest.raises(InputError, match="does not say what network it holds"):
        choose_network(str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("name", ["timm/resnet10t", "torchvision/resnet18"])
def test_a_network_of_the_pipeline_is_no_other_one(name, tmp_path):
    network = build("resnet10", width=4, image_size=32)
    path = tmp_path / "objects.safetensors"
    facts = {"backbone": "resnet10", "width": 4, "image_size": 32, "mean": None, "std": None}
    save_tensors(path, {f"backbone.{key}": each for key, each in network.state_dict().items()}, facts)
    with pytest.raises(InputError, match=r"objects\.safetensors does not hold the weights of this .*missing"):
        choose_network(name, Said(path)).load()
    wider = build("resnet10", width=8, image_size=32)
    before = {key: each.clone() for key, each in wider.state_dict().items()}
    with pytest.raises(InputError, match=r"of another form \(stem\.0\.weight is float"):
        load_weights(wider, path)
    assert all(torch.equal(each, before[key]) for key, each in wider.state_dict().items())


def test_an_onnx_network_of_the_pipeline_is_taken_by_its_file(traced, tmp_path):
    network, path = traced
    card = choose_network(str(path), Said(card={"image_size": 32}))
    state = {f"backbone.{key}": each for key, each in card.load().state_dict().items()}
    facts = {"backbone": "onnx", "width": card.width, "image_size": 32, "mean": None, "std": None}
    save_tensors(tmp_path / "mine.safetensors", state, facts)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        found = choose_network(str(tmp_path / "mine.safetensors")).load().eval()(images)
        torch.testing.assert_close(found, network(images), rtol=1e-4, atol=1e-4)
    save_tensors(tmp_path / "mine.safetensors", {"weight": torch.zeros(2)})
    with pytest.raises(InputError, match="does not hold the weights of this OnnxNetwork"):
        load_weights(build("onnx", width=card.width, image_size=32), tmp_path / "mine.safetensors")


def test_packaged_cards_say_all():
    for card in network_cards().values():
        assert card.not_for == ("miniimagenet", "tieredimagenet")
        assert card.installed
        assert card.title == card.name
        with pytest.raises(InputError, match="brings its weights in a package"):
            choose_network(card.name, Said(Path("w.safetensors")))


def test_stages_are_the_last_maps_of_each_size():
    assert shown([2, 4, 4, 8, 8, 8]) == [0, 2, 5]
    assert shown([16] * 12) == [2, 5, 8, 11]
    assert shown([16, 16]) == [1]
