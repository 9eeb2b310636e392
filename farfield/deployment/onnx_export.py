"""A classifier as an ONNX graph, for runtimes without Python."""

import json
import warnings
from pathlib import Path

import torch

from farfield.backbones.from_onnx import OPSET, OnnxNetwork
from farfield.deployment.classifier import ImageClassifier
from farfield.deployment.description import Description
from farfield.deployment.onnx_join import head_alone, joined
from farfield.files import atomic_file

INPUT, OUTPUT = "images", "logits"


def export_onnx(path: Path, classifier: ImageClassifier, description: Description) -> None:
    """Write the graph: `images` float32 [n, c, S, S], normalised, for any n, to `logits` [n, classes].

    c is 3, or as many as the description has bands. The file is checked after it was written; class names, the
    normalisation, the bands and the ranges of files that do not state one stand in its metadata.
    """
    import onnx

    size = description.image_size
    plain = classifier.cpu().to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    traced, given = plain, torch.zeros(2, description.channels, size, size)
    if isinstance(plain.backbone, OnnxNetwork):
        traced, given = head_alone(plain), torch.zeros(2, plain.backbone.feature_dim)
    with atomic_file(path) as partial:
        with warnings.catch_warnings():
            # The exporter by tracing is called legacy. It writes the same graph in a second where the
            # one by torch.export takes ten, and needs no further package.
            warnings.simplefilter("ignore", DeprecationWarning)
            # paddings follow the size, which is fixed
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
            torch.onnx.export(
                traced,
                (given,),
                str(partial),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
        model = onnx.load(str(partial))
        if isinstance(plain.backbone, OnnxNetwork):
            expected = (
                description.weights_mean or description.mean,
                description.weights_std or description.std,
            )
            model = joined(plain.backbone, model, *expected)
        mean, std = (" ".join(map(str, values)) for values in description.normalisation)
        about = {
            "class_names": json.dumps(description.class_names, ensure_ascii=False),
            "mean": mean,
            "std": std,
            "ranges": json.dumps(description.band_ranges or description.ranges),
        }
        if description.bands:
            about["bands"] = " ".join(map(str, description.bands))
        onnx.helper.set_model_props(model, about)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(partial))
