"""Verdicts on the claims about AdaShare as tables and sentences."""

from collections.abc import Sequence

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.claims_page import VERDICT_MARKS, published_difference, signed
from farfield.results.sharing_claims import JudgedSharing
from farfield.results.sharing_headings import TASKS
from farfield.results.sharing_statistics import OVERALL, Difference


def claims_table(judged: Sequence[JudgedSharing]) -> Table:
    """A claim a row: verdict, deciding difference, at how many tasks, and the same as published."""
    rows = []
    for one in judged:
        verdict = Cell(one.verdict, value=one.verdict, kind=VERDICT_MARKS.get(one.verdict, "text"))
        published = len(one.published) - 1
        rows.append(
            (
                words(one.claim.statement),
                verdict,
                _difference(one.whole, marked=False),
                _tasks(one.above, len(one.parts)) if one.parts else EMPTY,
                published_difference(one.published.get(OVERALL)),
                _tasks(one.published_above, published, "published") if one.published else EMPTY,
            )
        )
    titles = ("Verdict", "Difference", "Tasks above", "Published", "Tasks, published")
    return Table(
        caption="Verdicts, with the deciding difference of Δ overall in percentage points",
        columns=(Column("Claim"), *(Column(title) for title in titles)),
        rows=tuple(rows),
        note="Supported: the 95 % interval over trainings lies above zero. Contradicted: below. Undecided: it "
        "includes zero, or there is none, as neither row has two trainings that differ. Not tested: rows are "
        "missing. Published: the same difference within the published table, whose protocol is its own.",
        style="wrapped",
    )


def evidence_table(judged: Sequence[JudgedSharing]) -> Table | None:
    """The differences of every claim overall and at each task; None if none was tested."""
    tested = [one for one in judged if one.whole]
    if not tested:
        return None
    tasks = (OVERALL, *tested[0].parts)
    columns = [Column("Rows")]
    for task in tasks:
        title = TASKS.get(task, "Over all")
        columns.append(Column("ours", title))
        columns += [Column("published", title)] if any(one.published for one in tested) else []
    rows = []
    for one in tested:
        cells = [words(one.title)]
        for task in tasks:
            cells.append(_difference(one.whole if task == OVERALL else one.parts[task]))
            if len(columns) > len(tasks) + 1:
                cells.append(published_difference(one.published.get(task)))
        rows.append(tuple(cells))
    return Table(
        caption="Differences of Δ in percentage points, with 95 % intervals",
        columns=tuple(columns),
        rows=tuple(rows),
        note="▲ and ▼ mark intervals that lie on one side of zero, without adjustment for their number.",
        style="wrapped",
    )


def sentence(judged: JudgedSharing) -> str:
    """The deciding numbers in words."""
    sentences = []
    if judged.whole is None:
        sentences.append("Rows that it needs did not run.")
    else:
        whole, tasks = judged.whole, len(judged.parts)
        interval = "" if whole.ci95 is None else f" ± {whole.ci95:.2f}"
        sentences.append(
            f"{judged.title}: {signed(whole.difference)}{interval} points of Δ, above at {judged.above} of "
            f"{tasks} tasks."
        )
        if whole.ci95 is None:
            sentences.append("Neither of the two has trainings that differ, so nothing is known of others.")
    if judged.published:
        sentences.append(
            f"The published table says {signed(judged.published[OVERALL])}, above at "
            f"{judged.published_above} of {len(judged.published) - 1}."
        )
    else:
        sentences.append("The published table has not the rows to say.")
    return " ".join(sentences)


def _difference(value: Difference | None, marked: bool = True) -> Cell:
    if value is None:
        return EMPTY
    kind = VERDICT_MARKS.get(value.verdict, "") if marked else ""
    return number(value.difference, value.ci95, kind, signed=True)


def _tasks(above: int, tasks: int, kind: str = "") -> Cell:
    return Cell(f"{above} of {tasks}", value=above / tasks, kind="published" if kind else "")
