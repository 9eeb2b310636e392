"""Episodes: distinct images, the right classes, reproducible, uniform."""

import numpy as np
import pytest

from farfield.episodes.minibatches import minibatch_orders
from farfield.episodes.sampling import (
    distinct_integers,
    load_episodes,
    sample_episodes,
    save_episodes,
)
from farfield.errors import InputError
from farfield.seeds import stream

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(8), [20, 30, 40, 50, 60, 22, 21, 70]))


def draw(**changes):
    settings = {"way": 5, "shot": 5, "query": 15, "episodes": 200, "seed": 1, "name": "a set"}
    return sample_episodes(LABELS, **(settings | changes))


def test_every_image_belongs_to_its_way_and_occurs_once():
    episodes = draw()
    assert episodes.rows.shape == (200, 5, 20)
    assert episodes.rows.dtype == np.int32
    for rows, classes in zip(episodes.rows, episodes.classes, strict=True):
        assert len(set(classes)) == 5
        assert len(np.unique(rows)) == rows.size
        assert (LABELS[rows] == classes[:, None]).all()


def test_support_and_query_share_the_rows_in_order():
    episodes = draw()
    assert episodes.support.shape == (200, 5, 5)
    assert episodes.query.shape == (200, 75)
    together = np.concatenate([episodes.support, episodes.query.reshape(200, 5, 15)], axis=2)
    assert (together == episodes.rows).all()
    assert (episodes.query_targets == np.repeat(np.arange(5), 15)).all()


def test_a_shorter_list_is_the_beginning_of_a_longer_one():
    assert (draw(episodes=30).rows == draw().first(30).rows).all()


def test_the_seed_decides():
    assert (draw().rows == draw().rows).all()
    assert (draw().rows != draw(seed=2).rows).any()


def test_datasets_have_streams_of_their_own():
    assert (draw().rows != draw(name="another set").rows).any()


def test_small_classes_sit_out_and_too_few_are_an_error_that_names_them():
    episodes = draw(shot=10)  # 25 images: classes 0, 5 and 6 have 20, 22 and 21
    assert set(np.unique(episodes.classes)) == {1, 2, 3, 4, 7}
    with pytest.raises(InputError, match=r"the set cannot give 5-way 20-shot.*DF has 20.*class 1 has 30"):
        draw(shot=20, name="the set", class_names={0: "DF"})


def test_classes_and_images_are_drawn_uniformly():
    episodes = draw(episodes=20000)
    share = np.bincount(episodes.classes.ravel(), minlength=8) / episodes.classes.size
    np.testing.assert_allclose(share, 1 / 8, atol=0.005)
    first = episodes.rows[:, :, 0][episodes.classes == 4]  # 60 images, each equally often first support
    counts = np.bincount(np.searchsorted(np.flatnonzero(LABELS == 4), first), minlength=60)
    expected = counts.sum() / 60
    assert ((counts - expected) ** 2 / expected).sum() < 100  # chi-square, 59 degrees: 99.9 % is 98.3


def test_distinct_integers_draws_each_subset_equally_often():
    uniform = np.random.default_rng(0).random((60000, 2))
    picks = np.sort(distinct_integers(uniform, np.full(60000, 4)), axis=1)
    subsets, counts = np.unique(picks, axis=0, return_counts=True)
    assert len(subsets) == 6
    np.testing.assert_allclose(counts / 60000, 1 / 6, atol=0.01)


def test_files_round_trip_and_have_reproducible_bytes(tmp_path):
    lists = {5: draw(), 1: draw(shot=1)}
    for name in ("a.npz", "b.npz"):
        save_episodes(tmp_path / name, lists)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = load_episodes(tmp_path / "a.npz")
    assert list(loaded) == [1, 5]
    assert (loaded[5].rows == lists[5].rows).all()


def test_minibatch_orders_are_permutations_keyed_by_episode():
    orders = minibatch_orders(3, episodes=6, epochs=4, images=25)
    assert (np.sort(orders, axis=2) == np.arange(25)).all()
    assert (minibatch_orders(3, episodes=2, epochs=4, images=25, first=4) == orders[4:]).all()
    assert (orders[0] != orders[1]).any()


def test_support_and_queries_come_from_splits_of_their_own():
    train = np.arange(len(LABELS)) % 3 > 0
    settings = {"way": 4, "shot": 10, "query": 8, "episodes": 50, "seed": 1, "name": "a set"}
    episodes = sample_episodes(LABELS, parts=(train, ~train), **settings)
    assert train[episodes.support].all()
    assert not train[episodes.query].any()
    for rows, classes in zip(episodes.rows, episodes.classes, strict=True):
        assert len(np.unique(rows)) == rows.size
        assert (LABELS[rows] == classes[:, None]).all()
    shorter = sample_episodes(LABELS, parts=(train, ~train), **(settings | {"episodes": 9}))
    assert (shorter.rows == episodes.first(9).rows).all()
    with pytest.raises(InputError, match="20 images for support and 8 for queries, each in its split"):
        sample_episodes(LABELS, parts=(train, ~train), **(settings | {"shot": 20, "way": 8}))


def test_keys_that_differ_by_a_final_zero_give_different_streams():
    assert stream(1, "order").random() != stream(1, "order", 0).random()
    assert stream(1, "order", 0).random() != stream(1, "order", 0, 0).random()
