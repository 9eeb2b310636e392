"""Episodes of a user's own images, answered by rows of the study with the models that are there.

For `commands.evaluate`; the same functions answer as in the stages transfer, finetune, ensemble and
metatest. Costs are seconds an episode as if each came alone, its images embedded for it.
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch

from farfield.episodes.evaluation import evaluate, scores
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.execution import Executor
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.learner import EmbeddingLearner
from farfield.networks.embedding import embed, feature_columns
from farfield.training.checkpoints import load_tensors
from farfield.training.devices import resident
from farfield.transfer.blocks import reading
from farfield.transfer.ensembles import ensemble_learner
from farfield.transfer.feature_learners import feature_learner
from farfield.transfer.finetuning.driver import fine_tune_episodes
from farfield.transfer.finetuning.settings import FineTuning, Readout
from farfield.transfer.readouts import needed, readout_learner
from stages.ensemble import STAGES, Features, adapted_features, stored_features
from stages.frame import paths
from stages.frame.models import load_network, model_file
from stages.frame.params import Params
from stages.frame.schema.fewshot import Adaptation, Ensemble, FewShot, FrozenRow, MetaRow
from stages.metatest import load_networks, nearest

Result = TypeVar("Result")


class Answer(NamedTuple):
    """table: columns of `farfield.episodes.evaluation.scores`. seconds: an episode."""

    method: str
    table: pd.DataFrame
    seconds: float


def models_of(params: Params, unit: str) -> dict[Path, tuple[str, int, int]]:
    """The files of the networks that a unit of the study needs: {file: (backbone, width, pixels)}."""
    fewshot = params.fewshot
    if unit in fewshot.meta:
        row, folder = fewshot.meta[unit], paths.FEWSHOT / "meta/models" / unit
        shape = (row.backbone, row.width, params.image_size)
        return {folder / f"{shot}-shot.safetensors": shape for shot in row.shots}
    if unit in fewshot.ensemble:
        names = fewshot.ensemble[unit].models
    elif unit in fewshot.finetune:
        names = (fewshot.finetune[unit].model,)
    else:
        names = (fewshot.transfer[unit].model,)
    networks = {name: params.networks.all[name] for name in names}
    return {
        model_file(name): (network.backbone, network.width, params.pixels_of(name))
        for name, network in networks.items()
    }


def usable(path: Path, shape: tuple[str, int, int]) -> bool:
    """Whether the network is there, and of the shape that the parameters now say."""
    if not path.exists():
        return False
    _, facts = load_tensors(path)
    found = tuple(facts.get(name) for name in ("backbone", "width", "image_size"))
    return found == shape


def rows_of(fewshot: FewShot, unit: str) -> list[str]:
    if unit in fewshot.finetune:
        return [*fewshot.finetune[unit].rows]
    return [*fewshot.ensemble[unit].rows] if unit in fewshot.ensemble else [unit]


def choose(params: Params, wanted: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """{unit: its rows} to run, and the titles of rows that need a model that is not `usable`.

    Without `wanted`: every row, except those on networks that were never trained and those on views. InputError
    if a wanted row is unknown, on views, or lacks its model, or if no model is there at all.
    """
    fewshot = params.fewshot
    if unknown := [row for row in wanted if row not in fewshot.rows]:
        raise InputError(f"there is no method {unknown[0]!r}; METHODS can be {', '.join(fewshot.rows)}")
    if viewed := [row for row in wanted if row in fewshot.viewed]:
        raise InputError(
            f"{viewed[0]} shows images in views that keep their labels, and of images of your own nobody has "
            f"said which do; METHODS can be {', '.join(row for row in fewshot.rows if row not in fewshot.viewed)}"
        )
    chosen: dict[str, list[str]] = {}
    absent = []
    for unit in fewshot.units:
        untrained = unit in fewshot.transfer and params.untrained(fewshot.transfer[unit].model)
        rows = [row for row in rows_of(fewshot, unit) if row in (wanted or {*fewshot.rows} - fewshot.viewed)]
        if not rows or (untrained and not wanted):
            continue
        models = models_of(params, unit).items()
        missing = [path for path, shape in models if not usable(path, shape)]
        if missing and wanted:
            raise InputError(
                f"{rows[0]} needs {missing[0]}, which is not there or was trained with other parameters than "
                f"those of params/. Run `make repro` first."
            )
        if missing:
            absent += [fewshot.rows[row].title for row in rows]
        else:
            chosen[unit] = rows
    if not chosen:
        raise InputError(
            f"there are no models yet in {paths.NETWORKS}/models, or they were trained with other parameters "
            f"than those of params/. Run `make repro` once; it trains them."
        )
    return chosen, absent


@dataclass
class Bench:
    """What all methods share. images: packed. scratch: an empty folder. adapted: how many episodes are
    answered by methods that adapt whole networks."""

    params: Params
    images: np.ndarray
    episodes: Episodes
    adapted: int
    device: torch.device
    executor: Executor
    scratch: Path

    def answers(self, unit: str, rows: list[str]) -> Iterator[Answer]:
        """The answers of these rows of a unit."""
        fewshot = self.params.fewshot
        if unit in fewshot.meta:
            return self._meta(unit, fewshot.meta[unit])
        if unit in fewshot.transfer:
            return self._frozen(unit, fewshot.transfer[unit])
        if unit in fewshot.finetune:
            return self._adapted(rows, fewshot.finetune[unit])
        return self._combined(rows, fewshot.ensemble[unit])

    def features(self, model: str) -> tuple[np.ndarray, dict[str, tuple[int, int]], float]:
        """All columns of all images, what they are, and the seconds an image took."""
        (backbone, _, image_size), path = load_network(model), self.scratch / f"{model}.npy"
        clock = self.scratch / f"{model}.seconds"
        if not path.exists():
            _, seconds = _timed(
                lambda: embed(
                    backbone,
                    resident(self.images, self.device),
                    path,
                    image_size=image_size,
                    device=self.device,
                    title=f"embedding with {model}",
                )
            )
            clock.write_text(repr(seconds / len(self.images)))
        array = np.load(path, mmap_mode="r")
        return array, feature_columns(backbone), float(clock.read_text())

    def _frozen(self, key: str, row: FrozenRow) -> Iterator[Answer]:
        features, columns, seconds = self.features(row.model)
        learner = feature_learner(row.learner, self.params.seeds.fewshot, row.settings)
        read, classify = reading(learner, columns)
        table, spent = _timed(lambda: evaluate(classify, features[:, read], self.episodes, self.device))
        yield Answer(key, table, spent / len(table) + seconds * self.episodes.rows[0].size)

    def _adapted(self, rows: list[str], unit: Adaptation) -> Iterator[Answer]:
        learners = {row: readout_learner(unit.rows[row].readout, unit.rows[row].settings) for row in rows}
        names = needed(learners.values())
        episodes = self.episodes.first(self.adapted)
        outputs, spent = _timed(lambda: self._fine_tuned(unit.model, unit.settings, names, episodes))
        stage_dims = load_network(unit.model).backbone.stage_dims
        for row, learner in learners.items():
            answer = learner.answer(outputs, stage_dims)
            yield Answer(row, scores(answer, episodes), spent / len(answer))

    def _fine_tuned(
        self, model: str, settings: FineTuning, readouts: Sequence[Readout], episodes: Episodes
    ) -> dict[Readout, np.ndarray]:
        backbone, _, image_size = load_network(model)
        return fine_tune_episodes(
            backbone,
            self.images,
            episodes,
            settings,
            readouts,
            image_size=image_size,
            seed=self.params.seeds.fewshot,
            device=self.device,
            executor=self.executor,
            scratch=self.scratch / "episodes",
            title=f"fine-tuning {model}",
        )

    def _combined(self, rows: list[str], unit: Ensemble) -> Iterator[Answer]:
        dims = [load_network(model).backbone.stage_dims for model in unit.models]
        episodes = self.episodes
        if unit.adapt is None:
            (support, query), each = self._stored(unit.models, dims)
        else:
            episodes, settings = episodes.first(self.adapted), unit.adapt
            (support, query), spent = _timed(lambda: self._stages(unit.models, settings, episodes))
            each = spent / len(episodes.rows)
        for row in rows:
            spec = unit.rows[row]
            learner = ensemble_learner(spec.combine, self.params.seeds.fewshot, dims, spec.settings)
            answer, spent = _timed(functools.partial(learner, support, query))
            yield Answer(row, scores(answer, episodes), spent / len(answer) + each)

    def _stages(self, models: tuple[str, ...], settings: FineTuning, episodes: Episodes) -> Features:
        return adapted_features([self._fine_tuned(model, settings, STAGES, episodes) for model in models])

    def _stored(self, models: tuple[str, ...], dims: list[tuple[int, ...]]) -> tuple[Features, float]:
        arrays, _, seconds = zip(*(self.features(model) for model in models), strict=True)
        images = self.episodes.rows[0].size
        return stored_features(list(arrays), dims, self.episodes), sum(seconds) * images

    def _meta(self, key: str, row: MetaRow) -> Iterator[Answer]:
        """Nothing from a learner whose classifier was trained for another number of ways."""
        network = nearest(load_networks(key), self.episodes.shot)
        if network.one_way and self.episodes.rows.shape[1] != self.params.fewshot.way:
            return
        count = len(self.episodes.rows) if isinstance(network, EmbeddingLearner) else self.adapted

        def answer(episodes: Episodes, title: str = "") -> pd.DataFrame:
            return evaluate_meta(
                network,
                resident(self.images, self.device),
                episodes,
                image_size=self.params.image_size,
                device=self.device,
                title=title,
            )

        table = answer(self.episodes.first(count), "" if isinstance(network, EmbeddingLearner) else row.title)
        _, seconds = _timed(lambda: answer(self.episodes.first(1)))
        yield Answer(key, table, seconds)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin
