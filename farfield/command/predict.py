import sys
from pathlib import Path

import click

from farfield.command.options import local_of, machine


@click.command(short_help="Classes of new images, by a classifier that evaluate wrote.")
@click.argument("classifier", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@machine
def predict(classifier: Path, images: tuple[Path, ...], device: str | None, workers: int | None) -> None:
    """Print path, class and probability of IMAGES, files or folders of them, as CSV.

    CLASSIFIER is a folder that `farfield evaluate` wrote. Files that cannot be read are named on standard error;
    the exit code is then 3.
    """
    from farfield.own.prediction import predict as predicted

    places = [image.expanduser() for image in images]
    if not predicted(classifier.expanduser(), places, local_of(device, workers)):
        sys.exit(3)
