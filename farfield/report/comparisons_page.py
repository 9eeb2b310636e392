"""The page that sets every method against every other."""

from collections.abc import Mapping

import pandas as pd

from farfield.report.answers import counted
from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.claims_page import PARTS
from farfield.report.matrices import difference_matrices
from farfield.report.site import Page, Picture, assets_of, csv
from farfield.report.tables import count, direction
from farfield.results.comparisons import SIGNIFICANT
from farfield.results.contrasts import FLIPS, RESAMPLES
from farfield.results.families import FewShotStudy
from farfield.results.findings import Findings
from farfield.results.inputs import labelled
from farfield.results.study import Row


def comparisons_page(found: Findings[FewShotStudy]) -> Page:
    """For each part of the study a matrix of methods, and the same on each dataset as a picture."""
    sections, frames, said = [], [], []
    for name, part in found.parts.items():
        study, overall = part.study, part.comparisons.overall
        if overall.empty:
            continue
        picture = Picture(
            f"figures/comparisons-{name}.svg",
            f"Matrices of coloured squares: differences between methods on {study.names}.",
            "Row minus column on each dataset, averaged over shots: blue where the row is better, red where "
            "the column is. A dot marks pairs that differ significantly, adjusted for all pairs of the "
            "dataset.",
            difference_matrices(part),
            wide=len(study.shown_datasets) > 1,
        )
        apart = int((overall["holm"] < SIGNIFICANT).sum())
        said.append(f"{PARTS[name]}, {apart} of {len(overall)} pairs of methods differ significantly.")
        table = matrix_table(overall, study.shown_rows, study.rows)
        sections.append((PARTS[name], study.names, table, picture))
        frames.append(part.comparisons.pairs.assign(study=name))
    context = {
        "reservations": found.study.reservations,
        "sections": sections,
        "reuse": reuse_table(found),
        "resamples": RESAMPLES,
        "flips": FLIPS,
        "least": int(found.summary["units"].min()),
    }
    assets = assets_of([picture for *_, picture in sections])
    if frames:
        pairs = pd.concat(frames, ignore_index=True)
        assets["comparisons.csv"] = csv(pairs, 5)
    answer = counted("comparisons", "Comparisons", " ".join(said)) if said else None
    return Page("comparisons", "Comparisons", "comparisons.html.j2", context, assets, answer=answer)


def matrix_table(overall: pd.DataFrame, keys: list[str], rows: Mapping[str, Row]) -> Table:
    """Row minus column over all cells that both have, to one digit; marked where significant.

    overall: POOLED_COLUMNS of `farfield.results.comparisons`. The columns are numbered like the rows.
    """
    cells: dict[tuple[str, str], Cell] = {}
    for row in overall.to_dict("records"):
        for a, b, sign in ((row["method"], row["other"], 1), (row["other"], row["method"], -1)):
            value = sign * row["difference"]
            text = f"{value:+.1f}".replace("-", "−")
            cells[a, b] = Cell(text, value=value, kind=direction(value, row["holm"]))
    return Table(
        caption="Row minus column in percentage points, the mean over all cells that both were run on",
        columns=(Column("Method"), *(Column(str(i)) for i in range(1, len(keys) + 1))),
        rows=tuple(
            (
                words(f"{i} {rows[row]['title']}"),
                *(Cell("·") if row == other else cells.get((row, other), EMPTY) for other in keys),
            )
            for i, row in enumerate(keys, 1)
        ),
        note=f"Colour: significant at 5 %, adjusted by Holm's method for the {len(overall)} "
        f"pairs of this table; green if the row is better. Columns have the numbers of the rows.",
        style="matrix",
    )


def reuse_table(found: Findings[FewShotStudy]) -> Table | None:
    """How often an image is drawn on average; None unless a dataset says how many images it has."""
    study, counts = found.study, found.summary.groupby("cell")["units"].max()
    known = [key for key in study.shown_datasets if "images" in study.datasets[key]]
    if not known:
        return None
    rows = []
    for key in known:
        images = study.datasets[key]["images"]
        cells = [words(labelled(study.datasets[key])), count(images)]
        for shot in found.shots:
            drawn = counts.get(f"{key} {shot}-shot", 0) * study.way * (shot + study.query)
            cells.append(number(drawn / images) if drawn else EMPTY)
        rows.append(tuple(cells))
    return Table(
        caption="How often an image is drawn, on average over the images of a dataset",
        columns=tuple(map(Column, ("Dataset", "Images", *(f"{shot}-shot" for shot in found.shots)))),
        rows=tuple(rows),
    )
