"""The fine-tuning studies as pages of the site, headlines of its first page, and metrics."""

from collections.abc import Mapping

import pandas as pd

from farfield.report.cells import Table
from farfield.report.claims_tables import claims_table, sections, spoken
from farfield.report.cost_plots import Costed, accuracy_against_cost
from farfield.report.cost_tables import tuning_costs
from farfield.report.dots import image_dots
from farfield.report.index_page import Headline
from farfield.report.numbers import ClaimMetrics, claims_metrics, metrics, rounded
from farfield.report.policies import image_map
from farfield.report.score_table import score_table
from farfield.report.site import Page, Picture, anchor, csv
from farfield.report.study_page import Block, Section, StudyPage, heading
from farfield.report.tables import (
    accuracy_table,
    paired_table,
    trainings_table,
)
from farfield.report.winners import tuning_answer
from farfield.report.wording import TUNING
from farfield.results.families import TuningStudy
from farfield.results.findings import Findings
from farfield.results.inputs import is_real
from farfield.results.policies import routed_rows

TITLES = {"spottune": "SpotTune: fine-tuning, image by image", "decathlon": "The Visual Decathlon"}
ASKED = {
    "spottune": "Does it pay to decide for each image which blocks of a network are tuned?",
    "decathlon": "How well, and with how few parameters, does one network serve a new kind of images?",
}
SHORT_TITLES = {"spottune": "SpotTune", "decathlon": "Decathlon"}
Found = Findings[TuningStudy]
_EXPLAINED = (
    "Differences are taken image by image, averaged over the images of a dataset and then over datasets. Where "
    "both rows were trained several times, the interval holds what other seeds and other test images would "
    "change; where not, it speaks of these networks alone. Datasets count as given, not as drawn from a "
    "population of datasets."
)


def tuning_pages(studies: Mapping[str, Found]) -> list[Page]:
    """A page for each study that has results."""
    return [tuning_page(found).page for found in studies.values() if len(found.study.scores)]


def tuning_headlines(studies: Mapping[str, Found]) -> list[Headline]:
    """What the first page shows of each study: its verdicts, and the policy map if there is one."""
    return [_headline(found) for found in studies.values() if len(found.study.scores)]


def tuning_metrics(found: Found) -> dict[str, dict[str, float]]:
    """{row: {dataset: accuracy in percent}}; of the decathlon also "score", for rows that have every dataset."""
    result: dict[str, dict[str, float]] = {}
    for kind, part in found.parts.items():
        for row, own in metrics(part.summary).items():
            result.setdefault(row, {}).update(own)
        scores = part.decathlon
        for one in scores.table.to_dict("records") if scores else ():
            reach = (one["high"] - one["low"]) / 2
            result[one["row"]][_named("score", kind, found)] = rounded(one["score"], reach)
    return result


def tuning_claims(found: Found) -> dict[str, ClaimMetrics]:
    """{study: {claim: {"verdict", "difference"}}}, for claims.json."""
    name = found.study.name
    return {_named(name, kind, found): claims_metrics(part.claims) for kind, part in found.parts.items()}


def flat(summary: pd.DataFrame) -> pd.DataFrame:
    """As files have it."""
    columns = ["method", "dataset", "images", "trainings", "accuracy", "ci95", "std", "trainings_ci95"]
    names = {"row": "method", "cell": "dataset", "units": "images", "mean": "accuracy"}
    return summary.rename(columns=names)[columns]


