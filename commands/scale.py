"""How long a profile takes on so many GPUs, `farfield cluster plan paper`, or what ran here, `... plan measured`.

A model, not a measurement. A piece of work costs its image passes (forward and backward, three times the
multiply-adds of a forward pass) divided by `RATE`; a stage begins when those that it follows are done, `JOBS` of
them at a time, each after `START` seconds. What takes the CPU alone, reading and reports, is left out.
"""

import argparse
import heapq
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from commands.compose import composed
from commands.costs import RATE, Stage, plan_of
from commands.record import CONF, fresh_record
from commands.side_by_side import SECONDS
from farfield.errors import InputError, one_message
from farfield.files import read_json
from stages.frame.params import with_recipes

START = 15.0  # seconds in which a stage connects and its processes load torch
JOBS = 32  # stages at once


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
