import sys
from pathlib import Path

import click

from farfield.command.options import local_of, machine


@click.command(short_help="Classes of new images, by a classifier that evaluate wrote.")
@click.argument("classifier", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write to this file; a run that was stopped is continued by the same command.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line in place of CSV.")
@machine
def predict(
    classifier: Path,
    images: tuple[Path, ...],
    out: Path | None,
    as_json: bool,
    device: str | None,
    workers: int | None,
) -> None:
    """Print a line for each of IMAGES, files or folders of them, as CSV.

    \b
    path, class, probability   the likeliest class
    set                        classes, joined by |, among which the truth is as
                               often as classifier.json says
    unlike                     1: unlike anything that was learned from
    distance                   share of left-out images that lie nearer

    CLASSIFIER is a folder that `farfield evaluate` wrote. Files that cannot be read are named on standard
    error; the exit code is then 3.
    """
    from farfield.own.prediction import predict as predicted

    places = [image.expanduser() for image in images]
    where = out.expanduser() if out else None
    local = local_of(device, workers)
    if not predicted(classifier.expanduser(), places, local, where, "json" if as_json else "csv"):
        sys.exit(3)
