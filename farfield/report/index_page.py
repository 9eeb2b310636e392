"""The first page of the site: what this is, each study in short, what ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farfield.report.cells import Table
from farfield.report.site import Page, Picture, assets_of


@dataclass(frozen=True)
class Headline:
    """A study in short: the slug of its page, a sentence, a table, and a figure if it has one."""

    slug: str
    title: str
    lead: str
    table: Table
    picture: Picture | None = None


def index_page(
    headlines: Sequence[Headline], ran: Mapping[str, str], reservations: Sequence[str] = ()
) -> Page:
    """`ran` names what was run ("Profile": "mini"); `reservations` are what a reader must not overlook."""
    context = {"headlines": headlines, "ran": ran, "reservations": reservations}
    assets = assets_of([headline.picture for headline in headlines if headline.picture])
    return Page("index", "Overview", "index.html.j2", context, assets)
