"""weights@<network>: a network with weights that are given, to pipelines/networks/models/<network>.safetensors.

They are random, or somebody published them, or they are a user's. Beside it: training/<network>.json, what it is.
"""

import hashlib
import sys
from pathlib import Path

import torch

from farfield.backbones import build
from farfield.backbones.backbone import Backbone, parameter_count
from farfield.datasets.download import fetch
from farfield.errors import InputError
from farfield.files import write_json
from farfield.local import load_local
from farfield.networks.weights import load_packaged, load_weights
from farfield.seeds import integer_seed
from farfield.training.checkpoints import save_tensors
from stages.frame import paths
from stages.frame.models import model_file
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.networks import Given


def main(name: str) -> None:
    params = load_params()
    spec = params.networks.given[name]
    torch.manual_seed(integer_seed(params.seeds.pretrain, "initialise", name))
    backbone = build(spec.backbone, width=spec.width, image_size=params.pixels_of(name))
    source = fill(backbone, spec)
    state = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    architecture = {"backbone": spec.backbone, "width": spec.width, "image_size": params.pixels_of(name)}
    save_tensors(model_file(name), state, {**architecture, "mean": spec.mean, "std": spec.std})
    said = {"source": source, "licence": spec.licence, "pretrained_on": spec.pretrained_on}
    counted = {"parameters": parameter_count(backbone), "epochs": 0, "device": "cpu"}
    write_json(paths.NETWORKS / "training" / f"{name}.json", {**said, **counted, **architecture})


def fill(backbone: Backbone, spec: Given) -> str:
    """Read the weights, if there are any, into `backbone`; where they are from, in words."""
    if spec.package is not None:
        load_packaged(backbone, spec.package.name, spec.package.file, spec.package.sha256)
        return f"weights of the package {spec.package.name}"
    if spec.archive is None:
        return "random weights"
    archive = spec.archive
    file = Path(archive.path or archive.urls[0]).name
    key = hashlib.sha256(repr(archive).encode()).hexdigest()[:16]
    waiting = Path(".farfield/weights") / key / file
    if not waiting.exists():
        access = f"A copy at {archive.path} below the mirror is taken first."
        print(fetch(file, archive, waiting, load_local().mirror, access), file=sys.stderr)
    try:
        load_weights(backbone, waiting)
    except InputError:
        waiting.unlink()  # so that a better file at its source is fetched the next time
        raise
    known = {"published": "published weights", "onnx": "an ONNX graph"}
    return f"{known.get(spec.origin, f'weights of {spec.origin}')}, {file}"


if __name__ == "__main__":
    run(main)
