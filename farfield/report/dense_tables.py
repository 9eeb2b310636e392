"""Multi-task results as tables for readers: scores, relative performance, costs, what was learned at all.

Published numbers stand in tables of their own beside ours, since a table holds one protocol.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.tables import share, with_best
from farfield.results.derived import OVERALL, above_constant, delta_metrics, published_deltas
from farfield.results.families import SharingStudy
from farfield.results.findings import Findings
from farfield.results.headings import METRICS, TASKS, heading, metrics_of
from farfield.results.inputs import is_real, listed
from farfield.sharing.metrics import HIGHER_IS_BETTER


def score_tables(found: Findings[SharingStudy], rows: Sequence[str]) -> list[Table]:
    """The metrics of `rows`, a table a task; one for all tasks if each has a single metric."""
    return [_score_table(found, rows, tasks) for tasks in _grouped(found.study)]


def published_tables(study: SharingStudy) -> list[Table | None]:
    """The published counterpart of each of `score_tables`, None where there is none."""
    return [_published_table(study, tasks) for tasks in _grouped(study)]


def delta_table(found: Findings[SharingStudy], rows: Sequence[str]) -> Table | None:
    """Delta of `rows` at each task and overall; None without a reference."""
    study, summary = found.study, found.deltas.summary
    if summary.empty or not rows:
        return None
    tasks = [*study.tasks, OVERALL]
    kept, reference = delta_metrics(study), study.title_of(study.reference)
    out = [name for task, names in study.metrics.items() for name in names if name not in kept[task]]
    left = [f"{METRICS[name].title} ({TASKS[METRICS[name].task].lower()})" for name in out]
    without = f" Without {listed(left)}, not above zero there." if left else ""
    counts = summary.loc[summary["row"] == study.reference, "samples"]
    samples = int(counts.iloc[0]) if len(counts) else 0
    return Table(
        caption=f"Relative performance Δ in percent on {study.title}, protocol {study.protocol}",
        columns=(*map(Column, ("Method", "Samples")), *_delta_columns(study)),
        rows=_lines(study, summary, rows, "cell", tasks, lambda name: 2, signed=True),
        note=f"Δ of a task: how much better its metrics are than those of {reference}, in percent of these, the "
        f"mean over the task's metrics; overall: the mean over tasks. The reference is this run's own "
        f"{reference}, {'one sample' if samples == 1 else f'the mean over {samples} samples'}.{without} "
        f"{_samples_note(study)}",
        style="wrapped",
    )


def published_delta_table(study: SharingStudy) -> Table | None:
    """Delta of the published rows among themselves."""
    found = published_deltas(study)
    if not found:
        return None
    lines = [
        [words(name), *(number(own[task], signed=True) for task in (*study.tasks, OVERALL))]
        for name, own in found.items()
    ]
    return Table(
        caption=f"Published: relative performance Δ in percent on {_published_name(study)}",
        columns=(Column("Method"), *_delta_columns(study)),
        rows=with_best(lines, first=1),
        note="By the same formula from the published metrics, relative to the published single-task row. "
        "Rounding of small metrics in the published table moves these numbers.",
        style="wrapped",
    )


def learned_table(found: Findings[SharingStudy]) -> Table | None:
    """How many metrics of each task are better than the constant predictor's; None if that did not run."""
    study = found.study
    counts = above_constant(study, found.summary)
    if counts.empty:
        return None
    cells = {
        (row["row"], row["cell"]): share(
            row["better"], row["metrics"], "" if row["better"] == row["metrics"] else "below"
        )
        for row in counts.to_dict("records")
    }
    return Table(
        caption="Metrics that are better than those of the best constant prediction",
        columns=(Column("Method"), *(Column(TASKS[task]) for task in study.tasks)),
        rows=tuple(
            (words(study.title_of(key)), *(cells[key, task] for task in study.tasks))
            for key in study.shown_rows
            if key != study.constant
        ),
        note="The constant predictor answers every pixel with what suits the training targets best, such as "
        "their majority class, mean normal or median depth. Where a row is marked (▼), it has not learned all "
        "that the task asks.",
        style="wrapped",
    )


def _score_table(found: Findings[SharingStudy], rows: Sequence[str], tasks: Sequence[str]) -> Table:
    study = found.study
    names = [name for task in tasks for name in study.metrics[task]]
    return Table(
        caption=f"{_titled(tasks)} on {study.title}, protocol {study.protocol}",
        columns=(*map(Column, ("Method", "Samples")), *_columns(study, names, tasks)),
        rows=_lines(study, found.summary, rows, "metric", names, lambda name: METRICS[name].digits),
        note=_samples_note(study),
        style="wrapped",
    )


