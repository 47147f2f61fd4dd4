r"""Curvature of the loss at a mirrored equilibrium, where it comes from, and saturation.

Notation of the odd sector: :math:`q_i = v \cdot \phi_i` for a change v of the backbone's
row u; :math:`\delta_{ij}` the change of a pre-activation that has opposite signs on the
two members of pair j (through live weights, bias and :math:`c_j q_i`); :math:`\gamma_j`
that of the weight on u, :math:`\alpha_j` that of the output; :math:`s_{ij}` and
:math:`a_j` pre-activation and output of either member; :math:`G_i` the loss's gradient in
embedding i; :math:`r_{ij} = a_j \cdot G_i`. The embeddings are even in odd changes, so

.. math:: \eta^\top H \eta = \sum_{ij} \left[ 2 r_{ij} \sigma''(s_{ij}) \delta_{ij}^2
    + 4 r_{ij} \sigma'(s_{ij}) \gamma_j q_i
    + 4 (\alpha_j \cdot G_i) \sigma'(s_{ij}) \delta_{ij} \right].
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.collapse.mirrored import refuse_broken_mirror, sectors
from geomlib.collapse.network import Network, loss_gradient
from geomlib.hessian.operator import SymmetricOperator, block, gauss_newton, hessian
from geomlib.params import unflatten


@dataclass(frozen=True)
class OddCurvature:
    r"""Hessian of the odd sector and its parts, in the basis of ``sectors``.

    Attributes:
        hessian: Of the objective, by automatic differentiation.
        gauss_newton: Its Gauss-Newton part, likewise; zero but for rounding.
        bend: The term with :math:`\sigma''`, from the formula.
        weight_cross: That with :math:`\sigma' \gamma q`.
        output_cross: That with :math:`\sigma' \alpha \delta`.
    """

    hessian: Float[Tensor, "odd odd"]
    gauss_newton: Float[Tensor, "odd odd"]
    bend: Float[Tensor, "odd odd"]
    weight_cross: Float[Tensor, "odd odd"]
    output_cross: Float[Tensor, "odd odd"]


def odd_curvature(network: Network) -> OddCurvature:
    """Hessian of the odd sector, by differentiation and by the formula's three terms.

    Args:
        network: A mirrored network; a stationary one, or not.

    Raises:
        ValueError: If it is not its own reflection.
    """
    refuse_broken_mirror(network.parameters)
    odd, _ = sectors(network.parameters)
    whole = hessian(network.objective, network.parameters)
    outer = gauss_newton(network.embeddings, lambda z: network.loss(*z), network.parameters)
    bend, weight_cross, output_cross = _terms(network, odd)
    return OddCurvature(
        _restricted(whole, odd),
        _restricted(outer, odd),
        bend,
        weight_cross,
        output_cross,
    )


def backbone_block(network: Network) -> Float[Tensor, "d d"]:
    r"""Hessian of the objective in the backbone's collapsed row, by differentiation.

    It decides whether the collapsed direction is left with the head at rest. For a smooth
    head it is :math:`\sum_j c_j^2 S_j`, for a linear or a gated one it is zero.

    Args:
        network: A mirrored network.

    Raises:
        ValueError: If it is not its own reflection.
    """
    refuse_broken_mirror(network.parameters)
    collapsed = {n: torch.zeros_like(p) for n, p in network.parameters.items()}
    collapsed["backbone"][-1] = 1
    mask = torch.cat([p.flatten() for p in collapsed.values()]).bool()
    rows = block(hessian(network.objective, network.parameters), mask)
    # Not by ``dense``: of a block that is zero it would find the rounding asymmetric.
    return _restricted(rows, torch.eye(rows.size, dtype=rows.dtype))


def unit_curvatures(network: Network) -> Float[Tensor, "m d d"]:
    r"""Matrices :math:`S_j` that the pairs of units add to the backbone's block.

    :math:`S_j = 2 \sum_i r_{ij} \sigma''(s_{ij}) \phi_i \phi_i^\top`: with the weights
    :math:`c_j` on u the block is :math:`\sum_j c_j^2 S_j`. So some c makes it negative
    somewhere if and only if some :math:`S_j` is, and the most negative eigenvalue over
    all c of unit length is the least eigenvalue of all :math:`S_j`.

    Args:
        network: A mirrored network.

    Raises:
        ValueError: If it is not its own reflection.
    """
    s, residual = _pairs(network)
    weights = 2 * residual * network.activation.bend(s)
    phi = network.views.flatten(0, 1)
    return torch.einsum("im,id,ie->mde", weights, phi, phi)


def saturation(network: Network) -> Float[Tensor, "m k d1"]:
    r"""Matrices :math:`N_j = \sum_i \sigma'(s_{ij}) G_i [\phi_i, 1]^\top`, one a pair.

    Where :math:`\sigma'' = 0` the odd sector has no curvature at all if they all vanish;
    if one does not, the equilibrium is a strict saddle through a cross term.

    Args:
        network: A mirrored network.

    Raises:
        ValueError: If it is not its own reflection.
    """
    s, _ = _pairs(network)
    psi = torch.cat([network.views, torch.ones_like(network.views[..., :1])], -1)
    G = loss_gradient(network).flatten(0, 1)
    slopes = network.activation.slope(s)
    return torch.einsum("im,ik,id->mkd", slopes, G, psi.flatten(0, 1))


def _restricted(
    operator: SymmetricOperator, basis: Float[Tensor, "n k"]
) -> Float[Tensor, "k k"]:
    """The operator's quadratic form on the span of a basis."""
    matrix = basis.mT @ operator.matmat(basis)
    return (matrix + matrix.mT) / 2


