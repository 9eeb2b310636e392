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
# The strictest first.
MARKS: dict[Terms, str] = {"non-commercial": " [non-commercial]", "own terms": " [terms of its own]"}


def terms(licence: str) -> Terms:
    """Of a licence by its name, as timm's cards and Hugging Face give it. What is not known to be free has terms
    of its own (DINOv3, Gemma, ...), which a reader must see; "not stated" is one that nobody has named."""
    if not licence.strip() or licence.strip().lower() in ("unknown", "none", "not stated"):
        return "not stated"
    if NON_COMMERCIAL.search(licence):
        return "non-commercial"
    return "free" if FREE.match(licence.strip()) else "own terms"


def mark(*licences: str) -> str:
    """What stands in tables behind the name of a network, or of a row that has several: of the strictest of their
    licences, and nothing if all are free."""
    kinds = {terms(licence) for licence in licences}
    return next((said for kind, said in MARKS.items() if kind in kinds), "")
