"""Learning the feature-wise transformation from several sources (arXiv 2001.08735, section 3.3, alg. 1).

Of two source domains one plays the seen and one the unseen domain. The noise is good if a learner
that took one step with it on the seen domain does well, without it, on the unseen one.

The released code also trains the encoder by an auxiliary classification of all classes of one source
(64-way cross-entropy, with a weight that decays over training). That term is not part of this step.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from farfield.errors import InputError
from farfield.metalearning.fwt import enable_transform, own_parameters, transform_parameters
from farfield.metalearning.learner import MetaLearner

Batch = tuple[Tensor, Tensor]  # support [E, way, shot, 3, H, W] and query [E, way * queries, 3, H, W]


class _EpisodeLoss(nn.Module):
    """A learner's loss as a forward pass, which is what `functional_call` can run."""

    def __init__(self, learner: MetaLearner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        return self.learner.loss(support, query)[0]


def learning_to_learn_step(
    learner: MetaLearner,
    optimizer: torch.optim.Optimizer,
    theta_optimizer: torch.optim.Optimizer,
    seen: Batch,
    unseen: Batch,
    inner_rate: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """One update of the learner's own weights w and of theta. Returns the two losses, detached.

    1. In training mode with noise: g = gradient of the seen loss by w, and w' = w - inner_rate g.
    2. In evaluation mode without noise: theta follows the gradient of the unseen loss at w', through
       g. The running statistics that step 1 left count as constants.
    3. `optimizer` (of w alone) takes g itself.

    The learner is left in training mode with noise. InputError if its theta is not learned.
    """
    loss = _EpisodeLoss(learner)
    own, theta = own_parameters(loss), transform_parameters(loss)
    if not theta:
        raise InputError(
            "learning to learn needs a feature-wise transformation with learned constants; "
            "apply feature_wise_transform(backbone, learned=True) before the learner is built"
        )
    learner.train()
    enable_transform(learner, True)
    seen_loss = loss(*seen)
    gradient = torch.autograd.grad(seen_loss, list(own.values()), create_graph=True)
    adapted = {name: w - inner_rate * g for (name, w), g in zip(own.items(), gradient, strict=True)}

    learner.eval()
    enable_transform(learner, False)
    unseen_loss = functional_call(loss, adapted, unseen)
    theta_gradient = torch.autograd.grad(unseen_loss, list(theta.values()))
    learner.train()
    enable_transform(learner, True)

    _step(theta_optimizer, theta, theta_gradient)
    _step(optimizer, own, gradient)
    return seen_loss.detach(), unseen_loss.detach()


def _step(
    optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter], gradient: tuple[Tensor, ...]
) -> None:
    for parameter, g in zip(parameters.values(), gradient, strict=True):
        parameter.grad = g.detach()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
