"""metatrain@<key>: train a meta-learner on episodes of its source, one network a shot.

To pipelines/fewshot/meta/: models/<key>/<shot>-shot.safetensors; curves/<key>.csv, a row an epoch of
each network; training/<key>.json, the facts of the runs, among them how well each network classifies
held-out classes of the source before and after training.
"""

import shutil
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch

from farfield.backbones.backbone import parameter_count
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.files import atomic_file, atomic_folder, write_json
from farfield.local import load_local
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.tasks import load_domains
from farfield.metalearning.training import Episodic, mean_accuracy, meta_train
from farfield.seeds import integer_seed
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.devices import deterministic
from stages.frame import paths
from stages.frame.executor import device_of, executor, train_missing
from stages.frame.finished import seal
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run
from stages.frame.schema.fewshot import MetaRow

META = paths.FEWSHOT / "meta"
COLUMNS = ["shot", "epoch", "train_loss", "unseen_loss", "train_accuracy"]
COLUMNS += ["validation_accuracy", "validation_ci95", "learning_rate"]
TEST = {"shot": 5, "query": 15, "episodes": 200}  # episodes of held-out classes
domains = cache(load_domains)  # the trainings that run in one process share the images


@dataclass(frozen=True)
class Training:
    """The training of the network of one shot. packed: the datasets, the source first. folder: where its
    weights, curve and accuracies go."""

    key: str
    spec: MetaRow
    network: Architecture
    shot: int
    packed: tuple[Path, ...]
    seed: int
    device: torch.device
    folder: Path

    @property
    def weights(self) -> Path:
        """The file of its weights, whose facts are the curve and accuracies."""
        return self.folder / "network.safetensors"


def main(key: str) -> None:
    import pandas as pd

    deterministic()
    local = load_local()
    device = device_of(local)
    params = load_params()
    prune_undeclared(params, paths.PACKED_SOURCES, paths.VALID_SOURCES)
    spec, way = params.fewshot.meta[key], params.fewshot.way
    network = Architecture(
        spec.learner, spec.settings, spec.transform, spec.backbone, spec.width, params.image_size, way
    )
    row = spec.model_dump(exclude={"title", "family", "published", "episodes"})
    facts = {"row": row, "network": asdict(network), "seed": params.seeds.metatrain}
    packed = tuple(paths.packed(name, params.card(name)) for name in (spec.source, *spec.domains))
    scratch = paths.scratch(f"metatrain {key}", facts, *packed)
    trainings = [
        Training(key, spec, network, shot, packed, params.seeds.metatrain, device, scratch / f"{shot}-shot")
        for shot in spec.shots
    ]
    with executor(local, device) as elsewhere:
        train_missing(elsewhere, train, trainings)
    curves, held_out = [], {}
    with atomic_folder(META / "models" / key) as models:
        for one in trainings:
            weights, learned = load_tensors(one.weights)
            save_tensors(models / f"{one.folder.name}.safetensors", weights, asdict(network))
            curves += [{"shot": one.shot, **row} for row in learned["curve"]]
            held_out[one.folder.name] = learned["held_out"]
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


def train(training: Training) -> None:
    """Train the network of one shot, wherever this is, and leave it in its folder."""
    deterministic()
    spec, network, device = training.spec, training.network, training.device
    seed = integer_seed(training.seed, training.key, training.shot)
    source, *further = (domains(folder, device) for folder in training.packed)
    if spec.train_split not in source:
        raise InputError(
            f"train_split is {spec.train_split!r}, but {spec.source} has the splits {', '.join(source)}"
        )
    base, size, way = source[spec.train_split], network.image_size, network.way
    if base.images.shape[3] != 3:
        raise InputError(
            f"meta-learners train on images of three channels, and {spec.source} is packed with "
            f"{base.images.shape[3]}; leave `channels` out of its card, or name three"
        )

    def unseen(split: str, shot: int, query: int, episodes: int) -> Episodes | None:
        counts = {"way": way, "shot": shot, "query": query, "episodes": episodes}
        # Not keyed by the row: all meta-learners are held to the same episodes.
        drawn = source[split].small_episodes(**counts, seed=training.seed) if split in source else None
        if drawn is None and episodes:
            print(f"{spec.source}: no {way}-way {shot}-shot episodes of split {split!r}", file=sys.stderr)
        return drawn

    def accuracy() -> dict[str, float]:
        return mean_accuracy(learner, base.images, test, image_size=size, device=device) if test else {}

    checkpoint = training.folder / "checkpoint.safetensors"
    test = unseen(spec.test_split, **TEST)
    torch.manual_seed(integer_seed(seed, "initialise"))
    learner = network.build()
    untrained = accuracy()
    curve = meta_train(
        learner,
        base,
        spec.recipe,
        Episodic(way, training.shot, spec.query, spec.episodes_per_epoch, spec.selection),
        # Every class of a further source is unseen; one without this split gives its first.
        further=[splits.get(spec.train_split, next(iter(splits.values()))) for splits in further],
        validation=unseen(spec.validation_split, training.shot, spec.query, spec.validation_episodes),
        image_size=size,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        title=f"{spec.title}, {training.shot}-shot",
    )
    held_out: dict[str, object] = {}
    if test:
        counts = {"way": way, "shot": test.shot, "query": test.rows.shape[2] - test.shot}
        held_out = {**counts, "episodes": len(test.rows), "untrained": untrained, "trained": accuracy()}
    save_tensors(training.weights, learner.state_dict(), {"curve": curve, "held_out": held_out})
    checkpoint.unlink(missing_ok=True)
    seal(training.folder)


if __name__ == "__main__":
    run(main)