def tuning_page(found: Found) -> StudyPage:
    study, parts, reference = found.study, found.parts, found.study.title_of(found.study.reference)
    costs, claims = tuning_costs(study), spoken(parts)
    beside: list[Block] = []
    score: list[Block] = []
    paired: list[Block] = []
    trained: list[Block] = []
    grids: list[Table | None] = []
    for kind, part in parts.items():
        above = [heading(f"On {kind}")] if len(parts) > 1 else []
        accuracies, scored, trainings = accuracy_table(part), score_table(part), trainings_table(part)
        apart = paired_table(part) if len(part.differences) else None
        beside += [*above, ("table", accuracies), ("picture", _accuracies(kind, part, bool(trainings)))]
        score += [*above, ("table", scored)] if scored else []
        paired += [*above, ("picture", _differences(kind, part)), ("table", apart)] if apart else []
        trained += [*above, ("table", trainings)] if trainings else []
        grids += [accuracies, scored, trainings, apart, claims_table(spoken({kind: part}), TUNING)]
    judged_blocks: list[Block] = [("table", claims_table(claims, TUNING)), ("text", _EXPLAINED)]
    for claim, tested in sections(parts, claims, TUNING, "Datasets"):
        judged_blocks += [heading(claim.statement, claim.key.replace("_", "-")), ("note", claim.measured)]
        for kind, one, sentence, _, grid in tested:
            where = f" On {kind}." if len(tested) > 1 else ""
            judged_blocks += [("verdict", (one.verdict, where, sentence)), ("titled", grid)]
    images = sorted({len(table) for part in parts.values() for table in part.study.units.values()})
    return StudyPage(
        study.name,
        TITLES[study.name],
        SHORT_TITLES[study.name],
        study.reservations,
        [
            Section("accuracy", "Ours beside the published numbers", beside),
            Section("score", "Score", score),
            Section("claims", "Claims of the talk", judged_blocks),
            Section("paired", f"Differences to {reference}", paired),
            Section("trainings", "What another seed changes", trained),
            Section("costs", "Costs", [("picture", _cost_picture(found)), ("table", costs)]),
        ],
        csv(flat(pd.concat([part.summary for part in parts.values()])), 4),
        [*grids, costs],
        "tuning_study.html.j2",
        answer=tuning_answer(study.name, TITLES[study.name], ASKED[study.name], found),
        texts={"study": study, "images": images, "policies": bool(routed_rows(study))},
    )


def _accuracies(kind: str, found: Found, strokes: bool) -> Picture:
    study = found.study
    theirs = set(study.published["dataset"])
    cards = [study.datasets[key] for key in study.cells]
    hollow = any(is_real(card) and card["published"] in theirs for card in cards)
    return Picture(
        f"figures/{study.name}-{anchor(kind)}-accuracy.svg",
        f"Dot plots of the accuracy of every method on {study.names}.",
        "Every method on every dataset, with 95 % intervals over test images."
        f"{' Red strokes are single trainings.' if strokes else ''}"
        f"{' Hollow markers are the published values.' if hollow else ''}",
        image_dots(found, found.summary, "mean"),
        wide=len(cards) > 2,
    )


def _differences(kind: str, found: Found) -> Picture:
    study, reference = found.study, found.study.title_of(found.study.reference)
    return Picture(
        f"figures/{study.name}-{anchor(kind)}-paired.svg",
        f"Dot plots of the difference of every method to {reference} on {study.names}.",
        f"Difference to {reference} on the same test images, with 95 % intervals.",
        image_dots(found, found.differences, "difference"),
        wide=len(study.cells) > 2,
    )


def _cost_picture(found: Found) -> Picture | None:
    """On the first part; None unless what rows cost is known."""
    part = next(iter(found.parts.values()))
    study, summary = part.study, part.summary
    means = {
        str(key): own["mean"].mean() for key, own in summary.groupby("row") if len(own) == len(study.cells)
    }
    charts = {}
    for quantity, title in (
        ("parameters", "parameters, in multiples of one network"),
        ("macs", "multiply-accumulates an image"),
    ):
        charts[title] = [
            Costed(study.title_of(key), "", study.costs[key][quantity], means[key])
            for key in study.shown_rows
            if key in means and quantity in study.costs.get(key, {})
        ]
    charts = {title: chart for title, chart in charts.items() if chart}
    if not charts:
        return None
    return Picture(
        f"figures/{study.name}-costs.svg",
        f"Scatter plots of the mean accuracy of every method on {study.names} against what it costs.",
        "Mean accuracy against cost. The line joins the methods that none beats at less cost.",
        accuracy_against_cost(charts),
        wide=len(charts) > 1,
    )


def _headline(found: Found) -> Headline:
    study, routed = found.study, routed_rows(found.study)
    count = len(study.shown_rows)
    lead = (
        f"{count} {'ways' if count > 1 else 'way'} of fine-tuning pretrained networks on {study.names}: does "
        "it pay to decide for each image which blocks of the network are tuned?"
    )
    table = claims_table(spoken(found.parts), TUNING)
    return Headline(
        study.name, TITLES[study.name], lead, table, image_map(study, routed[0]) if routed else None
    )


def _named(name: str, kind: str, found: Found) -> str:
    """`name`, with the kind of images where a study has several."""
    return name if len(found.parts) == 1 else f"{name} on {kind}"
