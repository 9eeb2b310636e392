"""How long a profile takes on so many GPUs, `farfield cluster plan paper`, or what ran here, `... plan measured`.

A model, not a measurement. A piece of work costs its image passes (forward and backward, three times the
multiply-adds of a forward pass) divided by `RATE`; a stage begins when those that it follows are done, `JOBS` of
them at a time, each after `START` seconds. What takes the CPU alone, reading and reports, is left out.
"""

import argparse
import heapq
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tabulate import tabulate

from commands.compose import composed
from commands.record import CONF, fresh_record
from commands.side_by_side import SECONDS
from farfield.backbones import build
from farfield.errors import InputError, one_message
from farfield.files import read_json
from farfield.tuning.accounting import macs
from stages.frame.params import with_recipes

RATE = 5e12  # multiply-adds a second of one GPU in training: float32 without TF32, half of what an H100 could
START = 15.0  # seconds in which a stage connects and its processes load torch
JOBS = 32  # stages at once
CHUNK = 64  # episodes of a piece of work (`farfield.transfer.finetuning.driver`)
UNKNOWN = 100_000  # images of a dataset whose card does not say how many there are
BACKWARD = 3  # times a forward pass: forward, and backward to inputs and weights


@dataclass(frozen=True)
class Stage:
    """after: names of stages that must be done. pieces: seconds of each piece of work."""

    name: str
    after: tuple[str, ...]
    pieces: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """makespan: seconds. utilisation: share of the GPUs' time that they work. widest: pieces at once, at most."""

    makespan: float
    utilisation: float
    widest: int


def simulate(stages: Sequence[Stage], gpus: int, jobs: int = JOBS, start: float = START) -> Plan:
    """Each free GPU takes the next piece of the stage that began first, as Ray does."""
    waiting = {stage.name: {*stage.after} for stage in stages}
    by_name = {stage.name: stage for stage in stages}
    queue: list[tuple[str, float]] = []  # pieces that may run
    events: list[tuple[float, int, str, bool]] = []  # when, in which order, of which stage, whether it begins
    left: dict[str, int] = {}
    now, free, busy, widest, count = 0.0, gpus, 0.0, 0, 0

    def admit() -> None:
        nonlocal count
        for name in [name for name, after in waiting.items() if not after][: jobs - len(left)]:
            del waiting[name]
            left[name] = len(by_name[name].pieces)
            count += 1
            heapq.heappush(events, (now + start, count, name, True))

    admit()
    while events:
        now, _, name, begins = heapq.heappop(events)
        if begins:
            queue += [(name, seconds) for seconds in by_name[name].pieces]
        else:
            free, left[name] = free + 1, left[name] - 1
        if left[name] == 0:
            del left[name]
            for after in waiting.values():
                after.discard(name)
            admit()
        taken, queue = queue[:free], queue[free:]
        for of, seconds in taken:
            count += 1
            heapq.heappush(events, (now + seconds, count, of, False))
            busy += seconds
        free -= len(taken)
        widest = max(widest, gpus - free)
    if waiting:
        raise ValueError(f"these follow what is no stage, or each other: {sorted(waiting)}")
    return Plan(now, busy / (now * gpus) if now else 0.0, widest)


def longest_chain(stages: Sequence[Stage], start: float = START) -> tuple[float, list[str]]:
    """Seconds and stages of the chain that no number of GPUs shortens."""
    ends: dict[str, tuple[float, list[str]]] = {}
    left = {stage.name: stage for stage in stages}
    while left:
        for name in [name for name, stage in left.items() if not {*stage.after} & left.keys()]:
            stage = left.pop(name)
            before, chain = max((ends[other] for other in stage.after), default=(0.0, []))
            ends[name] = (before + start + max(stage.pieces, default=0.0), [*chain, name])
    return max(ends.values(), default=(0.0, []))


@lru_cache
def forward(backbone: str, width: int, size: int) -> float:
    """Multiply-adds of one image."""
    return float(macs(build(backbone, width=width, image_size=size), size))


def plan_of(params: Mapping[str, Any], rate: float = RATE) -> list[Stage]:
    """All stages of composed parameters that use a GPU."""
    return [
        *_networks(params, rate),
        *_fewshot(params, rate),
        *_tuning(params, rate),
        *_sharing(params, rate),
    ]


def _images(params: Mapping[str, Any], dataset: str) -> int:
    return params["datasets"][dataset]["expected"]["images"] or UNKNOWN


def _size(params: Mapping[str, Any], name: str) -> int:
    networks = params["networks"]
    network = networks["trained"].get(name) or networks["given"][name]
    return network["image_size"] or params["image_size"]


