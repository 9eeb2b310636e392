"""The first page of the site: what this is, each study in short, what ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farfield.report.answers import Answer
from farfield.report.cells import Table
from farfield.report.site import Drawn, Page, Picture, assets_of, environment


@dataclass(frozen=True)
class Headline:
    """A study in short: the slug of its page, a sentence, a table, and a figure if it has one."""

    slug: str
    title: str
    lead: str
    table: Table
    picture: Picture | None = None

    @property
    def drawn(self) -> Drawn:
        html = environment().get_template("headline.html.j2").render(headline=self)
        return Drawn(self.slug, self.title, html, assets_of([self.picture] if self.picture else []))


def index_page(
    headlines: Sequence[Drawn],
    ran: Mapping[str, str],
    reservations: Sequence[str] = (),
    answers: Sequence[Answer] = (),
) -> Page:
    """`ran` names what was run ("Profile": "mini"); `reservations` are what a reader must not overlook."""
    context = {"headlines": headlines, "ran": ran, "reservations": reservations, "answers": answers}
    assets = {place: data for headline in headlines for place, data in headline.assets.items()}
    return Page("index", "Overview", "index.html.j2", context, assets)
