"""A page for each few-shot row: its scores on every cell, how they spread, worst episodes, cost and command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from farfield.report.answers import counted
from farfield.report.site import Page, Picture, assets_of
from farfield.results.inputs import labelled
from farfield.results.scores import place
from farfield.results.study import Row, Study

BINS = 20
IMAGENET = "ImageNet network"
STUDIES = {"crossdomain": "across domains", "documents": "on documents"}
BLOCKS = {"deck": "the talk's rows", "beyond": "rows beyond the talk", "imagenet": "ImageNet networks"}


@dataclass(frozen=True)
class WorstEpisode:
    """Of one row on one dataset: the episode that it named worst. classes: (name, how many queries of it were
    named right) in the order of the picture's lines."""

    dataset: str
    shot: int
    episode: int
    accuracy: float
    query: int
    classes: Sequence[tuple[str, int]]
    picture: Picture


@dataclass(frozen=True)
class Spread:
    """How the episodes of one cell spread: quartiles, and how many fall in each of `BINS` bins of 0 to 100 %."""

    cell: str
    title: str
    study: str
    shot: int
    episodes: int
    mean: float
    ci95: float
    rank: int
    rows: int
    quartiles: tuple[float, float, float, float, float]
    bars: tuple[float, ...]


def block(row: Row) -> str:
    """Of `BLOCKS`: whose rows it stands among."""
    if row.get("family") == IMAGENET:
        return "imagenet"
    return "deck" if row["published"] else "beyond"


def row_slug(key: str) -> str:
    return f"row-{key.replace('_', '-')}"


def spreads(study: Study, summary: pd.DataFrame, key: str) -> list[Spread]:
    """Of a row, in the order of cells; summary: of `intervals.summarise`."""
    found = []
    for cell in study.cells:
        own = summary[summary["cell"] == cell].set_index("row")
        if key not in own.index:
            continue
        values = study.units[cell][key].dropna().to_numpy()
        counts, _ = np.histogram(values, bins=BINS, range=(0.0, 100.0))
        dataset, shot = place(cell)[:2]
        found.append(
            Spread(
                cell,
                labelled(study.datasets[str(dataset)]),
                study.datasets[str(dataset)]["study"],
                int(shot),
                len(values),
                float(own["mean"][key]),
                float(own["ci95"][key]),
                int((own["mean"] > own["mean"][key]).sum()) + 1,
                len(own),
                tuple(float(one) for one in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])),  # type: ignore[arg-type]
                tuple(float(one) for one in counts / counts.max()),
            )
        )
    return found


def row_page(
    study: Study,
    summary: pd.DataFrame,
    key: str,
    command: str,
    worst: Sequence[WorstEpisode],
    above: str,
) -> Page:
    """command: what runs it alone. above: the slug of the page that leads here."""
    row, cells = study.rows[key], spreads(study, summary, key)
    said = " ".join(_averaged(name, [one for one in cells if one.study == name]) for name in STUDIES)
    context: dict[str, Any] = {
        "row": row,
        "block": BLOCKS[block(row)],
        "spreads": cells,
        "worst": worst,
        "titles": {name: labelled(card) for name, card in study.datasets.items()},
        "cost": study.costs.get(key, {}),
        "command": command,
        "bins": BINS,
    }
    assets = assets_of([one.picture for one in worst])
    title = row["title"]
    slug = row_slug(key)
    return Page(slug, title, "row.html.j2", context, assets, below=above, answer=counted(slug, title, said))


def _averaged(study: str, cells: Sequence[Spread]) -> str:
    """In a sentence; cells of two studies are never averaged with each other."""
    if not cells:
        return ""
    mean, firsts = float(np.mean([one.mean for one in cells])), sum(one.rank == 1 for one in cells)
    return (
        f"{mean:.1f} % right on average {STUDIES[study]}, ahead of all other rows on {firsts} of "
        f"{len(cells)} cells."
    )


def passes(cost: Mapping[str, float]) -> float:
    """The cost of an episode in forward passes of one image; a backward pass is about two more."""
    return cost["forward"] + 3 * cost["trained"]


def row_pages(
    studies: Sequence[tuple[Study, pd.DataFrame]],
    commands: Mapping[str, str],
    worst: Mapping[str, Sequence[WorstEpisode]],
    above: str,
) -> list[Page]:
    """Of every row, by the first of `studies` (with their summaries) that has it."""
    pages: dict[str, Page] = {}
    for study, summary in studies:
        for key in study.shown_rows:
            if key in commands and key not in pages:
                pages[key] = row_page(study, summary, key, commands[key], worst.get(key, ()), above)
    return list(pages.values())
