"""Fixed weights: sum_k lambda_k L_k, the weights being the study's."""

from torch import Tensor

from farfield.sharing.methods.network import TaskNetwork
from farfield.sharing.weighting.weighting import Weighting


class Fixed(Weighting):
    def backward(self, losses: Tensor, penalty: Tensor | None, network: TaskNetwork, iteration: int) -> None:
        value = losses @ self.lambdas
        (value if penalty is None else value + penalty).backward()
