"""How far the metrics of many samples are from being one metric: three measures.

They disagree. The Frobenius spread sees large metrics only; the log-Euclidean one sees
ratios, in the coordinates at hand; the affine-invariant one sees ratios in any.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite


def frobenius_spread(metrics: Float[Tensor, "n d d"] | Iterable[Tensor]) -> float:
    r"""Share of the metrics' mean square that is not their mean's, from 0 to 1.

    :math:`\overline{\|G - \bar G\|_F^2} \,/\, \overline{\|G\|_F^2}`, the relative Frobenius
    spread: 0 where all metrics are equal. It depends on the coordinates.

    Args:
        metrics: One matrix per sample, or chunks of them such as ``metric_chunks`` gives,
            which are never held at once.

    Raises:
        ValueError: If there is no metric, or none has an entry other than 0.

    >>> round(frobenius_spread(torch.stack([torch.eye(2), 3 * torch.eye(2)])), 4)
    0.2
    """
    first: Tensor | None = None
    total = torch.zeros(())
    square, apart, count = 0.0, 0.0, 0
    for chunk in [metrics] if isinstance(metrics, Tensor) else metrics:
        at_least("number of metrics", len(chunk), 1)
        # Distances are from the first metric: equal ones give exactly 0, and the mean
        # square and the squared mean of what is left do not nearly cancel.
        first = chunk[0] if first is None else first
        shifted = chunk - first
        total = total.to(chunk.device) + shifted.sum(0).double()
        square += float(torch.linalg.matrix_norm(chunk).double().square().sum())
        apart += float(torch.linalg.matrix_norm(shifted).double().square().sum())
        count += len(chunk)
    at_least("number of metrics", count, 1)
    if not square > 0:
        raise ValueError(f"metrics must have an entry other than 0, got {count} zeros.")
    return max(0.0, apart - float(total.square().sum()) / count) / square


def log_euclidean_spread(
    metrics: Float[Tensor, "n d d"], *, regularisation: float = 1e-3
) -> Float[Tensor, ""]:
    r"""Root mean square log-Euclidean distance of the metrics from their log-mean.

    Of :math:`A = G / \overline{\operatorname{tr} G} + \epsilon I`; the distance of A and B
    is :math:`\|\log A - \log B\|_F`. Scaling all metrics by one factor or rotating the
    coordinates changes nothing.

    Args:
        metrics: One positive semi-definite matrix per sample.
        regularisation: :math:`\epsilon`, which bounds the logarithm where a head
            flattens a direction; the answer depends on it. 0 where none is flattened.

    Raises:
        ValueError: If there is no metric, one is not finite, all are zero, or one is not
            positive definite with ``regularisation`` added.

    Source: Arsigny et al. 2006 (Magnetic Resonance in Medicine 56).

    >>> pair = torch.stack([torch.eye(2), torch.e**2 * torch.eye(2)])
    >>> round(log_euclidean_spread(pair, regularisation=0.0).item(), 4)
    1.4142
    """
    logs = _through(torch.log, _regularised(metrics, regularisation))
    return _root_mean_square(logs - logs.mean(0))


def affine_invariant_spread(
    metrics: Float[Tensor, "n d d"],
    *,
    regularisation: float = 1e-3,
    num_steps: int = 200,
    tolerance: float = 1e-8,
) -> Float[Tensor, ""]:
    r"""Root mean square affine-invariant distance of the metrics from their centre.

    Of the same A; the distance of A and B is
    :math:`\|\log(B^{-1/2} A\, B^{-1/2})\|_F`, the centre the matrix with the smallest mean
    square distance. With ``regularisation`` 0 no linear change of the coordinates
    changes it.

    Args:
        metrics: One positive semi-definite matrix per sample.
        regularisation: As in ``log_euclidean_spread``; it breaks the invariance.
        num_steps: Steps towards the centre, at most.
        tolerance: Length of the step at which the centre is taken as found.

    Raises:
        ValueError: As ``log_euclidean_spread``.
        ArithmeticError: If the centre is not found in ``num_steps`` steps.

    Source: Pennec et al. 2006 (International Journal of Computer Vision 66); the length of
    the steps follows Bini & Iannazzo 2013 (Linear Algebra and its Applications 438).
    """
    A = _regularised(metrics, regularisation)
    centre = _through(torch.exp, _through(torch.log, A).mean(0))
    length = torch.inf
    for _ in range(num_steps):
        root, inverse = (_through(f, centre) for f in (torch.sqrt, torch.rsqrt))
        seen = inverse @ A @ inverse
        logs = _through(torch.log, seen)
        step = logs.mean(0)
        length = float(torch.linalg.matrix_norm(step))
        if length < tolerance:
            return _root_mean_square(logs)
        # Half the squared distance to A has second derivatives between 1 and x coth x, for
        # x half the range of the logarithms of A's eigenvalues as the centre sees them.
        values = torch.linalg.eigvalsh((seen + seen.mT) / 2)
        x = ((values[:, -1] / values[:, 0]).log() / 2).clamp_min(1e-6)
        rate = 2 / (1 + (x / x.tanh()).mean())
        centre = root @ _through(torch.exp, rate * step) @ root
    raise ArithmeticError(
        f"the centre must be found in num_steps = {num_steps} steps, got one of length "
        f"{length:.3g} at the last. Compute in float64, or raise regularisation."
    )


def _regularised(G: Float[Tensor, "n d d"], eps: float) -> Float[Tensor, "n d d"]:
    """Metrics over their mean trace, plus eps I; refuses what has no logarithm then."""
    at_least("number of metrics", len(G), 1)
    at_least("regularisation", eps, 0.0)
    finite("metrics", G)
    scale = G.diagonal(dim1=1, dim2=2).sum(1).mean()
    if not scale > 0:
        raise ValueError(f"metrics must have a positive mean trace, got {scale:.3g}.")
    A = G / scale + eps * torch.eye(G.shape[1], dtype=G.dtype, device=G.device)
    lowest = torch.linalg.eigvalsh(A)[:, 0].min()
    if not lowest > 0:
        raise ValueError(
            "metrics must be positive definite with regularisation added, got an "
            f"eigenvalue of {lowest:.3g} of the mean trace. Raise regularisation "
            f"({eps:g})."
        )
    return A


def _through(
    function: Callable[[Tensor], Tensor], A: Float[Tensor, "*n d d"]
) -> Float[Tensor, "*n d d"]:
    """Function of the eigenvalues of symmetric matrices."""
    values, vectors = torch.linalg.eigh((A + A.mT) / 2)
    return (vectors * function(values)[..., None, :]) @ vectors.mT


def _root_mean_square(matrices: Float[Tensor, "n d d"]) -> Float[Tensor, ""]:
    """Root of the mean squared Frobenius norm."""
    return matrices.square().sum((1, 2)).mean().sqrt()
