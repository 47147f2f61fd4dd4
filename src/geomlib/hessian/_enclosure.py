r"""How far the eigenvalues of a matrix may lie from those of its Krylov part.

In an orthonormal basis V, multiplied by A already, and P, which waits, A is
:math:`\begin{pmatrix} T & B^\top \\ B & C \end{pmatrix}` (P is part of C's space), so

- eigenvalues of T lie inside those of A, counted from either end (Cauchy);
- if :math:`C \le \tau`, replacing C by :math:`\tau` moves no eigenvalue down (Weyl): the
  i-th largest of A is at most that of T bordered by B and :math:`\tau`, or :math:`\tau`.

Source: Parlett 1998, chapters 10 to 13.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Ends = tuple[int, int]  # how many wanted from below, from above
Edges = tuple[float, float]
Ritz = tuple[Float[Tensor, " p"], Float[Tensor, "p p"], Float[Tensor, "q p"]]


def wanted(x: Float[Tensor, "p ..."], ends: Ends) -> Float[Tensor, "pairs ..."]:
    """Entries at the two ends."""
    return torch.cat([x[: ends[0]], x[len(x) - ends[1] :]])


def enclosures(ritz: Ritz, tau: Edges, ends: Ends) -> Float[Tensor, " pairs"]:
    """How far the wanted eigenvalues may lie beyond those of T, repeats counted."""
    theta, _, B = ritz
    below = bordered(theta, B, tau[0])[: ends[0]].clamp_max(tau[0])
    above = bordered(theta, B, tau[1])
    above = above[len(above) - ends[1] :].clamp_min(tau[1])
    inside = wanted(theta, ends)
    gaps = torch.cat([inside[: ends[0]] - below, above - inside[ends[0] :]])
    return gaps.clamp_min(0.0)


def bordered(
    theta: Float[Tensor, " p"], B: Float[Tensor, "q p"], tau: float
) -> Float[Tensor, " m"]:
    """Eigenvalues of T bordered by B and tau."""
    if math.isinf(tau):
        return torch.full((len(theta) + len(B),), tau, dtype=theta.dtype)
    corner = tau * torch.eye(len(B), dtype=B.dtype)
    return torch.linalg.eigvalsh(
        torch.cat([torch.cat([theta.diag(), B.mT], 1), torch.cat([B, corner], 1)])
    )


def crossing(mu: Float[Tensor, " k"], level: float) -> float:
    """Where sum log(t - mu) reaches a level, t above the largest mu."""
    above, top = 0.0, float(mu[-1])
    reach = math.exp(level / len(mu))
    gaps = top - mu
    for _ in range(60):
        middle = (above + reach) / 2
        if float((gaps + middle).log().sum()) < level:
            above = middle
        else:
            reach = middle
    return top + reach
