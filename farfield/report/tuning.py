"""The fine-tuning studies as pages of the site, headlines of its first page, and Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from farfield.report import tuning_figures as figures
from farfield.report import tuning_tables as tables
from farfield.report.cells import Table, markdown
from farfield.report.claims_page import signed
from farfield.report.index_page import Headline
from farfield.report.site import Page, Picture, anchor, assets_of
from farfield.report.tuning_policies import of_method, policy_map, policy_methods
from farfield.report.tuning_score import Scores, score_table, scores
from farfield.results.inputs import is_real
from farfield.results.tuning_claims import JudgedTuning, claims_metrics, judge
from farfield.results.tuning_statistics import against_reference, summarise
from farfield.results.tuning_study import TuningName, TuningStudy

TITLES: dict[TuningName, str] = {
    "spottune": "Fine-tuning, image by image",
    "decathlon": "The Visual Decathlon",
}
SHORT_TITLES: dict[TuningName, str] = {"spottune": "SpotTune", "decathlon": "Decathlon"}


@dataclass(frozen=True)
class Part:
    """What a page shows of the results on one kind of images."""

    kind: str
    study: TuningStudy

    @cached_property
    def summary(self) -> pd.DataFrame:
        return summarise(self.study)

    @cached_property
    def differences(self) -> pd.DataFrame:
        return against_reference(self.study)

    @cached_property
    def scores(self) -> Scores | None:
        return scores(self.study) if self.study.name == "decathlon" else None

    @cached_property
    def claims(self) -> tuple[JudgedTuning, ...]:
        return judge(self.study)

    @property
    def accuracy_table(self) -> Table:
        return tables.accuracy_table(self.study, self.summary)

    @property
    def score_table(self) -> Table | None:
        return score_table(self.study, self.scores) if self.scores else None

    @property
    def paired_table(self) -> Table | None:
        return tables.paired_table(self.study, self.differences) if len(self.differences) else None

    @property
    def trainings_table(self) -> Table | None:
        return tables.trainings_table(self.study, self.summary)

    @cached_property
    def pictures(self) -> dict[str, Picture]:
        """`paired` only when another method ran beside the reference."""
        start = f"figures/{self.study.name}-{anchor(self.kind)}"
        wide = len(self.study.shown_datasets) > 2
        theirs = set(self.study.published["dataset"])
        cards = [self.study.datasets[key] for key in self.study.shown_datasets]
        hollow = any(is_real(card) and card["published"] in theirs for card in cards)
        found = {
            "accuracy": Picture(
                f"{start}-accuracy.svg",
                f"Dot plots of the accuracy of every method on {self.study.names}.",
                "Every method on every dataset, with 95 % intervals over test images."
                f"{' Red strokes are single trainings.' if self.trainings_table else ''}"
                f"{' Hollow markers are the published values.' if hollow else ''}",
                figures.accuracies(self.study, self.summary),
                wide,
            )
        }
        if len(self.differences):
            reference = self.study.methods[self.study.reference]["title"]
            found["paired"] = Picture(
                f"{start}-paired.svg",
                f"Dot plots of the difference of every method to {reference} on {self.study.names}.",
                f"Difference to {reference} on the same test images, with 95 % intervals.",
                figures.differences(self.study, self.differences),
                wide,
            )
        return found


def tuning_pages(studies: Mapping[TuningName, TuningStudy]) -> list[Page]:
    """A page for each study that has results."""
    return [_page(study) for study in studies.values() if len(study.results)]


def tuning_headlines(studies: Mapping[TuningName, TuningStudy]) -> list[Headline]:
    """What the first page shows of each study: its verdicts, and the policy map if there is one."""
    return [_headline(study) for study in studies.values() if len(study.results)]


def tuning_metrics(study: TuningStudy) -> tables.Metrics:
    """{method: {dataset: {"accuracy", "ci95", "std"}}}; of the decathlon also "score": {"score", "sets", "std"}.

    `std` only where there are several trainings, `score` only for methods that have every dataset.
    """
    result: tables.Metrics = {}
    for part in parts(study):
        for method, found in tables.metrics(part.summary).items():
            result.setdefault(method, {}).update(found)
        if part.scores is None:
            continue
        for row in part.scores.table.to_dict("records"):
            cell = {"score": round(float(row["score"]), 1), "sets": len(part.scores.datasets)}
            cell |= {} if pd.isna(row["std"]) else {"std": round(float(row["std"]), 1)}
            result[row["method"]][_named("score", part, study)] = cell
    return result


def tuning_claims_metrics(study: TuningStudy) -> dict[str, dict[str, dict[str, float | str]]]:
    """{study: {claim: {"verdict", "difference", "ci95", "sets_above", "sets", ...}}}, for claims.json."""
    return {_named(study.name, part, study): claims_metrics(part.claims) for part in parts(study)}


def tuning_markdown(study: TuningStudy) -> str:
    """The tables of a study's page as Markdown, for a README or a merge request."""
    return _markdown(study, parts(study))


