"""A network in an ONNX file, run by ONNX Runtime on the CPU: its features are taken as they are.

The bytes of the file are a buffer, so the network is saved and loaded as tensors like every other.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.backbone import ForeignBackbone
from farfield.errors import InputError

OPSET = 18  # of the graphs that farfield writes, into which this one may be joined


class Signature(NamedTuple):
    """What a graph takes and gives. batch: images at once, 0 for any. size: pixels, 0 for any. channels_last:
    whether it takes [n, h, w, 3]. positions: whether its output is a map [n, c, h, w] or tokens [n, t, c], whose
    positions are averaged. features: their number, 0 if the graph does not say."""

    input: str
    output: str
    batch: int
    size: int
    channels_last: bool
    positions: tuple[int, ...]
    features: int


def runtime() -> Any:
    """ONNX Runtime. InputError if it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "a network in an ONNX file needs onnxruntime, which is not installed: pip install 'farfield[onnx]'"
        ) from error
    return onnxruntime


def session_of(graph: bytes, name: str) -> Any:
    """A running graph. InputError if it is none."""
    library = runtime()
    options = library.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return library.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no class in common
        said = " ".join(str(error).split())
        raise InputError(
            f"{name} is not an ONNX file that ONNX Runtime can run: {said[:300]}. Weights outside the file "
            f"are not read; save the graph and its weights as one file."
        ) from error


def graph_of(path: Path) -> bytes:
    """The graph of a file, in the opset of ours. InputError if it is none, or cannot be brought to it."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import version_converter

    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not an ONNX file: {said[:300]}") from error
    version = next((each.version for each in model.opset_import if not each.domain), OPSET)
    if version == OPSET:
        return path.read_bytes()
    try:
        converted: bytes = version_converter.convert_version(model, OPSET).SerializeToString()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path} is written in opset {version} of ONNX, and cannot be brought to {OPSET} ({error}); "
            f"export it with opset {OPSET}"
        ) from error
    return converted


def signature(session: Any, name: str) -> Signature:
    """InputError unless the graph takes one image and gives one array of numbers."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise InputError(
            f"{name} has {len(inputs)} inputs ({', '.join(each.name for each in inputs)}), and a network has "
            f"one, images [n, 3, height, width]; export the part of it that sees images."
        )
    if len(outputs) != 1:
        raise InputError(
            f"{name} has {len(outputs)} outputs ({', '.join(each.name for each in outputs)}), and a network has "
            f"one, features; export it with the one to use."
        )
    shape, kind = [each if isinstance(each, int) else 0 for each in inputs[0].shape], inputs[0].type
    images = len(shape) == 4 and 3 in (shape[1], shape[3]) and kind == "tensor(float)"
    last = images and shape[1] != 3
    sides = (shape[1:3] if last else shape[2:]) if images else [0]
    if not images or len(set(sides)) != 1:
        raise InputError(
            f"{name} takes {inputs[0].name} {inputs[0].shape} of {kind}, and a network takes float32 images of "
            f"three channels and as many rows as columns, [n, 3, height, width] or [n, height, width, 3]."
        )
    given = [each if isinstance(each, int) else 0 for each in outputs[0].shape]
    if len(given) not in (2, 3, 4):
        raise InputError(
            f"{name} gives {outputs[0].name} {outputs[0].shape}, and features are [n, c], [n, tokens, c] or "
            f"[n, c, height, width]."
        )
    positions = {2: (), 3: (1,), 4: (2, 3)}[len(given)]
    features = given[2 if len(given) == 3 else 1]
    return Signature(inputs[0].name, outputs[0].name, shape[0], sides[0], last, positions, features)


def run(session: Any, found: Signature, images: Tensor) -> Tensor:
    """Features float32 [n, c] of images [n, 3, h, w] on the CPU, as many at once as the graph takes."""
    pixels = (images.permute(0, 2, 3, 1) if found.channels_last else images).numpy()
    batch = found.batch or len(pixels)
    rows = []
    for start in range(0, len(pixels), batch):
        part = pixels[start : start + batch]
        filled = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), part.dtype)])
        rows.append(session.run([found.output], {found.input: filled})[0][: len(part)])
    features = torch.from_numpy(np.concatenate(rows)).float()
    return features.mean(found.positions) if found.positions else features


def inspect(path: Path, image_size: int) -> tuple[int, int]:
    """The length of the features of an ONNX file and the pixels that it sees: `image_size` if any number will do.
    InputError if it is no network."""
    session = session_of(graph_of(path), str(path))
    found = signature(session, str(path))
    size = found.size or image_size
    features = found.features or run(session, found, torch.zeros(1, 3, size, size)).shape[1]
    return features, size


class OnnxNetwork(ForeignBackbone):
    """width: the length of its features. It shows no stages and learns nothing."""

    stage_dims = ()

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.image_size = image_size
        self.register_buffer("graph", torch.zeros(0, dtype=torch.uint8))
        self._session: Any = None

    def read(self, path: Path) -> None:
        """Take the graph of a file. InputError if it is none, or of another size or other features."""
        self._take(torch.frombuffer(bytearray(graph_of(path)), dtype=torch.uint8), str(path))

    def _take(self, graph: Tensor, name: str) -> None:
        session = session_of(graph.numpy().tobytes(), name)
        found = signature(session, name)
        if found.size not in (0, self.image_size):
            raise InputError(
                f"{name} takes images of {found.size} pixels, and is asked for {self.image_size}."
            )
        if found.features not in (0, self.feature_dim):
            raise InputError(
                f"{name} gives {found.features} features, and is said to give {self.feature_dim}."
            )
        self.graph: Tensor = graph
        self.signature, self._session = found, session

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        if self._session is None:
            self._take(self.graph.cpu(), "the ONNX graph of this network")
        features = run(self._session, self.signature, self.entry(images).float().cpu())
        return features.to(images.device), []

    def _load_from_state_dict(self, state: Any, prefix: str, *others: Any) -> None:
        self.graph = torch.empty_like(state.get(f"{prefix}graph", self.graph))
        self._session = None
        super()._load_from_state_dict(state, prefix, *others)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None}
