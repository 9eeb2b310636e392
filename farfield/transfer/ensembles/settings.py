"""What IMS can be told, and what it tells of its choices."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from farfield.settings import Positive, keyword_settings
from farfield.transfer.ensembles.splits import CrossValidation
from farfield.transfer.linear_head import HeadTraining


@keyword_settings
class IMSSettings(HeadTraining):
    """Settings of IMS; the defaults are what the released code does.

    cv: how support is held out, "released_bug" or "intended" (see `split_support`).
    selector_epochs: epochs of the heads that are compared; `epochs` is that of the last one.
    rounds: how many models are appended at most; None: as many as there are models.
    with_replacement: a model may be appended more than once.
    early_stop: end at the first round that lowers no loss, as in the paper. The released code goes on:
        a later round tries the same candidates with newly drawn heads and may append by luck.
    """

    cv: CrossValidation = "released_bug"
    selector_epochs: Positive = 20
    rounds: Positive | None = None
    with_replacement: bool = True
    early_stop: bool = False


@dataclass(frozen=True)
class IMSChoices:
    """What was selected in each of E episodes from M models.

    layers int64 [E, M]: the chosen stage of every model, 0 the first. models int64 [E, rounds]: the
    model that each round appended, -1 where it appended none.
    """

    layers: Tensor
    models: Tensor

    def layer_counts(self, stages: int) -> Tensor:
        """int64 [M, stages]: in how many episodes each stage of each model was its best."""
        return F.one_hot(self.layers, stages).sum(0)

    def model_counts(self) -> Tensor:
        """int64 [M]: how often each model was appended, over all episodes and rounds."""
        return F.one_hot(self.models + 1, self.layers.shape[1] + 1).sum((0, 1))[1:]
