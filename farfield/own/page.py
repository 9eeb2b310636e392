"""report/index.html: the answer to what a classifier will do on new images, as one file that opens from
disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from farfield.deployment.description import Description
from farfield.deployment.model_card import reader, snippet
from farfield.deployment.onnx_whole import expressible
from farfield.networks.cards import NetworkCard
from farfield.own import words
from farfield.own.figures import confusion_matrix, reliability_curve
from farfield.own.images import OwnImages
from farfield.own.left_out import LeftOut
from farfield.own.pictures import contact_sheet, data_uri, thumbnail
from farfield.own.probes import Probes
from farfield.report.site import TEMPLATES, Picture, anchor, environment
from farfield.version import installed_version

OWN_TEMPLATES = Path(__file__).with_name("templates")
WORST = 24
SHOWN = 136  # pixels of a single image
SHEET, ACROSS, SHEETS = 64, 15, 200  # pixels and images of a row; rows in all

Kind = Literal["text", "list", "code", "links", "table", "picture", "gallery", "sheets"]


@dataclass(frozen=True)
class Item:
    kind: Kind
    value: Any


@dataclass(frozen=True)
class Part:
    """A section of the page. short: its name in the navigation."""

    title: str
    short: str
    items: tuple[Item, ...]

    @property
    def slug(self) -> str:
        return anchor(self.short)


@dataclass(frozen=True)
class Tile:
    """An image and what is said of it."""

    image: str
    alt: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """Images of one class."""

    name: str
    image: str
    alt: str


def render(
    probes: Probes,
    card: NetworkCard,
    found: LeftOut,
    notes: Sequence[str],
    first: Sequence[Part],
    more: Sequence[Part],
    description: Description,
) -> str:
    """The page. description: of the classifier that is written. first: sections before
    the figures. more: those after them, before the contact sheets."""
    own, scores = probes.own, probes.scores
    styles = [(TEMPLATES / "style.css").read_text("utf-8"), (OWN_TEMPLATES / "page.css").read_text("utf-8")]
    sections = [*first, *_measured(probes, card, found), *more, _sheets(own), _use(description)]
    facts = {
        "images": f"{len(own.labels):,}".replace(",", " "),
        "classes": len(own.class_names),
        **({"bands": ", ".join(map(str, own.bands))} if own.bands else {}),
        "network": card.name,
        "it has seen": card.pretrained_on,
        "pixels it sees": f"{card.image_size} x {card.image_size} of each image",
        "licence of its weights": card.licence,
    }
    template = environment(OWN_TEMPLATES).get_template("page.html.j2")
    text: str = template.render(
        title=words.headline(probes.diagnosis),
        lead=words.answer(probes, scores),
        notes=notes,
        facts=facts,
        sections=sections,
        style=Markup("\n".join(styles)),
        script=Markup((TEMPLATES / "sort.js").read_text("utf-8")),
        version=installed_version(),
    )
    return text


def figure(data: bytes, alt: str, caption: str, wide: bool = False) -> Item:
    return Item("picture", Picture(data_uri(data, "image/svg+xml"), alt, caption, b"", wide))


def _measured(probes: Probes, card: NetworkCard, found: LeftOut) -> Iterator[Part]:
    own, scores = probes.own, probes.scores
    names = own.class_names
    confused = confusion_matrix(scores.confusion, names)
    yield Part(
        "Which classes are taken for which",
        "Confusion",
        (
            figure(
                confused,
                f"Confusion matrix of {len(names)} classes",
                "Percent of the images of a class (row) that are named so (column); left-out answers.",
                wide=len(names) > 8,
            ),
            Item("table", words.most_confused(own, scores)),
            Item("table", words.by_class(own, scores)),
        ),
    )
    worst = found.worst(WORST)
    wrong = int((found.answers != found.labels).sum())
    yield Part(
        "The worst images",
        "Worst images",
        (
            Item(
                "text",
                f"{wrong} of {len(own.labels)} images are named wrongly when they are left out. These are "
                f"the {len(worst)} whose own class got the least probability. Look for wrong labels, images "
                "of several classes, and what the images of a kind share.",
            ),
            Item("gallery", [_tile(own, found, row) for row in worst]),
        ),
    )
    yield Part(
        "What its probabilities mean",
        "Reliability",
        (
            Item("text", words.calibration(scores)),
            figure(
                reliability_curve(found),
                "Share of right answers by the probability that was said",
                "Points on the line: of answers with 80 % probability, 80 % are right. Bars: 95 % intervals.",
            ),
        ),
    )
    yield Part(
        "What was tried",
        "Candidates",
        (Item("text", words.method(probes, card)), Item("table", words.candidates(probes))),
    )


def _tile(own: OwnImages, found: LeftOut, row: int) -> Tile:
    truth, named = (own.class_names[int(label[row])] for label in (found.labels, found.answers))
    said = f"named {named}, {100 * found.confidence[row]:.0f} %"
    alt = f"{own.paths[row]}: {truth}, {said}"
    return Tile(thumbnail(own, row, SHOWN), alt, (f"is {truth}", said, own.file(row)))


def _sheets(own: OwnImages) -> Part:
    """Images of each class, taken evenly from its paths in their order."""
    classes = len(own.class_names)
    rows = 2 if classes <= 30 else 1
    sheets = []
    for label, name in enumerate(own.class_names[:SHEETS]):
        mine = np.flatnonzero(own.labels == label)
        some = mine[np.unique(np.linspace(0, len(mine) - 1, rows * ACROSS).round().astype(int))]
        alt = f"{len(some)} of {len(mine)} images of {name}"
        sheets.append(Sheet(f"{name} ({len(mine)})", contact_sheet(own, some, SHEET, ACROSS), alt))
    lines = [f"The first {SHEETS} of {classes} classes."] if classes > SHEETS else []
    return Part(
        "The images, class by class",
        "Images",
        (*(Item("text", one) for one in lines), Item("sheets", sheets)),
    )


def _use(description: Description) -> Part:
    whole = expressible(description)
    files = [
        ("../predictions.csv", "what was said of each image when it was left out"),
        ("../evaluation.csv", "all that were tried"),
        ("../report.md", "the same as this page in text"),
        ("../classifier/README.md", "the model card"),
        ("../classifier/classifier.json", "classes, pixel rule, figures, licence"),
        ("../classifier/classifier.safetensors", "the weights"),
        ("../classifier/model.onnx", "ONNX: normalised pixels in, logits out"),
    ]
    program: tuple[Item, ...] = ()
    if whole:
        files.append(("../classifier/classifier.onnx", "ONNX: images of any size in, probabilities out"))
        files.append(("../classifier/predict.py", "the program below"))
        program = (
            Item("text", f"Without farfield, with onnxruntime, numpy and {reader(description)}:"),
            Item("code", snippet(description)),
        )
    return Part(
        "How to use it",
        "Use",
        (
            Item("code", "farfield predict classifier path/to/new/images --out classes.csv"),
            *program,
            Item("links", files),
        ),
    )
