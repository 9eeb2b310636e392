"""Scanned pages: stands in for RVL-CDIP, whose sixteen classes it has.

Grey, flat, made of type and rules. The class is the layout: letters, memos and mails are all running
text under different heads, and forms, invoices and budgets all ruled columns. Typefaces, sizes,
margins, amount of text, copying, skew, stamps and dirt vary within a class. Pages are squeezed to a
square, as the pages of RVL-CDIP are when they are packed.
"""

import numpy as np

CLASSES = (
    "letter",
    "form",
    "email",
    "handwritten",
    "advertisement",
    "scientific_report",
    "scientific_publication",
    "specification",
    "file_folder",
    "news_article",
    "budget",
    "invoice",
    "presentation",
    "questionnaire",
    "resume",
    "memo",
)


def name(index: int, seed: int) -> str:
    return CLASSES[index]


def draw(rng: np.random.Generator, index: int, size: int, seed: int) -> np.ndarray:
    """One page of class `index`: uint8 [size, size]; drawn at 48 pixels an inch, so best below 200."""
    # Pillow and matplotlib's fonts are needed only where pages are drawn.
    from farfield.datasets.procedural.documents.pages import scanned_page

    return scanned_page(rng, CLASSES[index], size)
