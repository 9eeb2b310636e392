"""Ensembles of source models: heads on the pooled stage features of M backbones. One file a method.

All work on features alone. For each model: support [E, way, shot, D] and query [E, Q, D], where D is
the sum of `stage_dims`, the widths of its pooled stages from the first to the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from farfield.registry import Registry
from farfield.transfer.learner import Fitted, Learner

if TYPE_CHECKING:
    from farfield.transfer.ensembles.settings import IMSChoices


@dataclass(frozen=True, kw_only=True)
class EnsembleLearner(Learner[Sequence[Tensor], Fitted]):
    """A learner on the features of several models. It has several networks, so it is never exported as one.

    stage_dims: of each model the widths of the stages that make up its features.
    """

    seed: int
    stage_dims: Sequence[Sequence[int]]

    def choices(self, fitted: Fitted) -> "IMSChoices | None":
        """What was selected, by those that select."""
        return None


ENSEMBLES: Registry[EnsembleLearner[Any]] = Registry(
    "ensemble method", __name__, {"all_embeddings": "AllEmbeddings", "ims": "IMS", "joined": "Joined"}
)


def ensemble_learner(
    name: str, seed: int, stage_dims: Sequence[Sequence[int]], settings: dict[str, Any]
) -> EnsembleLearner[Any]:
    """The ensemble method `name` with these settings. InputError if either is unknown."""
    return ENSEMBLES.make(name, {"seed": seed, "stage_dims": stage_dims, **settings})
