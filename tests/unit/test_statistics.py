"""Means and intervals over episodes, against plain loops."""

import math

import pandas as pd
import pytest

from farfield.episodes.statistics import mean_interval, summarise
from farfield.errors import InputError
from farfield.seeds import stream


def episodes(method: str, accuracies: list[float], dataset: str = "eurosat", shot: int = 5) -> pd.DataFrame:
    rows = {"method": method, "dataset": dataset, "shot": shot, "episode": range(len(accuracies))}
    return pd.DataFrame({**rows, "accuracy": accuracies})


def plain_interval(values: list[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
    return mean, 1.96 * math.sqrt(variance) / math.sqrt(len(values))


def test_the_interval_is_that_of_a_plain_loop():
    values = list(stream(0, "accuracies").uniform(20, 100, 601))
    assert mean_interval(values) == pytest.approx(plain_interval(values), rel=1e-12)


def test_the_interval_uses_the_standard_deviation_of_the_population():
    assert mean_interval([60.0, 80.0]) == pytest.approx((70.0, 1.96 * 10 / math.sqrt(2)))


def test_equal_accuracies_have_an_interval_of_no_width():
    assert mean_interval([40.0, 40.0, 40.0]) == (40.0, 0.0)


@pytest.mark.parametrize("values", [[], [50.0, math.nan], [50.0, math.inf], [[50.0, 60.0]]])
def test_an_interval_needs_finite_numbers_one_an_episode(values):
    with pytest.raises(InputError):
        mean_interval(values)


def test_a_summary_has_one_row_for_each_method_dataset_and_shot():
    results = pd.concat(
        [
            episodes("tuned", [10.0, 20.0, 60.0]),
            episodes("fixed", [50.0, 70.0]),
            episodes("fixed", [90.0, 94.0], shot=20),
        ]
    )
    summary = summarise(results)
    assert list(summary.columns) == ["method", "dataset", "shot", "episodes", "accuracy", "ci95"]
    assert [tuple(row[:4]) for row in summary.to_numpy()] == [
        ("tuned", "eurosat", 5, 3),
        ("fixed", "eurosat", 5, 2),
        ("fixed", "eurosat", 20, 2),
    ]
    assert summary["accuracy"].tolist() == pytest.approx([30, 60, 92])
    assert summary["ci95"].iloc[0] == pytest.approx(plain_interval([10, 20, 60])[1])


def test_an_episode_that_occurs_twice_is_refused():
    doubled = pd.concat([episodes("fixed", [50.0, 60.0])] * 2)
    with pytest.raises(InputError, match=r"fixed.*eurosat.*more than once"):
        summarise(doubled)
