"""How far the loss of a gated head stays constant along the collapsed direction."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from geomlib.checks import positive
from geomlib.collapse.mirrored import refuse_broken_mirror
from geomlib.collapse.network import Network


def margin(network: Network) -> float:
    """Smallest distance of a pre-activation from zero, over units, samples and views."""
    return float(network.pre_activations(network.parameters).abs().min())


def plateau_radius(network: Network, direction: Float[Tensor, " d"]) -> float:
    r"""Distance along a direction of u's row at which the first unit meets its kink.

    :math:`r^* = \min_{ij} |s_{ij}| / (|c_j|\, |v \cdot \phi_i|)`, in units of the
    direction's length. Up to there the pairs' changes cancel and the loss is constant.

    Args:
        network: A mirrored network with a gated activation.
        direction: v.

    Raises:
        ValueError: If the network is not its own reflection or has no kink.
    """
    refuse_broken_mirror(network.parameters)
    if not network.activation.gated:
        raise ValueError(
            f"activation must have a kink, got {network.activation.name}: its loss is "
            "constant everywhere (linear) or nowhere."
        )
    s = network.pre_activations(network.parameters)  # [2 n m]
    c = network.parameters["weights"][:, -1]
    slopes = (network.views @ direction)[..., None] * c  # of s along the direction
    return float((s / slopes).abs().min())


def measured_radius(
    loss_at: Callable[[float], Float[Tensor, ""]], *, beyond: float, rtol: float = 1e-13
) -> float:
    r"""Distance at which a loss first differs from its value at zero, by bisection.

    Where the loss then grows linearly with the slope g, this is late by ``rtol`` times
    the loss over g.

    Args:
        loss_at: Loss at a distance.
        beyond: Distance off the plateau.
        rtol: Differences up to this part of the loss count as rounding.

    Raises:
        ValueError: If ``beyond`` is not positive, or the loss there is still the same.

    >>> import torch
    >>> measured_radius(lambda r: torch.tensor(r - 0.25).relu() + 1, beyond=10.0, rtol=1e-6)
    0.25000...
    """
    positive("beyond", beyond)
    start = float(loss_at(0.0))

    def differs(r: float) -> bool:
        return not abs(float(loss_at(r)) - start) <= rtol * max(abs(start), 1.0)

    if not differs(beyond):
        raise ValueError(
            f"beyond must lie off the plateau, got {beyond:.6g}, where the loss has not "
            "changed. Go further."
        )
    low, high = 0.0, beyond
    while high - low > 1e-14 * beyond:
        middle = (low + high) / 2
        low, high = (low, middle) if differs(middle) else (middle, high)
    return (low + high) / 2
