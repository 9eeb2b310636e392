"""What the stages of the multi-task study read: a table's images, tasks and settings."""

from dataclasses import replace
from typing import NamedTuple

import torch

from farfield.datasets.dense.packed import load_class_names
from farfield.datasets.packed import in_splits, load_manifest
from farfield.multitask.dense import DenseImages, check, open_dense
from farfield.multitask.methods.network import NetworkSettings, Tasks
from farfield.multitask.objective import Objective
from farfield.multitask.protocol import protocol
from farfield.multitask.splitting import split
from farfield.multitask.tasks import make_tasks
from farfield.seeds import integer_seed
from stages import paths
from stages.params import Params
from stages.schema.multitask import Study

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
    """InputError if a split is empty or a target is absent, unknown everywhere or impossible."""
    study, rules = params.adashare.studies[name], params.adashare.protocol
    folder = paths.packed(study.dataset, params.card(study.dataset))
    manifest = load_manifest(folder)
    classes = len(load_class_names(folder))
    reading = protocol(rules, name)
    parts = []
    for key, wanted in (("train", study.train), ("test", study.test)):
        inside = in_splits(manifest, wanted, f"adashare.studies.{name}.{key}", study.dataset)
        rows = torch.tensor(manifest["row"].to_numpy()[inside], dtype=torch.int64)
        data = open_dense(folder, [*study.tasks], rows, device, reading)
        check(data, [*study.tasks], classes, f"{study.dataset} ({key})")
        parts.append(data)
    train, test = parts
    if rules == "legacy":
        selection = replace(test, rows=test.rows[:LEGACY_SELECTION])
    else:
        seed = integer_seed(params.seeds.multitask, name)
        train, selection = split(train, 1 - study.selection, seed, "selection")
    tasks = make_tasks(study.kind, [*study.tasks], classes, reading)
    weights = {task: study.tasks[task] for task in tasks}
    return StudyData(Objective(tasks, weights), train, selection, test)


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