def _markdown(study: TuningStudy, all_parts: Sequence[Part]) -> str:
    texts = [f"# {TITLES[study.name]}\n", *(f"> {text}\n" for text in study.reservations)]
    for part in all_parts:
        shown = [part.accuracy_table, part.score_table, part.trainings_table, part.paired_table]
        shown += [tables.claims_table(_claims([part]))]
        texts += [markdown(table) for table in shown if table]
    costs = tables.cost_table(study)
    return "\n".join([*texts, *([markdown(costs)] if costs else [])])


def parts(study: TuningStudy) -> list[Part]:
    return [Part(kind, part) for kind, part in study.parts.items()]


def _page(study: TuningStudy) -> Page:
    shown = parts(study)
    claims = _claims(shown)
    sections = []
    for judged in zip(*claims.values(), strict=True):
        tested = [
            (part.kind, one, _sentence(one), _evidence(part, one))
            for part, one in zip(shown, judged, strict=True)
        ]
        sections.append((judged[0].claim, tested))
    context = {
        "study": study,
        "title": TITLES[study.name],
        "parts": shown,
        "claims": tables.claims_table(claims),
        "claim_sections": sections,
        "costs": tables.cost_table(study),
        "reference": study.methods[study.reference]["title"],
        "images": sorted({len(table) for part in shown for table in part.study.hits.values()}),
        "policies": bool(policy_methods(study)),
    }
    pictures = [picture for part in shown for picture in part.pictures.values()]
    scores_csv = pd.concat([part.summary for part in shown]).to_csv(
        index=False, float_format="%.4f", lineterminator="\n"
    )
    assets = assets_of(pictures)
    assets |= {
        f"{study.name}.csv": scores_csv.encode(),
        f"{study.name}.md": _markdown(study, shown).encode(),
    }
    return Page(study.name, SHORT_TITLES[study.name], "tuning_study.html.j2", context, assets)


def _headline(study: TuningStudy) -> Headline:
    methods = policy_methods(study)
    picture = map_picture(study, methods[0]) if methods else None
    count = len(study.shown_methods)
    lead = (
        f"{count} {'ways' if count > 1 else 'way'} of fine-tuning pretrained networks on {study.names}: does "
        "it pay to decide for each image which blocks of the network are tuned?"
    )
    return Headline(study.name, TITLES[study.name], lead, tables.claims_table(_claims(parts(study))), picture)


def map_picture(study: TuningStudy, method: str) -> Picture:
    """The policy map of a method: its datasets x blocks."""
    title, shares = study.methods[method]["title"], policy_map(study)
    names = ", ".join(study.datasets[key]["title"] for key in of_method(study, method))
    return Picture(
        f"figures/policies-{study.name}-{anchor(method)}-map.svg",
        f"A matrix of red squares: how often {title} runs each tuned block on {names}.",
        f"Share of test images, in percent, for which {title} runs the tuned block rather than the frozen one.",
        figures.policy_matrix(shares[shares["method"] == method], study),
        wide=False,
    )


def _claims(shown: Sequence[Part]) -> dict[str, tuple[JudgedTuning, ...]]:
    """The claims by kind of images, without those of which neither a run nor the published table speaks."""
    spoken = {
        one.claim.key for part in shown for one in part.claims if one.comparisons or one.talk is not None
    }
    return {part.kind: tuple(one for one in part.claims if one.claim.key in spoken) for part in shown}


def _sentence(judged: JudgedTuning) -> str:
    """The deciding numbers in words."""
    sentences = []
    for first in judged.comparisons[:1]:
        sets = len(first.parts)
        over = "test images and trainings" if first.whole.over_trainings else "test images alone"
        sentences.append(
            f"{first.title}: {signed(first.whole.difference)} ± {first.whole.ci95:.2f} points over "
            f"{sets} {'sets' if sets > 1 else 'set'}, above on {first.above} of them, surely above on "
            f"{first.surely('supported')}, surely below on {first.surely('contradicted')}. The interval is "
            f"over {over}."
        )
    if not judged.comparisons:
        sentences.append("Rows that it needs did not run.")
    if judged.talk:
        sentences.append(
            f"The whole published table says {signed(judged.talk.difference)}, above on {judged.talk.above} "
            f"of {judged.talk.datasets}."
        )
    else:
        sentences.append("The published table has not the rows to say.")
    return " ".join(sentences)


def _evidence(part: Part, judged: JudgedTuning) -> Table | None:
    return tables.evidence_table(part.study, judged.comparisons) if judged.comparisons else None


def _named(name: str, part: Part, study: TuningStudy) -> str:
    """`name`, with the kind of images where a study has several."""
    return name if len(study.parts) == 1 else f"{name} on {part.kind}"
