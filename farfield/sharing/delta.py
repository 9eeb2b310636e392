"""Relative performance, Delta: what sharing costs or gains against single-task networks.

Delta of task i = 100 % / |M_i| sum_j (-1)^(l_j) (M_ij - S_ij) / S_ij over its metrics j, S being the
single-task network's and l_j 1 where lower is better; the overall Delta is the mean over tasks
(AdaShare, section 4; Maninis et al., arXiv 1904.08918).
"""

from collections.abc import Mapping

from farfield.errors import InputError
from farfield.sharing.metrics import HIGHER_IS_BETTER

Values = Mapping[str, Mapping[str, float]]


def relative_performance(
    metrics: Values, reference: Values, higher: Mapping[str, bool] = HIGHER_IS_BETTER
) -> tuple[dict[str, float], float]:
    """Delta of each task in percent, and their mean.

    metrics: {task: {metric: value}}. reference: the same of the single-task networks. higher: of each
    metric, whether higher is better. InputError if the reference lacks a value or it is not above 0.
    """
    if not metrics:
        raise InputError("relative performance needs at least one task, found none")
    deltas = {}
    for task, values in metrics.items():
        if unknown := values.keys() - higher.keys():
            raise InputError(f"whether higher {', '.join(sorted(unknown))} of {task} is better is not known")
        names = [name for name in higher if name in values]
        if not names:
            raise InputError(f"relative performance needs a metric of {task}, found none")
        gains = [_gain(task, name, values[name], reference, higher[name]) for name in names]
        deltas[task] = 100 * sum(gains) / len(gains)
    return deltas, sum(deltas.values()) / len(deltas)


def _gain(task: str, name: str, value: float, reference: Values, higher: bool) -> float:
    single = reference.get(task, {}).get(name)
    if single is None or not single > 0:
        raise InputError(
            f"relative performance divides by the single-task {name} of {task}, found {single}; it must be "
            f"measured and above 0"
        )
    return (value - single) / single if higher else (single - value) / single
