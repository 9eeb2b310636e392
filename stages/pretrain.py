"""pretrain@<network>: a network trained on its source, to pipelines/networks/models/<network>.safetensors.

Beside it: curves/<network>.csv, a row an epoch, and training/<network>.json, the facts of the run. With
`processes` above 1 in local.yaml or FARFIELD_PROCESSES the stage starts itself again under torchrun.
"""

import os
import shutil
import sys
from dataclasses import asdict

import numpy as np
import torch

from farfield.backbones import build
from farfield.backbones.backbone import parameter_count
from farfield.backbones.channels import with_channels
from farfield.datasets.packed import in_splits, load_images, load_manifest
from farfield.errors import InputError
from farfield.files import atomic_file, write_json
from farfield.local import load_local
from farfield.networks.adapters import with_adapters
from farfield.seeds import integer_seed
from farfield.training.checkpoints import save_tensors
from farfield.training.classifier import Classifier, pretrain
from farfield.training.devices import choose_device, deterministic, resident
from farfield.training.distributed import process_group, rank
from stages.frame import paths
from stages.frame.models import model_file
from stages.frame.params import Params, load_params
from stages.frame.run import run
from stages.frame.schema.networks import Trained


def main(name: str) -> None:
    deterministic()
    local = load_local()
    device = choose_device(local.device)
    if local.processes > 1 and device.type == "cpu":
        raise InputError(
            f"processes is {local.processes}, but training runs on the CPU, where BatchNorm would see a part "
            f"of each batch and results would change; set processes to 1"
        )
    if local.processes > 1 and "RANK" not in os.environ:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={local.processes}"]
        os.execv(sys.executable, [sys.executable, *launcher, "-m", "stages.pretrain", name])
    with process_group(device) as device:
        params = load_params()
        train(name, params.networks.trained[name], params, device)


def train(name: str, spec: Trained, params: Params, device: torch.device) -> None:
    import pandas as pd

    packed = paths.packed(spec.source, params.card(spec.source))
    manifest = load_manifest(packed)
    chosen = manifest[in_splits(manifest, [spec.split], f"networks.trained.{name}.split", spec.source)]
    classes, labels = np.unique(chosen["label"], return_inverse=True)
    if 0 < spec.head_outputs < len(classes):
        raise InputError(
            f"networks.trained.{name}.head_outputs is {spec.head_outputs}, fewer than the "
            f"{len(classes)} classes of {spec.source}"
        )
    torch.manual_seed(integer_seed(params.seeds.pretrain, "initialise", name))
    images = resident(load_images(packed), device)
    channels = images.shape[3]
    backbone = build(spec.backbone, width=spec.width, image_size=params.pixels_of(name))
    backbone = with_channels(backbone, channels)
    if spec.adapters != "none":
        with_adapters(backbone, spec.adapters, seed=params.seeds.pretrain)
    classifier = Classifier(backbone, spec.head_outputs or len(classes))
    facts = {
        "model": spec.model_dump(),
        "image_size": params.pixels_of(name),
        "seed": params.seeds.pretrain,
    }
    scratch = paths.scratch(f"pretrain {name}", facts, packed)
    result = pretrain(
        classifier,
        images,
        chosen["row"].to_numpy(),
        labels,
        spec.recipe,
        holdout=spec.holdout,
        image_size=params.pixels_of(name),
        seed=params.seeds.pretrain,
        device=device,
        checkpoint=scratch / "checkpoint.safetensors",
        title=f"pretraining {name}",
    )
    if rank() > 0:
        return
    architecture = {"backbone": spec.backbone, "width": spec.width, "image_size": params.pixels_of(name)}
    architecture |= {"channels": channels} if channels != 3 else {}
    save_tensors(model_file(name), classifier.state_dict(), {**architecture, "adapters": spec.adapters})
    folder = paths.NETWORKS
    with atomic_file(folder / "curves" / f"{name}.csv") as partial:
        columns = ["epoch", "train_loss", "train_accuracy", "validation_accuracy", "learning_rate"]
        pd.DataFrame(result.curve, columns=columns).to_csv(partial, index=False)
    summary = {
        "source": spec.source,
        "backbone": spec.backbone,
        "width": spec.width,
        "parameters": parameter_count(backbone),
        "images": len(chosen),
        "classes": len(classes),
        "epochs": spec.recipe.epochs,
        "device": device.type,
        "recipe": asdict(spec.recipe),
    }
    if result.validation_accuracy is not None:
        summary["validation_accuracy"] = result.validation_accuracy
    write_json(folder / "training" / f"{name}.json", summary)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    run(main)
