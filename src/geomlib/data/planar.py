"""Toy views in the plane whose content no linear head can read, or hardly any head."""

import math

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from geomlib.checks import at_least, positive

RADII = (0.5, 1.0, 1.5, 2.0)


def ring_views(
    num_pairs: int, *, generator: torch.Generator, radii: tuple[float, ...] = RADII
) -> tuple[Float32[Tensor, "2 n 2"], Int64[Tensor, " n"]]:
    """Two views of each of ``num_pairs`` samples, and the ring that both lie on.

    A sample is a ring; a view is a point on it at a uniform angle of its own. The mean of
    one view given the other is zero, so the views are uncorrelated in the plane.

    Args:
        num_pairs: Number of samples.
        generator: Of rings and angles; the tensors are on its device.
        radii: Radius of each ring, all equally likely.

    Raises:
        ValueError: If ``num_pairs`` is below 1 or a radius is not positive.

    >>> views, ring = ring_views(100, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(views.norm(dim=2), (1 + ring) / 2))
    True
    """
    at_least("num_pairs", num_pairs, 1)
    at_least("number of radii", len(radii), 1)
    for radius in radii:
        positive("radius", radius)
    device = generator.device
    ring = torch.randint(len(radii), (num_pairs,), generator=generator, device=device)
    angle = 2 * math.pi * torch.rand(2, num_pairs, generator=generator, device=device)
    radius = torch.tensor(radii, device=device)[ring]
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=2), ring


def spiral_views(
    num_pairs: int,
    *,
    generator: torch.Generator,
    num_arms: int = 4,
    num_turns: float = 1.5,
) -> tuple[Float32[Tensor, "2 n 2"], Int64[Tensor, " n"]]:
    """Two views of each of ``num_pairs`` samples, and the spiral arm of both.

    A sample is an arm; a view is a point on it at a uniform place of its own. The arms
    are Archimedean, from radius 0.5 to 2, each turned against the next.

    Args:
        num_pairs: Number of samples.
        generator: Of arms and places; the tensors are on its device.
        num_arms: Number of arms, all equally likely.
        num_turns: How often an arm winds about the centre.

    Raises:
        ValueError: If ``num_pairs`` or ``num_arms`` is below 1, or ``num_turns`` is not
            positive.

    >>> views, arm = spiral_views(100, generator=torch.Generator().manual_seed(0))
    >>> views.shape, int(arm.max())
    (torch.Size([2, 100, 2]), 3)
    """
    at_least("num_pairs", num_pairs, 1)
    at_least("num_arms", num_arms, 1)
    positive("num_turns", num_turns)
    device = generator.device
    arm = torch.randint(num_arms, (num_pairs,), generator=generator, device=device)
    place = torch.rand(2, num_pairs, generator=generator, device=device)
    angle = 2 * math.pi * (num_turns * place + arm / num_arms)
    radius = 0.5 + 1.5 * place
    return radius[:, :, None] * torch.stack([angle.cos(), angle.sin()], dim=2), arm
