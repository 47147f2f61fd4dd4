r"""Self-supervised losses as functions of a linear head's output moments.

A head :math:`z = W h` has output covariance :math:`S = A A^\top` and cross-view
covariance :math:`R = A K A^\top` with :math:`A = W \Sigma^{1/2}`. Each loss below is the
infinite-sample limit of its namesake in ``geomlib.losses`` for centred outputs, which
for these losses needs nothing but second moments.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.training import minimise
from geomlib.whitening.moments import Canonical

# VICReg's published code adds this to the variance inside the square root.
VARIANCE_EPS = 1e-4


def spectral_contrastive(
    s: Float[Tensor, "k k"], r: Float[Tensor, "k k"]
) -> Float[Tensor, ""]:
    r"""Population spectral contrastive loss, :math:`-2 \mathrm{tr} R + \|S\|_F^2`.

    Source: HaoChen et al. 2021 (arXiv:2106.04156), for a linear head.
    """
    return -2 * r.trace() + s.square().sum()


def barlow_twins(
    s: Float[Tensor, "k k"], r: Float[Tensor, "k k"], *, redundancy: float
) -> Float[Tensor, ""]:
    """Population Barlow Twins loss of the outputs, each standardised to unit variance.

    Source: Zbontar et al. 2021 (arXiv:2103.03230).
    """
    scale = s.diagonal().rsqrt()
    correlation = r * scale[:, None] * scale[None, :]
    diagonal = correlation.diagonal()
    off_diagonal = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy * off_diagonal


def vicreg(
    s: Float[Tensor, "k k"],
    r: Float[Tensor, "k k"],
    *,
    invariance: float,
    variance: float,
    covariance: float,
) -> Float[Tensor, ""]:
    """Population VICReg loss with the normalisation of its published code.

    Invariance is a mean over outputs, 2 tr(S - R) / k; variance a mean of hinges;
    covariance the squared off-diagonal sum over k, once per view.

    Source: Bardes et al. 2022 (arXiv:2105.04906) and its published code.
    """
    num_outputs = len(s)
    diagonal = s.diagonal()
    hinge = torch.relu(1 - (diagonal + VARIANCE_EPS).sqrt()).mean()
    off_diagonal = s.square().sum() - diagonal.square().sum()
    return (
        invariance * 2 * (s - r).trace() / num_outputs
        + variance * hinge
        + covariance * 2 * off_diagonal / num_outputs
    )


def hard_whitening(s: Float[Tensor, "k k"], r: Float[Tensor, "k k"]) -> Float[Tensor, ""]:
    r"""Mean squared distance of the views once the outputs are whitened, 2 (k - tr S⁻¹R).

    Source: Ermolov et al. 2021 (arXiv:2007.06346), whitening with the full population.
    """
    return 2 * (len(s) - torch.linalg.solve(s, r).trace())


def optimal_head(
    loss: Callable[[Tensor, Tensor], Tensor],
    canonical: Canonical,
    *,
    num_outputs: int,
    num_steps: int,
    learning_rate: float,
    seed: int,
    watch: Callable[[Float[Tensor, "k d"]], None] | None = None,
) -> Float[Tensor, "k d"]:
    r"""Linear head W found by gradient descent on a population loss, from random weights.

    The descent runs in whitened coordinates, on :math:`A = W \Sigma^{1/2}`: the minimum is
    the same, and what is tested is where it lies, not how fast it is reached.

    Args:
        loss: Function of the output covariance S and cross-view covariance R.
        canonical: Canonical form of the representations' moments.
        num_outputs: Number k of outputs, at most d.
        num_steps: Steps of Adam.
        learning_rate: Its first rate.
        seed: Seed of the initial weights.
        watch: Called with the head before each step.

    Raises:
        ValueError: If ``num_outputs`` is below 1 or above d.
    """
    k = canonical.directions @ torch.diag(canonical.correlations) @ canonical.directions.mT
    a = random_start(canonical, num_outputs, torch.Generator().manual_seed(seed))

    def watched_loss() -> Tensor:
        if watch is not None:
            watch(a.detach() @ canonical.inverse_root)
        return loss(a @ a.mT, a @ k @ a.mT)

    _ = minimise(
        watched_loss,
        [a],
        num_steps=num_steps,
        learning_rate=learning_rate,
    )
    return a.detach() @ canonical.inverse_root


def random_start(
    canonical: Canonical, num_outputs: int, generator: torch.Generator
) -> Float[Tensor, "k d"]:
    """Random leaf weights in whitened coordinates, each row of unit length on average.

    Raises:
        ValueError: If ``num_outputs`` is below 1 or above the dimension.
    """
    dim = len(canonical.correlations)
    at_least("num_outputs", num_outputs, 1)
    at_least("dimension of the representations less num_outputs", dim - num_outputs, 0)
    start = torch.randn(num_outputs, dim, generator=generator, dtype=torch.float64)
    return (start / dim**0.5).to(canonical.directions).requires_grad_()
