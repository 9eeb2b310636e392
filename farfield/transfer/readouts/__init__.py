"""How the queries of an episode are answered with a network that was adapted to its support: one file a way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from farfield.registry import Registry
from farfield.transfer.finetuning.settings import Readout
from farfield.transfer.learner import Fitted, Learner


class ReadoutLearner(Learner[Sequence[Tensor], Fitted]):
    """A learner on what `fine_tune` reads out of adapted networks: `support` of it to fit, `query` to score.

    What it exports is made of the network fitted to all images, whose head is that of `AllImages`.
    """

    support: ClassVar[tuple[Readout, ...]] = ()
    query: ClassVar[tuple[Readout, ...]]

    def answer(self, outputs: Mapping[Readout, np.ndarray], stage_dims: Sequence[int]) -> Tensor:
        """Logits [E, way * queries, way] from what was read out of networks with these `stage_dims`. A learner is
        given stages one by one, the first one first."""

        def parts(names: Sequence[Readout]) -> Iterator[Tensor]:
            for name in names:
                values = torch.from_numpy(outputs[name])
                yield from values.split([*stage_dims], -1) if name.endswith("_stages") else (values,)

        return self([*parts(self.support)], [*parts(self.query)])


READOUTS: Registry[ReadoutLearner[Any]] = Registry(
    "readout",
    __name__,
    {
        "head": "JointHead",
        "transductive": "TransductiveHead",
        "centroid": "Centroid",
        "both": "HeadAndStages",
    },
)


def readout_learner(name: str, settings: dict[str, Any]) -> ReadoutLearner[Any]:
    """The readout `name` with these settings. InputError if either is unknown."""
    return READOUTS.make(name, settings)


def needed(learners: Iterable[ReadoutLearner[Any]]) -> list[Readout]:
    """What must be read out of each network for all of them, each once."""
    return list(dict.fromkeys(name for learner in learners for name in (*learner.support, *learner.query)))
