"""The nearest class mean of adapted features (`Mean centroid` of BSCD-FSL)."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from farfield.settings import settings
from farfield.transfer.finetuning.settings import Readout
from farfield.transfer.learner import AllImages, Head
from farfield.transfer.nearest_centroid import NearestCentroid
from farfield.transfer.readouts import ReadoutLearner


@settings
class Centroid(ReadoutLearner[Tensor]):
    """`NearestCentroid` on the features of the adapted network, whose head is left aside."""

    distance: Literal["euclidean", "cosine"] = "euclidean"
    support: ClassVar[tuple[Readout, ...]] = ("support_features",)
    query: ClassVar[tuple[Readout, ...]] = ("query_features",)
    exportable: ClassVar[bool] = True

    def fit(self, support: Sequence[Tensor], first: int = 0) -> Tensor:
        [features] = support
        return NearestCentroid(self.distance).fit(features)

    def scores(self, fitted: Tensor, query: Sequence[Tensor]) -> Tensor:
        [features] = query
        return NearestCentroid(self.distance).scores(fitted, features)

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        return NearestCentroid(self.distance).export(images)