def _pairs(network: Network) -> tuple[Float[Tensor, "i m"], Float[Tensor, "i m"]]:
    """Pre-activations s and residuals r of each pair, both views as samples."""
    p = network.parameters
    refuse_broken_mirror(p)
    half = len(p["biases"]) // 2
    s = network.pre_activations(p)[..., :half].flatten(0, 1)
    return s, loss_gradient(network).flatten(0, 1) @ p["outputs"][:, :half]


def _terms(
    network: Network, odd: Float[Tensor, "n odd"]
) -> tuple[Float[Tensor, "odd odd"], Float[Tensor, "odd odd"], Float[Tensor, "odd odd"]]:
    """The three terms as quadratic forms of the coefficients of odd directions."""
    p, phi = network.parameters, network.views.flatten(0, 1)
    s, residual = _pairs(network)
    half = s.shape[1]
    # Each odd direction as named tensors, so that what it changes can be read off.
    changes = [unflatten(row, p) for row in odd.mT]
    v, B, b, A = (
        torch.stack([change[name] for change in changes])
        for name in ("backbone", "weights", "biases", "outputs")
    )
    q = phi @ v[:, -1].mT  # [i o]
    gamma = B[:, :half, -1].mT  # [m o]
    h = phi @ p["backbone"][:-1].mT  # [i p]
    delta = torch.einsum("ip,omp->imo", h, B[:, :half, :-1]) + b[:, :half].mT
    delta = delta + p["weights"][:half, -1:] * q[:, None]  # [i m o]
    alpha = torch.einsum("ik,okm->imo", loss_gradient(network).flatten(0, 1), A[..., :half])
    slopes = network.activation.slope(s)

    def form(weights: Tensor, x: Tensor, y: Tensor) -> Float[Tensor, "odd odd"]:
        # x' H y for each pair of directions is half of what the square's cross term has.
        product = torch.einsum("im,imo,imr->or", weights, x, y)
        return (product + product.mT) / 2

    gamma, q = gamma.expand_as(delta), q[:, None].expand_as(delta)
    return (
        form(2 * residual * network.activation.bend(s), delta, delta),
        form(4 * residual * slopes, gamma, q),
        form(4 * slopes, alpha, delta),
    )
