"""`farfield add`: a folder of class folders becomes a target of the few-shot study.

Writes its card, conf/dataset/<name>.yaml, and composes it in. Nothing is left if it cannot be a target.
"""

import re
from pathlib import Path

import click
import numpy as np
import yaml

from commands import compose
from commands.record import CONF
from farfield.datasets.class_folders import class_folders
from farfield.errors import InputError, one_message
from farfield.files import atomic_file
from stages.frame.params import load_params

SHOTS = (1, 5, 20, 50)  # of the published tables


def add(name: str, folder: Path, title: str = "", licence: str = "") -> tuple[int, ...]:
    """Make `folder` the target `name`, at those of `SHOTS` for which it has images; these shots.

    InputError if the name is none or taken, if the folder is not one of class folders, or if too few of its
    classes have enough images.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(
            f"the name of a dataset is of small letters, digits and _, and begins with a letter; found {name!r}. "
            f"Give one with --name."
        )
    card = CONF / "dataset" / f"{name}.yaml"
    if card.exists():
        raise InputError(f"{card} is there already; give another --name, or remove it first.")
    folder = folder.expanduser().resolve()
    labels = np.array([record.label for record in class_folders(folder).index.records], dtype=int)
    fewshot = load_params().fewshot
    way, query = fewshot.way, fewshot.query
    counts = np.sort(np.bincount(labels))[::-1] if len(labels) else np.zeros(1, int)
    enough = int(counts[way - 1]) if len(counts) >= way else 0  # images in each of the `way` largest classes
    shots = tuple(shot for shot in SHOTS if shot + query <= enough)
    if not shots:
        raise InputError(
            f"{folder} has {len(counts)} class folders, and episodes of the study take {way} classes with "
            f"{query + SHOTS[0]} images or more; the largest have {', '.join(map(str, counts[:way]))}. "
            f"`farfield evaluate` makes a classifier of fewer."
        )
    said = {
        "defaults": ["card"],
        "title": title or name.replace("_", " ").capitalize(),
        "role": "target",
        "layout": "labelled",  # reads what `class_folders` does, with folders around the classes
        "folder": str(folder),
        "licence": licence or "not stated",
        "citation": "own images",
    }
    with atomic_file(card) as partial:
        partial.write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), encoding="utf-8")
    target = f"+fewshot.targets.{name}={{shots: {list(shots)}, study: crossdomain}}"
    try:
        compose.main([f"+dataset@datasets.{name}={name}", target])
    except InputError:
        card.unlink()
        raise
    return shots


@click.command(short_help="Make your images a target of the study (in a checkout).")
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), help="One folder a class.  [default: NAME]")
@click.option("--name", "other", help="What to call it, if NAME is a folder.")
@click.option("--title", default="", help="As tables show it.")
@click.option("--licence", default="", help="Of the images.")
def main(name: str, data: Path | None, other: str | None, title: str, licence: str) -> None:
    """Write the card of your images, conf/dataset/NAME.yaml, and compose them into the study.

    NAME is what to call them, or the folder itself; then its last part, in small letters, is the name. `farfield
    repro` then runs every method on them.
    """
    folder = data if data is not None else Path(name)
    called = other or (
        name if data is not None else re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower())
    )
    with one_message():
        shots = add(called, folder, title, licence)
        image_size = load_params().image_size
    click.echo(
        f"{called} is a target of the study, at {', '.join(map(str, shots))} shots and {image_size} pixels. "
        f"`farfield repro` runs what this adds."
    )


if __name__ == "__main__":
    main()
