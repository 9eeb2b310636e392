"""The multi-task studies as pages of the site, headlines of its first page, metrics and tables for plots."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from farfield.report.claims_tables import claims_table, sentence, task_evidence
from farfield.report.cost_tables import IMAGE, sharing_costs
from farfield.report.dense_tables import (
    delta_table,
    learned_table,
    published_delta_table,
    published_tables,
    score_tables,
)
from farfield.report.dots import delta_against_costs, delta_dots
from farfield.report.examples import example_grids
from farfield.report.index_page import Headline
from farfield.report.numbers import rounded
from farfield.report.policies import task_map, task_pictures, task_table
from farfield.report.site import Page, Picture, csv
from farfield.report.study_page import Block, Section, StudyPage, heading, tables
from farfield.report.winners import NUMBERS, sharing_answer
from farfield.report.wording import SHARING, drawn
from farfield.results.claims import Judged
from farfield.results.derived import OVERALL, published_deltas
from farfield.results.families import SharingStudy
from farfield.results.findings import Findings
from farfield.results.inputs import badge, is_real
from farfield.results.policies import search_history, task_shares

Found = Findings[SharingStudy]
_SPREAD = ["samples", "trainings", "mean", "std", "selected"]
_NAMES = {"row": "method", "cell": "task"}
_EXPLAINED = (
    "Differences are taken between the relative performances of two rows. Intervals hold what other seeds and "
    "other policies drawn from the same search would change, on the same test images; they do not hold what "
    "another search would find. Samples that are copies of one training tell no more than one; where one of the "
    "rows has a single training, both are taken to vary alike. Tasks count as given, not as drawn from a "
    "population of tasks."
)


def sharing_pages(studies: Mapping[str, Found]) -> list[Page]:
    """A page for each study that has results."""
    return [sharing_study_page(found).page for found in studies.values() if len(found.study.scores)]


def sharing_headlines(studies: Mapping[str, Found]) -> list[Headline]:
    """What the first page shows of each study: its verdicts, and AdaShare's policy map if there is one."""
    return [_headline(found) for found in studies.values() if len(found.study.scores)]


def sharing_metrics(found: Found) -> dict[str, dict[str, float]]:
    """{row: {metric: mean, "delta": percent}}: of each task the first of its metrics, to two significant digits
    or those that its interval over trainings supports, and Delta over the tasks."""
    result: dict[str, dict[str, float]] = {}
    first = {names[0] for names in found.study.metrics.values() if names}
    for row in found.summary.to_dict("records"):
        if row["metric"] in first:
            mean, reach = float(row["mean"]), row["trainings_ci95"]
            own = result.setdefault(row["row"], {})
            own[row["metric"]] = rounded(mean, reach) if row["trainings"] > 1 else float(f"{mean:.2g}")
    for row in found.deltas.summary.to_dict("records"):
        if row["cell"] == OVERALL:
            result[row["row"]]["delta"] = rounded(row["mean"], row["trainings_ci95"])
    return result


def plotted_sharing(studies: Mapping[str, Found]) -> dict[str, pd.DataFrame]:
    """Tables for `dvc plots`, by file name, with a column `cell` that tells studies, rows and tasks apart.

    sharing_scores, sharing_delta (with costs), sharing_map, sharing_search.
    """
    plotted: dict[str, list[pd.DataFrame]] = {}
    for name, found in studies.items():
        if found.study.scores.empty:
            continue
        costs = (
            pd.DataFrame.from_dict(dict(found.study.costs), orient="index")
            .rename_axis("method")
            .reset_index()
        )
        deltas = flat(found.deltas.summary, ["method", "task"])
        frames = {
            "sharing_scores": flat(found.summary, ["method", "task", "metric"]),
            "sharing_delta": deltas.merge(costs, on="method", how="left") if len(costs) else deltas,
            "sharing_map": task_shares(found.study),
            "sharing_search": search_history(found.study),
        }
        for file, frame in frames.items():
            cell = name + " " + frame["method"].astype(str) + " " + frame["task"].astype(str)
            plotted.setdefault(file, []).append(frame.assign(study=name, cell=cell).round(4))
    return {file: pd.concat(frames, ignore_index=True) for file, frames in plotted.items()}


