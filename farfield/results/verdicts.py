"""Claims held against results: the numbers, the same from the published tables, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

from farfield.results.claims import CLAIMS, Claim, Evidence
from farfield.results.contrasts import Cell, Cells, by_cell, estimate
from farfield.results.inputs import Dataset, Method, Study

Verdict = Literal["supported", "contradicted", "undecided", "not tested"]
# How the published table orders its datasets, from near to far.
PUBLISHED_ORDER = ("CropDiseases", "EuroSAT", "ISIC", "ChestX", "RVL-CDIP")
_HALVES = ("dataset", "shot", "half")


class Judged(Protocol):
    """A difference in percentage points with its 95 % interval, and what it says of a claim."""

    @property
    def difference(self) -> float: ...
    @property
    def ci95(self) -> float: ...
    @property
    def verdict(self) -> Verdict: ...


@dataclass(frozen=True)
class Measured:
    """A contrast's value in percentage points, with its interval and fewest episodes of a cell."""

    difference: float
    ci95: float
    episodes: int

    @property
    def verdict(self) -> Verdict:
        from scipy.special import stdtrit

        if self.episodes < 2:  # one episode has an interval of no width, which says nothing
            return "undecided"
        # The published interval takes the normal quantile and the population's deviation; of few episodes
        # both are too small, so a verdict asks for Student's.
        wider = stdtrit(self.episodes - 1, 0.975) / 1.96 * (self.episodes / (self.episodes - 1)) ** 0.5
        if abs(self.difference) <= self.ci95 * wider:
            return "undecided"
        return "supported" if self.difference > 0 else "contradicted"


@dataclass(frozen=True)
class Finding:
    """One evidence, measured. Without `whole` it was not tested. `picked`, `halves`: see `Evidence`.

    published: by part, and under () over all, from the published table on the same cells.
    talk: over the whole published table, whatever of it ran here.
    """

    title: str
    picked: tuple[str, ...]
    halves: bool
    whole: Measured | None
    parts: Mapping[Cell, Measured]
    published: Mapping[Cell, float]
    talk: float | None


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its findings, of which the first decides."""

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: Verdict


def judge(
    results: pd.DataFrame,
    published: pd.DataFrame,
    methods: Mapping[str, Method],
    datasets: Mapping[str, Dataset],
    seed: int,
) -> tuple[JudgedClaim, ...]:
    """Every claim on the results of one study.

    results: columns method, dataset, shot, episode, accuracy; published: method, dataset, shot, accuracy.
    datasets: those of the study, from near to far. Rows of `results` without a published name do not count.
    """
    names = _first_key({key: method["published"] for key, method in methods.items()})
    sets = _first_key({key: dataset["published"] for key, dataset in datasets.items()})
    ours = results[results["method"].isin(names) & results["dataset"].isin(set(datasets))]
    ours = ours.assign(method=ours["method"].map(names))
    keys = {name: key for key, name in sets.items()}
    theirs = published.assign(episode=0)
    here = theirs[theirs["dataset"].isin(keys)]
    here = here.assign(dataset=here["dataset"].map(keys))
    ran = set(ours[["dataset", "shot"]].itertuples(index=False, name=None))
    here = here[[cell in ran for cell in here[["dataset", "shot"]].itertuples(index=False, name=None)]]
    studies = {dataset["study"] for dataset in datasets.values()}
    of_study = theirs[theirs["dataset"].map(_published_study).isin(studies)]

    # A dataset without a published name has no place in the order of distance.
    order = sorted((keys[name] for name in PUBLISHED_ORDER if name in keys), key=list(datasets).index)
    our_findings = _measure(ours, order, seed)
    same_cells = _measure(here, order, seed)
    whole_table = _measure(of_study, PUBLISHED_ORDER, seed)
    judged = []
    for claim in CLAIMS:
        found = our_findings[claim.key]
        titles = [*found, *(title for title in whole_table[claim.key] if title not in found)]
        findings = []
        for title in titles:
            evidence, whole, parts = found.get(title, (None, None, {}))
            _, total, pieces = same_cells[claim.key].get(title, (None, None, {}))
            _, talk, _ = whole_table[claim.key].get(title, (None, None, {}))
            values = {cell: piece.difference for cell, piece in pieces.items()}
            findings.append(
                Finding(
                    title,
                    evidence.picked if evidence else (),
                    evidence.halves if evidence else False,
                    whole,
                    parts,
                    values | ({(): total.difference} if total else {}),
                    talk.difference if talk else None,
                )
            )
        judged.append(JudgedClaim(claim, tuple(findings), _verdict(claim, findings)))
    return tuple(judged)


def claims_metrics(
    studies: Mapping[str, Sequence[JudgedClaim]],
) -> dict[str, dict[str, dict[str, float | str]]]:
    """{study: {claim: {"verdict": "supported", "difference": 6.2, "ci95": 0.8, "published": 9.1}}}.

    From the evidence that decides, over all cells; a claim that was not tested has only its verdict.
    """
    metrics: dict[str, dict[str, dict[str, float | str]]] = {}
    for study, claims in studies.items():
        for judged in claims:
            entry: dict[str, float | str] = {"verdict": judged.verdict}
            first = judged.findings[0] if judged.findings else None
            if first and first.whole:
                entry |= {"difference": round(first.whole.difference, 2), "ci95": round(first.whole.ci95, 2)}
            if first and first.talk is not None:
                entry["published"] = round(first.talk, 2)
            metrics.setdefault(study, {})[judged.claim.key] = entry
    return metrics


_Measures = dict[str, tuple[Evidence, Measured | None, dict[Cell, Measured]]]


def _measure(results: pd.DataFrame, datasets: Sequence[str], seed: int) -> dict[str, _Measures]:
    """{claim: {title of evidence: (evidence, over all, by part)}}; nothing for a contrast without cells."""
    cells: Cells = by_cell(results) if len(results) else {}
    halves: Cells = by_cell(results.assign(half=results["episode"] % 2), _HALVES) if len(results) else {}
    return {
        claim.key: {
            evidence.title: (evidence, *_values(evidence, halves if evidence.halves else cells, seed))
            for evidence in claim.evidence(cells, halves, datasets)
        }
        for claim in CLAIMS
    }


def _values(evidence: Evidence, cells: Cells, seed: int) -> tuple[Measured | None, dict[Cell, Measured]]:
    if not evidence.parts:
        return None, {}
    frame = estimate(cells, [evidence.whole, *evidence.parts.values()], seed)
    columns = (frame["difference"].tolist(), frame["ci95"].tolist(), frame["episodes"].tolist())
    whole, *parts = (Measured(*values) for values in zip(*columns, strict=True))
    return whole, dict(zip(evidence.parts, parts, strict=True))


def _verdict(claim: Claim, findings: Sequence[Finding]) -> Verdict:
    if not findings or findings[0].whole is None:
        return "not tested"
    if claim.decided_by == "whole":
        return findings[0].whole.verdict
    verdicts = {part.verdict for part in findings[0].parts.values()}
    if "contradicted" in verdicts:
        return "contradicted"
    return "undecided" if "undecided" in verdicts else "supported"


def _first_key(published: Mapping[str, str]) -> dict[str, str]:
    """The published name of each key; of keys with the same name only the first."""
    names: dict[str, str] = {}
    for key, name in published.items():
        if name and name not in names.values():
            names[key] = name
    return names


def _published_study(dataset: str) -> Study:
    return "documents" if dataset == "RVL-CDIP" else "crossdomain"
