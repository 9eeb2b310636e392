"""Which layout each class of pages has."""

from collections.abc import Callable

import numpy as np

from farfield.datasets.procedural.documents import correspondence, displays, publications, tables
from farfield.datasets.procedural.documents.scan import handle, scan
from farfield.datasets.procedural.documents.sheet import Sheet

LAYOUTS: dict[str, Callable[[np.random.Generator], Sheet]] = {
    "letter": correspondence.letter,
    "form": tables.form,
    "email": correspondence.email,
    "handwritten": correspondence.handwritten,
    "advertisement": displays.advertisement,
    "scientific_report": publications.scientific_report,
    "scientific_publication": publications.scientific_publication,
    "specification": tables.specification,
    "file_folder": displays.file_folder,
    "news_article": publications.news_article,
    "budget": tables.budget,
    "invoice": tables.invoice,
    "presentation": displays.presentation,
    "questionnaire": tables.questionnaire,
    "resume": correspondence.resume,
    "memo": correspondence.memo,
}


def scanned_page(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """The scan of one page of this class: uint8 [size, size]."""
    page = LAYOUTS[kind](rng)
    handle(page)
    return scan(page, size)