def flat(summary: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """As files have it."""
    return summary.rename(columns=_NAMES)[[*keys, *_SPREAD]]


def title_of(study: SharingStudy) -> str:
    """Of the images that there are: others may stand in for the published ones."""
    return f"AdaShare: {NUMBERS[len(study.tasks)]} tasks on {drawn([study.dataset])}"


def sharing_study_page(found: Found) -> StudyPage:
    study = found.study
    # All but the ablations and other policies, which have a section of their own, with AdaShare again.
    rows, beyond = study.of_kind("baseline", "adashare", "reference"), study.of_kind("ablation")
    beyond = [*([study.adashare] if study.adashare else []), *beyond] if beyond else []
    delta, deltas_beyond = delta_table(found, rows), delta_table(found, beyond)
    published = published_delta_table(study)
    pairs = list(zip(score_tables(found, rows), published_tables(study), strict=True))
    scores_beyond = score_tables(found, beyond) if beyond else []
    costs, learned, verdicts = sharing_costs(study), learned_table(found), _claims_table(found.claims)
    own = study.adashare if study.adashare in study.policies else None
    claims: list[Block] = [
        ("table", verdicts),
        ("text", _EXPLAINED),
        ("table", task_evidence(found.claims)),
    ]
    for one in found.claims:
        claims += [
            heading(one.claim.statement, one.claim.key.replace("_", "-")),
            ("note", one.claim.measured),
        ]
        claims += [("verdict", (one.verdict, "", sentence(one, SHARING)))]
    others: list[Block] = []
    if beyond:
        chosen = (
            "that some of the test images select, as in the released code."
            if study.protocol == "legacy"
            else "that held-out training data select, never the one that is best on test images."
        )
        others = [
            (
                "text",
                "AdaShare without one of its parts, blocks that are run or skipped by other rules than its "
                "sampled policies, other weights of the losses, and trees, in which tasks part for good: means "
                f"over samples and deviations, and below them the sample {chosen}",
            ),
            ("table", deltas_beyond),
            ("folded", ("Scores of these rows", scores_beyond, not deltas_beyond)),
        ]
    policy: list[Block] = []
    if own:
        policy = [("picture", one) for one in task_pictures(study, own).values()]
        policy += [("table", task_table(study, own))]
    grids: list[Block] = [("examples", grid) for grid in example_grids(study)]
    if grids:
        grids = [("text", "The same test images in every column, by the first sample of a row."), *grids]
    sections = {
        "Relative performance": Section(
            "delta",
            "Relative performance",
            [("table", delta), ("picture", _delta_picture(found)), ("table", published)] if delta else [],
        ),
        "Scores": Section(
            "scores",
            "Scores beside the published numbers",
            [
                *tables(*(table for pair in pairs for table in pair)),
                *([heading("What was learned at all"), ("table", learned)] if learned else []),
            ],
        ),
        "Claims": Section("claims", "Claims of the talk", claims),
        "Ablations and other policies": Section("ablations", "Ablations and other policies", others),
        "Costs": Section("costs", "Costs", [("table", costs), ("picture", _cost_picture(found))]),
        "The policy": Section("policy", f"The policy of {study.title_of(own)}" if own else "", policy),
        "Examples": Section("examples", "Examples", grids),
    }
    deltas = flat(found.deltas.summary, ["method", "task"]).assign(metric="delta")
    both = pd.concat([flat(found.summary, ["method", "task", "metric"]), deltas], ignore_index=True)
    return StudyPage(
        study.name,
        title_of(study),
        f"AdaShare, {NUMBERS[len(study.tasks)]} tasks",
        study.reservations,
        list(sections.values()),
        csv(both.assign(protocol=study.protocol), 5),
        [
            *(delta, published),
            *(table for pair in pairs for table in pair),
            *(learned, verdicts, deltas_beyond, *scores_beyond, costs),
        ],
        "sharing_study.html.j2",
        [(section.place, title) for title, section in sections.items() if section.shown],
        badge(study.dataset),
        answer=sharing_answer(study.name, title_of(study), found),
        texts={"study": study},
    )


def _claims_table(judged: tuple[Judged, ...]) -> Any:
    return claims_table({"": judged}, SHARING)


def _headline(found: Found) -> Headline:
    study, own = found.study, found.study.adashare
    count = len([key for key in study.shown_rows if key != study.constant])
    lead = (
        f"{count} {'ways' if count > 1 else 'way'} to learn {len(study.tasks)} tasks on {study.title}: does it "
        "pay to learn which blocks of a network each task runs, and which it shares?"
    )
    picture = task_map(study, own) if own and own in study.policies else None
    return Headline(study.name, title_of(study), lead, _claims_table(found.claims), picture)


def _delta_picture(found: Found) -> Picture:
    """Delta of every row at every task."""
    study, published = found.study, published_deltas(found.study)
    hollow = " Hollow markers are the published rows among themselves." if published else ""
    return Picture(
        f"figures/{study.name}-delta.svg",
        f"Dot plots of the relative performance of every method at every task on {study.title}.",
        f"Relative performance Δ in percent; to the right is better. Bars are standard deviations between "
        f"trainings.{hollow if is_real(study.dataset) else ''}",
        delta_dots(found, published),
        wide=len(study.tasks) > 2,
    )


def _cost_picture(found: Found) -> Picture | None:
    """Delta against what it costs; None without a reference or costs."""
    study = found.study
    if found.deltas.summary.empty or not set(study.costs) & set(study.shown_rows):
        return None
    return Picture(
        f"figures/{study.name}-costs.svg",
        f"Scatter plots of relative performance against parameters and MACs on {study.title}.",
        "Relative performance Δ overall against parameters and multiply-accumulates: above by the published "
        "convention, which counts backbones alone and each task for itself, below of the whole model; for an "
        f"image of {IMAGE} pixels, means over samples. Upper left is best.",
        delta_against_costs(found),
    )
