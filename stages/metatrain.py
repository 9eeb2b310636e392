"""metatrain@<key>: train a meta-learner on episodes of its source, one network a shot.

To pipelines/fewshot/meta/: models/<key>/<shot>-shot.safetensors; curves/<key>.csv, a row an epoch of
each network; training/<key>.json, the facts of the runs, among them how well each network classifies
held-out classes of the source before and after training.
"""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from farfield.backbones.backbone import parameter_count
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.files import atomic_file, atomic_folder, write_json
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.tasks import Domain, load_domains
from farfield.metalearning.training import Episodic, mean_accuracy, meta_train
from farfield.seeds import integer_seed
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import choose_device, deterministic
from stages.frame import paths
from stages.frame.leftovers import prune_undeclared
from stages.frame.local import load_local
from stages.frame.params import Params, load_params
from stages.frame.run import run
from stages.frame.schema.fewshot import MetaRow

META = paths.FEWSHOT / "meta"
COLUMNS = ["shot", "epoch", "train_loss", "unseen_loss", "train_accuracy"]
COLUMNS += ["validation_accuracy", "validation_ci95", "learning_rate"]
TEST = {"shot": 5, "query": 15, "episodes": 200}  # episodes of held-out classes


def main(key: str) -> None:
    import pandas as pd

    deterministic()
    device = choose_device(load_local().device)
    params = load_params()
    prune_undeclared(params, paths.PACKED_SOURCES, paths.VALID_SOURCES)
    spec, way = params.fewshot.meta[key], params.fewshot.way
    network = Architecture(
        spec.learner, spec.settings, spec.transform, spec.backbone, spec.width, params.image_size, way
    )
    row = spec.model_dump(exclude={"title", "family", "published", "episodes"})
    facts = {"row": row, "network": asdict(network), "seed": params.seeds.metatrain}
    packed = [paths.packed(name, params.card(name)) for name in (spec.source, *spec.domains)]
    scratch = paths.scratch(f"metatrain {key}", facts, *packed)
    sources = [load_domains(folder, device) for folder in packed]
    curves, held_out = [], {}
    with atomic_folder(META / "models" / key) as models:
        for shot in spec.shots:
            finished = scratch / f"{shot}-shot.safetensors"
            if not finished.exists():
                train(key, params, network, shot, sources, device, finished)
            weights, learned = load_tensors(finished)
            save_tensors(models / finished.name, weights, asdict(network))
            curves += [{"shot": shot, **row} for row in learned["curve"]]
            held_out[f"{shot}-shot"] = learned["held_out"]
    with atomic_file(META / "curves" / f"{key}.csv") as partial:
        pd.DataFrame(curves, columns=COLUMNS).to_csv(partial, index=False)
    summary = {
        "source": spec.source,
        "domains": spec.domains,
        **asdict(network),
        "parameters": parameter_count(network.build()),
        "episodes": spec.recipe.epochs * spec.episodes_per_epoch,
        "device": device.type,
        "recipe": asdict(spec.recipe),
        "held_out": held_out,
    }
    write_json(META / "training" / f"{key}.json", summary)
    shutil.rmtree(scratch, ignore_errors=True)


def train(
    key: str,
    params: Params,
    network: Architecture,
    shot: int,
    sources: list[dict[str, Domain]],
    device: torch.device,
    finished: Path,
) -> None:
    """Train the network of one shot; its weights, curve and accuracies go to the file `finished`."""
    spec: MetaRow = params.fewshot.meta[key]
    seed = integer_seed(params.seeds.metatrain, key, shot)
    source, *further = sources
    if spec.train_split not in source:
        raise InputError(
            f"train_split is {spec.train_split!r}, but {spec.source} has the splits {', '.join(source)}"
        )
    base, size, way = source[spec.train_split], network.image_size, network.way

    def unseen(split: str, shot: int, query: int, episodes: int) -> Episodes | None:
        counts = {"way": way, "shot": shot, "query": query, "episodes": episodes}
        # Not keyed by the row: all meta-learners are held to the same episodes.
        drawn = (
            source[split].small_episodes(**counts, seed=params.seeds.metatrain) if split in source else None
        )
        if drawn is None and episodes:
            print(f"{spec.source}: no {way}-way {shot}-shot episodes of split {split!r}", file=sys.stderr)
        return drawn

    def accuracy() -> dict[str, float]:
        return mean_accuracy(learner, base.images, test, image_size=size, device=device) if test else {}

    test = unseen(spec.test_split, **TEST)
    torch.manual_seed(integer_seed(seed, "initialise"))
    learner = network.build()
    untrained = accuracy()
    curve = meta_train(
        learner,
        base,
        spec.recipe,
        Episodic(way, shot, spec.query, spec.episodes_per_epoch, spec.selection),
        # Every class of a further source is unseen; one without this split gives its first.
        further=[splits.get(spec.train_split, next(iter(splits.values()))) for splits in further],
        validation=unseen(spec.validation_split, shot, spec.query, spec.validation_episodes),
        image_size=size,
        seed=seed,
        device=device,
        checkpoint=finished.with_suffix(".checkpoint"),
        title=f"{spec.title}, {shot}-shot",
    )
    held_out: dict[str, object] = {}
    if test:
        counts = {"way": way, "shot": test.shot, "query": test.rows.shape[2] - test.shot}
        held_out = {**counts, "episodes": len(test.rows), "untrained": untrained, "trained": accuracy()}
    save_tensors(finished, learner.state_dict(), {"curve": curve, "held_out": held_out})


if __name__ == "__main__":
    run(main)
