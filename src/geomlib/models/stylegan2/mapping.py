"""From Gaussian z to the latent w."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.models.stylegan2.linear import ScaledLinear
from geomlib.models.stylegan2.modulated import rectified

_RATE = 0.01


class Mapping(nn.Module):
    """Layers of equal width from z, divided by its root mean square, to w.

    Args:
        width: Of z, of w and of the layers between.
        num_layers: At least 1.

    Source: Karras et al. 2019 (arXiv:1812.04948).
    """

    w_avg: Float[Tensor, " d"]

    def __init__(self, width: int, num_layers: int = 8) -> None:
        super().__init__()
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(f"fc{i}", ScaledLinear(width, width, rate=_RATE))
        self.register_buffer("w_avg", torch.zeros(width))

    def forward(
        self, z: Float[Tensor, "n d"], *, truncation: float = 1.0
    ) -> Float[Tensor, "n d"]:
        """Latents, drawn towards their mean where ``truncation`` is below 1."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.num_layers):
            x = rectified(cast(Tensor, self.get_submodule(f"fc{i}")(x)))
        return torch.lerp(self.w_avg, x, truncation)

    @torch.no_grad()
    def follow(self, w: Float[Tensor, "n d"], *, decay: float = 0.995) -> None:
        """Move the running mean of the latents towards that of a batch."""
        self.w_avg.lerp_(w.mean(0), 1 - decay)
