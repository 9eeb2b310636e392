"""Pieces of work that tests hand to nodes, which import them."""

import os
import time

import numpy as np

from farfield.errors import InputError


class Sums:
    """Of rows of an array that comes along."""

    carries_all = True

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __call__(self, row: int) -> tuple[int, str]:
        return int(self.array[row].sum()), type(self.array).__name__


def place(item: int) -> tuple[int, str, str]:
    return item, os.getcwd(), os.environ["OMP_NUM_THREADS"]


def wrong(item: int) -> int:
    if item == 3:
        raise InputError("item 3 is wrong")
    return item


def lethal(item: int) -> int:
    os.abort()


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
