"""What more labels would bring: fits to fewer of the images, and a power law through them.

The share of errors of n images is taken for a + b n^-c (Hestness et al., "Deep Learning Scaling is Predictable,
Empirically", 2017). Images are drawn anew (bootstrap), and every draw has its own law, so that the answer comes
with an interval; where the law's limit lies above what is asked for, no number of labels is enough.
"""

import numpy as np
import torch

from farfield.probing.diagnosis import Estimate, LearningCurve
from farfield.probing.logistic import Basis, averaged, fit
from farfield.probing.measures import NEW, interval
from farfield.seeds import stream

SHARES = (0.25, 0.4, 0.65, 1.0)  # of the images that a fold learns from
PENALTIES, STEPS = (0.3, 3.0, 30.0), 80  # fewer than a classifier has: points are compared with one another
POWERS = np.linspace(0.1, 1.0, 37)
DRAWS, GAIN = 400, 2.0  # points


def learning_curve(
    found: Basis,
    labels: np.ndarray,
    part: np.ndarray,
    seed: int,
    units: np.ndarray | None = None,
    gain: float = GAIN,
) -> LearningCurve | None:
    """found: basis of the features. part: int [n], images are asked of fits without their part. None if the
    least share leaves fewer than two images a class, or a class without any, or if groups are so few that shares
    of them are not of three sizes."""
    used, asked, sizes = sub_samples(labels, part, seed, units)
    classes = int(labels.max()) + 1
    if min(len(np.unique(labels[row])) for row in used) < classes or sizes[0] < 2 * classes:
        return None
    if len(np.unique(sizes)) < 3:  # which a power law has
        return None
    targets, inside = torch.from_numpy(labels).long(), torch.from_numpy(used).float()
    fits = fit(found, targets, classes, inside, PENALTIES, STEPS)
    answers = averaged(fits, len(PENALTIES)).logits(found.coordinates).argmax(-1).numpy()
    right = np.zeros((len(SHARES), len(labels)))
    for row, (answer, left_out) in enumerate(zip(answers, asked, strict=True)):
        right[row % len(SHARES), left_out] = (answer == labels)[left_out]
    return curve_through(sizes, right, len(labels), seed, units, gain)


def sub_samples(
    labels: np.ndarray, part: np.ndarray, seed: int, units: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """bool [parts * shares, n] what is learned from, share by share within a part; the same of what is asked
    then; and [shares], the mean number of images. Smaller shares lie in larger ones, of every class alike, and
    hold whole units."""
    units = np.arange(len(labels)) if units is None else units
    chance = stream(seed, "learning curve").random(units.max() + 1)[units]
    used, asked = [], []
    for left_out in (part == each for each in np.unique(part)):
        place = np.ones(len(labels))
        for label in np.unique(labels):
            inside = (labels == label) & ~left_out
            order = np.unique(chance[inside])
            place[inside] = np.searchsorted(order, chance[inside]) / max(len(order), 1)
        for share in SHARES:
            used.append(~left_out & (place < share))
            asked.append(left_out)
    rows = np.stack(used)
    return rows, np.stack(asked), rows.sum(1).reshape(-1, len(SHARES)).mean(0)


def curve_through(
    sizes: np.ndarray,
    right: np.ndarray,
    now: int,
    seed: int,
    units: np.ndarray | None = None,
    gain: float = GAIN,
) -> LearningCurve:
    """right: [k, n], whether each image was answered rightly after learning from `sizes` [k] images."""
    errors = 1 - right
    a, b, c = (float(each[0]) for each in power_law(sizes, errors.mean(1)[None]))
    if units is not None:
        errors = np.stack([np.bincount(units, weights=row) for row in errors])
        counts = np.bincount(units).astype(float)
    else:
        counts = np.ones(right.shape[1])
    drawn = stream(seed, "labels").multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
    laws = power_law(sizes, drawn @ errors.T / (drawn @ counts)[:, None])
    more = np.array([images_more(*law, now, gain) for law in zip(*laws, strict=True)])
    middle, low, high = (float(np.quantile(more, q, method="nearest")) for q in (0.5, 0.025, 0.975))
    return LearningCurve(
        sizes=sizes,
        accuracy=100 * right.mean(1),
        ci95=np.array([100 * interval(row, units) / NEW**0.5 for row in right]),
        limit=100 * (1 - a),
        factor=100 * b,
        power=c,
        now=100 * (1 - a - b * now**-c),
        gain=gain,
        more=Estimate(middle, low, high) if np.isfinite(middle) else None,
    )


def power_law(sizes: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b, c, each [m], of the least squares of a + b * sizes^-c to errors [m, k], neither a nor b below 0.

    For every power of a grid it is a line, whose best point lies inside or on one of two edges.
    """
    least = np.full(len(errors), np.inf)
    best = np.zeros((3, len(errors)))
    for power in POWERS:
        x = sizes**-power
        slope = (errors - errors.mean(1, keepdims=True)) @ (x - x.mean()) / np.square(x - x.mean()).sum()
        level = errors.mean(1) - slope * x.mean()
        flat, through = slope < 0, level < 0
        slope = np.where(flat, 0.0, np.where(through, errors @ x / (x @ x), slope))
        level = np.where(flat, errors.mean(1), np.where(through, 0.0, level))
        loss = np.square(errors - level[:, None] - slope[:, None] * x).sum(1)
        better = loss < least - 1e-15
        least = np.where(better, loss, least)
        best = np.where(better, np.stack([level, slope, np.full_like(level, power)]), best)
    return best[0], best[1], best[2]


def images_more(a: float, b: float, c: float, now: int, gain: float) -> float:
    """How many images beyond `now` take `gain` points off the law's errors; inf if they never do."""
    wanted = b * now**-c - gain / 100
    return float((b / wanted) ** (1 / c) - now) if wanted > 0 else np.inf
