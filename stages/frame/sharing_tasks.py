"""What the stages of the multi-task study read: a table's images, tasks and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from farfield.datasets.dense.packed import load_class_names
from farfield.datasets.packed import in_splits, load_manifest
from farfield.errors import InputError
from farfield.seeds import integer_seed
from farfield.sharing.dense import DenseImages, open_dense
from farfield.sharing.methods.network import NetworkSettings, Tasks
from farfield.sharing.objective import Objective
from farfield.sharing.protocol import protocol
from farfield.sharing.splitting import split
from farfield.sharing.tasks import make_tasks
from stages.frame import paths
from stages.frame.params import Params
from stages.frame.schema.sharing import Study

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 4  # test images whose predictions are kept for the pages
LEGACY_SELECTION = 176  # test images that the released code chooses its checkpoints by


class StudyData(NamedTuple):
    """selection: the images that checkpoints and policies are chosen by; not among `train`, but, under the
    protocol "legacy", among `test`."""

    objective: Objective
    train: DenseImages
    selection: DenseImages
    test: DenseImages

    @property
    def channels(self) -> Tasks:
        return {name: task.channels for name, task in self.objective.tasks.items()}


def study_data(params: Params, name: str, device: torch.device) -> StudyData:
    """InputError if a split is empty, a target is absent, or a part has no known pixel of a task."""
    study, rules = params.sharing.studies[name], params.sharing.protocol
    folder = paths.packed(study.dataset, params.card(study.dataset))
    manifest = load_manifest(folder)
    rows = torch.tensor(manifest["row"].to_numpy(), dtype=torch.int64)
    whole = open_dense(folder, [*study.tasks], rows, device, protocol(rules, name))

    def part(key: str, splits: Sequence[str]) -> DenseImages:
        inside = in_splits(manifest, splits, f"sharing.studies.{name}.{key}", study.dataset)
        return replace(whole, rows=rows[torch.from_numpy(inside.copy())])

    train, test = part("train", study.train), part("test", study.test)
    if rules == "legacy":
        selection = replace(test, rows=test.rows[:LEGACY_SELECTION])
    else:
        seed = integer_seed(params.seeds.sharing, name)
        train, selection = split(train, 1 - study.selection, seed, "selection")
    for data, key in ((train, "to train on"), (selection, "held out for selection"), (test, "to test on")):
        _require_known(manifest, data, study, key)
    classes = len(load_class_names(folder))
    tasks = make_tasks(study.kind, [*study.tasks], classes, whole.protocol, study.class_weights)
    known: dict[str, float] = {str(task): weight for task, weight in study.tasks.items()}
    weights = {task: known[task] for task in tasks}
    return StudyData(Objective(tasks, weights), train, selection, test)


def _require_known(manifest: "pd.DataFrame", data: DenseImages, study: Study, part: str) -> None:
    valid = manifest.set_index("row").loc[data.rows.tolist()]
    for task in study.tasks:
        if not len(valid) or valid[f"valid_{task}"].max() == 0:
            raise InputError(
                f"no pixel of {task} is known in the {len(valid)} images of {study.dataset} {part}; leave the "
                f"task out of the study, or give more images"
            )


def unfinished(params: Params, command: str, own: Mapping[str, Any], *inputs: Path) -> Path:
    """Where a stage that works on all tables keeps what it has finished. own: what it depends on beside them."""
    section = params.sharing
    facts = {
        **own,
        "studies": {name: study.model_dump() for name, study in section.studies.items()},
        "protocol": section.protocol,
        "seed": params.seeds.sharing,
    }
    return paths.scratch(command, facts, paths.PACKED_DENSE, *inputs)


def network_settings(study: Study, seed: int) -> NetworkSettings:
    shape = study.network
    return NetworkSettings(
        shape.backbone,
        shape.width,
        shape.head_width,
        shape.dropout,
        shape.norm,
        integer_seed(seed, "weights"),
    )


def example_positions(count: int) -> list[int]:
    """Positions of the test images that are shown, spread over all of them."""
    shown = min(EXAMPLES, count)
    return [(2 * i + 1) * count // (2 * shown) for i in range(shown)]
