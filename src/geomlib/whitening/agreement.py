"""How far a trained linear head is from the predicted one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import positive
from geomlib.whitening.moments import Canonical
from geomlib.whitening.weights import head_metric

# A direction counts as lost when its output variance is below this share of the largest.
LOST = 0.01


@dataclass(frozen=True)
class Agreement:
    """A trained linear head measured against its closed form.

    Attributes:
        condition: Largest over smallest kept eigenvalue of the output covariance.
        num_lost: Output dimensions whose variance is below 1 % of the largest.
        num_lost_predicted: The same count for the closed form.
        error: Relative Frobenius error of the head's metric, in whitened coordinates.
        angle: Largest principal angle between kept and predicted directions, in degrees.
    """

    condition: float
    num_lost: int
    num_lost_predicted: int
    error: float
    angle: float


def agreement(
    head: Float[Tensor, "k d"],
    weights: Float[Tensor, " k"],
    canonical: Canonical,
) -> Agreement:
    """Trained head against the closed form that ``weights`` define.

    Args:
        head: Weights W of the trained head.
        weights: Predicted weight of each top canonical direction.
        canonical: Canonical form of the moments that the head was trained on.

    Raises:
        ValueError: If the head, or the closed form, gives up every direction: there is
            then no angle and no condition to speak of.
    """
    a = head @ canonical.root
    positive("largest predicted weight", float(weights.max()))
    positive("norm of the head", float(a.norm()))
    # The kept directions are the leading right singular vectors; squares are variances.
    _, singular, right = torch.linalg.svd(a, full_matrices=False)
    variances = singular.square()
    kept = int((variances > LOST * variances[0]).sum())
    expected = int((weights > LOST * weights.max()).sum())
    return Agreement(
        condition=float(variances[0] / variances[kept - 1]),
        num_lost=len(head) - kept,
        num_lost_predicted=len(head) - expected,
        error=metric_error(head.mT @ head, head_metric(weights, canonical), canonical),
        angle=largest_angle(right[:kept].mT, canonical.directions[:, :expected]),
    )


def standardised(head: Float[Tensor, "k d"], canonical: Canonical) -> Float[Tensor, "k d"]:
    """Head with each output scaled to unit variance.

    Barlow Twins does not see the scale of an output, so this is the head that its closed
    form speaks of.
    """
    return head / (head @ canonical.root).norm(dim=1, keepdim=True)


def whitened(head: Float[Tensor, "k d"], canonical: Canonical) -> Float[Tensor, "k d"]:
    """Head with its outputs whitened, S = I: what hard whitening puts after it."""
    a = head @ canonical.root
    values, vectors = torch.linalg.eigh(a @ a.mT)
    return vectors @ torch.diag(values.rsqrt()) @ vectors.mT @ head


def unit_trace(head: Float[Tensor, "k d"], canonical: Canonical) -> Float[Tensor, "k d"]:
    """Head scaled to a total output variance of 1, for a loss blind to the scale."""
    return head / (head @ canonical.root).norm()


def found_weights(head: Float[Tensor, "k d"], canonical: Canonical) -> Float[Tensor, " k"]:
    r"""Weight that a head gives to each top canonical direction.

    The diagonal of :math:`V_k^\top A^\top A V_k`, in squared embedding units.
    """
    a = head @ canonical.root @ canonical.directions[:, : len(head)]
    return a.square().sum(dim=0)


def metric_error(
    measured: Float[Tensor, "d d"],
    predicted: Float[Tensor, "d d"],
    canonical: Canonical,
) -> float:
    """Relative Frobenius error between two head metrics, in whitened coordinates.

    In representation coordinates the directions of smallest variance would outweigh all
    others by the condition number.
    """
    root = canonical.root
    difference = root @ (measured - predicted) @ root
    return float(difference.norm() / (root @ predicted @ root).norm())


def largest_angle(a: Float[Tensor, "d k"], b: Float[Tensor, "d l"]) -> float:
    """Largest principal angle between two column spaces, in degrees.

    Taken from the sine, the norm of what is left of one space outside the other: it
    keeps its digits at small angles, where the cosine has lost them. Of two spaces of
    different dimension the smaller is measured against the larger. The columns of each
    must be independent.

    >>> round(largest_angle(torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [1.0]])))
    45

    Source: Björck & Golub 1973 (Numerical methods for computing angles between linear
    subspaces).
    """
    if a.shape[1] > b.shape[1]:
        a, b = b, a
    a, b = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    sine = torch.linalg.matrix_norm(a - b @ (b.mT @ a), ord=2)
    return float(torch.rad2deg(torch.asin(sine.clamp(max=1))))
