"""Multi-task results as tables for readers: scores, relative performance, costs, what was learned at all.

Published numbers stand in tables of their own beside ours, since a table holds one protocol.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from farfield.report.cells import EMPTY, Cell, Column, Table, number, words
from farfield.report.tables import with_best
from farfield.results.inputs import is_real, listed
from farfield.results.sharing_headings import METRICS, TASKS, heading, metrics_of
from farfield.results.sharing_statistics import OVERALL, above_constant, published_deltas
from farfield.results.sharing_study import SharingStudy
from farfield.sharing.metrics import HIGHER_IS_BETTER


def samples_note(study: SharingStudy) -> str:
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


def score_tables(study: SharingStudy, summary: pd.DataFrame, rows: Sequence[str]) -> list[Table]:
    """The metrics of `rows`, a table a task; one for all tasks if each has a single metric."""
    return [_score_table(study, summary, rows, tasks) for tasks in _grouped(study)]


def published_tables(study: SharingStudy) -> list[Table | None]:
    """The published counterpart of each of `score_tables`, None where there is none."""
    return [_published_table(study, tasks) for tasks in _grouped(study)]


def delta_table(study: SharingStudy, summary: pd.DataFrame, rows: Sequence[str]) -> Table:
    """Delta of `rows` at each task and overall; summary: of `summarise_deltas`."""
    found = {(row["method"], row["task"]): row for row in summary.to_dict("records")}
    tasks = (*study.tasks, OVERALL)
    lines = _lines(
        study,
        rows,
        lambda key, column, kind: _cell(found.get((key, column)), kind, digits=2, signed=True),
        tasks,
        _samples(found.values()),
    )
    reference, own = study.methods[study.reference]["title"], found.get((study.reference, OVERALL))
    samples = int(own["samples"]) if own else 0
    left = [f"{METRICS[name].title} ({TASKS[METRICS[name].task].lower()})" for name in study.without_delta]
    without = f" Without {listed(left)}, not above zero there." if left else ""
    return Table(
        caption=f"Relative performance Δ in percent on {study.title}, protocol {study.protocol}",
        columns=(Column("Method"), Column("Samples"), *_delta_columns(study)),
        rows=lines,
        note=f"Δ of a task: how much better its metrics are than those of {reference}, in percent of these, the "
        f"mean over the task's metrics; overall: the mean over tasks. The reference is this run's own "
        f"{reference}, {'one sample' if samples == 1 else f'the mean over {samples} samples'}.{without} "
        f"{samples_note(study)}",
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


def learned_table(study: SharingStudy) -> Table | None:
    """How many metrics of each task are better than the constant predictor's; None if that did not run."""
    counts = above_constant(study)
    if counts.empty:
        return None
    found = {(row["method"], row["task"]): row for row in counts.to_dict("records")}
    rows = []
    for key in study.shown_methods:
        if key != study.constant:
            own = [found[key, task] for task in study.tasks]
            rows.append((words(study.methods[key]["title"]), *(_counted(row) for row in own)))
    return Table(
        caption="Metrics that are better than those of the best constant prediction",
        columns=(Column("Method"), *(Column(TASKS[task]) for task in study.tasks)),
        rows=tuple(rows),
        note="The constant predictor answers every pixel with what suits the training targets best, such as "
        "their majority class, mean normal or median depth. Where a row is marked (▼), it has not learned all "
        "that the task asks.",
        style="wrapped",
    )


def _score_table(
    study: SharingStudy, summary: pd.DataFrame, rows: Sequence[str], tasks: Sequence[str]
) -> Table:
    found = {(row["method"], row["metric"]): row for row in summary.to_dict("records")}
    names = [name for task in tasks for name in study.metrics[task]]
    lines = _lines(
        study,
        rows,
        lambda key, name, kind: _cell(found.get((key, name)), kind, METRICS[name].digits),
        names,
        _samples(found.values()),
        _lower(names, first=2),
    )
    return Table(
        caption=f"{_titled(tasks)} on {study.title}, protocol {study.protocol}",
        columns=(Column("Method"), Column("Samples"), *_columns(study, names, tasks)),
        rows=lines,
        note=samples_note(study),
        style="wrapped",
    )


