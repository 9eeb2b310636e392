"""Two runs of one study held against each other, row by row and cell by cell: what a change between them did.

Both met the same test cases, so a difference is taken case by case and tested as any other of its study is: over
episodes by sign flips (`contrasts`), over images and trainings by Student's law (`intervals`). Where the test
cases are not the same, two means of independent samples are subtracted. All lines that moved are one family of
Holm's.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from farfield.results.comparisons import holm
from farfield.results.contrasts import FLIPS, Contrast, by_cell, estimate, sign_flip_p
from farfield.results.inputs import Dataset
from farfield.results.intervals import Difference, Part, compare, student, variation
from farfield.results.scores import SELECTION, place
from farfield.results.study import Row, Study, Varies

LINES = [
    *("study", "row", "cell", "metric", "before", "after"),
    *("difference", "ci95", "p", "units", "paired", "moved"),
]
# A difference is named at 1 %, not at the 5 % of a report's marks: people read one at every commit, and of twenty
# changes that change nothing one would name a row.
NAMED = 0.01
_KEY = ["row", "cell", "metric"]
BEFORE, AFTER = " before", " after"  # behind the name of a row, in tables that hold it twice
_NOTHING_SAID: Dataset = {
    "title": "",
    "published": "",
    "study": "crossdomain",
    "procedural": False,
    "mirror": "",
    "licence": "",
    "citation": "",
    "homepage": "",
    "notes": "",
}
Line = tuple[str, str, str]  # row, cell, metric
Shared = Mapping[str, Collection[int] | None]


def compare_runs(
    before: pd.DataFrame, after: pd.DataFrame, varies: Varies, seed: int, shared: Shared
) -> pd.DataFrame:
    """LINES of the rows that both have on cells that both have, the later minus the earlier.

    before, after: SCORES of one study; shared: by cell the units that are the same test case in both, None for
    all; a cell that is missing has none. before, after: means over all test cases of each. ci95: half the 95 %
    interval; NaN with p where one training each says nothing of others. units: test cases, of unpaired ones the
    fewer; paired: whether they are the same. moved: whether any value of any test case differs.
    """
    before, after = (table[table["metric"] != SELECTION] for table in (before, after))
    keys = before[_KEY].drop_duplicates().merge(after[_KEY].drop_duplicates())
    if keys.empty:
        return pd.DataFrame(columns=LINES)
    cut = [_shared(table, shared) if varies.units else table for table in (before, after)]
    met = [table[[*_KEY, "unit"]].drop_duplicates() for table in cut]
    sizes = met[0].merge(met[1]).groupby(_KEY).size().to_dict()
    lines: list[Line] = [(row, cell, metric) for row, cell, metric in keys.itertuples(index=False)]
    paired = [line for line in lines if not varies.units or sizes.get(line, 0) > 1]
    found = dict(zip(paired, _paired(cut, paired, varies, seed), strict=True)) if paired else {}
    whole = [one.groupby(_KEY, sort=False) for one in (before, after)]
    means = [_means(one, varies) for one in (before, after)]
    moved = _moved(*cut)
    rows = []
    for line in lines:
        one = found.get(line) or _apart(whole[0].get_group(line), whole[1].get_group(line), varies)
        ci95 = np.nan if one.ci95 is None else one.ci95
        numbers = (means[0][line], means[1][line], one.difference, ci95, one.p, one.units)
        apart = line not in found
        rows.append((str(before["study"].iloc[0]), *line, *numbers, not apart, apart or line in moved))
    return pd.DataFrame(rows, columns=LINES)


def marked(lines: pd.DataFrame) -> pd.DataFrame:
    """`lines` of any number of studies with `holm`, p adjusted for all that moved, and `beyond`: whether chance
    alone does not explain a difference.

    A line that did not move cannot be marked whatever the signs of its differences are, so it is none of the
    family, and the adjustment holds all the same.
    """
    family = lines["moved"].astype(bool) & lines["p"].notna()
    adjusted = pd.Series(1.0, lines.index)
    adjusted[family] = holm(lines.loc[family, "p"].astype(float))
    beyond = (adjusted < NAMED) & (lines["difference"].abs() > lines["ci95"])
    return lines.assign(holm=adjusted, beyond=beyond)


def _paired(tables: Sequence[pd.DataFrame], lines: list[Line], varies: Varies, seed: int) -> list[Difference]:
    scores = pd.concat(
        [table.assign(row=table["row"] + end) for table, end in zip(tables, (BEFORE, AFTER), strict=True)],
        ignore_index=True,
    )
    if varies.law == "1.96":
        return _by_episodes(scores, lines, seed)
    rows: dict[str, Row] = {row: {"title": row, "published": ""} for row in scores["row"].unique()}
    cells = dict.fromkeys((str(place(cell)[0]) for _, cell, _ in lines), _NOTHING_SAID)
    study = Study("two runs", scores, rows, cells, next(iter(rows)), varies=varies)
    return [compare(study, row + AFTER, row + BEFORE, [cell], metric) for row, cell, metric in lines]


def _by_episodes(scores: pd.DataFrame, lines: list[Line], seed: int) -> list[Difference]:
    cells = by_cell(scores)
    contrasts: list[Contrast] = [
        {place(cell): {row + AFTER: 1.0, row + BEFORE: -1.0}} for row, cell, _ in lines
    ]
    found = []
    flips = sign_flip_p(cells, contrasts, seed)
    estimated = estimate(cells, contrasts, seed).to_dict("records")
    for (row, cell, _), one, p in zip(lines, estimated, flips, strict=True):
        if p <= 1 / (1 + FLIPS):  # sign flips know no smaller one, and a thousand lines ask for one
            table = cells[place(cell)]
            apart = (table[row + AFTER] - table[row + BEFORE]).dropna()
            part: Part = (float(apart.var(ddof=1)) / len(apart), len(apart) - 1)
            p = min(p, student(float(apart.mean()), [part]).p)
        found.append(Difference(one["difference"], one["ci95"], p, one["episodes"]))
    return found


def _apart(before: pd.DataFrame, after: pd.DataFrame, varies: Varies) -> Difference:
    """Of two samples of test cases that have nothing to do with each other."""
    units = [_units(table) for table in (before, after)]
    difference = float(units[1].mean() - units[0].mean())
    if min(map(len, units)) < 2:
        return Difference(difference, None, units=min(map(len, units)))
    parts: list[Part] = [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in units]
    several = varies.trainings != "no" and min(table["training"].nunique() for table in (before, after)) > 1
    if several:
        means = [table.groupby("training")["value"].mean().reset_index() for table in (before, after)]
        parts += [variation(table).part for table in means]
    return student(difference, parts, min(map(len, units)), several)


def _units(table: pd.DataFrame) -> pd.Series:
    return table.groupby("unit")["value"].mean()


def _shared(table: pd.DataFrame, shared: Shared) -> pd.DataFrame:
    """The lines of test cases that are the same in both runs."""
    kept = [
        own if shared[str(cell)] is None else own[own["unit"].isin(list(shared[str(cell)] or ()))]
        for cell, own in table.groupby("cell", sort=False)
        if str(cell) in shared
    ]
    return pd.concat(kept) if kept else table[:0]


def _means(table: pd.DataFrame, varies: Varies) -> dict[Line, float]:
    if varies.units:
        means = table.groupby([*_KEY, "unit"])["value"].mean().groupby(_KEY).mean()
        return {_line(key): float(mean) for key, mean in zip(means.index, means, strict=True)}
    return {_line(key): variation(own).mean for key, own in table.groupby(_KEY)}


def _line(key: Any) -> Line:
    row, cell, metric = key
    return row, cell, metric


def _moved(before: pd.DataFrame, after: pd.DataFrame) -> set[Line]:
    """The lines that hold different values."""
    both = before.merge(after, "outer", [*_KEY, "unit", "training", "value"], indicator="side")
    changed = both.loc[both["side"] != "both", _KEY].drop_duplicates()
    return set(changed.itertuples(index=False, name=None))
