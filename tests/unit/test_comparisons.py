"""Comparisons of any two methods, and contrasts in general, against plain loops."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from farfield.episodes.statistics import mean_interval
from farfield.errors import InputError
from farfield.results.comparisons import against, compare, holm, pooled
from farfield.results.contrasts import RESAMPLES, Cells, estimate, resample_counts, sign_flip_p
from farfield.results.contrasts import by_cell as by_cell_of_scores
from farfield.results.scores import of_episodes
from farfield.seeds import stream


def episodes(method: str, accuracies, dataset: str = "eurosat", shot: int = 5) -> pd.DataFrame:
    rows = {"method": method, "dataset": dataset, "shot": shot, "episode": range(len(accuracies))}
    return pd.DataFrame({**rows, "accuracy": np.asarray(accuracies, dtype=float)})


def made_up(counts: dict[str, int], datasets=("eurosat", "isic"), shots=(5, 20)) -> pd.DataFrame:
    """Methods that find the same episodes hard; a later one is a point better than the one before."""
    parts = []
    for dataset, shot in itertools.product(datasets, shots):
        hardness = stream(4, dataset, shot).normal(60, 10, max(counts.values()))
        for i, (method, count) in enumerate(counts.items()):
            noise = stream(5, method, dataset, shot).normal(i, 2, count)
            parts.append(episodes(method, hardness[:count] + noise, dataset, shot))
    return pd.concat(parts, ignore_index=True)


def difference(results: pd.DataFrame, a: str, b: str, dataset: str, shot: int) -> np.ndarray:
    cell = results[(results["dataset"] == dataset) & (results["shot"] == shot)]
    one, other = (cell[cell["method"] == name].set_index("episode")["accuracy"] for name in (a, b))
    return np.array([one[e] - other[e] for e in one.index if e in other.index])


def by_cell(results: pd.DataFrame) -> Cells:
    return by_cell_of_scores(of_episodes("made up", results))


COUNTS = {"fixed": 60, "protonet": 60, "ft_all": 30}


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    return made_up(COUNTS)


@pytest.fixture(scope="module")
def compared(results):
    return compare(by_cell(results.sample(frac=1, random_state=1)), list(COUNTS), seed=3)


# Pairs


def test_every_two_methods_are_compared_on_every_cell_on_the_episodes_both_saw(compared):
    pairs = compared.pairs
    assert len(pairs) == 3 * 4
    assert len(compared.overall) == 3
    shared = pairs.set_index(["method", "other"])["episodes"]
    assert set(shared["fixed", "protonet"]) == {60}
    assert set(shared["fixed", "ft_all"]) == {30}
    assert set(compared.overall["cells"]) == {4}


def test_a_pair_has_the_mean_and_the_published_interval_of_its_per_episode_difference(results, compared):
    for row in compared.pairs.to_dict("records"):
        values = difference(results, row["method"], row["other"], row["dataset"], row["shot"])
        assert (row["difference"], row["ci95"]) == pytest.approx(mean_interval(values))


def test_over_all_cells_it_is_the_mean_of_the_differences_and_variances_add(results, compared):
    row = compared.overall.set_index(["method", "other"]).loc["protonet", "ft_all"]
    parts = [
        mean_interval(difference(results, "protonet", "ft_all", dataset, shot))
        for dataset in ("eurosat", "isic")
        for shot in (5, 20)
    ]
    assert row["difference"] == pytest.approx(sum(mean for mean, _ in parts) / 4)
    assert row["ci95"] == pytest.approx(math.sqrt(sum(width**2 for _, width in parts)) / 4)


def test_the_bootstrap_is_that_of_a_plain_loop_with_the_same_indices(results, compared):
    values = difference(results, "fixed", "ft_all", "isic", 20)
    drawn = stream(3, "bootstrap", "isic", 20, len(values)).integers(0, len(values), (RESAMPLES, len(values)))
    means = [values[indices].mean() for indices in drawn]
    keys = compared.pairs.set_index(["method", "other", "dataset", "shot"])
    row = keys.loc["fixed", "ft_all", "isic", 20]
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_over_all_cells_the_bootstrap_resamples_within_each_cell(results, compared):
    means = np.zeros(RESAMPLES)
    for dataset, shot in itertools.product(("eurosat", "isic"), (5, 20)):
        values = difference(results, "fixed", "protonet", dataset, shot)
        means += resample_counts(3, (dataset, shot), len(values)) @ values / len(values) / 4
    row = compared.overall.set_index(["method", "other"]).loc["fixed", "protonet"]
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_another_seed_gives_other_resamples_and_the_same_seed_the_same(results, compared):
    again, other = (compare(by_cell(results), list(COUNTS), seed).pairs for seed in (3, 4))
    keys = ["method", "other", "dataset", "shot"]
    pd.testing.assert_frame_equal(
        again.sort_values(keys, ignore_index=True), compared.pairs.sort_values(keys, ignore_index=True)
    )
    assert (again["low"] != other["low"]).any()


def test_about_19_in_20_intervals_hold_the_true_difference():
    count, repeats = 60, 400
    noise = stream(8, "coverage").normal(0.5, 2, (repeats, count))
    table = pd.DataFrame({str(i): row for i, row in enumerate(noise)} | {"zero": 0.0})
    found = estimate({("a", 5): table}, [{("a", 5): {str(i): 1.0, "zero": -1.0}} for i in range(repeats)], 0)
    formula = (found["difference"] - 0.5).abs() <= found["ci95"]
    bootstrap = (found["low"] <= 0.5) & (found["high"] >= 0.5)
    assert 0.91 < formula.mean() < 0.98
    assert 0.91 < bootstrap.mean() < 0.98


def test_episodes_that_occur_twice_or_are_not_shared_are_refused(results):
    with pytest.raises(InputError, match="more than once"):
        compare(by_cell(pd.concat([results, results])), list(COUNTS), 0)
    apart = pd.concat(
        [episodes("fixed", [50, 60]), episodes("tuned", [50, 60]).assign(episode=[7, 8])], ignore_index=True
    )
    with pytest.raises(InputError, match="share no episode of eurosat at 5 shots"):
        compare(by_cell(apart), ["fixed", "tuned"], 0)


def test_a_cell_that_one_method_lacks_has_no_pair_and_does_not_count_over_all(results):
    partial = results[(results["method"] != "ft_all") | (results["dataset"] != "isic")]
    found = compare(by_cell(partial), list(COUNTS), 0)
    assert set(found.pairs.query("other == 'ft_all'")["dataset"]) == {"eurosat"}
    assert found.overall["cells"].tolist() == [4, 2, 2]


def test_one_method_alone_has_no_pairs(results):
    found = compare(by_cell(results.query("method == 'fixed'")), ["fixed"], 0)
    assert len(found.pairs) == len(found.overall) == 0
    assert len(against(found.pairs, "fixed")) == 0


# The test


def test_the_sign_flip_test_agrees_with_all_patterns_of_signs():
    values = np.array([3.0, 1.0, -0.5, 2.0, 4.0, 1.5, -1.0, 2.5])
    table = pd.DataFrame({"tuned": values, "fixed": 0.0})
    means = [abs((np.array(signs) * values).mean()) for signs in itertools.product((-1, 1), repeat=8)]
    exact = np.mean([mean >= values.mean() - 1e-12 for mean in means])
    (p,) = sign_flip_p({("a", 5): table}, [{("a", 5): {"tuned": 1.0, "fixed": -1.0}}], 0)
    assert p == pytest.approx(exact, abs=0.004)


def test_p_values_of_equal_methods_are_uniform():
    noise = stream(9, "null").normal(0, 2, (500, 20))
    table = pd.DataFrame({str(i): row for i, row in enumerate(noise)} | {"zero": 0.0})
    contrasts = [{("a", 5): {str(i): 1.0, "zero": -1.0}} for i in range(len(noise))]
    p = sign_flip_p({("a", 5): table}, contrasts, 0)
    assert np.quantile(p, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.07)


def test_equal_results_have_p_1_and_a_certain_difference_the_smallest():
    table = pd.DataFrame({"a": [50.0] * 40, "b": [50.0] * 40, "c": [60.0] * 40})
    pairs = [{("x", 1): {"a": 1.0, "b": -1.0}}, {("x", 1): {"a": 1.0, "c": -1.0}}]
    assert sign_flip_p({("x", 1): table}, pairs, 0).tolist() == [1.0, 1 / 20_000]


# Holm


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == 0


def test_families_are_the_pairs_of_a_cell_all_pairs_over_all_and_all_comparisons_with_a_reference(compared):
    for _, cell in compared.pairs.groupby(["dataset", "shot"]):
        assert cell["holm"].to_numpy() == pytest.approx(holm(cell["p"]))
    assert compared.overall["holm"].to_numpy() == pytest.approx(holm(compared.overall["p"]))
    rows = against(compared.pairs, "protonet")
    assert len(rows) == 8
    assert rows["holm"].to_numpy() == pytest.approx(holm(rows["p"]))


# Against a reference


def test_differences_to_a_reference_have_its_sign_whatever_the_order_of_methods(results, compared):
    rows = against(compared.pairs, "protonet").set_index(["method", "dataset", "shot"])
    for method in ("fixed", "ft_all"):
        row = rows.loc[method, "isic", 5]
        assert row["difference"] == pytest.approx(difference(results, method, "protonet", "isic", 5).mean())
        assert row["low"] < row["difference"] < row["high"]


def test_a_reference_without_results_is_named_with_those_that_have_some(compared):
    with pytest.raises(InputError, match=r"'maml' has no results.*fixed, ft_all, protonet"):
        against(compared.pairs, "maml")


# Contrasts in general


def test_a_gain_between_shots_of_one_method_minus_another_is_a_contrast(results):
    cells = by_cell(results)
    weights = {"ft_all": 1.0, "fixed": -1.0}
    gain = {("isic", 20): weights, ("isic", 5): {name: -weight for name, weight in weights.items()}}
    row = estimate(cells, [gain], 0).iloc[0]
    more, fewer = (mean_interval(difference(results, "ft_all", "fixed", "isic", shot)) for shot in (20, 5))
    assert row["difference"] == pytest.approx(more[0] - fewer[0])
    assert row["ci95"] == pytest.approx(math.hypot(more[1], fewer[1]))
    assert (row["cells"], row["episodes"]) == (2, 30)


def test_pooling_within_a_dataset_is_pooling_its_cells(results, compared):
    cells = {cell: table for cell, table in by_cell(results).items() if cell[0] == "isic"}
    rows = pooled(cells, list(COUNTS), 3)
    means = compared.pairs.query("dataset == 'isic'").groupby(["method", "other"])["difference"].mean()
    keyed = rows.set_index(["method", "other"])["difference"]
    assert keyed.sort_index().to_numpy() == pytest.approx(means.sort_index().to_numpy())
