r"""Equilibria of ReLU and LeakyReLU heads, by a construction that always works.

Where the sign of one coordinate alone decides which units are active, the head is one
affine map for either sign. These two maps are free, so the loss is minimised over them
first; a head that has them as its maps is stationary whatever its factors are, and its
saturation matrices vanish. The factors then are chosen so that every unit of every
sample keeps a given distance from its kink. Derived for this book.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import positive
from geomlib.collapse.activations import leaky_relu
from geomlib.collapse.network import Loss, Network, Parameters
from geomlib.collapse.stationary import stationary_point


def gated_equilibrium(
    views: Float[Tensor, "2 n d"],
    loss: Loss,
    *,
    leak: float = 0.0,
    margin: float = 0.5,
    num_outputs: int = 2,
    tolerance: float = 1e-12,
    seed: int,
) -> Network:
    r"""Stationary network with a ReLU or LeakyReLU head, all units off their kinks.

    With :math:`\psi = [\phi, 1]` and k the sign of :math:`\phi_0`:

    1. Minimise the loss of :math:`z_i = T_k \psi_i` over two free maps, so that
       :math:`\sum_{i \in k} G_i \psi_i^\top = 0`.
    2. A group of units for each sign, of slope 1 on its own and ``leak`` a on the other:
       :math:`T_1 = P_1 + a P_2` and :math:`T_2 = P_2 + a P_1`, solved for P.
    3. In a group, outputs A with :math:`A \nu = 0` for some :math:`\nu > 0`, and inputs
       :math:`E = A^+ P`. With one unit more than outputs there is such an A.
    4. The backbone spans the inputs' rows and the coordinate :math:`\phi_0`.
    5. Pre-activations gain :math:`\pm t\, \phi_0\, \nu`, which changes neither the
       embeddings (the units being linear there) nor the gradient; t sets the margin.

    Args:
        views: Inputs whose coordinate 0 takes both signs and never vanishes, as those of
            ``patterned_views``; float64.
        loss: Scalar function of the embeddings of both views, twice differentiable.
        leak: Slope of the inactive side.
        margin: Smallest distance of a pre-activation from zero.
        num_outputs: Dimension of the embedding.
        tolerance: Largest norm accepted of the gradient in the free maps.
        seed: Of their start and of the factors.

    Raises:
        ValueError: If ``margin`` is not positive, ``leak`` is not between -1 and 1, or
            coordinate 0 vanishes somewhere or has one sign only.
        RuntimeError: If the gradient stays above ``tolerance``.
    """
    activation = leaky_relu(leak)
    positive("margin", margin)
    first = views[..., 0]  # [2 n]
    if not (bool((first > 0).any()) and bool((first < 0).any()) and bool(first.all())):
        raise ValueError(
            "coordinate 0 of views must take both signs and never vanish, got values from "
            f"{float(first.min()):.3g} to {float(first.max()):.3g}, of which the nearest "
            f"to zero is {float(first.abs().min()):.3g}. Take patterned_views."
        )
    generator = torch.Generator().manual_seed(seed)
    psi = torch.cat([views, torch.ones_like(views[..., :1])], -1)
    T = _free_maps(psi, loss, num_outputs, tolerance, generator)
    P = (T - leak * T.flip(0)) / (1 - leak**2)  # [2 k d+1]

    nu = 0.5 + torch.rand(2, num_outputs + 1, generator=generator, dtype=views.dtype)
    A = _outputs(nu, num_outputs, generator)  # [2 k k+1]
    E = torch.linalg.pinv(A) @ P  # [2 k+1 d+1]
    sign = first.new_tensor([1.0, -1.0])[:, None, None]
    # A unit is active on its own sign: sign * sign(phi_0) * (E psi + t sign phi_0 nu) is
    # to be at least the margin for all units and samples.
    pattern = first.sign().flatten()  # [2n]
    wanted = margin - sign * pattern * (E @ psi.flatten(0, 1).mT)  # [2 k+1 2n]
    t = (wanted / (first.abs().flatten() * nu[..., None])).max()
    E[..., 0] += t * sign[..., 0] * nu

    inputs = E.flatten(0, 1)  # [2k+2 d+1]
    rows = torch.cat([inputs[:, :-1], torch.eye(1, views.shape[-1]).to(inputs)])
    _, singular, V = torch.linalg.svd(rows, full_matrices=False)
    W = V[singular > 1e-10 * singular[0]]
    parameters = {
        "backbone": W,
        "weights": inputs[:, :-1] @ W.mT,
        "biases": inputs[:, -1],
        "outputs": torch.cat([A[0], A[1]], 1),
        "offset": views.new_zeros(num_outputs),
    }
    return Network(parameters, views, loss, activation)


def _free_maps(
    psi: Float[Tensor, "2 n d1"],
    loss: Loss,
    num_outputs: int,
    tolerance: float,
    generator: torch.Generator,
) -> Float[Tensor, "2 k d1"]:
    """One affine map for each sign of coordinate 0, of least loss."""
    active = psi[..., :1] > 0

    def objective(maps: Parameters) -> Tensor:
        T = maps["maps"]
        return loss(*torch.where(active, psi @ T[0].mT, psi @ T[1].mT))

    shape = (2, num_outputs, psi.shape[-1])
    start = torch.randn(shape, generator=generator, dtype=psi.dtype) / shape[-1] ** 0.5
    found = stationary_point(objective, {"maps": start}, tolerance=tolerance)
    return found["maps"]


def _outputs(
    nu: Float[Tensor, "2 m"], num_outputs: int, generator: torch.Generator
) -> Float[Tensor, "2 k m"]:
    """Random rows orthonormal to nu, for either sign."""
    drawn = torch.randn(*nu.shape, num_outputs, generator=generator, dtype=nu.dtype)
    Q = torch.linalg.qr(torch.cat([nu[..., None], drawn], -1)).Q
    return Q[..., 1:].mT
