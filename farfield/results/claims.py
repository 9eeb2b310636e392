"""Claims held against results: what a claim is, its comparisons beside the published, and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from farfield.results.contrasts import Cell
from farfield.results.intervals import Difference, Verdict


@dataclass(frozen=True)
class Claim:
    """A statement, and what is computed for it. margin: by so many points below zero it still holds."""

    key: str
    statement: str
    measured: str
    margin: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class Published:
    """The same difference in the whole published table: over all, and on how many of its sets it is above
    zero."""

    difference: float
    above: int = 0
    sets: int = 0


@dataclass(frozen=True)
class Comparison:
    """A difference over all cells (None: not tested), in parts, and the same from the published table.

    parts: by cell (dataset, shot), dataset or task (name,), or step (dataset, next dataset). published: by
    part, and under () over all, on the same cells. talk: over the whole published table, whatever of it ran
    here. picked: rows that were chosen as the best of several on one half of the episodes and judged on the
    other; halves: whether.
    """

    title: str
    whole: Difference | None = None
    parts: Mapping[Cell, Difference] = field(default_factory=dict)
    published: Mapping[Cell, float] = field(default_factory=dict)
    talk: Published | None = None
    picked: tuple[str, ...] = ()
    halves: bool = False

    @property
    def above(self) -> int:
        """In how many parts it is above zero, surely or not."""
        return sum(part.difference > 0 for part in self.parts.values())

    def surely(self, verdict: Verdict) -> int:
        return sum(part.verdict == verdict for part in self.parts.values())


@dataclass(frozen=True)
class Judged:
    """A claim with its comparisons, of which the first decides: over all, or `by_parts`, that each part
    agrees. From too few episodes to tell one point from zero nothing is decided, however large a difference
    looks: a lucky handful looks large too. variants: what other settings of a row that decides make of it."""

    claim: Claim
    comparisons: tuple[Comparison, ...]
    by_parts: bool = False
    variants: "tuple[Varied, ...]" = ()

    @property
    def first(self) -> Comparison:
        return self.comparisons[0] if self.comparisons else Comparison("")

    @property
    def verdict(self) -> Verdict:
        if self.first.whole is None:
            return "not tested"
        if not self.first.whole.enough:
            return "not enough episodes"
        if not self.by_parts:
            return self.first.whole.within(self.claim.margin)
        verdicts = {part.verdict for part in self.first.parts.values()}
        if "contradicted" in verdicts:
            return "contradicted"
        return "undecided" if "undecided" in verdicts else "supported"


@dataclass(frozen=True)
class Varied:
    """A claim judged twice on the same episodes: with the row titled `row` replaced by one of the settings that
    `title` says, and with the row itself."""

    row: str
    title: str
    variant: Judged
    itself: Judged