def _cost(params: Mapping[str, Any], name: str) -> float:
    """Multiply-adds of a forward pass; a network of a library counts as ResNet-50."""
    networks = params["networks"]
    network = networks["trained"].get(name) or networks["given"][name]
    backbone = network["backbone"] if "/" not in network["backbone"] else "resnet50"
    return forward(backbone, network["width"], _size(params, name))


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

    def chunks(name: str, settings: Mapping[str, Any], budget: int) -> tuple[float, ...]:
        """Of each cell its chunks; queries are seen once, and support images each epoch."""
        episodes = min(budget or few["episodes"], few["episodes"])
        return tuple(
            min(CHUNK, episodes - first)
            * way
            * (BACKWARD * settings["epochs"] * shot + query)
            * _cost(params, name)
            / rate
            for target in few["targets"].values()
            for shot in target["shots"]
            for first in range(0, episodes, CHUNK)
        )

    for key, unit in few["finetune"].items():
        yield Stage(
            f"finetune@{key}",
            _network(params, unit["model"]),
            chunks(unit["model"], unit["settings"], unit["episodes"]),
        )
    for key, unit in few["ensemble"].items():
        if unit["adapt"]:
            after = tuple(one for name in unit["models"] for one in _network(params, name))
            pieces = [chunks(name, unit["adapt"], unit["episodes"]) for name in unit["models"]]
            yield Stage(f"ensemble@{key}", after, tuple(seconds for piece in pieces for seconds in piece))


def _tuning(params: Mapping[str, Any], rate: float) -> Iterator[Stage]:
    for study in ("spottune", "decathlon"):
        section = params[study]
        for key, row in section["methods"].items():
            network = (
                params["networks"]["trained"].get(row["network"])
                or params["networks"]["given"][row["network"]]
            )
            backbone = network["backbone"] if "/" not in network["backbone"] else "resnet50"
            cost = forward(backbone, network["width"], section["image_size"] or params["image_size"])
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

    def training(study: Mapping[str, Any], iterations: int, networks: int = 1) -> float:
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
    if not sharing["searches"]:
        return
    yield Stage(
        "warmup", (), (sum(training(study, study["warm_up"], len(study["tasks"])) for study in studies),)
    )
    for key in sharing["searches"]:
        pieces = (training(study, study["search"]["iterations"], len(study["tasks"])) for study in studies)
        yield Stage(f"search@{key}", ("warmup",), (sum(pieces),))
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


def measured() -> list[Stage]:
    """The stages of this checkout, each in one piece, of the seconds that it took when it ran here last."""
    from dvc.repo import Repo

    if not SECONDS.exists():
        raise InputError(f"{SECONDS} is not there: `make repro` notes in it how long each stage takes")
    seconds = read_json(SECONDS)
    graph = Repo().index.graph
    return [
        Stage(
            stage.addressing,
            tuple(before.addressing for before in graph.successors(stage)),
            (seconds.get(stage.addressing, 0.0),),
        )
        for stage in graph
    ]


def report(profile: str, stages: Sequence[Stage], gpus: Sequence[int], rate: float) -> str:
    """A table of plans, and of what each group of stages costs."""
    whole = sum(sum(stage.pieces) for stage in stages)
    chain, names = longest_chain(stages)
    rows, alone = [], simulate(stages, 1).makespan
    for number in gpus:
        plan = simulate(stages, number)
        speed = alone / plan.makespan if plan.makespan else 1.0
        rows.append(
            (number, f"{plan.makespan / 3600:.1f}", f"{speed:.1f}", f"{plan.utilisation:.0%}", plan.widest)
        )
    groups: dict[str, tuple[int, int, float, float]] = {}
    for stage in stages:
        name = stage.name.partition("@")[0]
        many, pieces, hours, most = groups.get(name, (0, 0, 0.0, 0.0))
        groups[name] = (
            many + 1,
            pieces + len(stage.pieces),
            hours + sum(stage.pieces) / 3600,
            max(most, max(stage.pieces, default=0.0) / 3600),
        )
    costs = [
        (name, many, pieces, f"{hours:.1f}", f"{most:.2f}")
        for name, (many, pieces, hours, most) in groups.items()
    ]
    heads = ["GPUs", "hours", "times as fast as one", "GPUs at work", "at once at most"]
    parts = [
        f"{profile}: {len(stages)} stages, {whole / 3600:.0f} GPU-hours at {rate:.2g} multiply-adds a second, "
        f"{START:.0f} s to start a stage, {JOBS} stages at once",
        tabulate(rows, heads, tablefmt="github", disable_numparse=True),
        f"The longest chain takes {chain / 3600:.1f} hours, and no number of GPUs less: {', '.join(names)}.",
        tabulate(
            costs, ["stages", "how many", "pieces", "GPU-hours", "longest piece, hours"], tablefmt="github"
        ),
    ]
    return "\n\n".join(parts)


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="farfield cluster plan", description=__doc__)
    parser.add_argument("profile", nargs="?", default="paper")
    parser.add_argument("--gpus", type=int, action="append")
    parser.add_argument("--rate", type=float, default=RATE)
    said = parser.parse_args(words)
    gpus = said.gpus or (1, 8, 64, 512)
    if said.profile == "measured":
        print(report("as it ran here", measured(), gpus, said.rate))
        return
    if not (Path(CONF) / "profile" / f"{said.profile}.yaml").exists():
        known = sorted(path.stem for path in (Path(CONF) / "profile").glob("*.yaml"))
        raise InputError(
            f"there is no profile {said.profile!r} in {CONF}/profile; there are {', '.join(known)}"
        )
    params = with_recipes(composed(fresh_record(said.profile)))
    stages = plan_of(params, said.rate)
    print(report(said.profile, stages, gpus, said.rate))


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
