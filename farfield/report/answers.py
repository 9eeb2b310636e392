"""What a page is there to say, before all else: what was asked, what was found, and how sure that is."""

from dataclasses import dataclass
from typing import Literal

Surety = Literal["sure", "not sure", "not known", ""]  # "": a count, of which there is no other run


@dataclass(frozen=True)
class Answer:
    """slug, title: of the page that says more. asked, found: a sentence each. surety: whether another run would
    find the same; because: what that rests on, in a sentence."""

    slug: str
    title: str
    asked: str
    found: str
    surety: Surety
    because: str


def counted(slug: str, title: str, found: str, because: str = "") -> Answer:
    """Of a page that counts and judges nothing."""
    return Answer(slug, title, "", found, "", because)
