"""Losses over two views of a batch: tensors in, one scalar out.

Row i of ``z1`` and row i of ``z2`` embed two views of sample i. Guards look at shapes and
numbers, never at what a tensor holds (that would make a GPU wait), so NaN in gives NaN
out. Nothing is done in place: every loss can be differentiated twice.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least, one_of, positive, same_shape


def info_nce(
    z1: Float[Tensor, "n k"],
    z2: Float[Tensor, "n k"],
    *,
    temperature: float,
    critic: Literal["cosine", "dot", "distance"] = "cosine",
) -> Float[Tensor, ""]:
    r"""Cross-entropy of finding each sample's other view among the batch's, in nats.

    With :math:`S_{ij} = s(z_i, z'_j) / \tau` it is the mean over i of
    :math:`\tfrac12 \log\sum_j e^{S_{ij}} + \tfrac12 \log\sum_j e^{S_{ji}} - S_{ii}`,
    both directions alike. It is never negative, and :math:`\log n` at complete collapse.
    The critic s is the cosine, the dot product, or half the squared distance, negative.

    Args:
        z1: First view.
        z2: Second view.
        temperature: :math:`\tau`; squared embedding units except for the cosine.
        critic: ``"cosine"`` forgets each row's length (below 1e-6 it no longer does).

    Raises:
        ValueError: If the shapes differ, there are fewer than two rows, ``temperature``
            is not positive and finite, or ``critic`` is unknown.

    Source: van den Oord et al. 2018 (arXiv:1807.03748), eq. 4, in both directions as in
    CLIP (Radford et al. 2021, arXiv:2103.00020). It departs from SimCLR's NT-Xent (Chen
    et al. 2020, arXiv:2002.05709), whose 2(n - 1) negatives are both views of the other
    samples: here every negative is of the other view, n - 1 of them.

    >>> import torch
    >>> z = torch.ones(8, 3)
    >>> round(info_nce(z, z, temperature=0.1).exp().item(), 4)
    8.0
    """
    _two_views(z1, z2)
    positive("temperature", temperature)
    one_of("critic", critic, _CRITICS)
    S = _CRITICS[critic](z1, z2) / temperature  # [n n]
    return ((S.logsumexp(0) + S.logsumexp(1)) / 2 - S.diagonal()).mean()


def supervised_contrastive(
    z1: Float[Tensor, "n k"],
    z2: Float[Tensor, "n k"],
    labels: Int64[Tensor, " n"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    r"""Cross-entropy of finding all embeddings of one's class among both views, in nats.

    Over the 2n embeddings, as unit rows :math:`u_a`, the mean of
    :math:`\log\sum_{b \ne a} e^{S_{ab}} - \mathrm{mean}_{p \in P(a)} S_{ap}` with
    :math:`S = u_a^\top u_b / \tau` and P(a) all others of the same class.

    Args:
        z1: First view.
        z2: Second view.
        labels: Class of each sample.
        temperature: :math:`\tau`.

    Raises:
        ValueError: If the shapes differ, there are fewer than two rows, there is another
            number of labels, or ``temperature`` is not positive and finite.

    Source: Khosla et al. 2020 (arXiv:2004.11362), eq. 2, the sum over positives outside
    the logarithm.

    >>> labels = torch.tensor([0, 0, 1])
    >>> z = torch.ones(3, 2)
    >>> round(supervised_contrastive(z, z, labels, temperature=0.5).exp().item(), 4)
    5.0
    """
    _two_views(z1, z2)
    positive("temperature", temperature)
    if len(labels) != len(z1):
        raise ValueError(f"labels must be one a row ({len(z1)}), got {len(labels)}.")
    u = _unit_rows(torch.cat([z1, z2]))
    member = torch.cat([labels, labels])
    itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
    same = (member[:, None] == member) & ~itself
    S = u @ u.T / temperature  # [2n 2n]
    mean_positive = (S * same).sum(1) / same.sum(1)
    return (S.masked_fill(itself, -torch.inf).logsumexp(1) - mean_positive).mean()


def spectral_contrastive(
    z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"]
) -> Float[Tensor, ""]:
    r"""Spectral contrastive loss: low-rank factorisation of the views' co-occurrence.

    :math:`-2\,\mathrm{mean}_i\, z_i^\top z'_i + \mathrm{mean}_{i \ne j} (z_i^\top z'_j)^2`.
    Pairs i = j are left out, so a batch estimates the population's loss without bias.

    Raises:
        ValueError: If the shapes differ or there are fewer than two rows.

    Source: HaoChen et al. 2021 (arXiv:2106.04156). The authors' code also clips the
    embeddings to a ball; this does not.

    >>> import torch
    >>> z = torch.eye(4)
    >>> spectral_contrastive(z, z).item()
    -2.0
    """
    _two_views(z1, z2)
    n = len(z1)
    S = z1 @ z2.T  # [n n]
    return _off_diagonal(S).square().sum() / (n * (n - 1)) - 2 * S.diagonal().mean()


def barlow_twins(
    z1: Float[Tensor, "n k"],
    z2: Float[Tensor, "n k"],
    *,
    redundancy: float,
    eps: float = 1e-5,
) -> Float[Tensor, ""]:
    r"""Squared distance of the views' cross-correlation from the identity.

    :math:`\sum_i (1 - c_{ii})^2 + \lambda \sum_{i \ne j} c_{ij}^2` with
    :math:`c = \hat z^\top \hat z' / n`, where :math:`\hat z` has each dimension centred
    and divided by :math:`\sqrt{\mathrm{var} + \epsilon}`, var biased (over n).

    Args:
        z1: First view.
        z2: Second view.
        redundancy: :math:`\lambda`, off-diagonal weight; the authors' code has 0.0051.
        eps: :math:`\epsilon`, in squared embedding units. With 0 the scale of each
            dimension drops out exactly, and a constant dimension gives NaN; above 0 the
            diagonal stays short of 1 by about eps / var.

    Raises:
        ValueError: If the shapes differ, there are fewer than two rows, or
            ``redundancy`` or ``eps`` is negative or NaN.

    Source: Zbontar et al. 2021 (arXiv:2103.03230). The paper has no eps; the default is
    what ``BatchNorm1d(affine=False)`` adds in the authors' code.

    >>> import torch
    >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> barlow_twins(z, -z, redundancy=1.0, eps=0.0).item()
    8.0
    """
    _two_views(z1, z2)
    at_least("redundancy", redundancy, 0.0)
    at_least("eps", eps, 0.0)
    C = _standardised(z1, eps).T @ _standardised(z2, eps) / len(z1)  # [k k]
    on_diagonal = (1 - C.diagonal()).square().sum()
    return on_diagonal + redundancy * _off_diagonal(C).square().sum()


def vicreg(
    z1: Float[Tensor, "n k"],
    z2: Float[Tensor, "n k"],
    *,
    invariance: float,
    variance: float,
    covariance: float,
    hinge: Literal["linear", "squared"] = "linear",
) -> Float[Tensor, ""]:
    r"""Variance-invariance-covariance loss, normalised as in the authors' code.

    With unbiased variances and covariances (over n - 1) it is the sum of

    - invariance times :math:`(z - z')^2`, mean over samples **and** dimensions,
    - variance times :math:`[1 - \sqrt{\mathrm{var} + 10^{-4}}]_+`, mean over dimensions
      and over the **two views**,
    - covariance times the squared off-diagonal covariances, summed and divided by k,
      **sum** of both views.

    The hinge has no second derivative where a standard deviation crosses 1, and a minimum
    may lie just there. Squared, :math:`[1 - \sqrt{\mathrm{var} + 10^{-4}}]_+^2`, it pulls
    less and less towards 1 and its minima stay below.

    Args:
        z1: First view.
        z2: Second view.
        invariance: Weight of the first term.
        variance: Weight of the second.
        covariance: Weight of the third.
        hinge: ``"squared"`` departs from paper and code.

    Raises:
        ValueError: If the shapes differ, there are fewer than two rows, a weight is
            negative or NaN, or ``hinge`` is unknown.

    Source: Bardes et al. 2022 (arXiv:2105.04906), whose weights are 25, 25 and 1. Paper
    and code (facebookresearch/vicreg, ``main_vicreg.py``) differ: the paper's invariance
    is a sum over dimensions and its variance term adds the views. This follows the code.

    >>> import torch
    >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> vicreg(z, z + 1.0, invariance=25.0, variance=25.0, covariance=1.0).item()
    25.0
    """
    _two_views(z1, z2)
    at_least("invariance", invariance, 0.0)
    at_least("variance", variance, 0.0)
    at_least("covariance", covariance, 0.0)
    one_of("hinge", hinge, _HINGE_POWERS)
    power = _HINGE_POWERS[hinge]
    return (
        invariance * (z1 - z2).square().mean()
        + variance * (_hinge(z1, power) + _hinge(z2, power)) / 2
        + covariance * (_redundancy(z1) + _redundancy(z2))
    )


def simsiam(
    p1: Float[Tensor, "n k"],
    z1: Float[Tensor, "n k"],
    p2: Float[Tensor, "n k"],
    z2: Float[Tensor, "n k"],
) -> Float[Tensor, ""]:
    """Negative cosine of each prediction with the other view's target, from -1 to 1.

    Half of (p1 against z2) plus half of (p2 against z1); no derivative of any order
    passes through ``z1`` or ``z2``.

    Args:
        p1: Predictor's output for the first view.
        z1: Projector's output for the first view.
        p2: Predictor's output for the second view.
        z2: Projector's output for the second view.

    Raises:
        ValueError: If the shapes differ or there is no row.

    Source: Chen & He 2021 (arXiv:2011.10566), algorithm 1.

    >>> import torch
    >>> z = torch.tensor([[3.0, 4.0]])
    >>> round(simsiam(z, z, z, z).item(), 6)
    -1.0
    """
    _two_views(z1, z2, fewest=1)
    same_shape("p1", p1, "z1", z1)
    same_shape("p2", p2, "z2", z2)
    cosine1 = (_unit_rows(p1) * _unit_rows(z2.detach())).sum(1)  # [n]
    cosine2 = (_unit_rows(p2) * _unit_rows(z1.detach())).sum(1)
    return -(cosine1 + cosine2).mean() / 2


def _two_views(z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"], fewest: int = 2) -> None:
    """Refuse views of different shapes or with fewer than ``fewest`` rows."""
    same_shape("z1", z1, "z2", z2)
    at_least("number of rows in z1 and z2", len(z1), fewest)


def _unit_rows(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Rows divided by their length, or by 1e-6 where they are shorter."""
    # The floor stands under the square: |z| itself has no second derivative at zero, and
    # the row of zeros of a dead network would turn the whole Hessian into NaN.
    return z * z.square().sum(1, keepdim=True).clamp_min(1e-12).rsqrt()


