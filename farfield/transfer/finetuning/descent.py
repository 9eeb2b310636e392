"""Gradient descent on many tensors at once, without an optimiser object's cost a step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from farfield.training.recipe import SGD
from farfield.transfer.finetuning.stacking import StackedProduct


class Descent:
    """The recurrence of `torch.optim.SGD`, in place, on `parameters` and on the weights of `products`."""

    def __init__(
        self, parameters: Sequence[Tensor], settings: SGD, products: Sequence[StackedProduct] = ()
    ) -> None:
        self.parameters, self.products = list(parameters), list(products)
        self.settings = settings
        self.buffers: list[Tensor] | None = None
        self.product_buffers: list[Tensor | None] = [None] * len(self.products)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step. `gradients` are those of the parameters, which may be overwritten, and then those of
        the products' outputs."""
        count = len(self.parameters)
        if count:
            self._step_parameters(list(gradients[:count]))
        for i, output in enumerate(gradients[count:]):
            self._step_product(i, output)

    def _step_parameters(self, steps: list[Tensor]) -> None:
        s = self.settings
        if s.weight_decay:
            torch._foreach_add_(steps, self.parameters, alpha=s.weight_decay)
        if s.momentum:
            if self.buffers is None:  # PyTorch's rule: the first buffer is the undamped gradient
                self.buffers = [step.clone() for step in steps]
            else:
                torch._foreach_mul_(self.buffers, s.momentum)
                torch._foreach_add_(self.buffers, steps, alpha=1 - s.dampening)
            steps = self.buffers
        torch._foreach_add_(self.parameters, steps, alpha=-s.learning_rate)

    def _step_product(self, i: int, output: Tensor) -> None:
        """The same with the gradient as two factors: output [E, out, n] times columns^T [E, n, in]."""
        s, weight, columns = self.settings, self.products[i].weight, self.products[i].columns.mT
        if not s.momentum:
            if s.weight_decay:
                weight.mul_(1 - s.learning_rate * s.weight_decay)
            weight.baddbmm_(output, columns, alpha=-s.learning_rate)
            return
        buffer, fresh = self.product_buffers[i], 1 - s.dampening
        if buffer is None:
            buffer, fresh = torch.bmm(output, columns), 1.0
            self.product_buffers[i] = buffer
        else:
            buffer.baddbmm_(output, columns, beta=s.momentum, alpha=fresh)
        if s.weight_decay:
            buffer.add_(weight, alpha=fresh * s.weight_decay)
        weight.add_(buffer, alpha=-s.learning_rate)
