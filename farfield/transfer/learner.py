"""The one interface of few-shot methods on what networks say of images, batched over episodes by contract."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, final

import numpy as np
from torch import Tensor

from farfield.errors import InputError

Given = TypeVar("Given")
Fitted = TypeVar("Fitted")


@dataclass(frozen=True)
class Head:
    """Features [n, d] to logits [n, classes].

    weight: [classes, d]. bias: [classes]. scale: none for W f + b; a number for scale * cos(f, W), in
    which the bias has no part.
    """

    weight: Tensor
    bias: Tensor
    scale: float | None = None


@dataclass(frozen=True)
class AllImages:
    """All images of all classes, without episodes, as one network sees them.

    features: gives float [n, d], computed when asked for. labels: int [n], below `classes`; classes may differ in
    size. head: what the network was trained on these images with, if it was.
    """

    features: Callable[[], Tensor]
    labels: np.ndarray
    classes: int
    head: Head | None = None


class Learner(ABC, Generic[Given, Fitted]):
    """Learns from the support of E episodes and scores their queries.

    Support and query are feature vectors [E, way, shot, d] and [E, way * queries, d], or several of them: the
    learner says which. exportable: whether it classifies each image by itself, with one network and one head.
    """

    exportable: ClassVar[bool] = False

    @abstractmethod
    def fit(self, support: Given, first: int = 0) -> Fitted:
        """What is learned from the support of each episode. `first` is the number of the first of these
        episodes in its list, which keys whatever the learner draws at random for each of them."""

    @abstractmethod
    def scores(self, fitted: Fitted, query: Given) -> Tensor:
        """Logits [E, way * queries, way]."""

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        """The head of a classifier of `images`, by the recipe that answers episodes, and facts about its making.
        InputError if the learner is not `exportable`."""
        raise InputError(f"{type(self).__name__} cannot be written as one network that classifies each image")

    @final
    def __call__(self, support: Given, query: Given, first: int = 0) -> Tensor:
        return self.scores(self.fit(support, first), query)