def _standardised(z: Float[Tensor, "n k"], eps: float) -> Float[Tensor, "n k"]:
    """Columns centred and divided by the root of biased variance plus eps."""
    return (z - z.mean(0)) * (z.var(0, correction=0) + eps).rsqrt()


def _hinge(z: Float[Tensor, "n k"], power: int) -> Float[Tensor, ""]:
    """How far the standard deviations of the columns fall short of 1, mean power."""
    return (1 - (z.var(0) + 1e-4).sqrt()).relu().pow(power).mean()


def _redundancy(z: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """Squared covariances between different columns, summed and divided by k."""
    n, k = z.shape
    centred = z - z.mean(0)
    return _off_diagonal(centred.T @ centred / (n - 1)).square().sum() / k


def _off_diagonal(square: Float[Tensor, "m m"]) -> Float[Tensor, "m m"]:
    """Copy of a matrix whose diagonal is zero."""
    return square - square.diagonal().diag()


def _cosine(z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"]) -> Float[Tensor, "n n"]:
    """Cosine of each row of z1 with each row of z2."""
    return _dot(_unit_rows(z1), _unit_rows(z2))


def _dot(z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"]) -> Float[Tensor, "n n"]:
    """Dot product of each row of z1 with each row of z2."""
    return z1 @ z2.T


def _distance(z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"]) -> Float[Tensor, "n n"]:
    """Half the squared distance between each row of z1 and of z2, negative."""
    # -|a - b|^2 / 2 = a.b - |a|^2 / 2 - |b|^2 / 2 needs no [n n k] tensor. Subtracting one
    # point from all rows changes no distance (so it needs no derivative) and keeps the
    # squares small, where the expansion loses fewer digits.
    centre = z1.detach().mean(0)
    a, b = z1 - centre, z2 - centre
    return a @ b.T - a.square().sum(1)[:, None] / 2 - b.square().sum(1) / 2


_CRITICS = {"cosine": _cosine, "dot": _dot, "distance": _distance}
_HINGE_POWERS = {"linear": 1, "squared": 2}
