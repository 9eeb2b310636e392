"""farfield (inductive) on several networks at once: the last stages of all of them side by side."""

from collections.abc import Sequence

from torch import Tensor

from farfield.settings import Positive, keyword_settings
from farfield.transfer.ensembles import EnsembleLearner
from farfield.transfer.hyper_ensemble import FittedEnsemble, HyperEnsemble


@keyword_settings
class Joined(EnsembleLearner[FittedEnsemble]):
    """`HyperEnsemble` on the last `stages` of M models, each stage of each a block. Nothing is drawn: `seed` has
    no effect."""

    stages: Positive = 3

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedEnsemble:
        return HyperEnsemble().fit(self._blocks(support))

    def scores(self, fitted: FittedEnsemble, query: Sequence[Tensor]) -> Tensor:
        return HyperEnsemble().scores(fitted, self._blocks(query))

    def _blocks(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [
            block
            for of_model, dims in zip(features, self.stage_dims, strict=True)
            for block in of_model.split([*dims], -1)[-self.stages :]
        ]
