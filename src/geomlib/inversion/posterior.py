r"""What is left open about the styles, by linear-Gaussian algebra.

An image is seen through a map f of the styles with Gaussian noise of deviation sigma on
each pixel. Near its styles f is its Jacobian J, and :math:`G = J^\top J` is the metric that
f pulls back.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive


def subspace_posterior(
    metric: Float[Tensor, "*n s s"], basis: Float[Tensor, "s d"], *, noise: float
) -> Float[Tensor, "*n s s"]:
    r"""Covariance of styles :math:`Q u` with standard normal u, given the noisy pixels.

    :math:`Q (I + Q^\top G Q / \sigma^2)^{-1} Q^\top`. Exact where f is affine; elsewhere
    the Laplace approximation at the styles where G is taken, with the Gauss-Newton term
    for the Hessian.

    Args:
        metric: G, at each image.
        basis: Q.
        noise: :math:`\sigma`.

    Raises:
        ValueError: If ``noise`` is not positive and finite.

    >>> one = torch.eye(1)
    >>> subspace_posterior(3 * one, one, noise=1.0).item()
    0.25
    """
    X = _root(basis.mT @ metric @ basis, basis, noise)
    return X.mT @ X


def deviations(covariance: Float[Tensor, "*n s s"]) -> Float[Tensor, "*n s"]:
    """Standard deviation of each coordinate."""
    return covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()


def subspace_deviations(
    jacobian: Float[Tensor, "*n p s"], basis: Float[Tensor, "s d"], *, noise: float
) -> Float[Tensor, "*n s"]:
    """Standard deviations of ``subspace_posterior``, without a matrix of all styles.

    For many styles: memory grows with ``s d`` where the covariance takes ``s s``.

    Args:
        jacobian: J, at each image.
        basis: Q.
        noise: As of ``subspace_posterior``.

    Raises:
        ValueError: If ``noise`` is not positive and finite.

    >>> one = torch.eye(1)
    >>> subspace_deviations(3**0.5 * one, one, noise=1.0).item()
    0.5
    """
    J = jacobian @ basis  # [*n p d]
    return _root(J.mT @ J, basis, noise).square().sum(-2).sqrt()


def naive_widths(metric: Float[Tensor, "*n s s"]) -> Float[Tensor, "*n s"]:
    r""":math:`1 / \sqrt{G_{ii}}`: a style's width if all others were known and no prior.

    Infinite where a style does nothing.
    """
    return metric.diagonal(dim1=-2, dim2=-1).rsqrt()


def jacobians(
    seen: Callable[[Tensor], Tensor], standard: Float[Tensor, "n s"]
) -> Float[Tensor, "n p s"]:
    """Slope of each pixel in each style, at each row: one backward pass a pixel.

    The slopes of pixels that were averaged are averages of these.

    Args:
        seen: Maps rows of styles to pixels, flat or not, each row by itself; the images
            of a generator and their corruption without noise, say.
        standard: Rows of styles.

    Raises:
        ValueError: If there is no row.
    """
    at_least("number of rows in standard", len(standard), 1)
    rows = standard.detach().requires_grad_()
    # Rows do not meet, so one backward pass of a pixel's sum has its slope at every row.
    pixels = seen(rows).flatten(1).sum(0)  # [p]
    slopes = [torch.autograd.grad(pixel, rows, retain_graph=True)[0] for pixel in pixels]
    return torch.stack(slopes, 1)


def metrics(
    seen: Callable[[Tensor], Tensor], standard: Float[Tensor, "n s"]
) -> Float[Tensor, "n s s"]:
    """Metric that a map of styles pulls back, at each row; arguments of ``jacobians``."""
    J = jacobians(seen, standard)
    return J.mT @ J


def rank_correlations(
    first: Float[Tensor, "n s"], second: Float[Tensor, "n s"]
) -> Float[Tensor, " n"]:
    """Spearman's correlation over the styles, one for each row; ties by order.

    Raises:
        ValueError: If there are fewer than two styles.

    >>> rank_correlations(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[3.0, 5.0, 4.0]]))
    tensor([0.5000])
    """
    at_least("number of styles", first.shape[1], 2)
    ranks = [t.argsort(1).argsort(1).to(torch.float64) for t in (first, second)]
    centred = [r - r.mean(1, keepdim=True) for r in ranks]
    product = (centred[0] * centred[1]).sum(1)
    return (product / centred[0].square().sum(1)).to(first)


def _root(
    inner: Float[Tensor, "*n d d"], basis: Float[Tensor, "s d"], noise: float
) -> Float[Tensor, "*n d s"]:
    """X with X^T X the covariance, which so is symmetric; ``inner`` is Q^T G Q."""
    positive("noise", noise)
    one = torch.eye(basis.shape[1], dtype=inner.dtype, device=inner.device)
    # With I + inner / sigma^2 = L L^T it is X = L^-1 Q^T.
    return torch.linalg.solve_triangular(
        torch.linalg.cholesky(one + inner / noise**2),
        basis.mT.expand(*inner.shape[:-1], -1),
        upper=False,
    )
