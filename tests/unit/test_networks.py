"""The networks of the house: what their weights expect of pixels, and where they come from."""

import copy
import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch.nn import functional as F

from commands.compose import composed
from commands.record import fresh_record, recorded
from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.images import evaluation_view, expect
from farfield.transfer.finetuning.layers import chain
from stages import weights
from stages.frame import paths
from stages.frame.models import load_network
from stages.frame.params import check_params

MEAN, STD = [0.5, 0.4, 0.3], [0.5, 0.25, 0.2]


@pytest.mark.parametrize("name", ["resnet10", "resnet14", "resnet8", "conv4"])
def test_a_network_sees_pixels_as_its_weights_expect_them(name):
    torch.manual_seed(0)
    plain = build(name, width=4, image_size=32).eval()
    network = copy.deepcopy(plain)
    expect(network, MEAN, STD)
    images = torch.randint(0, 256, (3, 37, 37, 3), dtype=torch.uint8)
    given = evaluation_view(images, 32)
    crop = images[:, 2:34, 2:34].permute(0, 3, 1, 2).double() / 255
    wanted = (crop - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.inference_mode():
        right = plain(wanted.float())
        for kind in (network, copy.deepcopy(network)):
            torch.testing.assert_close(kind(given), right, rtol=1e-4, atol=1e-5)
            last = kind.pool(kind.stages(given)[-1])
            torch.testing.assert_close(last, right, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(plain(given), right, rtol=1e-2)


def test_its_layers_are_not_taken_alone():
    network = build("resnet10", width=4)
    expect(network, MEAN, STD)
    with pytest.raises(InputError, match=r"mean and std.*fewshot\.transfer"):
        chain(network)


def tiny(*overrides: str) -> dict:
    return composed(recorded([*overrides], fresh_record("tiny")))


def test_given_weights_keep_what_they_expect(tmp_path, monkeypatch):
    values = tiny(
        "networks.given.random.mean=[0.5,0.5,0.5]",
        "networks.given.random.std=[0.5,0.5,0.5]",
        "networks.given.random.image_size=24",
        "packing.size=28",
    )
    params = check_params(values, "test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "load_params", lambda: params)
    weights.main("random")
    _, facts = load_tensors(paths.NETWORKS / "models/random.safetensors")
    assert (facts["image_size"], facts["mean"], facts["std"]) == (24, [0.5] * 3, [0.5] * 3)
    assert params.pixels_of("random") == load_network("random").image_size == 24
    assert params.untrained("random")
    assert not params.untrained("objects")
    network, black = load_network("random").backbone.eval(), torch.zeros(1, 28, 28, 3, dtype=torch.uint8)
    bare = build("resnet10", width=4).eval()
    bare.load_state_dict(network.state_dict())
    with torch.inference_mode():
        seen, right = network(evaluation_view(black, 24)), bare(-torch.ones(1, 3, 24, 24))
    assert F.cosine_similarity(seen, right).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(seen, right, rtol=1e-4, atol=1e-5)


def given(kind: str, path: Path, *overrides: str) -> dict:
    """The tiny study with one network more, of a file that a user has."""
    archive = f"networks.given.mine.archive={{urls: ['{path}'], unverified: a file of our own}}"
    return tiny(
        f"+network@networks.given.mine={kind}", archive, "networks.given.mine.image_size=64", *overrides
    )


def made(values: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """What the stage `weights` makes of the network `mine`, read as other stages read it."""
    params = check_params(values, "test")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "load_params", lambda: params)
    weights.main("mine")
    loaded = load_network("mine")
    assert loaded.image_size == 64
    return loaded.backbone.eval()


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_network_of_a_library_is_one_of_the_house(library, tmp_path, monkeypatch):
    name = {"timm": "resnet10t", "torchvision": "resnet18"}[library]
    make = {"timm": timm.create_model, "torchvision": torchvision.models.get_model}[library]
    theirs = make(name, num_classes=3).eval()
    save_tensors(tmp_path / "w.safetensors", theirs.state_dict())
    row = ["+transfer@fewshot.transfer.mine=fixed", "fewshot.transfer.mine.model=mine", "packing.size=74"]
    backbone = f"networks.given.mine.backbone={library}/{name}"
    values = given(
        library, tmp_path / "w.safetensors", backbone, *row, "fewshot.models=[objects,random,mine]"
    )
    ours = made(values, tmp_path, monkeypatch)
    images = torch.randn(2, 3, 64, 64)
    theirs.fc = torch.nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="cannot be fine-tuned"):
        chain(ours)


def test_an_onnx_file_is_a_network_of_the_house(tmp_path, monkeypatch):
    network = build("resnet10", width=4, image_size=64).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, 64, 64),), str(tmp_path / "n.onnx"), dynamo=False)
    values = given("onnx", tmp_path / "n.onnx", "networks.given.mine.width=32")
    ours = made(values, tmp_path, monkeypatch)
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), network(images), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(copy.deepcopy(ours)(images), ours(images))


def test_a_network_is_not_tested_on_what_it_has_seen():
    row = ["+transfer@fewshot.transfer.seen=fixed", "fewshot.transfer.seen.model=lite0"]
    row += ["fewshot.models=[objects,random,lite0]", "networks.given.lite0.image_size=16"]
    assert check_params(tiny(*row), "test").fewshot.transfer["seen"].model == "lite0"
    message = r"the row seen tests the network lite0 on leaves.*\(not_for\): it has seen ImageNet-1k"
    with pytest.raises(InputError, match=message):
        tiny(*row, "networks.given.lite0.not_for=[leaves]")
    with pytest.raises(InputError, match=message):  # by the title of the dataset, whatever its key
        tiny(*row, "datasets.leaves.title=miniImageNet")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("networks.given.random.mean=[0.5,0.5,0.5]", "mean and std are given together"),
        ("networks.given.random.from=published", "published weights have an archive"),
        ("networks.given.random.backbone=timm/resnet10t", "from timm has a backbone timm/NAME"),
        ("networks.given.random.backbone=timm/resnet10t", "found from random with timm/resnet10t"),
        ("networks.trained.random=${networks.trained.objects}", "'random' is trained and given"),
        (
            "fewshot.models=[objects,random,nowhere]",
            r"fewshot\.models\.2 is 'nowhere', which is not one of networks",
        ),
        (
            "spottune.methods.standard.network=x",
            r"methods\.standard\.network is 'x', which is not one of net",
        ),
        (
            "networks.trained.objects.image_size=64",
            "packing size of objects is 18, but networks see 64 pixels",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        tiny(override)
