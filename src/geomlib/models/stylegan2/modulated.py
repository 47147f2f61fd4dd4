"""A convolution whose weights each image scales for itself."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.models.stylegan2.filters import smoothed

_EPS = 1e-8


def modulated_convolution(
    x: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "o i k k"],
    styles: Float[Tensor, "n i"],
    *,
    demodulate: bool = True,
    up: Float[Tensor, "4 4"] | None = None,
    fused: bool = True,
) -> Float[Tensor, "n o hh ww"]:
    r"""Convolution by :math:`w_{oik} s_i`, for each image its own s.

    Demodulation divides each output channel by the length of its scaled weights,
    :math:`\sqrt{\sum_{ik} (w_{oik} s_i)^2 + 10^{-8}}`, so that inputs of unit variance
    give outputs of unit variance and a style's length does not matter.

    Args:
        x: Feature maps.
        weight: Shared by all images.
        styles: Scale of each input channel, one row per image.
        demodulate: Divide each output channel by the length of its weights.
        up: Double the resolution, smoothed by this filter; None keeps it.
        fused: Scale the weights and convolve each image by its own, in one grouped
            convolution. Otherwise scale what goes in and what comes out of one shared
            convolution: the same function, with less memory for weights.

    Source: Karras et al. 2020 (arXiv:1912.04958), section 2.2. The official code also
    scales weights and styles down in half precision; here use float32 or bfloat16.

    >>> x, weight, styles = torch.full((3, 1, 1, 1, 1), 3.0)
    >>> modulated_convolution(x, weight, styles[0, 0], demodulate=False).item()
    27.0
    >>> modulated_convolution(x, weight, styles[0, 0]).item()
    3.0
    """
    n = len(x)
    if fused:
        w = weight * styles[:, None, :, None, None]  # [n o i k k]
        if demodulate:
            w = w * (w.square().sum((2, 3, 4), keepdim=True) + _EPS).rsqrt()
        y = _convolution(x.flatten(0, 1)[None], w, up)
        return y.unflatten(1, (n, -1))[0]
    y = _convolution(x * styles[:, :, None, None], weight[None], up)
    if demodulate:
        # sum_ik (w_oik s_i)^2 = sum_i s_i^2 sum_k w_oik^2: no weight per image.
        lengths = styles.square() @ weight.square().sum((2, 3)).T  # [n o]
        y = y * (lengths + _EPS).rsqrt()[:, :, None, None]
    return y


def _convolution(
    x: Float[Tensor, "b gi h w"],
    weight: Float[Tensor, "g o i k k"],
    up: Float[Tensor, "4 4"] | None,
) -> Float[Tensor, "b go hh ww"]:
    """Convolution in g groups with sides kept or doubled."""
    g, _, _, k, _ = weight.shape
    if up is None:
        return F.conv2d(x, weight.flatten(0, 1), padding=k // 2, groups=g)
    transposed = weight.transpose(1, 2).flatten(0, 1)  # [gi o k k]
    return smoothed(F.conv_transpose2d(x, transposed, stride=2, groups=g), up)


def rectified(
    x: Float[Tensor, "n c *rest"], *, clamp: float | None = None
) -> Float[Tensor, "n c *rest"]:
    """Leaky ReLU of slope 0.2, times the square root of 2, cut off beyond ``clamp``."""
    y = F.leaky_relu(x, 0.2) * 2**0.5
    return y if clamp is None else torch.clamp(y, -clamp, clamp)
