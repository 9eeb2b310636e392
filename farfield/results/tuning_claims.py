"""Claims of the talk about SpotTune, held against answers on test images and against the published tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from farfield.results.tuning_statistics import Difference, compare
from farfield.results.tuning_study import TuningStudy
from farfield.results.verdicts import Verdict

SPOTTUNE = "SpotTune"
RANDOM = "Random Policy"
# The source of the decathlon's networks, to which nothing is tuned: the talk does not count it.
_SOURCE = "ImNet"


@dataclass(frozen=True)
class TuningClaim:
    """SpotTune is better than other rows, which `others` finds in a study; the first of them decides.

    published: names that the first of these rows has in the published tables.
    """

    key: str
    statement: str
    measured: str
    others: Callable[[TuningStudy, str], list[str]]
    published: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """SpotTune minus another row of a published table: the mean over its datasets, and on how many it leads."""

    difference: float
    above: int
    datasets: int


@dataclass(frozen=True)
class Comparison:
    """SpotTune minus another row: the mean over the datasets that both have, and on each of them.

    published: the published difference on the datasets of the same names.
    """

    title: str
    whole: Difference
    parts: Mapping[str, Difference]
    published: Mapping[str, float]

    @property
    def above(self) -> int:
        """On how many datasets SpotTune is better, surely or not."""
        return sum(part.difference > 0 for part in self.parts.values())

    def surely(self, verdict: Verdict) -> int:
        return sum(part.verdict == verdict for part in self.parts.values())


@dataclass(frozen=True)
class JudgedTuning:
    """A claim with its comparisons, of which the first decides; talk: of the whole published table."""

    claim: TuningClaim
    comparisons: tuple[Comparison, ...]
    talk: Published | None

    @property
    def verdict(self) -> Verdict:
        return self.comparisons[0].whole.verdict if self.comparisons else "not tested"


def _reference(study: TuningStudy, routed: str) -> list[str]:
    return [study.reference]


@dataclass(frozen=True)
class _Asked:
    """The rows that ask SpotTune's own networks with another override of the policy."""

    override: str

    def __call__(self, study: TuningStudy, routed: str) -> list[str]:
        training = study.methods[routed]["training"]
        return [
            key
            for key, method in study.methods.items()
            if method["training"] == training and method["override"] == self.override
        ]


def _random(study: TuningStudy, routed: str) -> list[str]:
    trained = [key for key, method in study.methods.items() if method["published"] == RANDOM]
    return [*trained, *_Asked("random")(study, routed)]


CLAIMS = (
    TuningClaim(
        "spottune_above_finetuning",
        "SpotTune beats standard fine-tuning.",
        "SpotTune minus standard fine-tuning. The talk: better on 12 of the 14 sets of both studies.",
        _reference,
        ("Standard Fine-tuning", "Fine-tuning"),
    ),
    TuningClaim(
        "routing_above_tuned_blocks",
        "Routing helps, not the tuned blocks alone.",
        "SpotTune minus the same networks with every tuned block running, whatever the policy says.",
        _Asked("all_tuned"),
        ("SpotTune (running fine-tuned blocks)",),
    ),
    TuningClaim(
        "routing_above_frozen_blocks",
        "Routing helps, not the frozen blocks alone.",
        "SpotTune minus the same networks with every frozen block running. The talk has no such row.",
        _Asked("all_frozen"),
    ),
    TuningClaim(
        "routing_above_chance",
        "A learned policy beats a random one.",
        "SpotTune minus networks that were trained with a random policy, and minus its own networks with a "
        "random policy in the place of the learned one.",
        _random,
        (RANDOM,),
    ),
)


def judge(study: TuningStudy) -> tuple[JudgedTuning, ...]:
    """Every claim on the results of one study, whose datasets are averaged: hand over one of its `parts`."""
    routed = [key for key in study.shown_methods if study.methods[key]["published"] == SPOTTUNE]
    judged = []
    for claim in CLAIMS:
        others = claim.others(study, routed[0]) if routed else []
        found = [_comparison(study, routed[0], other) for other in others if other in study.shown_methods]
        judged.append(JudgedTuning(claim, tuple(one for one in found if one), _talk(study, claim.published)))
    return tuple(judged)


def claims_metrics(judged: Sequence[JudgedTuning]) -> dict[str, dict[str, float | str]]:
    """{claim: {"verdict", "difference", "ci95", "sets_above", "sets", "published", "published_sets_above"}}."""
    metrics: dict[str, dict[str, float | str]] = {}
    for one in judged:
        entry: dict[str, float | str] = {"verdict": one.verdict}
        for first in one.comparisons[:1]:
            entry |= {
                "difference": round(first.whole.difference, 2),
                "ci95": round(first.whole.ci95, 2),
                "sets_above": first.above,
                "sets": len(first.parts),
            }
        if one.talk:
            entry |= {"published": round(one.talk.difference, 2), "published_sets_above": one.talk.above}
        metrics[one.claim.key] = entry
    return metrics


def _comparison(study: TuningStudy, routed: str, other: str) -> Comparison | None:
    both = [key for key in study.shown_datasets if {routed, other} <= set(study.hits[key])]
    if not both:
        return None
    theirs = _published(study, [study.methods[other]["published"]])
    names = {key: study.datasets[key]["published"] for key in both}
    return Comparison(
        f"{study.methods[routed]['title']} − {study.methods[other]['title']}",
        compare(study, routed, other, both),
        {key: compare(study, routed, other, [key]) for key in both},
        {key: theirs[name] for key, name in names.items() if name in theirs},
    )


def _talk(study: TuningStudy, others: Sequence[str]) -> Published | None:
    found = _published(study, others)
    if not found:
        return None
    values = list(found.values())
    return Published(sum(values) / len(values), sum(value > 0 for value in values), len(values))


def _published(study: TuningStudy, others: Sequence[str]) -> dict[str, float]:
    """SpotTune minus the first of `others` that the published table has, by published dataset."""
    tables = {
        str(name): dict(zip(rows["dataset"], rows["accuracy"], strict=True))
        for name, rows in study.published.groupby("method")
    }
    named = [name for name in others if name in tables]
    if not named or SPOTTUNE not in tables:
        return {}
    theirs = tables[named[0]]
    # Rounded, since equal numbers of the table must not differ by a rounding error.
    both = [key for key in tables[SPOTTUNE] if key in theirs and key != _SOURCE]
    return {key: round(tables[SPOTTUNE][key] - theirs[key], 6) for key in both}
