"""A row of the in-domain table, trained in one of its columns and tested, for stage `indomain`."""

import inspect
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from farfield.backbones.backbone import Backbone, parameter_count
from farfield.datasets.packed import load_images
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.files import atomic_file, read_json, write_json
from farfield.metalearning import META_LEARNERS
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.learner import MetaLearner
from farfield.metalearning.tasks import Domain, load_domains
from farfield.metalearning.training import Episodic, meta_train
from farfield.seeds import integer_seed
from farfield.training.checkpoints import load_tensors, save_tensors, subset
from farfield.training.devices import deterministic, resident
from farfield.training.steps import Curve
from stages.frame import paths
from stages.frame.finished import seal
from stages.frame.params import Params, load_params
from stages.frame.schema.indomain import Column, InDomainRow, Tasks

if TYPE_CHECKING:
    import pandas as pd

FEATURES = paths.INDOMAIN / "features"


class Piece(NamedTuple):
    """A network of row `key` in a column of the table: all that a process needs to train it, and `folder` where
    to. number: of the column's networks. shots: that it answers."""

    key: str
    dataset: str
    column: str
    number: int
    shots: tuple[int, ...]
    device: str
    folder: Path


@lru_cache(maxsize=1)
def _images(dataset: str, device: str) -> "Images":
    """Loaded once for the trainings on a dataset, which follow each other."""
    return Images(load_params(), dataset, torch.device(device))


def train(piece: Piece) -> None:
    """One network, its answers and its facts, left in `folder`. An unfinished one goes on."""
    import pandas as pd

    deterministic()
    images = _images(piece.dataset, piece.device)
    study = images.params.indomain
    row = study.rows[piece.key]
    own = piece.column == "own"
    column = row.own if own else common(row, study.common)
    split = row.trained_on if own else "train"  # what all rows share is the classes too
    training = Training(piece.key, row, piece.column, column, split, column.networks[piece.number], images)
    checkpoint = piece.folder / "checkpoint.safetensors"
    learner, found, curve = training.run(piece.shots, checkpoint)
    facts = {**training.facts(learner), "shots": list(piece.shots), "curve": curve}
    save_tensors(piece.folder / "network.safetensors", learner.state_dict(), asdict(training.architecture))
    with atomic_file(piece.folder / "answers.parquet") as partial:
        pd.concat(found, ignore_index=True).to_parquet(partial, index=False)
    write_json(piece.folder / "facts.json", facts)
    checkpoint.unlink(missing_ok=True)
    seal(piece.folder)


def common(row: InDomainRow, shared: Column) -> Column:
    """The shared recipe for this row: a head on features stays one, and what learns nothing learns
    nothing."""
    start = "features" if row.own.start == "features" else shared.start
    epochs = shared.recipe.epochs if row.own.recipe.epochs else 0
    return shared.model_copy(update={"start": start, "recipe": replace(shared.recipe, epochs=epochs)})


