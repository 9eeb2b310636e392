"""The static site: pages are values, a folder of HTML is what they become.

A study adds itself to the report by handing over one more `Page` with a template of its own; no
other page changes. The site loads nothing from a network and opens from disk.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from farfield.errors import InputError
from farfield.files import atomic_folder

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"
_SHARED_FILES = ("style.css", "sort.js")


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
    the site: bytes, or a file to copy.
    """

    slug: str
    title: str
    html: str
    assets: Mapping[str, bytes | Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page before it is drawn: the fields of `Drawn`, and what its template needs."""

    slug: str
    title: str
    template: str
    context: Mapping[str, Any]
    assets: Mapping[str, bytes | Path] = field(default_factory=dict)

    @property
    def drawn(self) -> Drawn:
        html = environment().get_template(self.template).render(**self.context, page=self)
        return Drawn(self.slug, self.title, html, self.assets)


def assets_of(pictures: Sequence[Picture]) -> dict[str, bytes | Path]:
    """The files of `pictures`, as `Page.assets` wants them."""
    return {picture.path: picture.data for picture in pictures}


def csv(frame: "pd.DataFrame", digits: int) -> bytes:
    """A table for download, floats to `digits` digits after the point."""
    return frame.to_csv(index=False, float_format=f"%.{digits}f", lineterminator="\n").encode()


def write_site(folder: Path, pages: Sequence[Drawn]) -> None:
    """Write `pages`, in the order of the navigation, and their files; `folder` is replaced whole.

    The same pages give the same bytes. Raises InputError when there is no page `index`, when two
    pages share a slug, or when two pages bring different files for the same place.
    """
    slugs = [page.slug for page in pages]
    if "index" not in slugs or len(set(slugs)) < len(slugs):
        raise InputError(
            f"A site needs a page 'index' and every page a slug of its own, but the slugs are "
            f"{', '.join(slugs) or 'none'}. Add the page or rename one of them."
        )
    frame = environment().get_template("frame.html.j2")
    with atomic_folder(folder) as partial:
        for page in pages:
            text = frame.render(page=page, pages=pages)
            (partial / f"{page.slug}.html").write_text(text, encoding="utf-8")
            for place, data in page.assets.items():
                place_file(partial / place, data)
        for name in _SHARED_FILES:
            shutil.copyfile(TEMPLATES / name, partial / name)


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
