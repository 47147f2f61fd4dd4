"""Mean cosine of different samples, with the common mean and without it."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite


def mean_cosine(
    features: Float[Tensor, "n d"], *, centred: bool = False
) -> Float[Tensor, ""]:
    r"""Mean cosine over all pairs of different rows, from :math:`-1/(n - 1)` to 1.

    Of unit rows u it is :math:`(|\sum_i u_i|^2 - n) / n (n - 1)`, which needs no pairs.

    Args:
        features: One row a sample.
        centred: Take the mean of all rows off first. Features that share a large mean
            have cosines near 1, whatever else they do.

    Raises:
        ValueError: If there are fewer than two rows, or a row is zero or not finite.

    >>> h = torch.tensor([[10.0, 1.0], [10.0, -1.0]])
    >>> round(mean_cosine(h).item(), 3), round(mean_cosine(h, centred=True).item(), 3)
    (0.98, -1.0)
    """
    u = _directions(features, centred)
    n = len(u)
    return (u.sum(0).square().sum() - n) / (n * (n - 1))


def view_cosine(
    first: Float[Tensor, "n d"], second: Float[Tensor, "n d"], *, centred: bool = False
) -> Float[Tensor, ""]:
    """Mean cosine of two views of the same sample.

    Args:
        first: One view of each sample.
        second: Another one.
        centred: Take the mean of both views of all samples off first.

    Raises:
        ValueError: If there are fewer than two rows in all, or one is zero or not finite.

    >>> h = torch.tensor([[3.0, 4.0]])
    >>> round(view_cosine(h, 2 * h).item(), 6)
    1.0
    """
    u = _directions(torch.cat([first, second]), centred)
    return (u[: len(first)] * u[len(first) :]).sum(1).mean()


def _directions(features: Float[Tensor, "n d"], centred: bool) -> Float[Tensor, "n d"]:
    """Rows over their lengths, in float64."""
    at_least("number of rows", len(features), 2)
    finite("features", features)
    x = features.double()
    x = x - x.mean(0) if centred else x
    lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    zeros = int((lengths == 0).sum())
    if zeros:
        raise ValueError(
            f"features must have no row of zeros{' once centred' * centred}, got {zeros} "
            f"of {len(x)}. Drop those rows."
        )
    return x / lengths
