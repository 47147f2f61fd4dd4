"""Synthetic inputs: two noisy views of skewed samples."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least


def skewed_views(
    *, num_samples: int = 48, dim: int = 4, noise: float = 0.6, seed: int
) -> Float[Tensor, "2 n d"]:
    r"""Two views of samples whose coordinates are independent and lean to one side.

    A coordinate is :math:`(g + (g^2 - 1) / 2) / \sqrt{3/2}` with g standard normal: mean 0,
    variance 1, skewness 2.2. A view adds Gaussian noise.

    Args:
        num_samples: Samples n.
        dim: Coordinates d.
        noise: Standard deviation of a view's noise.
        seed: Of samples and noise.

    Raises:
        ValueError: If there are fewer than two samples, no coordinate, or negative noise.
    """
    at_least("num_samples", num_samples, 2)
    at_least("dim", dim, 1)
    at_least("noise", noise, 0)
    return _skewed(num_samples, dim, noise, torch.Generator().manual_seed(seed))


def patterned_views(
    *,
    num_samples: int = 64,
    dim: int = 8,
    noise: float = 0.6,
    flip_probability: float = 0.15,
    seed: int,
) -> Float[Tensor, "2 n d"]:
    r"""Skewed views whose coordinate 0 stays away from zero and carries a sign.

    It is :math:`\pm(1 + U/2)` with U uniform on [0, 1], drawn anew for each view; half of
    the samples have either sign, and each view flips its own with a probability. Where
    its sign decides which units are active, no unit of any sample is near its kink.

    Args:
        num_samples: Samples n, even.
        dim: Coordinates d, that one included.
        noise: Standard deviation of a view's noise in the other coordinates.
        flip_probability: Without flips every pair of views would share its pattern.
        seed: Of samples, signs and noise.

    Raises:
        ValueError: If a number is out of range.
    """
    at_least("dim", dim, 2)
    if num_samples < 2 or num_samples % 2:
        raise ValueError(
            f"num_samples must be even and at least 2, got {num_samples}: half of the "
            "samples have either sign."
        )
    if not 0 <= flip_probability <= 1:
        raise ValueError(
            f"flip_probability must be between 0 and 1, got {flip_probability}."
        )
    at_least("noise", noise, 0)
    generator = torch.Generator().manual_seed(seed)
    rest = _skewed(num_samples, dim - 1, noise, generator)
    uniform, coins = torch.rand(2, 2, num_samples, generator=generator, dtype=torch.float64)
    signs = torch.ones(num_samples, dtype=torch.float64)
    signs[num_samples // 2 :] = -1
    signs = signs[torch.randperm(num_samples, generator=generator)]
    flips = torch.where(coins < flip_probability, -1.0, 1.0)
    first = signs * flips * (1 + uniform / 2)
    return torch.cat([first[..., None], rest], dim=-1)


def _skewed(
    num_samples: int, dim: int, noise: float, generator: torch.Generator
) -> Float[Tensor, "2 n d"]:
    """Skewed samples, seen twice."""
    g, first, second = torch.randn(
        3, num_samples, dim, generator=generator, dtype=torch.float64
    )
    content = (g + (g.square() - 1) / 2) / 1.5**0.5
    return content + noise * torch.stack([first, second])
