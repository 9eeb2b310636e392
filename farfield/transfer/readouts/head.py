"""The head that was trained together with the network (`Ft All`, `Ft Last-k`, `Cosine Classifier`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from farfield.errors import InputError
from farfield.transfer.finetuning.settings import Readout
from farfield.transfer.learner import AllImages, Head
from farfield.transfer.readouts import ReadoutLearner


@dataclass(frozen=True)
class JointHead(ReadoutLearner[None]):
    """The head's own logits, each query by itself. There is nothing left to fit."""

    query: ClassVar[tuple[Readout, ...]] = ("head",)
    exportable: ClassVar[bool] = True

    def fit(self, support: Sequence[Tensor], first: int = 0) -> None:
        return None

    def scores(self, fitted: None, query: Sequence[Tensor]) -> Tensor:
        [logits] = query
        return logits

    def export(self, images: AllImages) -> tuple[Head, dict[str, Any]]:
        if images.head is None:
            raise InputError(
                "the head of an adapted network is exported with the network that it was trained with"
            )
        return images.head, {}
