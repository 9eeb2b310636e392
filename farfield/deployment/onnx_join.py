"""A classifier whose network is an ONNX file: its head as a graph of its own, and both as one."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from farfield.backbones.backbone import Backbone
from farfield.backbones.from_onnx import OPSET, OnnxNetwork
from farfield.deployment.classifier import ImageClassifier
from farfield.training.images import Renormalise

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


class _Given(Backbone):
    """Features that are there already stand in for images."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.feature_dim = width

    def forward(self, images: Tensor) -> Tensor:
        return images

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return images, []


def head_alone(classifier: ImageClassifier) -> ImageClassifier:
    """Features [n, d] of its network to logits."""
    given = _Given(classifier.backbone.feature_dim)
    return ImageClassifier(given, classifier.head, classifier.blocks).eval()


def joined(
    network: OnnxNetwork, head: "ModelProto", mean: tuple[float, ...], std: tuple[float, ...]
) -> "ModelProto":
    """Images as every classifier takes them, through the user's graph, to what `head` gives of its features.

    head: the graph of `head_alone`, opset `OPSET`. mean, std: that the network expects. The names of both graphs
    get a prefix, so that they cannot meet.
    """
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    found, size = network.signature, network.image_size
    images, logits = head.graph.input[0].name, head.graph.output[0].name
    theirs = compose.add_prefix(onnx.load_from_string(network.graph.numpy().tobytes()), "network/")
    head = compose.add_prefix(head, "head/")
    for part in (theirs, head):
        part.ir_version = max(theirs.ir_version, head.ir_version)

    def graph(nodes: list[Any], given: Any, gives: Any, constants: list["TensorProto"]) -> "ModelProto":
        made = helper.make_graph(nodes, "between", [given], [gives], initializer=constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(made, opset_imports=opsets, ir_version=theirs.ir_version)

    batch = found.batch or "n"
    turn = Renormalise(mean, std)
    taken = [batch, size, size, 3] if found.channels_last else [batch, 3, size, size]
    before = graph(
        [
            helper.make_node("Mul", ["images", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["turned"]),
            helper.make_node("Transpose", ["turned"], ["taken"], perm=[0, 2, 3, 1])
            if found.channels_last
            else helper.make_node("Identity", ["turned"], ["taken"]),
        ],
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, size, size]),
        helper.make_tensor_value_info("taken", TensorProto.FLOAT, taken),
        [
            numpy_helper.from_array(part[None].numpy(), name)
            for name, part in (("scale", turn.scale), ("offset", turn.offset))
        ],
    )
    whole = compose.merge_models(before, theirs, io_map=[("taken", f"network/{found.input}")])
    given = whole.graph.output[0]
    pooled = helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, network.feature_dim])
    node = (
        helper.make_node("ReduceMean", ["given", "axes"], ["features"], keepdims=0)
        if found.positions
        else helper.make_node("Identity", ["given"], ["features"])
    )
    shape = [each.dim_value or each.dim_param or None for each in given.type.tensor_type.shape.dim]
    between = graph(
        [node],
        helper.make_tensor_value_info("given", TensorProto.FLOAT, shape),
        pooled,
        [helper.make_tensor("axes", TensorProto.INT64, [len(found.positions)], found.positions)]
        if found.positions
        else [],
    )
    whole = compose.merge_models(whole, between, io_map=[(given.name, "given")])
    whole = compose.merge_models(whole, head, io_map=[("features", f"head/{images}")])
    _rename(whole.graph, f"head/{logits}", logits)
    return whole


def _rename(graph: Any, old: str, new: str) -> None:
    """Call an output of the graph by another name."""
    for node in graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
    for output in graph.output:
        output.name = new if output.name == old else output.name
