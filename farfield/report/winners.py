"""Which row of a study is ahead, by how much, and whether that is more than chance: the answers of studies.

The best row is picked and judged on the same results, which flatters it. So it is called surely ahead only by a
test that is adjusted for all pairs of rows (few-shot methods), or for as many comparisons as it has rivals.
"""

from collections.abc import Sequence

import pandas as pd

from farfield.report.answers import Answer, Surety
from farfield.report.row_pages import block
from farfield.report.wording import drawn, signed
from farfield.results.comparisons import SIGNIFICANT
from farfield.results.derived import DELTA, OVERALL
from farfield.results.families import FewShotStudy, SharingStudy, TuningStudy
from farfield.results.findings import Findings
from farfield.results.intervals import Difference, compare
from farfield.results.scores import place
from farfield.results.study import Study

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def overall_means(found: Findings[FewShotStudy]) -> tuple[pd.DataFrame, pd.Series]:
    """The mean over the shots of each dataset [rows, datasets], NaN where a row lacks a shot, and the mean of
    these by row, NaN where it lacks a dataset: a mean over easier cells alone would be another quantity."""
    study = found.study
    frame = found.summary.assign(dataset=[place(cell)[0] for cell in found.summary["cell"]])
    shots = {key: sum(place(cell)[0] == key for cell in study.cells) for key in study.shown_datasets}
    grouped = frame.groupby(["row", "dataset"])["mean"].agg(["mean", "count"])
    grouped.loc[grouped["count"] < [shots[key] for _, key in grouped.index], "mean"] = float("nan")
    means = grouped["mean"].unstack().reindex(index=study.shown_rows, columns=study.shown_datasets)
    return means, means.mean(axis=1, skipna=False)


def fewshot_answer(slug: str, title: str, found: Findings[FewShotStudy]) -> Answer:
    study = found.study
    images = drawn([study.datasets[key] for key in study.shown_datasets])
    asked = f"Which method names new kinds of images best after a few examples: on {images}?"
    means = overall_means(found)[1].dropna()
    if means.empty:
        return Answer(slug, title, asked, "No method ran on all of them.", "not known", "")
    own = [key for key in means.index if block(study.rows[key]) != "imagenet"]
    best, second, pair = ahead(found, list(means.index))
    said = f"{study.title_of(best)} is best of {len(means)}: {means[best]:.1f} % right on average."
    if own and best not in own:
        other = ahead(found, own)[0]
        said += (
            f" Of those that learned from this run's own source it is {study.title_of(other)}, "
            f"{means[other]:.1f} %."
        )
    if pair is None:
        return Answer(slug, title, asked, said, "not known", "Nothing to compare it with.")
    sure = pair["holm"] < SIGNIFICANT and pair["difference"] > 0
    because = (
        f"{ahead_by(study, best, second, pair['difference'], pair['ci95'])} on the same {pair['episodes']} "
        f"episodes a cell; {'significant' if sure else 'not significant'} at 5 % after adjustment for "
        f"{len(found.comparisons.overall)} pairs."
    )
    return Answer(slug, title, asked, said, "sure" if sure else "not sure", because)


def ahead(found: Findings[FewShotStudy], rows: Sequence[str]) -> tuple[str, str, dict | None]:
    """The best of `rows`, the next, and the best minus the next as a line of POOLED_COLUMNS (None if alone).

    Rows may have answered different numbers of episodes, whose plain means cannot be compared: the best of those
    with the most is the anchor, and the order is that of the differences to it on shared episodes.
    """
    counts = found.summary.groupby("row")["units"].min()[list(rows)]
    means = overall_means(found)[1][list(rows)]
    anchor = str(means[counts == counts.max()].idxmax())
    apart = {key: 0.0 if key == anchor else _pair(found, key, anchor)["difference"] for key in rows}
    order = sorted(rows, key=lambda key: -apart[key])
    if len(order) < 2:
        return order[0], "", None
    return order[0], order[1], _pair(found, order[0], order[1])


def _pair(found: Findings[FewShotStudy], first: str, second: str) -> dict:
    """first minus second over all cells that both have."""
    overall = found.comparisons.overall
    for a, b, sign in ((first, second, 1), (second, first, -1)):
        line = overall[(overall["method"] == a) & (overall["other"] == b)]
        if len(line):
            known = line.iloc[0].to_dict()
            return {**known, "difference": sign * known["difference"]}
    return {"difference": float("-inf"), "ci95": float("nan"), "holm": 1.0, "episodes": 0}


