"""What the stages of a profile cost, piece by piece: image passes times multiply-adds, over those of a GPU."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Any

from farfield.backbones import build
from farfield.transfer.finetuning.driver import CHUNK
from farfield.tuning.accounting import macs

RATE = 5e12  # multiply-adds a second of one GPU in training: float32 without TF32, half of what an A100 could
BACKWARD = 3  # times a forward pass: forward, and backward to inputs and weights
ALL_CLASSES = 64  # of the training split of miniImageNet
UNKNOWN = 100_000  # images of a dataset whose card does not say how many there are


@dataclass(frozen=True)
class Stage:
    """after: names of stages that must be done. pieces: seconds of each piece of work."""

    name: str
    after: tuple[str, ...]
    pieces: tuple[float, ...]


@lru_cache
def forward(backbone: str, width: int, size: int) -> float:
    """Multiply-adds of one image."""
    return float(macs(build(backbone, width=width, image_size=size), size))


def plan_of(params: Mapping[str, Any], rate: float = RATE) -> list[Stage]:
    """All stages of composed parameters that use a GPU."""
    return [
        *_networks(params, rate),
        *_fewshot(params, rate),
        *_indomain(params, rate),
        *_tuning(params, rate),
        *_sharing(params, rate),
    ]


def _images(params: Mapping[str, Any], dataset: str) -> int:
    return params["datasets"][dataset]["expected"]["images"] or UNKNOWN


def _cost(params: Mapping[str, Any], name: str, size: int = 0) -> float:
    """Multiply-adds of a forward pass through a network, at `size` or its own; one of a library counts
    as ResNet-50."""
    networks = params["networks"]
    network = networks["trained"].get(name) or networks["given"][name]
    backbone = network["backbone"] if "/" not in network["backbone"] else "resnet50"
    return forward(backbone, network["width"], size or network["image_size"] or params["image_size"])


def _network(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return (f"pretrain@{name}",) if name in params["networks"]["trained"] else ()


def _networks(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    for name, spec in params["networks"]["trained"].items():
        passes = spec["recipe"]["epochs"] * _images(params, spec["source"])
        yield Stage(f"pretrain@{name}", (), (BACKWARD * passes * _cost(params, name) / rate,))


def _fewshot(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    few = params["fewshot"]
    way, query = few["way"], few["query"]
    for key, row in few["meta"].items():
        cost = forward(row["backbone"], row["width"], params["image_size"])
        episodes = row["recipe"]["epochs"] * row["episodes_per_epoch"]
        yield Stage(
            f"metatrain@{key}",
            (),
            tuple(BACKWARD * episodes * way * (shot + row["query"]) * cost / rate for shot in row["shots"]),
        )
    targets = sum(_images(params, name) for name in few["targets"])
    for name in few["models"]:
        yield Stage(f"embed@{name}", _network(params, name), (targets * _cost(params, name) / rate,))

    shown = sum(_images(params, name) * (len(few["views"].get(name, [0])) - 1) for name in few["targets"])
    for name in few["viewed_models"]:
        yield Stage(f"views@{name}", (f"embed@{name}",), (shown * _cost(params, name) / rate,))

    def chunks(
        name: str, settings: Mapping[str, Any], budget: int, shots: Sequence[int] = ()
    ) -> tuple[float, ...]:
        """Of each cell its chunks; queries are seen once, and support images each epoch. shots: these alone."""
        episodes, chunk = min(budget or few["episodes"], few["episodes"]), CHUNK["cuda"]
        return tuple(
            min(chunk, episodes - first)
            * way
            * (BACKWARD * settings["epochs"] * shot + query)
            * _cost(params, name)
            / rate
            for target in few["targets"].values()
            for shot in target["shots"]
            if shot in (shots or (shot,))
            for first in range(0, episodes, chunk)
        )

    for key, unit in few["finetune"].items():
        yield Stage(
            f"finetune@{key}",
            _network(params, unit["model"]),
            chunks(unit["model"], unit["settings"], unit["episodes"], unit["shots"]),
        )
    for key, unit in few["ensemble"].items():
        if unit["adapt"]:
            after = tuple(one for name in unit["models"] for one in _network(params, name))
            pieces = [chunks(name, unit["adapt"], unit["episodes"]) for name in unit["models"]]
            yield Stage(f"ensemble@{key}", after, tuple(seconds for piece in pieces for seconds in piece))


def _indomain(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    """A piece is a network in a column; heads on features cost next to nothing, and a way of 0 is all classes of
    a split."""
    study = params["indomain"]
    size = study["image_size"] or params["image_size"]
    sources = {source["network"] for source in study["datasets"].values()}
    after = tuple(one for name in sources for one in _network(params, name))
    for key, row in study["rows"].items():
        cost = BACKWARD * forward(row["backbone"], row["width"], size) / rate
        pieces = []
        for column in (row["own"], study["common"]):
            for tasks in column["networks"]:
                images = (tasks["way"] or ALL_CLASSES) * (max(tasks["shots"]) + tasks["query"])
                epochs = row["own"]["recipe"]["epochs"] and column["recipe"]["epochs"]
                passes = (column["start"] != "features") * epochs * column["episodes_per_epoch"] * images
                pieces += [passes * cost] * len(study["datasets"])
        yield Stage(f"indomain@{key}", after, tuple(pieces))


def _tuning(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    for study in ("spottune", "decathlon"):
        section = params[study]
        for key, row in section["methods"].items():
            cost = _cost(params, row["network"], section["image_size"] or params["image_size"])
            yield Stage(
                f"tune@{study}-{key}",
                _network(params, row["network"]),
                tuple(
                    BACKWARD * row["recipe"]["epochs"] * _images(params, task["dataset"]) * cost / rate
                    for task in section["tasks"].values()
                    for _ in range(row["replicates"])
                ),
            )


def _sharing(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    sharing = params["sharing"]

    def training(study: Mapping[str, Any], iterations: float, networks: int = 1) -> float:
        network, recipe = study["network"], study["recipe"]
        crop = recipe["augmentation"]["crop"]
        size = crop if isinstance(crop, int) and crop else params["image_size"]
        cost = forward(network["backbone"], network["width"], size)
        return BACKWARD * iterations * recipe["batch_size"] * networks * cost / rate

    studies = sharing["studies"].values()
    for key, row in sharing["baselines"].items():
        networks = 1 if row["method"] in ("multi_task", "constant") else 0
        yield Stage(
            f"baseline@{key}",
            (),
            tuple(
                training(study, study["recipe"]["iterations"], networks or len(study["tasks"]))
                for study in studies
                for _ in range(study["replicates"])
                if row["method"] != "constant"
            ),
        )
    for key, row in sharing["recommended"].items():
        pieces = []
        for study in studies:
            tasks, iterations = len(study["tasks"]), study["recipe"]["iterations"]
            # Each task alone, pairs, and trees: at the most with as many backbones as tasks.
            pairs = comb(tasks, 2) * (len(row["branch_before"]) + 1)
            pieces += [training(study, row["share"] * iterations, tasks)]
            pieces += [training(study, row["share"] * iterations, 2)] * pairs
            pieces += [training(study, iterations, tasks)] * study["replicates"]
        yield Stage(f"recommend@{key}", (), tuple(pieces))
    if not sharing["searches"] and not sharing["branched"]:
        return
    yield Stage(
        "warmup", (), (sum(training(study, study["warm_up"], len(study["tasks"])) for study in studies),)
    )
    for key in sharing["searches"]:
        searches = (training(study, study["search"]["iterations"], len(study["tasks"])) for study in studies)
        yield Stage(f"search@{key}", ("warmup",), (sum(searches),))
    for key, row in sharing["retrained"].items():
        samples = 1 if row["policies"] == "likeliest" else 0
        yield Stage(
            f"retrain@{key}",
            (f"search@{row['search']}",),
            tuple(
                training(study, study["recipe"]["iterations"], len(study["tasks"]))
                for study in studies
                for _ in range(samples or study["samples"])
            ),
        )
    for key in sharing["branched"]:
        yield Stage(
            f"branch@{key}",
            ("warmup",),
            tuple(
                training(study, iterations, len(study["tasks"]))
                for study in studies
                for iterations in [
                    study["search"]["iterations"],
                    *[study["recipe"]["iterations"]] * study["replicates"],
                ]
            ),
        )
