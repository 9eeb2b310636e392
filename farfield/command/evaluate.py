from pathlib import Path

import click

from farfield.command.options import local_of, machine


@click.command(short_help="A classifier of your own images, and how well it will do.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True)
@click.option("--network", default="lite0", show_default=True, help="See `farfield networks`.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of how images are left out."
)
@machine
def evaluate(data: Path, out: Path, network: str, seed: int, device: str | None, workers: int | None) -> None:
    """Fit a classifier to DATA, one folder a class, and say how well it will do on new images.

    Writes report.md, evaluation.csv and classifier/ to the folder of --out.
    """
    from farfield.own.evaluation import evaluate as evaluated

    evaluated(data.expanduser(), out.expanduser(), local_of(device, workers), network, seed)
