"""A linear layer whose weights are scaled as it runs, not as they are drawn."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ScaledLinear(nn.Module):
    r"""Affine map with weights of unit variance, scaled by :math:`\lambda / \sqrt{d}`.

    So Adam, whose steps do not depend on the scale of a gradient, moves every layer at the
    same relative rate; :math:`\lambda` below 1 slows a layer down.

    Args:
        num_inputs: d.
        num_outputs: Rows of the weight.
        bias: Initial value of the bias, in units of the output.
        rate: :math:`\lambda`; the bias too is stored divided by it.

    Source: Karras et al. 2018 (arXiv:1710.10196), equalised learning rate; the rate as in
    Karras et al. 2019 (arXiv:1812.04948).
    """

    def __init__(
        self, num_inputs: int, num_outputs: int, *, bias: float = 0.0, rate: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs) / rate)
        self.bias = nn.Parameter(torch.full((num_outputs,), bias / rate))
        self.rate = rate

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Output for each row."""
        weight, bias = self.scaled()
        return F.linear(x, weight, bias)

    def scaled(self) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
        """Weight and bias as they act."""
        return self.weight * (
            self.rate / self.weight.shape[1] ** 0.5
        ), self.bias * self.rate
