"""The same picture under two classes."""

import numpy as np
import pandas as pd

from farfield.datasets.twins import contradictions


def manifest(*images: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(images, columns=["path", "class_name", "sha256"])


def test_the_same_bytes_under_two_classes_are_named_with_both():
    table = manifest(
        ("b/3", "b", "x"), ("b/4", "b", "x"), ("m/9", "m", "x"), ("m/1", "m", "y"), ("m/2", "m", "y")
    )
    assert contradictions(table) == [["b/3 (b)", "b/4 (b)", "m/9 (m)"]]


def test_other_bytes_of_the_same_pixels_are_the_same_picture():
    table = manifest(
        ("a/1.png", "a", "1"), ("b/1.bmp", "b", "2"), ("a/2.png", "a", "3"), ("b/2.png", "b", "4")
    )
    images = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3), dtype=np.uint8)
    assert contradictions(table, images) == []
    images[1] = images[0]
    images[2], images[3] = 7, 7  # blank pages may be of any class
    assert contradictions(table, images) == [["a/1.png (a)", "b/1.bmp (b)"]]


def test_a_group_within_another_is_not_said_twice():
    table = manifest(("a/1", "a", "x"), ("b/1", "b", "x"), ("c/1", "c", "y"))
    images = np.tile(np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3), (3, 2, 1, 1))
    assert contradictions(table, images) == [["a/1 (a)", "b/1 (b)", "c/1 (c)"]]
