"""What is to be known of a user's images and of their classifier: plain numbers and arrays, for pages and files.

`farfield.probing.diagnosing.diagnose` makes it. Rows are places in the arrays of images and labels, classes are
class indices, shares and accuracies are in percent.
"""

from dataclasses import dataclass

import numpy as np

FEW = 20  # labels, of which no share is said
FAR = 10.0  # times the images there are; no curve is trusted beyond


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval, in the same units."""

    value: float
    low: float
    high: float

    def holds(self, other: float) -> bool:
        return self.low <= other <= self.high


@dataclass(frozen=True)
class Scores:
    """In percent, for half as many new images (or groups) of the same kind.

    recall: [classes, 3], value, low and high. precision: [classes], nan where a class is never answered.
    confusion: int [classes, classes], truth by answer, summed over `repeats` answers of every image.
    """

    accuracy: Estimate
    balanced: Estimate
    macro_f1: Estimate
    recall: np.ndarray
    precision: np.ndarray
    confusion: np.ndarray
    repeats: int
    temperature: float
    ece: float
    ece_calibrated: float


@dataclass(frozen=True)
class Duplicates:
    """Images that are nearly the same picture.

    pairs: int [m, 2], rows, the surest first. cosine: [m], of features. bits: int [m], in which the perceptual
    hashes (of 64) differ, the least over mirrored and turned copies. same_class: bool [m]. same_part: bool [m],
    whether they were always on one side. clusters: int [n], images that belong together have the same number.
    """

    pairs: np.ndarray
    cosine: np.ndarray
    bits: np.ndarray
    same_class: np.ndarray
    same_part: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Leakage:
    """The accuracy with images that belong together on both sides, and with them on one side only, in percent.

    kind: "duplicates", "groups" (that were given), or groups that were not given: "names" (that file names
    suggest), "families" (that looks suggest). groups: their number. excess: apart minus together, paired by
    image, with its interval. misleading: whether the excess is above 0 by more than its interval, and at least
    one point, so that `apart` must not be believed.
    """

    kind: str
    groups: int
    apart: float
    together: float
    excess: Estimate
    misleading: bool


@dataclass(frozen=True)
class PredictionSets:
    """Conformal sets: all classes whose calibrated probability is at least the threshold of the class.

    stated: the coverage that is promised of new images of the same kind. thresholds: [classes], all alike
    unless `each_class`. coverage: what sets calibrated on other images cover of left-out ones. sizes: int
    [classes + 1], images by the number of classes in their set. temperature: of the probabilities.
    """

    stated: float
    each_class: bool
    thresholds: np.ndarray
    coverage: Estimate
    sizes: np.ndarray
    temperature: float

    @property
    def mean_size(self) -> float:
        return float(self.sizes @ np.arange(len(self.sizes)) / self.sizes.sum())


@dataclass(frozen=True)
class Suspects:
    """Labels that are likely wrong, the likeliest first; of every image a score, [n], high is suspicious.

    rows, given, suggested: int [m]. own, other: [m], left-out probabilities of the given and of the suggested
    class, in percent. neighbours: [m], the share of the nearest images that have the suggested class, in percent.
    expected: how many labels seem wrong in all, from left-out probabilities.
    """

    rows: np.ndarray
    given: np.ndarray
    suggested: np.ndarray
    own: np.ndarray
    other: np.ndarray
    neighbours: np.ndarray
    scores: np.ndarray
    expected: int


@dataclass(frozen=True)
class Planted:
    """One label in twenty was changed in copies of the labels, to see whether `Suspects` are the changed ones.
    changed: labels, over all copies. listed: those that seemed wrong there. found: changed ones among these."""

    changed: int
    listed: int
    found: int

    @property
    def misleading(self) -> bool:
        """Whether most labels that seem wrong are right, by enough of them to say so."""
        return self.listed >= FEW and 2 * self.found < self.listed


@dataclass(frozen=True)
class Outliers:
    """Images unlike all others. rows: int [m], the farthest first. distances: [n], of every image, the mean
    cosine distance to its nearest few others. New images are judged by `farfield.deployment.familiarity`."""

    rows: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class SameClasses:
    """Pairs of classes that the classifier tells apart no better than chance. pairs: int [m, 2]. right: [m, 3],
    the percentage of pairs of their images that it puts in the right order, low and high; chance is 50."""

    pairs: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy by the number of images learned from, and where it goes.

    sizes, accuracy, ci95: [k], in images and percent. limit, factor, power: accuracy = limit - factor *
    size ** -power. now: at all images. gain: points asked for. more: images more for them; high is inf where they
    may never come, and None where most fits say so.
    """

    sizes: np.ndarray
    accuracy: np.ndarray
    ci95: np.ndarray
    limit: float
    factor: float
    power: float
    now: float
    gain: float
    more: Estimate | None

    @property
    def sentence(self) -> str:
        """For example: About 60 more labels for +2 points, interval 30 to 140."""
        points = f"+{self.gain:g} points"
        if self.more is None or self.more.value > FAR * self.sizes[-1]:
            return f"More labels of this kind are unlikely to bring {points}."
        low, middle = round_up(self.more.low), round_up(self.more.value)
        if self.more.high > FAR * self.sizes[-1]:
            return f"About {middle} more labels for {points}, at least {low}; it may take far more than that."
        return f"About {middle} more labels for {points}, interval {low} to {round_up(self.more.high)}."


def round_up(count: float) -> int:
    """To two digits, upward."""
    step = 10 ** max(len(str(int(count))) - 2, 0)
    return int(-(-count // step)) * step


@dataclass(frozen=True)
class Diagnosis:
    """All of it. groups: how many units stand on one side each; as many as images where none were given.
    duplicates, leakage: of images that belong together; what fits none of them is empty."""

    images: int
    classes: int
    groups: int
    scores: Scores
    duplicates: Duplicates
    leakage: tuple[Leakage, ...]
    sets: PredictionSets
    suspects: Suspects
    planted: Planted
    outliers: Outliers
    same_classes: SameClasses
    curve: LearningCurve | None

    @property
    def doubts(self) -> list[Leakage]:
        """Why the scores are not to be believed."""
        return [leak for leak in self.leakage if leak.misleading and leak.kind != "groups"]

    @property
    def doubt(self) -> Leakage | None:
        """What takes most from the accuracy, if anything does."""
        return min(self.doubts, key=lambda leak: leak.together, default=None)
