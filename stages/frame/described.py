"""Dataset cards as the report describes them."""

from farfield.datasets.cards import Card
from farfield.results.inputs import Dataset
from stages.frame.params import Params


def described(params: Params) -> dict[str, Dataset]:
    """Every dataset of the parameters."""
    return {name: _described(card) for name, card in params.datasets.items()}


def _described(card: Card) -> Dataset:
    return {
        "title": card.title,
        "published": card.published,
        "study": "crossdomain",
        "procedural": bool(card.generator),
        "mirror": card.sample,
        "licence": card.licence,
        "citation": card.citation,
        "homepage": card.homepage,
        "notes": card.notes,
    }
