"""Claims of the talk about AdaShare, held against the scores of a run and against the published table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farfield.results.sharing_statistics import OVERALL, Difference, compare, deltas, published_deltas
from farfield.results.sharing_study import SharingStudy
from farfield.results.verdicts import Verdict

SHARING, MULTI_TASK = "AdaShare", "Multi-Task"


@dataclass(frozen=True)
class SharingClaim:
    """AdaShare is better than another row of the study."""

    key: str
    statement: str
    measured: str
    other: str | None


@dataclass(frozen=True)
class JudgedSharing:
    """A claim with the difference of Delta overall, which decides, and at each task.

    parts, whole: empty and None where a row is missing. published: the same from the published table, by
    task and under `overall`, empty if it lacks a row.
    """

    claim: SharingClaim
    title: str
    whole: Difference | None
    parts: Mapping[str, Difference]
    published: Mapping[str, float]

    @property
    def verdict(self) -> Verdict:
        return self.whole.verdict if self.whole else "not tested"

    @property
    def above(self) -> int:
        """At how many tasks AdaShare is better, surely or not."""
        return sum(part.difference > 0 for part in self.parts.values())

    @property
    def published_above(self) -> int:
        return sum(value > 0 for task, value in self.published.items() if task != OVERALL)


def claims(study: SharingStudy) -> tuple[SharingClaim, ...]:
    """The two of the talk, and one for each row beyond the tables: ablations and other policies."""
    multi_task = [key for key, row in study.methods.items() if row["published"] == MULTI_TASK]
    fixed = (
        SharingClaim(
            "adashare_above_single_task",
            "AdaShare beats a network for each task.",
            "Delta of AdaShare minus that of the single-task networks, which have as many backbones as tasks.",
            study.reference if study.reference in study.methods else None,
        ),
        SharingClaim(
            "adashare_above_multi_task",
            "AdaShare beats one network for all tasks, with as many parameters.",
            f"Delta of AdaShare minus that of the multi-task network, which shares every block."
            f"{_parameters(study, multi_task)}",
            next(iter(multi_task), None),
        ),
    )
    beyond = (
        SharingClaim(
            f"adashare_above_{key}",
            f"AdaShare is above “{row['title']}”.",
            f"Delta of AdaShare minus that of “{row['title']}”.",
            key,
        )
        for key, row in study.methods.items()
        if row["kind"] == "ablation"
    )
    return (*fixed, *beyond)


def judge(study: SharingStudy) -> tuple[JudgedSharing, ...]:
    """Every claim on the scores of one study."""
    own, ours, theirs = study.adashare, deltas(study), published_deltas(study)
    judged = []
    for claim in claims(study):
        title, whole, parts = "", None, {}
        if own and study.has_deltas and claim.other in study.shown_methods:
            title = f"{study.methods[own]['title']} − {study.methods[claim.other]['title']}"
            whole = compare(ours, own, claim.other)
            parts = {task: compare(ours, own, claim.other, task) for task in study.tasks}
        name = study.methods[claim.other]["published"] if claim.other else ""
        published = {}
        if {SHARING, name} <= set(theirs):
            first, second = theirs[SHARING], theirs[name]
            # Rounded, since equal numbers of the table must not differ by a rounding error.
            published = {task: round(first[task] - second[task], 6) for task in first}
        judged.append(JudgedSharing(claim, title, whole, parts, published))
    return tuple(judged)


def claims_metrics(judged: Sequence[JudgedSharing]) -> dict[str, dict[str, float | str]]:
    """{claim: {"verdict", "difference", "ci95", "tasks_above", "tasks", "published", "published_tasks_above"}}.

    No `ci95` where `compare` gives none; only the verdict for a claim that was not tested.
    """
    metrics: dict[str, dict[str, float | str]] = {}
    for one in judged:
        entry: dict[str, float | str] = {"verdict": one.verdict}
        if one.whole:
            entry["difference"] = round(one.whole.difference, 2)
            entry |= {} if one.whole.ci95 is None else {"ci95": round(one.whole.ci95, 2)}
            entry |= {"tasks_above": one.above, "tasks": len(one.parts)}
        if one.published:
            entry["published"] = round(one.published[OVERALL], 2)
            entry["published_tasks_above"] = one.published_above
        metrics[one.claim.key] = entry
    return metrics


def _parameters(study: SharingStudy, multi_task: Sequence[str]) -> str:
    """How many parameters both have, where they were counted."""
    rows = [key for key in (study.adashare, *multi_task[:1]) if key in study.costs]
    if len(rows) < 2:
        return ""
    own, other = (study.costs[str(key)]["backbone_parameters"] for key in rows)
    return f" Their backbones have {own:.2f} and {other:.2f} times the parameters of one backbone."
