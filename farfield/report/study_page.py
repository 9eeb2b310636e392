"""The page of a study: a list of sections, and beside it the same as CSV and Markdown. And its headline.

A new family of methods hands over its sections; nothing else of the report changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farfield.report.answers import Answer
from farfield.report.cells import Table, markdown
from farfield.report.site import Page, Picture, assets_of

Block = tuple[str, Any]


@dataclass(frozen=True)
class Section:
    """A heading with its place, and what stands below it, in order.

    blocks: ("table", Table), ("titled", a Table whose caption the heading above already says), ("picture",
    Picture), ("heading", (title, place, badge)), ("text" or "note", a paragraph), ("verdict", (verdict,
    place, sentence)), ("folded", (summary, tables, open)), ("examples", ExampleGrid). Those whose value is
    None are left out.
    """

    place: str
    title: str
    blocks: Sequence[Block]

    @property
    def shown(self) -> list[Block]:
        return [(kind, value) for kind, value in self.blocks if value is not None]

    @property
    def pictures(self) -> list[Picture]:
        own = [value for kind, value in self.shown if kind == "picture"]
        return own + [one for kind, value in self.shown if kind == "examples" for one in value.columns]


@dataclass(frozen=True)
class StudyPage:
    """slug: also the name of its files. contents: (place, title) of the links at its top. texts: further
    values of its template, which says what the study is about. tables: those of the Markdown, a string being
    a heading."""

    slug: str
    title: str
    short_title: str
    reservations: Sequence[str]
    sections: Sequence[Section]
    scores: bytes
    tables: Sequence[Table | str | None]
    template: str = "study.html.j2"
    contents: Sequence[tuple[str, str]] = ()
    badge: str = ""
    answer: Answer | None = None
    texts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def markdown(self) -> str:
        """The tables as Markdown, for a README or a merge request."""
        parts = [f"# {self.title}\n", *(f"> {text}\n" for text in self.reservations)]
        parts += [one if isinstance(one, str) else markdown(one) for one in self.tables if one]
        return "\n".join(parts)

    @property
    def page(self) -> Page:
        shown = [section for section in self.sections if section.shown]
        context = {
            "slug": self.slug,
            "title": self.title,
            "badge": self.badge,
            "reservations": self.reservations,
            "contents": self.contents,
            "sections": shown,
            **self.texts,
        }
        assets = assets_of([picture for section in shown for picture in section.pictures])
        assets |= {f"{self.slug}.csv": self.scores, f"{self.slug}.md": self.markdown.encode()}
        return Page(self.slug, self.short_title, self.template, context, assets, answer=self.answer)


def heading(title: str, place: str = "", badge: str = "") -> Block:
    return "heading", (title, place, badge)


def tables(*found: Table | None) -> list[Block]:
    return [("table", table) for table in found]
