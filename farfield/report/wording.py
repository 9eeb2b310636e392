"""How each family of studies words its verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farfield.results.claims import Comparison, Published
from farfield.results.inputs import Dataset, listed
from farfield.results.intervals import Difference


@dataclass(frozen=True)
class Wording:
    """What a family calls things. counted: what parts are called, "" if they are not counted. says: the
    deciding numbers in words; talk: those of the published table."""

    counted: str
    caption: str
    note: str
    says: Callable[[Comparison, Difference], str]
    talk: Callable[[Published], str]


def _over_cells(first: Comparison, whole: Difference) -> str:
    count, part = len(first.parts), next(iter(first.parts))
    word = "dataset" if len(part) == 1 else "cell" if isinstance(part[-1], int) else "step"
    return (
        f"{first.title}: {signed(whole.difference)} ± {whole.ci95:.2f} points over {count} {word}"
        f"{'' if count == 1 else 's'}, from at least {whole.units} episodes "
        f"{'in each half of a cell' if first.halves else 'a cell'}; telling one point "
        f"from zero takes {whole.needed}."
    )


def _over_sets(first: Comparison, whole: Difference) -> str:
    sets = len(first.parts)
    over = "test images and trainings" if whole.over_trainings else "test images alone"
    return (
        f"{first.title}: {signed(whole.difference)} ± {whole.ci95:.2f} points over "
        f"{sets} {'sets' if sets > 1 else 'set'}, above on {first.above} of them, surely above on "
        f"{first.surely('supported')}, surely below on {first.surely('contradicted')}. The interval is "
        f"over {over}."
    )


def _over_tasks(first: Comparison, whole: Difference) -> str:
    interval = "" if whole.ci95 is None else f" ± {whole.ci95:.2f}"
    above = f"above at {first.above} of {len(first.parts)} tasks."
    alone = " Neither of the two has trainings that differ, so nothing is known of others."
    difference = f"{signed(whole.difference)}{interval} points of Δ"
    return f"{first.title}: {difference}, {above}{alone if whole.ci95 is None else ''}"


FEWSHOT = Wording(
    "",
    "Verdicts, with the deciding difference in percentage points",
    "Supported: the 95 % interval, widened after Student where episodes are few, lies above "
    "zero. Contradicted: below. Undecided: it includes zero. Not enough episodes: with so few, going by how much "
    "the difference varies between episodes, the interval reaches farther than one point to either side. Not "
    "tested: rows are missing. Published: the same difference in the whole published table.",
    _over_cells,
    lambda talk: f"The whole published table says {signed(talk.difference)}.",
)


TUNING = Wording(
    "Sets",
    "Verdicts, with the deciding mean difference over datasets in percentage points",
    "Supported: the 95 % interval lies above zero. Contradicted: below. Undecided: it includes zero. "
    "Not tested: rows are missing. Sets above: where the difference is positive, surely or not. "
    "Published: the same in the whole published table.",
    _over_sets,
    lambda talk: (
        f"The whole published table says {signed(talk.difference)}, above on {talk.above} of {talk.sets}."
    ),
)


SHARING = Wording(
    "Tasks",
    "Verdicts, with the deciding difference of Δ overall in percentage points",
    "Supported: the 95 % interval over trainings lies above zero. Contradicted: below. Undecided: it "
    "includes zero, or there is none, as neither row has two trainings that differ. Not tested: rows are "
    "missing. Published: the same difference within the published table, whose protocol is its own.",
    _over_tasks,
    lambda talk: f"The published table says {signed(talk.difference)}, above at {talk.above} of {talk.sets}.",
)


def drawn(datasets: Sequence[Dataset]) -> str:
    """What datasets are, within a sentence: "EuroSAT and ISIC", "drawn leaves and skin lesions"."""
    names = listed([one["title"].lower() if one["procedural"] else one["title"] for one in datasets])
    return f"drawn {names}" if all(one["procedural"] for one in datasets) else names


def signed(value: float) -> str:
    """With its sign, to two digits."""
    return f"{value:+.2f}".replace("-", "−")
