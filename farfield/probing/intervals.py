"""Intervals of what is no mean over images: balanced accuracy, macro F1, and the recall of each class.

As that of the accuracy (`farfield.probing.measures.interval`) they are for half as many new images, or groups of
images, of the same kind, so that a test on images kept aside should fall into them.
"""

import numpy as np

from farfield.probing.diagnosis import Estimate, Scores
from farfield.probing.measures import NEW, Measures, Z, interval, variance_of_mean
from farfield.seeds import stream

SAMPLES = 1000


def estimate(value: float, half: float) -> Estimate:
    """In percent, cut off at 0 and 100."""
    return Estimate(value, max(0.0, value - half), min(100.0, value + half))


def scores(
    logits: np.ndarray,
    labels: np.ndarray,
    measures: Measures,
    seed: int,
    units: np.ndarray | None = None,
) -> Scores:
    """Of left-out images, as `measure` takes them. measures: what it gave. units: int [n], from 0, equal for
    images of one group."""
    answers = logits.argmax(-1)
    right = (answers == labels).mean(0)
    asked, given = measures.confusion.sum(1), measures.confusion.sum(0)
    balanced, macro = _deviations(answers, labels, logits.shape[-1], seed, units)
    counts = asked / len(answers)
    apart = max(design_effect(right, units), 1.0)
    low, high = found_again(measures.recall / 100, counts / apart)
    with np.errstate(invalid="ignore"):
        precision = np.where(given > 0, 100 * np.diag(measures.confusion) / given, np.nan)
    return Scores(
        accuracy=estimate(measures.accuracy, 100 * interval(right, units)),
        balanced=estimate(measures.balanced, balanced),
        macro_f1=estimate(measures.macro_f1, macro),
        recall=np.stack([measures.recall, 100 * low, 100 * high], axis=1),
        precision=precision,
        confusion=measures.confusion,
        repeats=len(answers),
        temperature=measures.temperature,
        ece=measures.ece,
        ece_calibrated=measures.ece_calibrated,
    )


def found_again(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of the share that is right of half as many new images as the `count` of a class
    of which `share` was: of the beta-binomial law, with Jeffreys' prior. Few images are right all together
    far more often than a normal law has it."""
    from scipy.stats import betabinom

    new = np.maximum(np.round(count / 2), 1).astype(int)
    law = betabinom(new, share * count + 0.5, (1 - share) * count + 0.5)
    low, high = (law.ppf(q) / new for q in (0.025, 0.975))
    return np.minimum(low, share), np.maximum(high, share)


def wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of shares of `count` draws each (E. B. Wilson, JASA 1927)."""
    middle = share + Z**2 / (2 * count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    whole = 1 + Z**2 / count
    return np.clip((middle - half) / whole, 0, share), np.clip((middle + half) / whole, share, 1)


def design_effect(values: np.ndarray, units: np.ndarray | None) -> float:
    """How much more the mean of values [n] varies as whole units are drawn than if each stood alone."""
    alone = variance_of_mean(values)
    return variance_of_mean(values, units) / alone if units is not None and alone > 0 else 1.0


def _deviations(
    answers: np.ndarray, labels: np.ndarray, classes: int, seed: int, units: np.ndarray | None
) -> tuple[float, float]:
    """Half the intervals of balanced accuracy and of macro F1, in points: bootstrap over units.

    Two right and two wrong images, spread over all classes, are drawn with the others, as `interval` has it.
    """
    every = np.eye(classes)
    truth = every[labels]
    given = every[answers].mean(0)
    table = np.concatenate([truth, given, truth * given], axis=1)
    if units is not None:
        table = np.stack([np.bincount(units, weights=column) for column in table.T], axis=1)
    even = np.full((4, classes), 1 / classes)
    more = np.concatenate([even, even, even * np.array([[0], [0], [1], [1]])], axis=1)
    table = np.concatenate([table, more])
    drawn = stream(seed, "intervals").multinomial(len(table), np.full(len(table), 1 / len(table)), SAMPLES)
    asked, answered, hits = np.split(drawn @ table, 3, axis=1)
    recall = hits / np.maximum(asked, 1e-12)
    f1 = 2 * hits / np.maximum(asked + answered, 1e-12)
    balanced, macro = (Z * float(np.sqrt(NEW) * 100 * each.mean(1).std()) for each in (recall, f1))
    return balanced, macro
