"""PCGrad: gradients of tasks that conflict are projected (Yu et al., NeurIPS 2020, arXiv 2001.06782)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from farfield.seeds import stream
from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.weighting.weighting import Weighting


class PCGrad(Weighting):
    """Algorithm 1, on the gradients g_k of lambda_k L_k with respect to the shared parameters.

    Each g_k goes through the other tasks in random order; where its product with g_j is negative it
    loses its part along g_j, which is taken as it was at first: g_k <- g_k - (g_k . g_j) / |g_j|^2 g_j.
    The network steps by the sum of the results. Without conflicts that is the step of fixed weights.

    Shared is all that is no head; a head has its own task's gradient alone. The network's penalty is no
    task: its gradient is added as it is. Orders are drawn from (seed, "pcgrad", iteration).
    """

    def backward(self, losses: Tensor, penalty: Tensor | None, network: TaskNetwork, iteration: int) -> None:
        if penalty is not None:
            penalty.backward()
        groups = network.parameter_groups()
        shared = [p for group in groups if group["kind"] != "head" for p in group["params"]]
        heads = [p for group in groups if group["kind"] == "head" for p in group["params"]]
        of_tasks = [
            torch.autograd.grad(loss, shared + heads, retain_graph=True, allow_unused=True)
            for loss in losses * self.lambdas
        ]
        gradients = list(zip(*of_tasks, strict=True))  # [parameter][task], None where there is none
        products = inner_products(gradients[: len(shared)], losses.device)
        shares = combined(products, orders(len(losses), self.seed, iteration))
        for parameter, parts in zip(shared, gradients[: len(shared)], strict=True):
            _add(parameter, parts, shares)
        for parameter, parts in zip(heads, gradients[len(shared) :], strict=True):
            _add(parameter, parts, np.ones(len(losses)))


def orders(tasks: int, seed: int, iteration: int) -> list[list[int]]:
    """For each of K tasks the others, in the order in which its gradient is projected."""
    random = stream(seed, "pcgrad", iteration)
    return [
        random.permutation([other for other in range(tasks) if other != task]).tolist()
        for task in range(tasks)
    ]


def inner_products(gradients: Sequence[Sequence[Tensor | None]], device: torch.device) -> np.ndarray:
    """float64 [K, K]: g_i . g_j over all parameters, of gradients [parameter][K]."""
    tasks = len(gradients[0])
    products = torch.zeros(tasks, tasks, dtype=torch.float64, device=device)
    for parts in gradients:
        known = next((part for part in parts if part is not None), None)
        if known is not None:
            rows = [(torch.zeros_like(known) if part is None else part).reshape(-1) for part in parts]
            vectors = torch.stack(rows).double()
            products += vectors @ vectors.mT
    return products.cpu().numpy()


def combined(products: np.ndarray, orders: Sequence[Sequence[int]]) -> np.ndarray:
    """float64 [K]: the sum of the projected gradients is sum_k share_k g_k, with these shares.

    A projected gradient stays a combination of the g_k, so that their products [K, K] say all: no vector
    is as long as the network.
    """
    shares = np.eye(len(products))
    for own, order in zip(shares, orders, strict=True):
        for other in order:
            product = own @ products[:, other]
            if product < 0:
                own[other] -= product / products[other, other]
    return shares.sum(0)


def _add(parameter: Tensor, parts: Sequence[Tensor | None], shares: np.ndarray) -> None:
    """Add share_k g_k of all tasks to the gradient of a parameter."""
    for part, share in zip(parts, shares.tolist(), strict=True):
        if part is None:
            continue
        if parameter.grad is None:
            # In the memory layout of the parameter: the fused optimizers walk both as flat memory.
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.add_(part, alpha=share)
