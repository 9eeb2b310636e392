"""weights@<network>: a network with published weights, to pipelines/<study>/models/<network>.safetensors."""

import sys
from pathlib import Path

from farfield.backbones import build
from farfield.backbones.weights import load_weights
from farfield.datasets.download import fetch
from farfield.training.checkpoints import save_tensors
from stages.local import load_local
from stages.models import model_file
from stages.params import load_params
from stages.run import run


def main(study: str, name: str) -> None:
    params = load_params()
    spec = params.finetuning[study].weights[name]
    file = Path(spec.archive.path).name
    waiting = Path(".farfield/weights") / file
    if not waiting.exists():
        access = f"A copy at {spec.archive.path} below the mirror is taken first."
        print(fetch(file, spec.archive, waiting, load_local().mirror, access), file=sys.stderr)
    backbone = build(spec.backbone, width=spec.width, image_size=params.image_size_of(study))
    load_weights(backbone, waiting)
    state = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    architecture = {"backbone": spec.backbone, "width": spec.width, "image_size": params.image_size_of(study)}
    save_tensors(model_file(study, name), state, architecture)


if __name__ == "__main__":
    run(main)
