"""Means, intervals and paired differences over episodes, against plain loops."""

import math

import numpy as np
import pandas as pd
import pytest

from farfield.episodes.statistics import mean_interval, paired_differences, summarise
from farfield.errors import InputError
from farfield.seeds import stream


def episodes(method: str, accuracies: list[float], dataset: str = "eurosat", shot: int = 5) -> pd.DataFrame:
    rows = {"method": method, "dataset": dataset, "shot": shot, "episode": range(len(accuracies))}
    return pd.DataFrame({**rows, "accuracy": accuracies})


def plain_interval(values: list[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
    return mean, 1.96 * math.sqrt(variance) / math.sqrt(len(values))


def correlated_results(count: int = 400) -> pd.DataFrame:
    """Two methods that find the same episodes hard; `tuned` is 1 point better on average."""
    rng = stream(3, "episodes")
    hardness = rng.normal(60, 10, count)
    return pd.concat(
        [
            episodes("fixed", list(hardness + rng.normal(0, 1, count))),
            episodes("tuned", list(hardness + rng.normal(1, 1, count))),
        ],
        ignore_index=True,
    )


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


def test_paired_differences_are_those_of_a_plain_loop_over_shared_episodes():
    results = pd.concat([episodes("fixed", [50.0, 60.0, 70.0, 10.0]), episodes("tuned", [55.0, 61.0, 78.0])])
    row = paired_differences(results.sample(frac=1, random_state=1), "fixed").iloc[0]
    mean, ci95 = plain_interval([5.0, 1.0, 8.0])
    assert (row["method"], row["reference"], row["episodes"]) == ("tuned", "fixed", 3)
    assert (row["difference"], row["ci95"]) == pytest.approx((mean, ci95))


def test_paired_intervals_are_narrower_than_unpaired_ones_where_episodes_are_hard_for_both():
    results = correlated_results()
    paired = paired_differences(results, "fixed")["ci95"].iloc[0]
    unpaired = np.hypot(*summarise(results)["ci95"])
    assert paired < unpaired / 5


def test_the_reference_is_not_compared_with_itself():
    assert set(paired_differences(correlated_results(), "fixed")["method"]) == {"tuned"}


def test_episodes_of_different_shots_are_not_paired():
    results = pd.concat(
        [
            episodes("fixed", [50.0, 60.0], shot=5),
            episodes("fixed", [70.0, 80.0], shot=20),
            episodes("tuned", [71.0, 81.0], shot=20),
        ]
    )
    differences = paired_differences(results, "fixed")
    assert differences[["shot", "difference"]].to_numpy().tolist() == [[20, 1.0]]


def test_a_dataset_without_the_reference_has_no_difference():
    results = pd.concat([correlated_results(), episodes("tuned", [30.0, 40.0], dataset="isic")])
    assert set(paired_differences(results, "fixed")["dataset"]) == {"eurosat"}


def test_disjoint_episodes_cannot_be_compared():
    later = episodes("tuned", [50.0, 60.0]).assign(episode=[7, 8])
    with pytest.raises(InputError, match="share no episode of eurosat at 5 shots"):
        paired_differences(pd.concat([episodes("fixed", [50.0, 60.0]), later]), "fixed")


def test_a_reference_without_results_is_named_with_those_that_have_some():
    with pytest.raises(InputError, match=r"'protonet' has no results.*fixed, tuned"):
        paired_differences(correlated_results(), "protonet")
