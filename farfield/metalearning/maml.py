"""Model-agnostic meta-learning (Finn et al., arXiv 1703.03400), first and second order."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from torch.nn import functional as F

from farfield.backbones.backbone import Backbone
from farfield.errors import InputError
from farfield.metalearning.fwt import transformed_layers
from farfield.metalearning.learner import MetaLearner, query_targets

Weights = tuple[Tensor, ...]


class MAML(MetaLearner):
    """A network that gradient descent adapts to a support in a few steps.

    From the weights w_0 that are learned, the backbone's and those of a linear classifier, each step is

        w_{t+1} = w_t - inner_rate * gradient of the cross-entropy of the support at w_t  (eq. 1),

    on all images of the support and over all parameters, the affine ones of BatchNorm included. The
    loss is the cross-entropy of the queries at the last w, differentiated through all steps; with
    `first_order` the gradients of the steps count as constants. Losses of tasks are summed. The graphs
    of all steps and episodes of a call of `loss` are alive together, so call it an episode at a time.

    test_steps: steps in evaluation mode, 0 for as many as in training.
    norm: "batch" takes the statistics of the support, or of an episode's queries together, in training
    and evaluation alike, as the reference code does; the backbone given then loses its running
    statistics. "running" evaluates with the running statistics of training: queries are independent.
    checkpointing: keep only the weights between steps and compute a step again when it is differentiated:
    the same gradients with one graph alive, for many shots. Not for networks with dropout.
    InputError on impossible settings.
    """

    tasks = "sum"
    one_way = True

    def __init__(
        self,
        backbone: Backbone,
        way: int,
        inner_rate: float = 0.01,
        inner_steps: int = 5,
        first_order: bool = False,
        test_steps: int = 0,
        norm: Literal["batch", "running"] = "batch",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if inner_rate <= 0:
            raise InputError(f"inner_rate of MAML must be above 0, found {inner_rate}")
        if inner_steps < 1 or test_steps < 0:
            raise InputError(
                f"inner_steps of MAML must be at least 1 and test_steps at least 0, "
                f"found {inner_steps} and {test_steps}"
            )
        if norm not in ("batch", "running"):
            raise InputError(f"norm of MAML must be batch or running, found {norm!r}")
        if checkpointing and norm == "running":
            raise InputError(
                "checkpointing computes passes again, which would count twice in running statistics; "
                "use it with norm: batch"
            )
        if transformed_layers(backbone):
            raise InputError("MAML does not go with a feature-wise transformation; set transform to none")
        self.transductive = norm == "batch"
        self.inner_rate = inner_rate
        self.inner_steps = inner_steps
        self.test_steps = test_steps or inner_steps
        self.first_order = first_order
        self.checkpointing = checkpointing
        classifier = nn.Linear(backbone.feature_dim, way)
        nn.init.zeros_(classifier.bias)
        self.network = nn.Sequential(OrderedDict(backbone=backbone, classifier=classifier))
        if norm == "batch":
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.track_running_stats = False
                    module.running_mean = module.running_var = module.num_batches_tracked = None

    def forward(self, support: Tensor, query: Tensor, first: int = 0) -> Tensor:
        """Logits [E, way * queries, way]; differentiable in training mode alone."""
        if not self.training:
            return self._evaluate(support, query)
        return torch.stack([self._call(self.adapted(s), q) for s, q in zip(support, query, strict=True)])

    def adapted(self, support: Tensor) -> dict[str, Tensor]:
        """The network's weights by name after `inner_steps` on the support [way, shot, 3, H, W] of one
        episode, as a differentiable function of its own."""
        names = [name for name, _ in self.network.named_parameters()]
        images, target = _flat(support)

        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(self._call(dict(zip(names, weights, strict=True)), images), target)

        weights: Weights = tuple(self.network.parameters())
        for _ in range(self.inner_steps):
            if self.checkpointing and not self.first_order:
                weights = _LeanStep.apply(loss, self.inner_rate, support.device.type, *weights)
            else:
                weights = _step(loss, self.inner_rate, weights, create_graph=not self.first_order)
        return dict(zip(names, weights, strict=True))

    def _call(self, weights: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.network, weights, (images,))

    def _evaluate(self, support: Tensor, query: Tensor) -> Tensor:
        """Plain SGD on a copy of the network, which is put back for each episode."""
        logits = []
        kind = support.device.type
        # Mixed precision would go on with its copies of the weights from before a step.
        uncached = torch.autocast(kind, enabled=torch.is_autocast_enabled(kind), cache_enabled=False)
        # Callers switch gradients off, and what inference mode made cannot be differentiated.
        with uncached, torch.inference_mode(False), torch.enable_grad():
            network = copy.deepcopy(self.network)
            optimizer = torch.optim.SGD(network.parameters(), self.inner_rate, fused=True)
            for episode, queries in zip(support, query, strict=True):
                network.load_state_dict(self.network.state_dict())
                images, target = _flat(episode.clone() if episode.is_inference() else episode)
                for _ in range(self.test_steps):
                    optimizer.zero_grad()
                    F.cross_entropy(network(images), target).backward()
                    optimizer.step()
                with torch.no_grad():
                    logits.append(network(queries))
        return torch.stack(logits)


def _flat(support: Tensor) -> tuple[Tensor, Tensor]:
    """Images [way * shot, 3, H, W] and their ways [way * shot]."""
    way, shot = support.shape[:2]
    return support.flatten(0, 1), query_targets(way, way * shot, support.device)


def _step(loss: Callable[[Weights], Tensor], rate: float, weights: Weights, create_graph: bool) -> Weights:
    gradients = torch.autograd.grad(loss(weights), weights, create_graph=create_graph)
    return tuple(w - rate * g for w, g in zip(weights, gradients, strict=True))


class _LeanStep(torch.autograd.Function):
    """`_step` without a graph. For a gradient v at w' = w - rate g(w), that at w is v - rate H v with the
    Hessian H of the loss: g is computed again, and v^T g differentiated."""

    @staticmethod
    def forward(
        ctx: Any, loss: Callable[[Weights], Tensor], rate: float, device_type: str, *weights: Tensor
    ) -> Weights:
        ctx.loss, ctx.rate = loss, rate
        ctx.save_for_backward(*weights)
        # The backward pass runs outside of the caller's autocast.
        ctx.autocast = {
            "device_type": device_type,
            "dtype": torch.get_autocast_dtype(device_type),
            "enabled": torch.is_autocast_enabled(device_type),
        }
        with torch.enable_grad():
            moved = _step(loss, rate, _leaves(weights), create_graph=False)
        return tuple(w.detach() for w in moved)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weights = _leaves(ctx.saved_tensors)
        with torch.enable_grad(), torch.autocast(**ctx.autocast):
            moved = _step(ctx.loss, ctx.rate, weights, create_graph=True)
        return None, None, None, *torch.autograd.grad(moved, weights, gradients)


def _leaves(weights: Weights) -> Weights:
    return tuple(w.detach().requires_grad_() for w in weights)