def _published_table(study: SharingStudy, tasks: Sequence[str]) -> Table | None:
    theirs = study.published[study.published["task"].isin(tasks)]
    names = [name for task in tasks for name in metrics_of(task, set(theirs["metric"]))]
    if not names:
        return None
    values = theirs.set_index(["method", "metric"])["value"].to_dict()
    lines = [
        [words(method), *(number(values[method, name], digits=_digits(theirs, name)) for name in names)]
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
    rows: Sequence[str],
    cell: Callable[[str, str, str], Cell],
    columns: Sequence[str],
    samples: Mapping[str, tuple[int, int]],
    lower: Sequence[int] = (),
) -> tuple[tuple[Cell, ...], ...]:
    """A line for each of `rows`, and one below it for its selected sample if there is one.

    samples: of each row, how many there are and how many distinct trainings they are. The best of a column is
    marked among means alone: a single sample is luckier than they are.
    """
    means: list[list[Cell]] = []
    selected: list[list[Cell]] = []
    for key in rows:
        title, (count, trainings) = study.methods[key]["title"], samples[key]
        copied = f" ({trainings} {'trainings' if trainings > 1 else 'training'})" if trainings < count else ""
        own = [cell(key, column, "mean") for column in columns]
        means.append([words(title), Cell(f"{count}{copied}", value=float(count)), *own])
        one = [cell(key, column, "selected") for column in columns]
        name = words(f"{title}, selected sample")
        selected.append([] if EMPTY in one else [name, Cell(f"1 of {count}", value=1.0), *one])
    marked = with_best(means, first=2, lower=lower)
    pairs = zip(marked, selected, strict=True)
    return tuple(line for mean, one in pairs for line in (mean, *([tuple(one)] if one else [])))


def _samples(rows: Iterable[Mapping]) -> dict[str, tuple[int, int]]:
    return {row["method"]: (int(row["samples"]), int(row["trainings"])) for row in rows}


def _cell(row: Mapping | None, kind: str, digits: int, signed: bool = False) -> Cell:
    if row is None or pd.isna(row[kind]):
        return EMPTY
    spread = None if kind == "selected" or pd.isna(row["std"]) else float(row["std"])
    return number(float(row[kind]), spread, signed=signed, digits=digits)


def _grouped(study: SharingStudy) -> list[list[str]]:
    """The tasks that share a table."""
    single = all(len(names) == 1 for names in study.metrics.values())
    return [list(study.tasks)] if single else [[task] for task in study.tasks]


def _columns(study: SharingStudy, names: Sequence[str], tasks: Sequence[str]) -> list[Column]:
    several = len(tasks) > 1
    return [
        Column(heading(name, study.depth_unit), TASKS[METRICS[name].task] if several else "")
        for name in names
    ]


def _delta_columns(study: SharingStudy) -> list[Column]:
    return [*(Column(f"{TASKS[task]}\u00a0↑") for task in study.tasks), Column("Overall\u00a0↑")]


def _lower(names: Sequence[str], first: int) -> list[int]:
    """The columns whose least number is the best."""
    return [i for i, name in enumerate(names, first) if not HIGHER_IS_BETTER[name]]


def _digits(theirs: pd.DataFrame, name: str) -> int:
    """As many as the published column has."""
    values = theirs.loc[theirs["metric"] == name, "value"]
    return max(len(f"{value}".partition(".")[2]) for value in values)


def _titled(tasks: Sequence[str]) -> str:
    return TASKS[tasks[0]] if len(tasks) == 1 else "All tasks"


def _published_name(study: SharingStudy) -> str:
    name = study.dataset["published"]
    return name if is_real(study.dataset) else f"the real {name}"


def _counted(row: Mapping) -> Cell:
    better, metrics = int(row["better"]), int(row["metrics"])
    return Cell(f"{better} of {metrics}", value=better / metrics, kind="" if better == metrics else "below")
