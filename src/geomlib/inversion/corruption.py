"""Fewer and noisier pixels."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least


def averaged(
    images: Float[Tensor, "n c h w"], factor: int
) -> Float[Tensor, "n c small_h small_w"]:
    """Mean of each square of ``factor`` pixels: a linear map.

    Args:
        images: Of a side that ``factor`` divides.
        factor: Side of a square.

    Raises:
        ValueError: If ``factor`` does not divide the sides.

    >>> averaged(torch.arange(4.0).reshape(1, 1, 2, 2), 2).item()
    1.5
    """
    at_least("factor", factor, 1)
    if images.shape[2] % factor or images.shape[3] % factor:
        raise ValueError(
            f"factor must divide the sides, got {factor} for {tuple(images.shape[2:])}."
        )
    return F.avg_pool2d(images, factor)


def corrupted(
    images: Float[Tensor, "n c h w"],
    factor: int,
    *,
    noise: float,
    generator: torch.Generator,
) -> Float[Tensor, "n c h w"]:
    """Averaged images with Gaussian noise on what is left, each value repeated to size.

    Args:
        images: Clean ones.
        factor: See ``averaged``; 1 adds noise alone.
        noise: Standard deviation on the averaged pixels, in units of the images.
        generator: Draws the noise, on the images' device.

    Raises:
        ValueError: If ``factor`` does not divide the sides or ``noise`` is negative.
    """
    at_least("noise", noise, 0.0)
    small = averaged(images, factor)
    drawn = torch.randn(
        small.shape, generator=generator, device=small.device, dtype=small.dtype
    )
    noisy = small + noise * drawn
    return noisy.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
