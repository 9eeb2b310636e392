"""Query sets whose classes are not equally frequent."""

import numpy as np
import pytest
from scipy.stats import beta, kstest

from farfield.episodes.imbalance import dirichlet_queries
from farfield.episodes.sampling import load_episodes, sample_episodes, save_episodes


def drawn(episodes, **given):
    settings = {"seed": 3, "name": "terrain", "way": 5, "shot": 5, "query": 15} | given
    return dirichlet_queries(settings.pop("seed"), settings.pop("name"), episodes=episodes, **settings)


def test_the_most_frequent_class_has_all_its_queries_and_the_others_their_first():
    asked = drawn(200).reshape(200, 5, 15)
    counts = asked.sum(2)
    assert (counts.max(1) == 15).all()
    assert (asked == (np.arange(15) < counts[..., None])).all()
    assert (counts == 0).any()


def test_shares_are_dirichlet():
    """The share of a class is Beta(a, 4 a); rounding to a three-hundredth of a query is nothing here."""
    for concentration in (1.0, 2.0):
        asked = drawn(4000, query=300, concentration=concentration)
        counts = asked.reshape(4000, 5, 300).sum(2)
        shares = counts / counts.sum(1, keepdims=True)
        for k in range(5):
            assert kstest(shares[:, k], beta(concentration, 4 * concentration).cdf).pvalue > 0.01
        # Of one Dirichlet distribution: shares of two classes are anticorrelated by -1 / (way - 1).
        assert np.corrcoef(shares[:, 0], shares[:, 1])[0, 1] == pytest.approx(-0.25, abs=0.05)


def test_at_five_ways_and_fifteen_queries_there_are_41_on_average():
    numbers = drawn(4000).sum(1)
    assert numbers.mean() == pytest.approx(41.3, abs=0.6)
    assert numbers.min() >= 15
    assert numbers.max() <= 75


def test_an_episode_depends_on_the_seed_its_cell_and_its_number_alone():
    whole = drawn(60)
    np.testing.assert_array_equal(drawn(7), whole[:7])
    for other in ({"seed": 4}, {"name": "leaves"}, {"shot": 20}):
        assert (drawn(60, **other) != whole).any()


def test_episodes_are_drawn_as_before(tmp_path):
    """Files of episodes have the same bytes, whichever queries are asked later."""
    labels = np.repeat(np.arange(7), 30)
    settings = {"way": 5, "shot": 5, "query": 15, "episodes": 20, "seed": 3, "name": "terrain"}
    for name in ("before", "after"):
        save_episodes(tmp_path / name, {5: sample_episodes(labels, **settings)})
        drawn(20)
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()
    assert load_episodes(tmp_path / "after")[5].query.shape == drawn(20).shape
