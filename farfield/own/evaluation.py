"""From a user's images to a classifier of all their classes, and how well it will do."""

import sys
from pathlib import Path

import pandas as pd

from farfield.deployment.folder import require_free, write_classifier
from farfield.errors import InputError
from farfield.files import atomic_file
from farfield.local import Local
from farfield.networks.cards import NetworkCard
from farfield.own import words
from farfield.own.images import own_images, remarks
from farfield.own.probes import Probes, fitted, probe, wide_packing
from farfield.training.devices import choose_device, deterministic


def evaluate(data: Path, out: Path, local: Local, card: NetworkCard, seed: int = 0) -> Probes:
    """Judge candidates on images left out, and write report.md, evaluation.csv and classifier/ into `out`.

    card: of the network. seed: of how images are left out. InputError if the network or the images cannot be
    used, or if `out` lies among the images or holds something else.
    """
    require_apart(data, out)
    deterministic(threads=0)
    backbone = card.load()  # before the images, which may take minutes
    own = own_images(data, wide_packing(card), local.workers)
    notes = remarks(own)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    probes = probe(own, card, backbone, choose_device(local.device), seed)
    classifier, description = fitted(probes, card, backbone)
    write_classifier(out / "classifier", classifier, description, own.images)
    about = f"{len(own.labels)} images of {len(own.class_names)} classes."
    paragraphs = ["# Your images", about, *words.answer(probes, card), *(f"Note: {note}" for note in notes)]
    write(out, words.table(probes), "\n\n".join(paragraphs) + "\n")
    return probes


def require_apart(data: Path, out: Path) -> None:
    if out.resolve().is_relative_to(data.resolve()):
        raise InputError(f"the output folder {out} lies inside {data}, where it would be a class.")
    require_free(out / "classifier")


def write(out: Path, table: pd.DataFrame, text: str) -> None:
    with atomic_file(out / "evaluation.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic_file(out / "report.md") as partial:
        partial.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {out}", file=sys.stderr)
