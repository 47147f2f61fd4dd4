"""Doubling the resolution with a low-pass filter."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def binomial_filter() -> Float[Tensor, "4 4"]:
    """The outer product of [1, 3, 3, 1] with itself, with sum 1.

    Source: Karras et al. 2020 (arXiv:1912.04958), as their code sets it.
    """
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum().square()


def upsampled(
    images: Float[Tensor, "n c h w"], kernel: Float[Tensor, "4 4"]
) -> Float[Tensor, "n c 2*h 2*w"]:
    """Images of twice the side: zeros between the pixels, then the filter.

    Args:
        images: Of any number of channels, filtered one by one.
        kernel: Low-pass filter with sum 1; a quarter of the pixels are not zero, so it
            acts times 4.

    >>> flat = upsampled(torch.ones(1, 1, 6, 6), binomial_filter())
    >>> flat[0, 0, 4:8, 4:8].allclose(torch.ones(4, 4))
    True
    """
    c = images.shape[1]
    weight = (4 * kernel).to(images).expand(c, 1, -1, -1)
    # A transposed convolution of stride 2 is just this; one row and column is cut off on
    # each side, so that the new pixels lie evenly around the old ones.
    return F.conv_transpose2d(images, weight, stride=2, padding=1, groups=c)


def smoothed(
    maps: Float[Tensor, "n c h w"], kernel: Float[Tensor, "4 4"]
) -> Float[Tensor, "n c h-1 w-1"]:
    """Filter, times 4, of what a transposed convolution of stride 2 left uneven.

    Args:
        maps: Of any number of channels, padded with one zero on each side.
        kernel: Low-pass filter with sum 1.
    """
    c = maps.shape[1]
    # conv2d correlates; a filter is flipped to convolve.
    weight = (4 * kernel).to(maps).flip(0, 1).expand(c, 1, -1, -1)
    return F.conv2d(maps, weight, padding=1, groups=c)