@dataclass(frozen=True)
class Images:
    """What rows are trained and tested on: a dataset as images, and as its network's features."""

    params: Params
    dataset: str
    device: torch.device

    @cached_property
    def network(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the backbone by name, and its architecture."""
        weights, facts = load_tensors(FEATURES / self.dataset / "network.safetensors")
        return subset(weights, "backbone."), facts

    @property
    def packed(self) -> Path:
        return paths.packed(self.dataset, self.params.card(self.dataset))

    @cached_property
    def pixels(self) -> Tensor:
        return resident(load_images(self.packed), self.device)

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Of each split, on images that are not read: a row on features never sees `pixels`."""
        found = load_domains(self.packed, torch.device("cpu"))
        if absent := [split for split in ("train", "val", "test") if split not in found]:
            raise InputError(
                f"{self.dataset} has no split {absent[0]!r} but {', '.join(found)}; the in-domain study needs "
                f"train, val and test, each of classes of its own"
            )
        return found

    @cached_property
    def features(self) -> Tensor:
        folder = FEATURES / self.dataset
        first, last = read_json(folder / "columns.json")["features"]
        return torch.from_numpy(np.load(folder / "features.npy", mmap_mode="r")[:, first:last].copy())

    def domain(self, split: str, start: str) -> Domain:
        """Of one split, or of train+val; images, or features for a head on these."""
        parts = [self.domains[name] for name in split.split("+")]
        return replace(
            parts[0],
            name=f"{self.dataset} ({split})",
            rows=np.concatenate([part.rows for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            images=self.features if start == "features" else self.pixels,
        )


@dataclass(frozen=True)
class Training:
    """One network of a row in one of its columns."""

    key: str
    row: InDomainRow
    name: str
    column: Column
    split: str
    tasks: Tasks
    images: Images

    @cached_property
    def source(self) -> Domain:
        return self.images.domain(self.split, self.column.start)

    @cached_property
    def architecture(self) -> Architecture:
        row, params, settings = self.row, self.images.params, dict(self.row.settings)
        if "classes" in inspect.signature(META_LEARNERS.find(row.learner)).parameters:
            settings["classes"] = len(self.source.classes)
        named: dict[str, Any] = {
            "backbone": row.backbone,
            "width": row.width,
            "image_size": params.image_size_of("indomain"),
        }
        if self.column.start == "network":
            named = {name: self.images.network[1][name] for name in named}
        if self.column.start == "features":
            named |= {"backbone": "features", "width": self.images.features.shape[1]}
        return Architecture(row.learner, settings, "none", **named, way=params.indomain.way)

    @property
    def seed(self) -> int:
        images = self.images
        return integer_seed(images.params.seeds.metatrain, "indomain", self.key, self.name, images.dataset)

    def run(
        self, shots: tuple[int, ...], checkpoint: Path
    ) -> "tuple[MetaLearner, list[pd.DataFrame], Curve]":
        """The trained learner, its answers to the episodes at these shots, and its curve."""
        torch.manual_seed(integer_seed(self.seed, "initialise"))
        learner = self.architecture.build()
        if self.column.start == "network":
            backbone = next(module for module in learner.modules() if isinstance(module, Backbone))
            known = backbone.state_dict()  # without running statistics where a learner keeps none
            backbone.load_state_dict({name: self.images.network[0][name] for name in known})
        if self.column.start == "features":
            places = np.searchsorted(self.source.classes, self.source.labels)
            learner.prepare(self.images.features[self.source.rows], torch.from_numpy(places))
        study, recipe, tasks = self.images.params.indomain, self.column.recipe, self.tasks
        found = [*self._answers(learner, shots, False, study.untrained)] if study.untrained else []
        curve: Curve = []
        if recipe.epochs:
            curve = meta_train(
                learner,
                self.source,
                recipe,
                Episodic(
                    tasks.way or len(self.source.classes),
                    tasks.shots[1],
                    tasks.query,
                    self.column.episodes_per_epoch,
                    fewest=tasks.shots[0] if tasks.shots[0] < tasks.shots[1] else 0,
                    clip_value=self.column.clip_value,
                    clip_norm=self.column.clip_norm,
                ),
                image_size=self.architecture.image_size,
                seed=self.seed,
                device=self.images.device,
                checkpoint=checkpoint,
                title=f"{self.row.title}, {self.name}",
            )
        return learner, [*found, *self._answers(learner, shots, True, self.row.episodes)], curve

    def _answers(
        self, learner: MetaLearner, shots: tuple[int, ...], trained: bool, budget: int
    ) -> "Iterator[pd.DataFrame]":
        params, domain = self.images.params, self.images.domain("test", self.column.start)
        for shot in shots:
            episodes: Episodes = domain.episodes(
                way=params.indomain.way,
                shot=shot,
                query=params.indomain.query,
                episodes=params.indomain.episodes,
                seed=params.seeds.episodes,
            )
            table = evaluate_meta(
                learner,
                domain.images,
                episodes.first(budget) if budget else episodes,
                image_size=self.architecture.image_size,
                device=self.images.device,
            )
            yield table[["episode", "accuracy"]].assign(
                method=self.key,
                dataset=self.images.dataset,
                shot=np.int32(shot),
                column=self.name,
                trained=trained,
            )

    def facts(self, learner: MetaLearner) -> dict[str, Any]:
        column = self.column
        return {
            "dataset": self.images.dataset,
            "column": self.name,
            **asdict(self.architecture),
            "start": column.start,
            "trained_on": self.split,
            "transductive": learner.transductive,
            "parameters": parameter_count(learner),
            "classes": len(self.source.classes),
            "tasks": self.tasks.model_dump(),
            "episodes": column.recipe.epochs * column.episodes_per_epoch,
            "recipe": asdict(column.recipe),
        }
