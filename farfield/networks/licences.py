"""What the licence of a network's weights asks of who uses them."""

import re
from typing import Literal

Terms = Literal["free", "non-commercial", "own terms", "not stated"]

FREE = re.compile(
    r"apache|mit\b|bsd|isc\b|cc0|cc-by-(sa-)?[1-4]|public domain|mine\b|unlicense|zlib|mpl", re.I
)
# Also those whose text allows research alone without saying so in its name.
NON_COMMERCIAL = re.compile(
    r"non-?commercial|[-_ ]nc\b|cc-by-nc|research|apple-amlr|seer-license|swag|imagenet terms", re.I
)
MARKS = {"non-commercial": " [non-commercial]", "own terms": " [terms of its own]"}


def terms(licence: str) -> Terms:
    """Of a licence by its name, as timm's cards and Hugging Face give it. What is not known to be free has terms
    of its own (DINOv3, Gemma, ...), which a reader must see; "not stated" is one that nobody has named."""
    if not licence.strip() or licence.strip().lower() in ("unknown", "none", "not stated"):
        return "not stated"
    if NON_COMMERCIAL.search(licence):
        return "non-commercial"
    return "free" if FREE.match(licence.strip()) else "own terms"


def mark(licence: str) -> str:
    """What stands behind a network's name in tables: nothing if its weights are free."""
    return MARKS.get(terms(licence), "")
