r"""Weights that gradient flow ends with, layer by layer.

For layers :math:`W_1, \dots, W_L` under any loss of their product, flow conserves
:math:`W_l W_l^\top - W_{l+1}^\top W_{l+1}`. Together with the product at the minimum,
whose weights are w, that fixes every layer.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.weighting.features import Features


def layer_weights(
    weights: Float[Tensor, " n"], *, layer: int, depth: int
) -> Float[Tensor, " n"]:
    r"""Weights after ``layer`` of ``depth`` linear layers that began balanced.

    :math:`w^{l/L}`: where all conserved differences are zero, all layers have the same
    singular values, and l of them give the share l/L of the logarithm.

    Args:
        weights: w, those after the last layer.
        layer: l, from 0 (the input) to ``depth``.
        depth: L, the number of layers.

    Raises:
        ValueError: If ``depth`` is below 1 or ``layer`` is not among 0 to ``depth``.

    Source: Xue et al. 2024 (arXiv:2403.11391) for two layers; the rest follows from the
    conservation law of Arora et al. 2018 (arXiv:1802.06509).

    >>> layer_weights(torch.tensor([1.0, 16.0]), layer=1, depth=2)
    tensor([1., 4.])
    """
    at_least("depth", depth, 1)
    if not 0 <= layer <= depth:
        raise ValueError(f"layer must be between 0 and depth ({depth}), got {layer}.")
    return weights.pow(layer / depth)


def unbalanced_weights(
    weights: Float[Tensor, " n"], difference: float
) -> Float[Tensor, " n"]:
    r"""Weights before the head when encoder and head began with unequal scales.

    For one singular value each, :math:`d = s_1^2 - s_2^2` stays and :math:`s_1 s_2 = w`,
    so :math:`s_1^2 = (d + \sqrt{d^2 + 4 w^2}) / 2`. At w = 0 that is d where the encoder
    began larger, and 0 where the head did.

    Args:
        weights: w, those after the head.
        difference: d, the squared scale of the encoder less that of the head.

    >>> unbalanced_weights(torch.tensor([0.0, 2.0]), 3.0).square()
    tensor([3., 4.])
    """
    root = (difference**2 + 4 * weights.square()).sqrt()
    if difference >= 0:
        return ((root + difference) / 2).sqrt()
    # The same without a difference of nearly equal numbers.
    return (2 * weights.square() / (root - difference)).sqrt()


def decayed_weights(features: Features, decay: float) -> Float[Tensor, " n"]:
    r"""Weights after two balanced layers under weight decay, zero where none survive.

    With the penalty :math:`\tfrac{\lambda}{2} (s_1^2 + s_2^2)` on each pair of singular
    values the flow of their product w is at rest where
    :math:`w^3 - w_0^2 w + \lambda / 4 v^2 = 0`, with :math:`w_0` the weight without decay
    and v the input's variance. The largest root is stable; there is none above zero, and
    the feature dies, where :math:`\lambda > 8 v^2 w_0^3 / 3 \sqrt 3`.

    Args:
        features: The inputs.
        decay: :math:`\lambda`; its half multiplies the squared entries of both layers.

    Raises:
        ValueError: If ``decay`` is negative or NaN.
    """
    at_least("decay", decay, 0)
    target = features.weights
    least = 8 * features.variance.square() * target.pow(3) / 3**1.5
    # Viete: the largest root of w^3 - p w + q is 2 sqrt(p / 3) cos(arccos(-r) / 3) with
    # r = q / (2 (p / 3)^(3/2)), which here is decay / least.
    ratio = torch.where(least > 0, decay / least, torch.full_like(least, torch.inf))
    root = 2 * target / 3**0.5 * ((-ratio.clamp(max=1)).arccos() / 3).cos()
    return torch.where(ratio <= 1, root, torch.zeros_like(root))
