"""Learning without forgetting (Li and Hoiem, arXiv 1606.09282)."""

import copy
from dataclasses import field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.settings import AboveZero, AtLeastZero, NotNegative, keyword_settings
from farfield.training.classifier import Classifier
from farfield.training.loop import cross_entropy
from farfield.tuning.adapted import Adapted, KeepsSourceHead, classifier, trained


class TwoHeadedClassifier(nn.Module):
    """A classifier that also keeps answering in the classes of the source.

    While `warming_up`, the backbone is as pretrained, BatchNorm included, and only the new head learns.
    source_logits: [n, source classes] of the batch just seen in training; None while warming up.
    """

    def __init__(self, new: Classifier, source_head: nn.Linear) -> None:
        super().__init__()
        self.backbone, self.head, self.source_head = new.backbone, new.head, source_head
        self.warming_up = False
        self.source_logits: Tensor | None = None

    def train(self, mode: bool = True) -> "TwoHeadedClassifier":
        super().train(mode)
        if self.warming_up:
            self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.warming_up):
            features = self.backbone(images)
        self.source_logits = self.source_head(features) if self.training and not self.warming_up else None
        return self.head(features)


def distillation(logits: Tensor, recorded: Tensor, temperature: float) -> Tensor:
    """Mean over images of KL(softmax(recorded / T) || softmax(logits / T)), both [n, classes].

    Without the factor T^2 of other work on distillation, as in the paper.
    """
    return F.kl_div(
        F.log_softmax(logits / temperature, dim=1),
        F.log_softmax(recorded / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


@keyword_settings
class LwF(KeepsSourceHead):
    """Fine-tuning that is held to what the source network answered: cross-entropy of the new head plus
    `weight` times the distillation of the source head at `temperature`.

    What the source network answers is computed on the very view that is trained on; answers recorded
    once, on other random views, would be wrong ones. For the first `warmup_epochs` only the new head
    is trained.
    source_head: the classifier of the pretraining; see `with_source_head`.
    """

    seed: int
    temperature: AboveZero = 2.0
    weight: AtLeastZero = 1.0
    warmup_epochs: NotNegative = 5
    source_head: nn.Linear | None = field(default=None, repr=False, compare=False)

    def with_source_head(self, head: nn.Linear | None) -> "LwF":
        return replace(self, source_head=head)

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        head = self.source_head
        if head is None or head.in_features != backbone.feature_dim:
            found = "none was given" if head is None else f"the one given takes {head.in_features}"
            raise InputError(
                f"LwF needs the head that the backbone was pretrained with, which takes its "
                f"{backbone.feature_dim} features; {found}"
            )
        source = nn.Sequential(copy.deepcopy(backbone), copy.deepcopy(head)).eval().requires_grad_(False)
        network = TwoHeadedClassifier(classifier(backbone, classes, self.seed), copy.deepcopy(head))

        def loss(
            parallel: nn.Module, images: Tensor, targets: Tensor, label_smoothing: float
        ) -> tuple[Tensor, Tensor]:
            value, logits = cross_entropy(parallel, images, targets, label_smoothing)
            answers, network.source_logits = network.source_logits, None
            if answers is not None:
                with torch.no_grad():
                    recorded = source.to(images.device)(images)
                value = value + self.weight * distillation(answers, recorded, self.temperature)
            return value, logits

        def before_epoch(epoch: int, optimizer: torch.optim.Optimizer) -> None:
            del optimizer
            network.warming_up = epoch < self.warmup_epochs

        # A group for each part: fused SGD starts the momentum of all parameters of a group at once, and
        # the head's starts first.
        groups = [
            g for part in (network.backbone, network.head, network.source_head) for g in trained([part])
        ]
        return Adapted(network, groups, loss, before_epoch)
