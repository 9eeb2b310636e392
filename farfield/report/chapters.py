"""A chapter: what one family of studies adds to the report, in a folder.

Each family draws its own, so that a change of one study draws its pages alone; the site and the metrics are
joined from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farfield.files import atomic_folder, read_json, write_json
from farfield.report.answers import Answer
from farfield.report.site import Drawn, place_file

if TYPE_CHECKING:
    import pandas as pd

# Of a chapter's folder.
_FACTS = "chapter.json"
_HTML, _ASSETS, _METRICS = "html", "assets", "metrics"


@dataclass(frozen=True)
class Chapter:
    """pages: in the order of the navigation. headlines: of the first page. metrics: files, by the names that they
    have in metrics/. claims: by part of the family, those of metrics/claims.json. ran: facts of the first page on
    what ran. reservations: what a reader of the first page must not overlook."""

    pages: Sequence[Drawn]
    headlines: Sequence[Drawn]
    metrics: Mapping[str, Path]
    claims: Mapping[str, Any]
    ran: Mapping[str, str]
    reservations: Sequence[str]


def write_chapter(
    folder: Path,
    pages: Sequence[Drawn],
    headlines: Sequence[Drawn] = (),
    *,
    metrics: Mapping[str, Any],
    tables: "Mapping[str, pd.DataFrame] | None" = None,
    claims: Mapping[str, Any] | None = None,
    ran: Mapping[str, str] | None = None,
    reservations: Sequence[str] = (),
) -> None:
    """What `Chapter` says; `folder` is replaced whole. metrics: values of JSON files, by name without suffix.
    tables: those of CSV files, for plots. InputError if two pages bring different files for the same place."""
    with atomic_folder(folder) as partial:
        facts = {
            "pages": [_written(partial, page, page.slug) for page in pages],
            "headlines": [_written(partial, one, f"headline-{one.slug}") for one in headlines],
            "claims": claims or {},
            "ran": ran or {},
            "reservations": list(reservations),
        }
        write_json(partial / _FACTS, facts)
        for name, value in metrics.items():
            write_json(partial / _METRICS / f"{name}.json", value)
        for name, table in (tables or {}).items():
            place_file(partial / _METRICS / f"{name}.csv", table.to_csv(index=False).encode())


def read_chapter(folder: Path, group: str = "") -> Chapter:
    """group: of the navigation, in which its pages stand."""
    facts = read_json(folder / _FACTS)
    return Chapter(
        pages=[_read(folder, page, group) for page in facts["pages"]],
        headlines=[_read(folder, headline) for headline in facts["headlines"]],
        metrics={path.name: path for path in sorted((folder / _METRICS).glob("*"))},
        claims=facts["claims"],
        ran=facts["ran"],
        reservations=facts["reservations"],
    )


def _written(folder: Path, drawn: Drawn, name: str) -> dict[str, Any]:
    """What `_read` reads it by."""
    place_file(folder / _HTML / f"{name}.html", drawn.html.encode())
    for place, data in drawn.assets.items():
        place_file(folder / _ASSETS / place, data)
    said = {"slug": drawn.slug, "title": drawn.title, "below": drawn.below}
    answer = asdict(drawn.answer) if drawn.answer else None
    return {**said, "answer": answer, "html": name, "assets": list(drawn.assets)}


def _read(folder: Path, written: Mapping[str, Any], group: str = "") -> Drawn:
    html = (folder / _HTML / f"{written['html']}.html").read_bytes().decode()
    assets = {place: folder / _ASSETS / place for place in written["assets"]}
    answer = Answer(**written["answer"]) if written["answer"] else None
    return Drawn(written["slug"], written["title"], html, assets, group, written["below"], answer)
