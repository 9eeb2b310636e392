"""Sections of the page on what was found of the images: labels, copies, strangers, sets, and what more would
bring."""

from collections.abc import Iterator

import numpy as np

from farfield.own.advice import next_steps, planted_sentence
from farfield.own.figures import learning_curve, set_sizes
from farfield.own.images import OwnImages, counted
from farfield.own.page import Item, Part, Tile, figure
from farfield.own.pictures import contact_sheet, thumbnail
from farfield.own.words import within
from farfield.probing.diagnosis import Diagnosis, Duplicates

SIDE, MOST = 136, 24  # pixels of an image; images or pairs shown


def next_part(own: OwnImages, found: Diagnosis) -> Part:
    return Part("What to do next", "Next", (Item("list", next_steps(own, found)),))


def parts_on(own: OwnImages, found: Diagnosis) -> Iterator[Part]:
    """Those that have something to show."""
    if found.curve:
        yield Part(
            "What more images would bring",
            "Learning curve",
            (
                Item("text", found.curve.sentence),
                figure(
                    learning_curve(found.curve, found.images),
                    "Accuracy by the number of images learned from",
                    "Points: fits to fewer of the images, with 95 % intervals. Line: a power law through "
                    "them, dashed beyond what there is.",
                ),
            ),
        )
    yield _sets(found)
    if len(found.suspects.rows):
        yield _suspects(own, found)
    if len(found.duplicates.pairs):
        yield _duplicates(own, found.duplicates)
    if len(found.outliers.rows):
        tiles = [_tile(own, row) for row in found.outliers.rows[:MOST].tolist()]
        count = counted(len(found.outliers.rows), "image lies", "images lie")
        text = f"{count} far from all others, the farthest first."
        yield Part("Images unlike all others", "Outliers", (Item("text", text), Item("gallery", tiles)))


def _sets(found: Diagnosis) -> Part:
    sets = found.sets
    text = (
        "farfield predict gives for each image the classes that it may be, such that the right one is "
        f"among them for {sets.stated:.0f} % of new images of the same kind. On left-out images it was for "
        f"{within(sets.coverage)}, with {sets.mean_size:.1f} classes in a set on average. Beside it stands "
        "whether an image is unlike all that was learned from."
    )
    return Part(
        "Sets that hold the right class",
        "Prediction sets",
        (
            Item("text", text),
            figure(
                set_sizes(sets),
                "Images by the number of classes in their set",
                "An empty set: no class is likely enough.",
            ),
        ),
    )


def _suspects(own: OwnImages, found: Diagnosis) -> Part:
    suspects, tiles = found.suspects, []
    for place, row in enumerate(suspects.rows[:MOST].tolist()):
        given, other = (own.class_names[int(which[place])] for which in (suspects.given, suspects.suggested))
        tiles.append(
            _tile(
                own,
                row,
                f"labelled {given}, {suspects.own[place]:.0f} %",
                f"rather {other}, {suspects.other[place]:.0f} %",
            )
        )
    expected = f"about {suspects.expected} wrong labels are expected in all; "
    text = (
        f"{counted(len(suspects.rows), 'label', 'labels')} that both the classifier, left out, and the nearest "
        f"images speak against; {'' if found.planted.misleading else expected}the likeliest first. "
        + planted_sentence(found.planted)
    )
    return Part("Labels that seem wrong", "Labels", (Item("text", text), Item("gallery", tiles)))


def _duplicates(own: OwnImages, twins: Duplicates) -> Part:
    tiles = []
    for place in np.argsort(twins.same_class, kind="stable")[:MOST].tolist():  # contrary labels first
        rows = twins.pairs[place]
        names = [own.class_names[label] for label in own.labels[rows].tolist()]
        lines = (
            names[0] if twins.same_class[place] else " or ".join(names),
            *(own.file(row) for row in rows.tolist()),
        )
        alt = f"{' and '.join(own.paths[row] for row in rows.tolist())}: {' and '.join(names)}"
        tiles.append(Tile(contact_sheet(own, rows, SIDE, 2), alt, lines))
    contrary = int((~twins.same_class).sum())
    text = (
        f"{counted(len(twins.pairs), 'pair', 'pairs')}, mirrored and turned copies among them; {contrary} "
        "with two different labels, which stand first."
    )
    return Part("Nearly the same picture", "Copies", (Item("text", text), Item("gallery", tiles)))


def _tile(own: OwnImages, row: int, *lines: str) -> Tile:
    said = lines or (own.class_names[int(own.labels[row])],)
    return Tile(thumbnail(own, row, SIDE), f"{own.paths[row]}: {', '.join(said)}", (*said, own.file(row)))
