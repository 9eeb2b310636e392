"""weights@<network>: a network with published weights, to pipelines/<study>/models/<network>.safetensors.

Beside it: training/<network>.json, what it is.
"""

import hashlib
import sys
from pathlib import Path

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.backbones.weights import load_weights
from farfield.datasets.download import fetch
from farfield.errors import InputError
from farfield.files import write_json
from farfield.training.checkpoints import save_tensors
from stages.frame import paths
from stages.frame.local import load_local
from stages.frame.models import model_file
from stages.frame.params import load_params
from stages.frame.run import run


def main(study: str, name: str) -> None:
    params = load_params()
    spec = params.tuning[study].weights[name]
    file = Path(spec.archive.path).name
    key = hashlib.sha256(repr(spec.archive).encode()).hexdigest()[:16]
    waiting = Path(".farfield/weights") / key / file
    if not waiting.exists():
        access = f"A copy at {spec.archive.path} below the mirror is taken first."
        print(fetch(file, spec.archive, waiting, load_local().mirror, access), file=sys.stderr)
    backbone = build(spec.backbone, width=spec.width, image_size=params.image_size_of(study))
    try:
        load_weights(backbone, waiting)
    except InputError:
        waiting.unlink()  # so that a better file at its source is fetched the next time
        raise
    state = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    architecture = {"backbone": spec.backbone, "width": spec.width, "image_size": params.image_size_of(study)}
    save_tensors(model_file(study, name), state, architecture)
    facts = {"source": f"published weights, {file}", "parameters": parameter_count(backbone), "device": "cpu"}
    write_json(paths.PIPELINES / study / "training" / f"{name}.json", facts | architecture)


if __name__ == "__main__":
    run(main)
