"""From a user's images to a classifier of all their classes, and how well it will do."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from farfield.alone import alone
from farfield.backbones.backbone import Backbone
from farfield.backbones.from_onnx import OnnxNetwork
from farfield.datasets.cards import Channels
from farfield.deployment.folder import require_free, write_classifier
from farfield.errors import InputError
from farfield.files import atomic_file
from farfield.local import Local
from farfield.networks.by_threes import by_threes
from farfield.networks.cards import NetworkCard
from farfield.own import words
from farfield.own.advice import next_steps
from farfield.own.before_after import before_after
from farfield.own.findings import next_part, parts_on
from farfield.own.groups import groups_by, groups_given, require_testable
from farfield.own.images import OwnImages, own_images, remarks
from farfield.own.left_out import left_out, predictions
from farfield.own.page import render
from farfield.own.probes import Probes, fitted, probe, wide_packing
from farfield.own.summary import summary
from farfield.report.cells import markdown
from farfield.training.devices import choose_device, deterministic

LOCK = ".lock"  # in the folder of an evaluation: two at once write one after the other, and do not mix


def evaluate(
    data: Path,
    out: Path,
    local: Local,
    card: NetworkCard,
    seed: int = 0,
    group: str = "",
    limit: float | None = None,
    bands: Channels = (),
    as_json: bool = False,
) -> Probes:
    """Judge candidates on images left out, and write into `out` report/index.html, report.md, evaluation.csv,
    predictions.csv and classifier/.

    card: of the network. seed: of how images are left out. group: a regular expression whose
    group says which images belong together; "": those that the labels say. limit: as of `probe`.
    bands: numbers of those of the files that the network is shown; none: RGB. as_json: print one object, not
    report.md. InputError if the network or the images cannot be used, or if `out` lies among the images or holds
    something else.
    """
    require_apart(data, out)
    deterministic(threads=0)
    backbone = card.load()  # before the images, which may take minutes
    require_layers(backbone, bands)
    own = own_images(data, wide_packing(card), local.workers, bands)
    if own.bands:
        backbone = by_threes(backbone, len(own.bands))
    pictures = before_after(data, own)  # at once, while its files are what was packed
    groups = groups_by(group, own.paths) if group else groups_given(own.groups)
    require_testable(own, groups)
    notes = remarks(own)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    probes = probe(own, card, backbone, choose_device(local.device), seed, groups, limit)
    found = left_out(probes.chosen, own.labels)
    classifier, description = fitted(probes, card, backbone, seed)
    rows = predictions(found, own, probes.diagnosis).to_csv(index=False)
    first, more = [next_part(own, probes.diagnosis)], [*parts_on(own, probes.diagnosis), pictures]
    page = render(probes, card, found, notes, first, more, description)
    text = in_words(own, probes, card, notes)
    said = json.dumps(summary(probes, card, notes, str(out)), ensure_ascii=False) if as_json else text
    with alone(out / LOCK):
        write_classifier(out / "classifier", classifier, description, own.images)
        write_text(out / "predictions.csv", rows)
        write_text(out / "report/index.html", page)
        write(out, words.table(probes), text, said)
    return probes


def in_words(own: OwnImages, probes: Probes, card: NetworkCard, notes: Sequence[str]) -> str:
    """report.md."""
    said = [
        "# Your images",
        f"{len(own.labels)} images of {len(own.class_names)} classes.",
        *(f"**{one}**" for one in words.answer(probes, probes.scores)),
        words.method(probes, card),
        markdown(words.candidates(probes)).strip(),
        words.calibration(probes.scores),
        markdown(words.by_class(own, probes.scores)).strip(),
        "\n".join(["What to do next:", "", *(f"- {step}" for step in next_steps(own, probes.diagnosis))]),
        *(f"Note: {note}" for note in notes),
    ]
    return "\n\n".join(said) + "\n"


def require_apart(data: Path, out: Path) -> None:
    """InputError if `out` lies among the images, cannot be written, or holds a classifier's place otherwise used:
    before anything is decoded."""
    if out.resolve().is_relative_to(data.resolve()):
        raise InputError(f"the output folder {out} lies inside {data}, where it would be a class.")
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file, so {out} cannot be the output folder; give another --out.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} may not be written to; give another --out, or see to its permissions.")
    require_free(out / "classifier")


def require_layers(backbone: Backbone, bands: Channels) -> None:
    if bands and isinstance(backbone, OnnxNetwork):
        raise InputError(
            "--bands needs a network that can be looked into, and an ONNX file is taken as it is: give one of "
            "`farfield networks`, timm/NAME or torchvision/NAME, or leave --bands out for RGB."
        )


def write_text(path: Path, text: str) -> None:
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write(out: Path, table: pd.DataFrame, text: str, said: str = "") -> None:
    """evaluation.csv and report.md; prints `said`, or the text if that is empty."""
    with atomic_file(out / "evaluation.csv") as partial:
        table.to_csv(partial, index=False)
    write_text(out / "report.md", text)
    print(said or text)
    print(f"written to {out}", file=sys.stderr)
