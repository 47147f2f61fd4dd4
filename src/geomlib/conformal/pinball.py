"""The loss whose minimiser is a quantile."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import same_shape


def pinball(
    predicted: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"], level: float
) -> Float[Tensor, ""]:
    r"""Mean pinball loss of a predicted quantile, in units of the target.

    :math:`\max(q (y - f), (q - 1)(y - f))` for level q, target y and prediction f. Its
    mean over y is smallest at the q-quantile of y; at q = 1/2 it is half the absolute
    error.

    Args:
        predicted: The quantile predicted for each target.
        target: What was seen.
        level: q, above 0 and below 1.

    Raises:
        ValueError: If the shapes differ or ``level`` is not between 0 and 1.

    Source: Koenker & Bassett 1978.

    >>> y = torch.tensor([1.0, -1.0])
    >>> pinball(torch.zeros(2), y, 0.75).item()
    0.5
    """
    same_shape("predicted", predicted, "target", target)
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, got {level}.")
    error = target - predicted
    return torch.maximum(level * error, (level - 1) * error).mean()
