"""Mapping and synthesis together, and the channels of the official models."""

from collections.abc import Mapping as Map

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.models.stylegan2.mapping import Mapping
from geomlib.models.stylegan2.synthesis import Noise, Synthesis


def official_channels(
    resolution: int, *, base: int = 32768, most: int = 512
) -> dict[int, int]:
    """Feature channels at each side: ``base`` over the side, and at most ``most``.

    Args:
        resolution: Side of the image in pixels, a power of 2 from 4.
        base: 32768 is config F; 16384 is the smaller one.
        most: Upper bound.

    Raises:
        ValueError: If ``resolution`` is no power of 2 from 4, or there would be no channel.

    >>> official_channels(256)
    {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}
    """
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution must be a power of 2 from 4, got {resolution}.")
    sides = [2**i for i in range(2, resolution.bit_length())]
    at_least("base", base, resolution)
    at_least("most", most, 1)
    return {side: min(base // side, most) for side in sides}


class Generator(nn.Module):
    """StyleGAN2's generator; names of its weights as in the official implementation.

    Args:
        channels: Feature channels at each side in pixels, as ``official_channels`` gives.
        latent: Width of z and of w.
        num_channels: Of the image.
        num_mapping_layers: From z to w.
        clamp: Largest absolute value that a layer may give; None for no bound.
        seed: Of the initial weights and of the stored noise. The global random state is
            left as it was.

    Raises:
        ValueError: If the sides are not 4, 8 and so on, or a count is below 1.

    Source: Karras et al. 2020 (arXiv:1912.04958).
    """

    def __init__(
        self,
        channels: Map[int, int],
        *,
        latent: int = 512,
        num_channels: int = 3,
        num_mapping_layers: int = 8,
        clamp: float | None = None,
        seed: int,
    ) -> None:
        super().__init__()
        if not channels or list(channels) != [4 * 2**i for i in range(len(channels))]:
            raise ValueError(f"channels must be for sides 4, 8, ..., got {list(channels)}.")
        for side, count in channels.items():
            at_least(f"channels at side {side}", count, 1)
        at_least("latent", latent, 1)
        at_least("num_channels", num_channels, 1)
        at_least("num_mapping_layers", num_mapping_layers, 1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.mapping = Mapping(latent, num_mapping_layers)
            self.synthesis = Synthesis(
                channels, latent=latent, num_channels=num_channels, clamp=clamp
            )

    def forward(
        self,
        z: Float[Tensor, "n d"],
        *,
        truncation: float = 1.0,
        noise: Noise = "stored",
    ) -> Float[Tensor, "n c h w"]:
        """Images of z; arguments as of ``Mapping.forward`` and ``Synthesis.forward``."""
        w = self.mapping(z, truncation=truncation)
        return self.synthesis(self.synthesis.styles(w), noise=noise)
