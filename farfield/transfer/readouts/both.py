"""The trained head and logistic regression on the adapted network's pooled stages (`farfield (adapted)`).

The head was trained at one rate for one length of time, the regression is averaged over all that it would have to
choose. Their errors differ enough for the mean of both to be better than either.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from farfield.settings import Positive, keyword_settings
from farfield.transfer.finetuning.settings import Readout
from farfield.transfer.hyper_ensemble import FittedEnsemble, HyperEnsemble
from farfield.transfer.readouts import ReadoutLearner


@keyword_settings
class HeadAndStages(ReadoutLearner[FittedEnsemble]):
    """The mean of the log-probabilities of the head and of `HyperEnsemble` on the last `stages`.

    With several views of each image, those of the support are further images of its class, and the
    log-probabilities of a query are their mean over its views.
    """

    stages: Positive = 3
    support: ClassVar[tuple[Readout, ...]] = ("support_stages",)
    query: ClassVar[tuple[Readout, ...]] = ("head", "query_stages")

    def fit(self, support: Sequence[Tensor], first: int = 0) -> FittedEnsemble:
        return HyperEnsemble().fit(support[-self.stages :])

    def scores(self, fitted: FittedEnsemble, query: Sequence[Tensor]) -> Tensor:
        logits, *stages = query
        of_views = HyperEnsemble().scores(fitted, stages[-self.stages :])
        regression = of_views.unflatten(1, (logits.shape[1], -1)).mean(2)
        return torch.stack([logits.log_softmax(-1), regression]).mean(0)