def _published_table(study: SharingStudy, tasks: Sequence[str]) -> Table | None:
    theirs = study.published[study.published["task"].isin(tasks)]
    names = [name for task in tasks for name in metrics_of(task, set(theirs["metric"]))]
    if not names:
        return None
    values = theirs.set_index(["method", "metric"])["value"].to_dict()
    digits = {  # as many as the published column has
        name: max(len(f"{value}".partition(".")[2]) for value in own)
        for name, own in theirs.groupby("metric")["value"]
    }
    lines = [
        [words(method), *(number(values[method, name], digits=digits[name]) for name in names)]
        for method in theirs["method"].unique()
    ]
    different = "" if is_real(study.dataset) else f" Not on the images of {study.title}: for reference only."
    return Table(
        caption=f"Published: {_titled(tasks).lower()} on {_published_name(study)}",
        columns=(Column("Method"), *_columns(study, names, tasks)),
        rows=with_best(lines, first=1, lower=_lower(names, first=1)),
        note=f"Metrics as the released code computes them, our protocol legacy; AdaShare's row is the best "
        f"of eight samples.{different}",
        style="wrapped",
    )


def _lines(
    study: SharingStudy,
    summary: pd.DataFrame,
    rows: Sequence[str],
    by: str,
    columns: Sequence[str],
    digits: Callable[[str], int],
    signed: bool = False,
) -> tuple[tuple[Cell, ...], ...]:
    """A line for each of `rows`, and one below it for its selected sample if there is one; columns: values of
    the column `by` of `summary`. The best of a column is marked among means alone: a single sample is
    luckier."""
    found = {(row["row"], row[by]): row for row in summary.to_dict("records")}

    def cell(key: str, column: str, kind: str) -> Cell:
        own = found.get((key, column))
        if own is None or pd.isna(own[kind]):
            return EMPTY
        spread = None if kind == "selected" or pd.isna(own["std"]) else float(own["std"])
        return number(float(own[kind]), spread, signed=signed, digits=digits(column))

    means: list[list[Cell]] = []
    selected: list[list[Cell]] = []
    for key in rows:
        one = summary[summary["row"] == key].iloc[0]
        title, samples, trainings = study.title_of(key), int(one["samples"]), int(one["trainings"])
        copied = (
            f" ({trainings} {'trainings' if trainings > 1 else 'training'})" if trainings < samples else ""
        )
        lead = [words(title), Cell(f"{samples}{copied}", value=float(samples))]
        means.append([*lead, *(cell(key, column, "mean") for column in columns)])
        chosen = [cell(key, column, "selected") for column in columns]
        lead = [words(f"{title}, selected sample"), Cell(f"1 of {samples}", value=1.0)]
        selected.append([] if EMPTY in chosen else [*lead, *chosen])
    marked = with_best(means, first=2, lower=[] if signed else _lower(columns, first=2))
    pairs = zip(marked, selected, strict=True)
    return tuple(line for mean, one in pairs for line in (mean, *([tuple(one)] if one else [])))


def _samples_note(study: SharingStudy) -> str:
    """What samples are, how they differ, and how one of them is selected."""
    by = (
        "on some of the test images themselves, which flatters it"
        if study.protocol == "legacy"
        else "on held-out training data"
    )
    return (
        "Samples differ in their seed; those of AdaShare are policies drawn from one search, "
        "each trained from scratch with a seed of its own. Means are over samples, and ± is the standard "
        "deviation between distinct trainings, as samples with the same policy are one. A selected sample is "
        f"the one with the best score {by}."
    )


def _grouped(study: SharingStudy) -> list[list[str]]:
    """The tasks that share a table."""
    single = all(len(names) == 1 for names in study.metrics.values())
    return [list(study.tasks)] if single else [[task] for task in study.tasks]


def _columns(study: SharingStudy, names: Sequence[str], tasks: Sequence[str]) -> list[Column]:
    several = len(tasks) > 1
    groups = [TASKS[METRICS[name].task] if several else "" for name in names]
    return [Column(heading(name, study.depth_unit), group) for name, group in zip(names, groups, strict=True)]


def _delta_columns(study: SharingStudy) -> list[Column]:
    return [*(Column(f"{TASKS[task]}\u00a0↑") for task in study.tasks), Column("Overall\u00a0↑")]


def _lower(names: Sequence[str], first: int) -> list[int]:
    """The columns whose least number is the best."""
    return [i for i, name in enumerate(names, first) if not HIGHER_IS_BETTER[name]]


def _titled(tasks: Sequence[str]) -> str:
    return TASKS[tasks[0]] if len(tasks) == 1 else "All tasks"


def _published_name(study: SharingStudy) -> str:
    name = study.dataset["published"]
    return name if is_real(study.dataset) else f"the real {name}"
