from pathlib import Path
from typing import TYPE_CHECKING

import click

from farfield.command.network_options import network
from farfield.command.options import local_of, machine

if TYPE_CHECKING:
    from farfield.networks.cards import NetworkCard


@click.command(short_help="A classifier of your own images, and how well it will do.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True)
@network
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of how images are left out."
)
@machine
def evaluate(
    data: Path, out: Path, card: "NetworkCard", seed: int, device: str | None, workers: int | None
) -> None:
    """Fit a classifier to DATA, one folder a class, and say how well it will do on new images.

    Writes report.md, evaluation.csv and classifier/ to the folder of --out. Its network is one that comes with
    farfield, or any other whose weights you have; NAME.yaml beside a file of weights may say what options would:
    image_size, mean, std, licence, pretrained_on, not_for.
    """
    from farfield.own.evaluation import evaluate as evaluated

    evaluated(data.expanduser(), out.expanduser(), local_of(device, workers), card, seed)
