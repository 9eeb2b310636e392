"""Pretrained weights: torchvision's names in safetensors, and nothing that could run code."""

import json
import pickle
import re
import shlex

import pytest
import torch
from torch import nn

from farfield.backbones import build
from farfield.errors import InputError
from farfield.networks.weights import load_weights
from farfield.training.checkpoints import load_tensors, save_tensors


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def published(tmp_path):
    """A file like torchvision's: bottlenecks of width 2, with a classifier."""
    network = build("resnet14", width=2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
    network.fc = nn.Linear(network.feature_dim, 10)
    save_tensors(tmp_path / "published.safetensors", network.state_dict())
    return tmp_path / "published.safetensors"


def same_state(network, tensors):
    state = network.state_dict()
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[name], tensors[name]) for name in state)


def test_weights_with_torchvisions_names_are_loaded_without_the_classifier(published):
    network = build("resnet14", width=2)
    load_weights(network, published)
    tensors, _ = load_tensors(published)
    same_state(network, {k: t for k, t in tensors.items() if not k.startswith("fc.")})


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_basic_block_networks_of_torchvision_are_loaded(name, tmp_path):
    models = pytest.importorskip("torchvision.models")
    theirs = getattr(models, name)(weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    save_tensors(tmp_path / "weights.safetensors", theirs.state_dict())
    theirs.fc = nn.Identity()
    ours = build(name).eval()
    load_weights(ours, tmp_path / "weights.safetensors")
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet10", "resnet8", "resnet14", "conv4"])
def test_a_backbones_own_names_are_loaded_too(name, tmp_path):
    source, target = build(name, width=4), build(name, width=4)
    save_tensors(tmp_path / "own.safetensors", source.state_dict())
    load_weights(target, tmp_path / "own.safetensors")
    same_state(target, source.state_dict())


def test_counts_of_batches_may_be_missing(published):
    tensors, _ = load_tensors(published)
    save_tensors(published, {k: t for k, t in tensors.items() if "num_batches_tracked" not in k})
    network = build("resnet14", width=2)
    load_weights(network, published)
    assert torch.equal(network.layer4[0].conv3.weight, tensors["layer4.0.conv3.weight"])
    assert network.bn1.num_batches_tracked == 0


def test_half_precision_is_widened(published):
    tensors, _ = load_tensors(published)
    save_tensors(published, {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()})
    network = build("resnet14", width=2)
    load_weights(network, published)
    assert torch.equal(network.conv1.weight, tensors["conv1.weight"].half().float())


# Weights that do not fit


@pytest.mark.parametrize(
    ("name", "width", "reason"),
    [
        ("resnet26b", 2, r"64 features: 60 missing \(layer1\.1\.bn1\.bias, .*, \.\.\.\)"),
        ("resnet14", 4, r"\d+ of another form \(conv1\.weight is float \[2, 3, 7, 7\], "),
        ("resnet8", 2, r"missing .*; \d+ unknown \(bn1\.bias, "),
    ],
)
def test_weights_of_another_architecture_are_refused_with_their_first_names(published, name, width, reason):
    network = build(name, width=width)
    before = {k: t.clone() for k, t in network.state_dict().items()}
    with pytest.raises(InputError, match=r"published\.safetensors does not hold.*" + reason):
        load_weights(network, published)
    same_state(network, before)


def test_integers_are_no_weights(published):
    tensors, _ = load_tensors(published)
    save_tensors(published, {**tensors, "conv1.weight": tensors["conv1.weight"].to(torch.int8)})
    with pytest.raises(
        InputError,
        match=r"features: 1 of another form \(conv1\.weight is integer \[2, 3, 7, 7\], expected float",
    ):
        load_weights(build("resnet14", width=2), published)


@pytest.mark.parametrize("wrong", ["missing.safetensors", "."])
def test_a_missing_file_is_named(tmp_path, wrong):
    with pytest.raises(InputError, match="there is no file of weights at"):
        load_weights(build("resnet14", width=2), tmp_path / wrong)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK", b"\x08\0\0\0\0\0\0\0{}"])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "resnet50.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"resnet50\.safetensors"):
        load_weights(build("resnet14", width=2), path)


@pytest.mark.parametrize(
    "head",
    [
        {"__metadata__": {"facts": "{"}},
        {"__metadata__": {"facts": "[1]"}},
        {"__metadata__": {"facts": "[" * 100_000}},
        {"__metadata__": [1]},
        {"__metadata__": {"facts": {}}},
    ],
    ids=["cut", "a list", "deep", "no map", "no text"],
)
def test_a_head_that_says_what_no_head_says_is_refused(tmp_path, head):
    text = json.dumps(head).encode()
    path = tmp_path / "resnet50.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(
        InputError, match=r"resnet50\.safetensors (has facts that are|is not a safetensors file)"
    ):
        load_tensors(path)


# Pickles


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_and_never_opened(tmp_path, zipped):
    bomb = Bomb(tmp_path / "ran")
    torch.save({"conv1.weight": bomb}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"w\.pth is a pickle.*can run any code"):
        load_weights(build("resnet14", width=2), tmp_path / "w.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(bomb))
    with pytest.raises(InputError, match=r"plain\.pkl is a pickle"):
        load_weights(build("resnet14", width=2), tmp_path / "plain.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_command_in_the_refusal_converts_the_file(published, tmp_path, zipped, monkeypatch):
    tensors, _ = load_tensors(published)
    folder = tmp_path / "my weights"
    folder.mkdir()
    # torchvision's older files hold Parameters, and a weight may be a view of another layout.
    state = {k: nn.Parameter(t) if t.is_floating_point() else t for k, t in tensors.items()}
    state["conv1.weight"] = tensors["conv1.weight"].contiguous(memory_format=torch.channels_last)
    torch.save(state, folder / "resnet14.pth", _use_new_zipfile_serialization=zipped)
    network = build("resnet14", width=2)
    with pytest.raises(InputError) as refusal:
        load_weights(network, folder / "resnet14.pth")
    python, option, code, *files = shlex.split(re.search(r"^  (python .*)$", str(refusal.value), re.M)[1])
    assert (python, option) == ("python", "-c")
    monkeypatch.setattr("sys.argv", [option, *files])
    exec(compile(code, "command", "exec"), {})
    load_weights(network, folder / "resnet14-converted.safetensors")
    same_state(network, {k: t for k, t in tensors.items() if not k.startswith("fc.")})


@pytest.mark.parametrize("length", [0x4080, 0x4B50])
def test_safetensors_that_begin_like_a_pickle_are_read(published, length):
    """The length of the header comes first; some lengths are the first bytes of a pickle or a zip."""
    content = published.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = content[8:end].ljust(length)
    published.write_bytes(len(header).to_bytes(8, "little") + header + content[end:])
    assert published.read_bytes().startswith((b"\x80", b"PK"))
    load_weights(build("resnet14", width=2), published)
