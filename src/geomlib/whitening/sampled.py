"""Heads trained on samples: for losses that see more than second moments."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.training import minimise
from geomlib.whitening.moments import Canonical
from geomlib.whitening.population import random_start


def gaussian_views(
    canonical: Canonical, num_samples: int, *, generator: torch.Generator
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    r"""Two views of Gaussian samples, in whitened coordinates.

    In the canonical basis view a is :math:`\sqrt{\rho}\, c + \sqrt{1 - \rho}\, e_a`, with
    the content c shared by both views and the rest drawn anew.

    Args:
        canonical: Canonical form whose correlations the views have, each at least 0.
        num_samples: Number of samples.
        generator: Source of the draws.

    Raises:
        ValueError: If ``num_samples`` is below 1 or a correlation is negative.
    """
    at_least("num_samples", num_samples, 1)
    rho = canonical.correlations
    # An eigensolver returns 0 and 1 with rounding on either side.
    slack = 100 * torch.finfo(rho.dtype).eps
    at_least("smallest correlation", float(rho.min()), -slack)
    rho = rho.clamp(0, 1)
    content, first, second = torch.randn(
        3, num_samples, len(rho), generator=generator, dtype=rho.dtype
    )
    shared, private = rho.sqrt() * content, (1 - rho).sqrt()
    basis = canonical.directions.mT
    return (shared + private * first) @ basis, (shared + private * second) @ basis


def optimal_head(
    loss: Callable[[Tensor, Tensor], Tensor],
    canonical: Canonical,
    *,
    num_outputs: int,
    num_steps: int,
    learning_rate: float,
    seed: int,
    batch_size: int = 384,
) -> Float[Tensor, "k d"]:
    """Linear head W trained on fresh batches of Gaussian views, from random weights.

    Args:
        loss: Function of the embeddings of both views of a batch.
        canonical: Canonical form of the representations' moments.
        num_outputs: Number k of outputs, at most d.
        num_steps: Steps of Adam, each on a new batch.
        learning_rate: Its first rate.
        seed: Seed of the initial weights and of the batches.
        batch_size: Samples in a batch, and so the number of negatives plus one.

    Raises:
        ValueError: If ``num_outputs`` is out of range.
    """
    generator = torch.Generator().manual_seed(seed)
    # Single precision: sampling noise is far above its rounding, and it is twice as fast.
    single = Canonical(*(value.float() for value in vars(canonical).values()))
    a = random_start(single, num_outputs, generator)

    def batch_loss() -> Tensor:
        first, second = gaussian_views(single, batch_size, generator=generator)
        return loss(first @ a.mT, second @ a.mT)

    _ = minimise(batch_loss, [a], num_steps=num_steps, learning_rate=learning_rate)
    return a.detach().to(canonical.root) @ canonical.inverse_root
