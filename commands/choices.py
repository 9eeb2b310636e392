"""Whether the parameters name what the code has. It only refuses: nothing that a stage computes hangs on it."""

import contextlib
import inspect
import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from farfield.errors import InputError
from stages.frame.params import Params
from stages.frame.schema.sharing import changed

if TYPE_CHECKING:
    from farfield.training.recipe import View
    from farfield.transfer.finetuning.settings import FineTuning


def require_kinds(made: Callable[..., Any], settings: Mapping[str, Any], key: str) -> None:
    """InputError if a setting is not of the kind that `made` takes: Python would count true as the number 1."""
    known = inspect.signature(made).parameters
    for name, value in settings.items():
        if name not in known:
            continue  # `made` itself says so
        with contextlib.suppress(
            PydanticSchemaGenerationError
        ):  # tensors and such, which come from no parameter
            kind = TypeAdapter(known[name].annotation)
            try:
                kind.validate_json(json.dumps(value), strict=True)
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                raise InputError(
                    f"{key}.{name}: {message[:1].lower()}{message[1:]}, found {value!r}"
                ) from error


@contextlib.contextmanager
def one_message_of_code() -> Iterator[None]:
    """InputError that names file and line where code that the parameters name cannot be imported or called."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in last if "farfield" in Path(frame.filename).parts] or last
        file, line = own[-1].filename, own[-1].lineno
        if isinstance(error, SyntaxError) and error.filename:
            file, line = error.filename, error.lineno
        raise InputError(
            f"code that the parameters name fails before any stage runs: {os.path.relpath(file)}, line {line}: "
            f"{type(error).__name__}: {error}"
        ) from error


@one_message_of_code()
def check_choices(params: Params) -> None:
    """InputError if a name or setting is unknown to the code that a stage would hand it to, hours later."""
    from farfield.backbones import build
    from farfield.datasets.layouts import DENSE_LAYOUTS, LAYOUTS
    from farfield.datasets.procedural import Recipe
    from farfield.datasets.procedural.scenes import SceneRecipe
    from farfield.metalearning import META_LEARNERS, meta_learner
    from farfield.metalearning.fwt import feature_wise_transform
    from farfield.metalearning.learner import MetaLearner
    from farfield.settings import configured
    from farfield.sharing.methods import METHODS as SHARING
    from farfield.sharing.methods import build_method
    from farfield.sharing.methods.network import NetworkSettings
    from farfield.sharing.methods.tree import cut
    from farfield.sharing.objective import Objective
    from farfield.sharing.protocol import FIXED
    from farfield.sharing.tasks import make_tasks
    from farfield.sharing.weighting import WEIGHTINGS, build_weighting
    from farfield.transfer.ensembles import ENSEMBLES
    from farfield.transfer.feature_learners import FEATURE_LEARNERS, feature_learner
    from farfield.transfer.readouts import READOUTS, needed, readout_learner
    from farfield.transfer.transductive import TRANSDUCTIVE, transductive_head
    from farfield.tuning.registry import METHODS, method
    from stages.ensemble import STAGES

    for card in params.datasets.values():
        (DENSE_LAYOUTS if card.role == "sharing" else LAYOUTS).find(card.layout)
        if card.generator:
            kind = SceneRecipe if card.role == "sharing" else Recipe
            kind.from_section(card.generator)
    for name, network in params.networks.all.items():
        build(network.backbone, width=4, image_size=params.pixels_of(name))
    fewshot = params.fewshot
    for key, meta in fewshot.meta.items():
        backbone = build(meta.backbone, width=4, image_size=params.image_size)
        if meta.transform != "none":
            feature_wise_transform(backbone)
        meta_learner(meta.learner, backbone, fewshot.way, meta.settings)
        _require_no_penalty(meta.recipe.spectral, f"fewshot.meta.{key}.recipe")
        require_kinds(META_LEARNERS.find(meta.learner), meta.settings, f"fewshot.meta.{key}.settings")
    _require_no_penalty(params.indomain.common.recipe.spectral, "indomain.common.recipe")
    for key, own in params.indomain.rows.items():
        _require_no_penalty(own.own.recipe.spectral, f"indomain.rows.{key}.own.recipe")
        kind = META_LEARNERS.find(own.learner)
        counted = {"classes": 64} if "classes" in inspect.signature(kind).parameters else {}
        backbone = build(own.backbone, width=8, image_size=params.image_size_of("indomain"))
        meta_learner(own.learner, backbone, params.indomain.way, own.settings | counted)
        require_kinds(kind, own.settings, f"indomain.rows.{key}.settings")
        if kind.prepare is not MetaLearner.prepare and own.own.start != "features":
            raise InputError(
                f"indomain.rows.{key}.own.start is {own.own.start}, but {own.learner} begins with the means of "
                f"all classes' features, which no network in training has; say features."
            )
    for name, tuned in params.tuning.items():
        for key, training in tuned.methods.items():
            method(training.method, 0, training.settings)
            _require_no_penalty(training.recipe.spectral, f"{name}.methods.{key}.recipe")
            require_kinds(METHODS.find(training.method), training.settings, f"{name}.methods.{key}.settings")
    for name, study in params.sharing.studies.items():
        narrow = NetworkSettings(study.network.backbone, width=4, head_mid=4)
        losses: dict[str, float] = {str(task): weight for task, weight in study.tasks.items()}
        objective = Objective(make_tasks(study.kind, [*losses], 2, FIXED), losses)
        for key, baseline in params.sharing.baselines.items():
            if baseline.method != "constant":
                tasks: dict[str, int] = dict.fromkeys(study.tasks, 2)
                build_method(baseline.method, tasks, narrow, **baseline.settings)
                weighting, place = baseline.weighting, f"sharing.baselines.{key}"
                build_weighting(weighting.name, objective, 0, **weighting.settings)
                require_kinds(SHARING.find(baseline.method), baseline.settings, f"{place}.settings")
                weighed = WEIGHTINGS.find(weighting.name)
                require_kinds(weighed, weighting.settings, f"{place}.weighting.settings")
        for key, search in params.sharing.searches.items():
            changed(study.search, search.changes, f"sharing.searches.{key}, {name}")
        for key, learned in params.sharing.branched.items():
            changed(study.search, learned.changes, f"sharing.branched.{key}, {name}")
    for key, tree in {**params.sharing.branched, **params.sharing.recommended}.items():
        cut(tree.branch_before, f"branch_before of the sharing row {key}")
    for key, frozen in fewshot.transfer.items():
        feature_learner(frozen.learner, params.seeds.fewshot, frozen.settings)
        learner = FEATURE_LEARNERS.find(frozen.learner)
        require_kinds(learner, frozen.settings, f"fewshot.transfer.{key}.settings")
    for key, row in fewshot.transductive.items():
        place = f"fewshot.transductive.{key}"
        transductive_head(row.head, row.settings)
        require_kinds(TRANSDUCTIVE.find(row.head), row.settings, f"{place}.settings")
        if row.start:
            feature_learner(row.start.learner, params.seeds.fewshot, row.start.settings)
            learner = FEATURE_LEARNERS.find(row.start.learner)
            require_kinds(learner, row.start.settings, f"{place}.start.settings")
    most = max((fewshot.views_of(target) for target in fewshot.targets), key=len, default=("plain",))
    for unit, adapted in fewshot.finetune.items():
        for key, readout in adapted.rows.items():
            read = READOUTS.find(readout.readout)
            configured(read, f"the finetune row {key}", readout.settings)
            require_kinds(read, readout.settings, f"the finetune row {key}: settings")
        asked = needed(readout_learner(row.readout, row.settings) for row in adapted.rows.values())
        views = most if adapted.viewed else ("plain",)
        _require_readable(adapted.settings, views, asked, f"fewshot.finetune.{unit}.settings")
    for unit, ensemble in fewshot.ensemble.items():
        if ensemble.adapt:
            _require_readable(ensemble.adapt, ("plain",), STAGES, f"fewshot.ensemble.{unit}.adapt")
        for key, combined in ensemble.rows.items():
            combine, given = ENSEMBLES.find(combined.combine), {"seed": 0, "stage_dims": ()}
            configured(combine, f"the ensemble row {key}", given | combined.settings)
            require_kinds(combine, combined.settings, f"the ensemble row {key}: settings")


def _require_readable(
    settings: "FineTuning", views: "tuple[View, ...]", asked: Sequence[str], place: str
) -> None:
    if settings.views != ("plain",):
        raise InputError(
            f"{place}.views is {', '.join(settings.views)}, but which views keep a label hangs on the target. "
            f"Leave it out; fewshot.views says which they are, and `viewed: true` of an adaptation shows them."
        )
    if settings.tsa and len(views) > 1:
        raise InputError(
            f"{place}.tsa: adapters see each image once; say `viewed: false`, or leave out `tsa`."
        )
    try:
        replace(settings, views=views).check(asked)
    except InputError as error:
        raise InputError(f"{place} does not suit what is read out of it: {error}") from error


def _require_no_penalty(spectral: float, place: str) -> None:
    if spectral:
        raise InputError(
            f"{place}.spectral is {spectral}, but only networks.trained are trained with that penalty; say 0."
        )
