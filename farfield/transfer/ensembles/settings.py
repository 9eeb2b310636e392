"""What IMS can be told, and what it tells of its choices."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.transfer.ensembles.splits import CrossValidation
from farfield.transfer.linear_head import HeadTraining


@dataclass(frozen=True, kw_only=True)
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
    selector_epochs: int = 20
    rounds: int | None = None
    with_replacement: bool = True
    early_stop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cv not in ("released_bug", "intended"):
            raise InputError(f"cv must be released_bug or intended, found {self.cv!r}")
        if not isinstance(self.selector_epochs, int) or self.selector_epochs < 1:
            raise InputError(
                f"selector_epochs must be a whole number of at least 1, found {self.selector_epochs!r}"
            )
        if self.rounds is not None and (not isinstance(self.rounds, int) or self.rounds < 1):
            raise InputError(f"rounds must be a whole number of at least 1, or null, found {self.rounds!r}")


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
