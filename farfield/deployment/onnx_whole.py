"""A classifier as an ONNX graph that takes images as they are: uint8 in, probabilities out.

What `farfield predict` does between a file and the network is in the graph: the image is squeezed to the
packed size as Pillow does it, its centre is cut out and normalised. Pillow resizes one direction after the
other and rounds to whole levels each time, so the graph does, on uint8; what is left are rounding errors of
one level.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from farfield.backbones.from_onnx import OPSET
from farfield.datasets.cards import Resample
from farfield.deployment.description import Description
from farfield.deployment.onnx_export import INPUT, OUTPUT
from farfield.errors import InputError
from farfield.files import atomic_file

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

PROBABILITIES = "probabilities"
_PIXELS = "normalised"

# Of Resize, for Pillow's filters. Where a filter reaches over the border, Pillow leaves out what is not there.
_LIKE_PILLOW: dict[Resample, dict[str, Any]] = {
    "bilinear": {"mode": "linear", "antialias": 1, "exclude_outside": 1},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "antialias": 1, "exclude_outside": 1},
}
_ENLARGED = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
SHARE = 1.15  # of the side of what is packed to that of what is seen


def expressible(description: Description) -> bool:
    """Whether a graph can take files as they are: ONNX has the filters of the packing, and bands have one range
    each, whatever the kind of file."""
    packing = description.packing
    if description.bands and len(description.band_ranges) != 1:
        return False
    return packing.resample in _LIKE_PILLOW and (not packing.pre_size or packing.pre_resample in _LIKE_PILLOW)


def export_whole(path: Path, network: Path, description: Description) -> None:
    """Write the graph: `images` uint8 [n, h, w, 3], RGB, of any one size, to `probabilities` float32 [n,
    classes]. With bands: `images` float32 [n, h, w, bands], all bands of a file with the values that it holds.

    network: what `farfield.deployment.onnx_export` wrote. InputError if it is not `expressible`.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    if not expressible(description):
        if description.bands and len(description.band_ranges) != 1:
            raise InputError(
                f"the bands have {len(description.band_ranges)} ranges, by the kind of file, and not one."
            )
        raise InputError(
            f"ONNX has no filter {description.packing.resample!r} as Pillow's to resize images with."
        )
    inner = compose.add_prefix(onnx.load(str(network)), "network/")
    nodes = _nodes(description)
    graph = helper.make_graph(
        nodes,
        "preprocessing",
        [
            helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", "h", "w", "bands"])
            if description.bands
            else helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", "h", "w", 3])
        ],
        [
            helper.make_tensor_value_info(
                _PIXELS, TensorProto.FLOAT, ["n", description.channels, *(description.image_size,) * 2]
            )
        ],
        initializer=_constants(description),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    before = helper.make_model(graph, opset_imports=opsets, ir_version=inner.ir_version)
    joined = compose.merge_models(before, inner, io_map=[(_PIXELS, f"network/{INPUT}")], name="classifier")
    _answer_with_probabilities(joined, len(description.class_names))
    helper.set_model_props(joined, {"class_names": json.dumps(description.class_names, ensure_ascii=False)})
    onnx.checker.check_model(joined, full_check=True)
    with atomic_file(path) as partial:
        onnx.save(joined, str(partial))


def _nodes(description: Description) -> "list[NodeProto]":
    from onnx import TensorProto, helper

    packing = description.packing
    nodes, given = (_in_range(), "levels of bands") if description.bands else ([], INPUT)
    nodes.append(helper.make_node("Transpose", [given], ["planes"], perm=[0, 3, 1, 2]))
    last, enlarged = "planes", _cut(description) < description.image_size
    if packing.pre_size:
        nodes += _squeezed(last, "pre", packing.pre_resample)
        last = "pre"
    nodes += _squeezed(last, "packed", packing.resample)
    nodes += [
        helper.make_node("Slice", ["packed", "crop/starts", "crop/ends", "crop/axes"], ["crop"]),
        helper.make_node("Cast", ["crop"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["levels", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["shown" if enlarged else _PIXELS]),
    ]
    if enlarged:
        nodes.append(
            helper.make_node("Resize", ["shown", "", "", "size"], [_PIXELS], axes=[2, 3], **_ENLARGED)
        )
    return nodes


def _in_range() -> "list[NodeProto]":
    """The chosen bands of a file, from 0 to 255, not rounded."""
    from onnx import helper

    return [
        helper.make_node("Gather", [INPUT, "bands/places"], ["bands/chosen"], axis=3),
        helper.make_node("Sub", ["bands/chosen", "bands/low"], ["bands/above"]),
        helper.make_node("Mul", ["bands/above", "bands/scale"], ["bands/scaled"]),
        helper.make_node("Clip", ["bands/scaled", "bands/0", "bands/255"], ["levels of bands"]),
    ]


def _cut(description: Description) -> int:
    """Pixels along the side of the centre that is cut out, as `farfield.training.images.evaluation_view`
    does."""
    least = min(description.packing.shape)
    return description.image_size if least >= description.image_size else round(least / SHARE)


def _squeezed(given: str, name: str, resample: Resample) -> "list[NodeProto]":
    """`given` [n, 3, h, w] to `name`, which has the constants `name/height` and `name/width`: the width
    first."""
    from onnx import helper

    # By the sizes of all four axes: with `axes` alone onnxruntime's optimizer loses the sizes (1.23).
    settings = {"coordinate_transformation_mode": "half_pixel", **_LIKE_PILLOW[resample]}
    return [
        helper.make_node("Shape", [given], [f"{name}/n3h"], start=0, end=3),
        helper.make_node("Concat", [f"{name}/n3h", f"{name}/width"], [f"{name}/first"], axis=0),
        helper.make_node("Resize", [given, "", "", f"{name}/first"], [f"{name}/narrow"], **settings),
        helper.make_node("Shape", [given], [f"{name}/n3"], start=0, end=2),
        helper.make_node(
            "Concat", [f"{name}/n3", f"{name}/height", f"{name}/width"], [f"{name}/second"], axis=0
        ),
        helper.make_node("Resize", [f"{name}/narrow", "", "", f"{name}/second"], [name], **settings),
    ]


def _constants(description: Description) -> list[Any]:
    from onnx import numpy_helper

    packing, size = description.packing, _cut(description)
    (height, width), (mean, std) = packing.shape, description.normalisation
    scale = 1 / (255 * np.array(std))
    top, left = round((height - size) / 2), round((width - size) / 2)
    values = {
        "packed/height": np.array([height]),
        "packed/width": np.array([width]),
        "crop/starts": np.array([top, left]),
        "crop/ends": np.array([top + size, left + size]),
        "crop/axes": np.array([2, 3]),
        "scale": scale.astype(np.float32).reshape(1, -1, 1, 1),
        "offset": (-255 * np.array(mean) * scale).astype(np.float32).reshape(1, -1, 1, 1),
    }
    if description.bands:
        [spans] = description.band_ranges.values()
        low, high = np.array(spans).T
        values |= {
            "bands/places": np.array(description.bands) - 1,
            "bands/low": low.astype(np.float32),
            "bands/scale": (255 / np.where(high > low, high - low, 1)).astype(np.float32),
            "bands/0": np.array(0, np.float32),
            "bands/255": np.array(255, np.float32),
        }
    if size < description.image_size:
        values["size"] = np.array([description.image_size] * 2)
    if packing.pre_size:
        values |= {"pre/height": np.array([packing.pre_size]), "pre/width": np.array([packing.pre_size])}
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _answer_with_probabilities(model: "ModelProto", classes: int) -> None:
    from onnx import TensorProto, helper

    model.graph.node.append(helper.make_node("Softmax", [f"network/{OUTPUT}"], [PROBABILITIES], axis=-1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", classes]))