def transductive_answer(
    slug: str, title: str, found: Findings[Study], differences: pd.DataFrame
) -> Answer | None:
    """The best row on each kind of queries; how often it is surely above the reference."""
    study = found.study
    first = study.datasets[study.shown_datasets[0]]["study"]
    cells = [cell for cell in study.cells if study.datasets[str(place(cell)[0])]["study"] == first]
    best, said, above = [], [], []
    for kind, words in (("balanced", "as many of each class"), ("dirichlet", "unequal shares")):
        own = [cell for cell in cells if place(cell)[-1] == kind]
        known = found.summary[found.summary["cell"].isin(own)].groupby("row")["mean"].agg(["mean", "count"])
        means = known[known["count"] == len(own)]["mean"]
        if means.empty:
            return None
        best.append(str(means.idxmax()))
        surely = differences[
            (differences["row"] == best[-1])
            & differences["cell"].isin(own)
            & (differences["holm"] < SIGNIFICANT)
            & (differences["difference"] > 0)
        ]
        said.append(f"{means[best[-1]]:.1f} % on queries with {words}")
        above.append((len(surely), f"in {len(surely)} of {len(own)} cells with {words}"))
    names = [
        study.title_of(row)
        + ("" if study.rows[row].get("transductive") else ", which sees one query at a time,")
        for row in best
    ]
    if best[0] == best[1]:
        answer = f"{names[0]} is best either way: {said[0]}, {said[1]}."
    else:
        answer = f"{names[0]} is best with {said[0]}, {names[1]} with {said[1]}."
    asked = "Does it help to see all queries at once, and does it still if classes are not equally frequent?"
    counts = " and ".join(words for _, words in above)
    because = f"Surely above {study.title_of(study.reference)} {counts}, adjusted for all rows and cells."
    if study.reference in best:
        return Answer(
            slug, title, asked, answer, "not sure", "It is the row that all others are compared with."
        )
    return Answer(slug, title, asked, answer, "sure" if min(above)[0] else "not sure", because)


def tuning_answer(slug: str, title: str, asked: str, found: Findings[TuningStudy]) -> Answer | None:
    """The best row on its first part, real images where there are any."""
    part = next(iter(found.parts.values()), None)
    if part is None:
        return None
    study = part.study
    means = {
        str(key): float(own["mean"].mean())
        for key, own in part.summary.groupby("row", sort=False)
        if len(own) == len(study.cells)
    }
    order = sorted(means, key=lambda key: -means[key])
    if not order:
        return None
    best = order[0]
    cost = study.costs.get(best, {}).get("parameters")
    of = "" if cost is None else f", with {cost:.1f} times the parameters of one network"
    said = f"{study.title_of(best)} is best of {len(order)}: {means[best]:.1f} % right on average{of}."
    routed = next((key for key in order if study.rows[key].get("override") == "argmax"), None)
    if routed and routed != best:
        said += f" {study.title_of(routed)} reaches {means[routed]:.1f} %."
    if len(order) < 2:
        return Answer(slug, title, asked, said, "not known", "Nothing to compare it with.")
    apart = compare(study, best, order[1], study.cells)
    surety = surety_of(apart, len(order) - 1)
    over = "test images and trainings" if apart.over_trainings else "test images of single trainings"
    because = (
        f"{ahead_by(study, best, order[1], apart.difference, apart.ci95)}, by chance of {over}, adjusted "
        f"for its {len(order) - 1} rivals."
    )
    return Answer(slug, title, asked, said, surety, because)


def sharing_answer(slug: str, title: str, found: Findings[SharingStudy]) -> Answer | None:
    """The best row by relative performance, against a network for each task."""
    study, deltas = found.study, found.deltas
    tasks = f"{NUMBERS[len(study.tasks)]} tasks"
    asked = f"Does it pay to learn which blocks {tasks} share, on {drawn([study.dataset])}?"
    own = deltas.summary[deltas.summary["cell"] == OVERALL].set_index("row")["mean"]
    own = own.drop([key for key in (study.constant, study.reference) if key in own.index])
    if own.empty:
        return None
    best, reference = str(own.idxmax()), study.title_of(study.reference)
    said = f"{study.title_of(best)} is best: {signed(own[best])} % against {reference}."
    if study.adashare and study.adashare != best and study.adashare in own:
        said += f" {study.title_of(study.adashare)} has {signed(own[study.adashare])} %."
    apart = compare(deltas.study, best, study.reference, [OVERALL], DELTA)
    surety = surety_of(apart, len(own))
    because = (
        "Neither has trainings that differ, so nothing is known of others."
        if apart.ci95 is None
        else f"{signed(apart.difference)} ± {apart.ci95:.2f} over trainings, adjusted for {len(own)} rivals."
    )
    return Answer(slug, title, asked, said, surety, because)


def surety_of(apart: Difference, rivals: int) -> Surety:
    """Whether the best of `rivals` + 1 rows is ahead of the next by more than chance."""
    if apart.ci95 is None:
        return "not known"
    return "sure" if apart.difference > 0 and apart.p * rivals < SIGNIFICANT else "not sure"


def ahead_by(study: Study, best: str, second: str, difference: float, ci95: float | None) -> str:
    """A sentence without its end."""
    interval = "" if ci95 is None else f" ± {ci95:.2f}"
    return f"Ahead of {study.title_of(second)} by {signed(difference)}{interval} points"
