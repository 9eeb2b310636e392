"""Pretrained weights from files that name them as torchvision does."""

import re
import shlex
from pathlib import Path

from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.backbones.resnet import ResNet
from farfield.errors import InputError
from farfield.training.checkpoints import load_tensors

# How torchvision names what `farfield.backbones.resnet.ResNet` has; its stages count from 1.
_RESNET_NAMES = (
    (re.compile(r"^conv1\."), "stem.0."),
    (re.compile(r"^bn1\."), "stem.1."),
    (re.compile(r"^layer([1-4])\."), lambda match: f"layers.{int(match[1]) - 1}."),
    (re.compile(r"^(layers\.\d+\.\d+)\.downsample\."), r"\1.shortcut."),
)
_CONVERT = (
    "import sys, torch, safetensors.torch; "
    "w = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "safetensors.torch.save_file({k: v.detach().contiguous() for k, v in w.items()}, sys.argv[2])"
)


def load_weights(backbone: Backbone, path: Path) -> None:
    """Fill `backbone` with the tensors of a safetensors file, whose names are torchvision's or its own.

    A classifier in the file (`fc`) is left out, and counts of batches (`num_batches_tracked`) may be
    missing. The backbone is unchanged unless everything fits.

    InputError if there is no such file, if it is a pickle, which is never opened, or if it holds the
    weights of another architecture.
    """
    _refuse_pickles(path)
    tensors, _ = load_tensors(path)
    given = {
        _own_name(backbone, name): tensor for name, tensor in tensors.items() if not name.startswith("fc.")
    }
    expected = backbone.state_dict()
    problems = _differences(given, expected)
    if problems:
        raise InputError(
            f"{path} does not hold the weights of this {type(backbone).__name__} with "
            f"{backbone.feature_dim} features: {'; '.join(problems)}. Choose the backbone and the width "
            f"that the file was made with, or another file."
        )
    backbone.load_state_dict(given, strict=False)


def _refuse_pickles(path: Path) -> None:
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
    return name


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
