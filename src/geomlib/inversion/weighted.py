"""The posterior of styles by weighting random ones: no approximation but their number."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive


def likelihood_weights(
    pixels: Float[Tensor, "n p"], drawn: Float[Tensor, "m p"], *, noise: float
) -> Float[Tensor, "n m"]:
    """Weight of each random image for each one seen, adding up to 1 for each seen.

    Importance sampling with the prior as its proposal: images drawn from the prior and
    weighted by the Gaussian likelihood of what was seen stand for the posterior.

    Args:
        pixels: Noisy pixels that were seen.
        drawn: The same pixels of random images, without noise.
        noise: Standard deviation on the pixels.

    Raises:
        ValueError: If ``noise`` is not positive and finite, or there is no random image.

    >>> likelihood_weights(torch.zeros(1, 1), torch.tensor([[0.0], [0.0]]), noise=1.0)
    tensor([[0.5000, 0.5000]])
    """
    positive("noise", noise)
    at_least("number of random images in drawn", len(drawn), 1)
    apart = torch.cdist(pixels, drawn).square() / noise**2
    return torch.softmax(-apart / 2, 1)


def effective_number(weights: Float[Tensor, "n m"]) -> Float[Tensor, " n"]:
    """Number of draws of equal weight that would be as good; few are no posterior.

    >>> effective_number(torch.tensor([[0.5, 0.5, 0.0]]))
    tensor([2.])
    """
    return 1 / weights.square().sum(1)


def weighted_quantiles(
    drawn: Float[Tensor, "m s"], weights: Float[Tensor, "n m"], level: float
) -> Float[Tensor, "n s"]:
    """Smallest draw of each style up to which the weights add up to a level.

    Args:
        drawn: Random styles.
        weights: Their weights, for each image.
        level: Above 0 and below 1.

    Raises:
        ValueError: If ``level`` is not between 0 and 1.

    >>> weighted_quantiles(torch.tensor([[3.0], [1.0]]), torch.tensor([[0.4, 0.6]]), 0.5)
    tensor([[1.]])
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, got {level}.")
    rising, order = drawn.T.contiguous().sort(1)  # [s m]
    found: list[Tensor] = []
    for row in weights:
        reached = row[order].cumsum(1) < level
        # The sums may end below 1 by rounding, hence the clamp.
        position = reached.sum(1, keepdim=True).clamp_max(len(drawn) - 1)
        found.append(rising.gather(1, position)[:, 0])
    return torch.stack(found)
