import sys
import time
from collections.abc import Callable

import click

from farfield.command.checkout import call

ROUNDS = 20  # of an empty piece of work, to time a round trip


@click.group(short_help="Many machines: whether they can work together, and what they would save.")
def cluster() -> None:
    """A cluster of Ray, which `cluster` in local.yaml or FARFIELD_CLUSTER names: auto, host:port or
    ray://host:port. How one is started is in docs/many-machines.md."""


@cluster.command(short_help="Ask all nodes what they are, and whether they would give the same bytes.")
def check() -> None:
    """Nodes, what they have, whether all see this folder, differences, and the time of a round trip.

    Exit codes: 0 work can start; 1 no cluster, no Ray, or a node does not answer; 3 nodes differ.
    """
    import statistics

    from farfield.cluster import ask_nodes, connect, gpu_kinds
    from farfield.errors import InputError
    from farfield.local import load_local
    from farfield.nodes import differences, facts

    address = load_local().cluster
    if address is None:
        raise InputError("no cluster is named: say `cluster: auto` in local.yaml, or FARFIELD_CLUSTER=auto")
    begin = time.perf_counter()
    ray = connect(address)
    try:
        connected = time.perf_counter() - begin
        mine, nodes = facts(), ask_nodes(ray)
        asked = time.perf_counter() - begin - connected
        sizes = ray.cluster_resources()
        click.echo(
            f"{address}: Ray {ray.__version__}, {sizes.get('CPU', 0):g} threads, {sizes.get('GPU', 0):g} GPUs"
        )
        for name, found in nodes.items():
            said = [found["processor"], f"torch {found['torch']}", f"Python {found['python']}"]
            seen = "sees this folder" if found["sees"] == "yes" else "DOES NOT SEE this folder"
            click.echo(f"  {name}: {', '.join(said)}; {seen}")
        for name, kind in gpu_kinds(ray).items():
            click.echo(f"  {name}: GPUs of kind {kind}")
        empty = ray.remote(_empty).options(num_cpus=1)
        ray.get(empty.remote())  # which starts its process
        trips = [_timed(lambda: ray.get(empty.remote())) for _ in range(ROUNDS)]
        click.echo(
            f"connected in {connected:.1f} s, all nodes answered in {asked:.1f} s, "
            f"a round trip takes {1000 * statistics.median(trips):.1f} ms"
        )
        apart = differences(mine, nodes)
    finally:
        ray.shutdown()
    if any(found["sees"] != "yes" for found in nodes.values()):
        click.echo(
            "trainings need this folder on all nodes, under the same name; episodes alone would travel there"
        )
    for line in apart:
        click.echo(f"DIFFERS: {line}", err=True)
    if apart:
        sys.exit(3)
    click.echo("all would give the same bytes")


@cluster.command(short_help="What so many GPUs would take for a profile (in a checkout).")
@click.argument("profile", default="paper")
@click.option(
    "--gpus", multiple=True, type=click.IntRange(1), help="So many; again for several.  [1 8 64 512]"
)
@click.option("--rate", type=float, help="Multiply-adds a GPU makes in a second, in training.")
def plan(profile: str, gpus: tuple[int, ...], rate: float | None) -> None:
    """Simulate PROFILE on several numbers of GPUs: makespan, utilisation and the longest chain."""
    words = [word for number in gpus for word in ("--gpus", str(number))]
    call("commands.scale", (profile, *words, *(["--rate", str(rate)] if rate else [])))


def _empty() -> None:
    pass


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
