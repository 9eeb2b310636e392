"""Verdicts on claims as tables and sentences."""

from collections.abc import Mapping, Sequence

from farfield.report.cells import EMPTY, Cell, Column, Kind, Table, number, words
from farfield.report.tables import share
from farfield.report.wording import Wording
from farfield.results.claims import Comparison, Judged
from farfield.results.contrasts import Cell as Part
from farfield.results.findings import Findings
from farfield.results.headings import TASKS
from farfield.results.inputs import is_real, labelled
from farfield.results.intervals import Difference
from farfield.results.study import Study

MARKS: Mapping[str, Kind] = {"supported": "above", "contradicted": "below"}


def sections(
    parts: Mapping[str, Findings], judged: Mapping[str, Sequence[Judged]], wording: Wording, first: str
) -> list[tuple]:
    """(claim, [(part, judged, sentence, rows picked, table of evidence)]) of every claim; first: the title of
    the table's first column."""
    found = []
    for claims in zip(*judged.values(), strict=True):
        tested = []
        for (title, part), one in zip(parts.items(), claims, strict=True):
            picked = dict.fromkeys(row for comparison in one.comparisons for row in comparison.picked)
            known = any(comparison.parts for comparison in one.comparisons)
            table = evidence_table(one, part.study, first) if known else None
            tested.append((title, one, sentence(one, wording), ", ".join(picked), table))
        found.append((claims[0].claim, tested))
    return found


def spoken(parts: Mapping[str, Findings]) -> dict[str, list[Judged]]:
    """The claims by part, without those of which neither a run nor the published table speaks."""
    keys = {one.claim.key for part in parts.values() for one in part.claims if one.comparisons}
    return {title: [one for one in part.claims if one.claim.key in keys] for title, part in parts.items()}


def claims_table(judged: Mapping[str, Sequence[Judged]], wording: Wording) -> Table:
    """A claim a row: verdict, deciding difference, in how many parts, and the same as published; a group of
    columns for each of `judged`."""
    counted = wording.counted
    titles = ["Verdict", "Difference", *([f"{counted} above"] if counted else []), "Published"]
    titles += [f"{counted}, published"] if counted else []
    rows = []
    for claims in zip(*judged.values(), strict=True):
        cells = [words(claims[0].claim.statement)]
        for one in claims:
            first, talk = one.first, one.first.talk
            cells.append(Cell(one.verdict, value=one.verdict, kind=MARKS.get(one.verdict, "text")))
            cells.append(difference_cell(first.whole, marked=False))
            if counted:
                cells.append(share(first.above, len(first.parts)) if first.parts else EMPTY)
            cells.append(published_difference(talk.difference if talk else None))
            if counted:
                cells.append(share(talk.above, talk.sets, "published") if talk else EMPTY)
        rows.append(tuple(cells))
    return Table(
        caption=wording.caption,
        columns=(Column("Claim"), *(Column(title, name) for name in judged for title in titles)),
        rows=tuple(rows),
        note=wording.note,
        style="wrapped",
    )


def evidence_table(judged: Judged, study: Study, first: str) -> Table:
    """The deciding and the further comparisons of one claim, over all and in parts."""
    tested = [one for one in judged.comparisons if one.whole]
    parts: list[Part] = list(dict.fromkeys(part for one in tested for part in one.parts))
    order = {key: i for i, key in enumerate(study.datasets)}
    parts.sort(key=lambda part: (order[part[0]], part[1:] if isinstance(part[-1], int) else ()))
    real = all(is_real(study.datasets[part[0]]) for part in parts)
    sides = ("ours", "published" if real else "published, on the real datasets")
    rows = [(words("over all"), *_pairs(tested, ()))]
    rows += [(words(_named(part, study)), *_pairs(tested, part)) for part in parts]
    return Table(
        caption="Differences in percentage points, with 95 % intervals",
        columns=(Column(first), *(Column(side, one.title) for one in tested for side in sides)),
        rows=tuple(rows),
    )


def task_evidence(judged: Sequence[Judged]) -> Table | None:
    """The differences of every claim overall and at each task, a claim a row; None if none was tested."""
    tested = [one.first for one in judged if one.first.whole]
    if not tested:
        return None
    sides = ["ours", "published"] if any(one.published for one in tested) else ["ours"]
    parts: list[Part] = [(), *tested[0].parts]
    titles = ["Over all" if not part else TASKS[part[0]] for part in parts]
    return Table(
        caption="Differences of Δ in percentage points, with 95 % intervals",
        columns=(Column("Rows"), *(Column(side, title) for title in titles for side in sides)),
        rows=tuple(
            (words(one.title), *(cell for part in parts for cell in _pairs([one], part)[: len(sides)]))
            for one in tested
        ),
        note="▲ and ▼ mark intervals that lie on one side of zero, without adjustment for their number.",
        style="wrapped",
    )


def _pairs(tested: Sequence[Comparison], part: Part) -> list[Cell]:
    """Ours and the published, of each comparison on a part; () is over all."""
    return [
        cell
        for one in tested
        for cell in (
            difference_cell(one.parts.get(part) if part else one.whole),
            published_difference(one.published.get(part)),
        )
    ]


def _named(part: Part, study: Study) -> str:
    """The title of a cell, of a dataset, or of a step between two datasets."""
    datasets = [labelled(study.datasets[name]) for name in part if name in study.datasets]
    shots = [f"{shot}-shot" for shot in part if shot not in study.datasets]
    return " → ".join(datasets) + "".join(f", {shot}" for shot in shots)


def sentence(judged: Judged, wording: Wording) -> str:
    """What decided, in words, and what the published table says."""
    first, whole = judged.first, judged.first.whole
    said = wording.says(first, whole) if whole else "Rows that it needs did not run."
    talk = wording.talk(first.talk) if first.talk else "The published table has not the rows to say."
    return f"{said} {talk}"


def difference_cell(value: Difference | None, marked: bool = True) -> Cell:
    """A difference with its interval, marked with its verdict."""
    if value is None:
        return EMPTY
    kind = MARKS.get(value.verdict, "") if marked else ""
    return number(value.difference, value.ci95, kind, signed=True)


def published_difference(value: float | None) -> Cell:
    """A difference between published numbers, which have no interval."""
    return EMPTY if value is None else number(value, kind="published", signed=True)
