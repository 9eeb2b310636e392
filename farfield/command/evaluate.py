import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farfield.command.network_options import network
from farfield.command.options import Bands, local_of, machine

if TYPE_CHECKING:
    from farfield.datasets.cards import Channels
    from farfield.networks.cards import NetworkCard


def number(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of seconds", ctx, param)
    return value


@click.command(short_help="A classifier of your own images, and how well it will do.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True)
@network
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of how images are left out."
)
@click.option(
    "--group",
    default="",
    help="Regular expression, found in the paths; its one group names what images share that belong together, "
    "as '(p[0-9]+)_' a patient. They are left out together.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0),
    callback=number,
    help="Seconds for candidates with the network, of which one is tried in any case.",
)
@click.option(
    "--bands",
    type=Bands(),
    default=(),
    metavar="N,N..|all",
    help="Bands of files of many, counted from 1, that are used as they are, as 8,4,3; without it they are "
    "shown in RGB.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON object.")
@machine
def evaluate(
    data: Path,
    out: Path,
    card: "NetworkCard",
    seed: int,
    group: str,
    time_limit: float | None,
    bands: "Channels",
    as_json: bool,
    device: str | None,
    workers: int | None,
) -> None:
    """Fit a classifier to DATA, one folder a class, and say how well it will do on new images.

    Writes to the folder of --out: report/index.html, a page to open; report.md, the same in words;
    predictions.csv, what was said of each image when it was left out; evaluation.csv, what was tried;
    classifier/ for `predict`. The network is one that comes with farfield, or any other whose weights you
    have; NAME.yaml beside a file of weights may say what options would: image_size, mean, std, licence,
    pretrained_on, not_for.
    """
    from farfield.own.evaluation import evaluate as evaluated

    local = local_of(device, workers)
    evaluated(data.expanduser(), out.expanduser(), local, card, seed, group, time_limit, bands, as_json)
