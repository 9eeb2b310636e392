"""The static site: pages are values, a folder of HTML is what they become.

A study adds itself to the report by handing over one more `Page` with a template of its own; no
other page changes. The site loads nothing from a network and opens from disk.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from farfield.errors import InputError
from farfield.files import atomic_folder
from farfield.report.answers import Answer

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"
_SHARED_FILES = ("style.css", "sort.js", "find.js", "explore.js")
_HEADING = re.compile(r"<h([123])(?: id=\"([^\"]+)\")?[^>]*>(.*?)</h\1>", re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """An image on a page: its place in the site, what it shows in words, and its bytes or file."""

    path: str
    alt: str
    caption: str
    data: bytes | Path
    wide: bool = True  # scrolls on a narrow screen rather than shrink


@dataclass(frozen=True)
class Drawn:
    """A page, or what the first page says of one, as HTML: all but the frame, whose navigation knows every page.

    slug: its file name without `.html`. title: in the navigation. assets: the files beside it, by their place in
    the site: bytes, or a file to copy. group: under which the navigation has it; "" stands alone. below: the slug
    of a page that leads to it, where the navigation does not. answer: what the page says, before all else.
    """

    slug: str
    title: str
    html: str
    assets: Mapping[str, bytes | Path] = field(default_factory=dict)
    group: str = ""
    below: str = ""
    answer: Answer | None = None


@dataclass(frozen=True)
class Page:
    """A page before it is drawn: the fields of `Drawn`, and what its template needs."""

    slug: str
    title: str
    template: str
    context: Mapping[str, Any]
    assets: Mapping[str, bytes | Path] = field(default_factory=dict)
    below: str = ""
    answer: Answer | None = None

    @property
    def drawn(self) -> Drawn:
        html = environment().get_template(self.template).render(**self.context, page=self)
        return Drawn(self.slug, self.title, html, self.assets, below=self.below, answer=self.answer)


def assets_of(pictures: Sequence[Picture]) -> dict[str, bytes | Path]:
    """The files of `pictures`, as `Page.assets` wants them."""
    return {picture.path: picture.data for picture in pictures}


def csv(frame: "pd.DataFrame", digits: int) -> bytes:
    """A table for download, floats to `digits` digits after the point."""
    return frame.to_csv(index=False, float_format=f"%.{digits}f", lineterminator="\n").encode()


def write_site(folder: Path, pages: Sequence[Drawn], source: str = "") -> None:
    """Write `pages`, in the order of the navigation, and their files; `folder` is replaced whole.

    source: what drew them, for the foot of each page. The same pages give the same bytes. Raises InputError when
    there is no page `index`, when two pages share a slug, or when two pages bring different files for the same
    place.
    """
    slugs = [page.slug for page in pages]
    if "index" not in slugs or len(set(slugs)) < len(slugs):
        raise InputError(
            f"A site needs a page 'index' and every page a slug of its own, but the slugs are "
            f"{', '.join(slugs) or 'none'}. Add the page or rename one of them."
        )
    frame = environment().get_template("frame.html.j2")
    groups, titles = navigation(pages), {page.slug: page.title for page in pages}
    with atomic_folder(folder) as partial:
        (partial / "places.js").write_text(f"const PLACES = {_places(pages)};\n", encoding="utf-8")
        for page in pages:
            text = frame.render(page=page, groups=groups, titles=titles, source=source)
            (partial / f"{page.slug}.html").write_text(text, encoding="utf-8")
            for place, data in page.assets.items():
                place_file(partial / place, data)
        for name in _SHARED_FILES:
            shutil.copyfile(TEMPLATES / name, partial / name)


def navigation(pages: Sequence[Drawn]) -> list[tuple[str, list[Drawn]]]:
    """(group, its pages), a page without a group by itself, in the order of appearance; those below others are
    left out."""
    groups: dict[str, list[Drawn]] = {}
    for page in pages:
        if not page.below:
            groups.setdefault(page.group or page.slug, []).append(page)
    return list(groups.items())


def _places(pages: Sequence[Drawn]) -> str:
    """As JSON what the search of the pages looks through: [page, heading, address] of every heading that has an
    address."""
    found = []
    for page in pages:
        for level, place, text in _HEADING.findall(page.html):
            words = " ".join(Markup(re.sub(r"<[^>]+>", " ", text)).unescape().split())
            if level == "1" or place:
                found.append([page.title, words, f"{page.slug}.html{f'#{place}' if place else ''}"])
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def environment(*folders: Path) -> Environment:
    """Of the report's templates, and of those in `folders`."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["anchor"] = anchor
    made.filters["thousands"] = lambda count: f"{count:,}".replace(",", " ")
    return made


def anchor(title: str) -> str:
    """`title` as the name of a place on a page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def place_file(path: Path, data: bytes | Path) -> None:
    """Write `data` or copy it. InputError if another page has brought a different file for the same place."""
    content = data if isinstance(data, bytes) else data.read_bytes()
    if path.exists() and path.read_bytes() != content:
        raise InputError(
            f"Two pages of the site bring different files named '{path.name}'. Rename one of them."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
