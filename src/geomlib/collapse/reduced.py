"""Equilibria of the network without the collapsed direction, for smooth heads."""

from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.collapse.activations import Activation
from geomlib.collapse.network import Loss, Network, Parameters, random_network
from geomlib.collapse.stationary import stationary_point


def reduced_equilibrium(
    views: Float[Tensor, "2 n d"],
    loss: Loss,
    activation: Activation,
    *,
    width: int = 2,
    num_units: int = 2,
    num_outputs: int = 2,
    ridge: float = 1e-3,
    tolerance: float = 1e-12,
    seed: int,
) -> Network:
    r"""Network at a local minimum of the loss plus a ridge on all its parameters.

    The ridge is :math:`r/2` times the sum of their squares.

    A linear head is saturated (:math:`\sum_i G_i [\phi_i, 1]^\top = 0`) if ``ridge`` is 0
    and ``width`` and ``num_units`` are at least ``num_outputs``.

    Args:
        views: Inputs, one view after the other; float64.
        loss: Scalar function of the embeddings of both views, twice differentiable.
        activation: Without a kink; for one with a kink see ``gated``.
        width: Dimension of the representation.
        num_units: Hidden units.
        num_outputs: Dimension of the embedding.
        ridge: r; 0 leaves the objective blind to some directions, and for a head that is
            not linear often without a minimum.
        tolerance: Largest norm of the gradient accepted.
        seed: Of the start.

    Raises:
        ValueError: If the activation has a kink or ``ridge`` is negative.
        RuntimeError: If the gradient stays above ``tolerance``.
    """
    if activation.gated:
        raise ValueError(
            f"activation must be smooth, got {activation.name}. Take gated_equilibrium."
        )
    at_least("ridge", ridge, 0)
    start = random_network(
        views,
        loss,
        activation,
        width=width,
        num_units=num_units,
        num_outputs=num_outputs,
        seed=seed,
    )
    network = replace(start, penalty=_ridge(ridge) if ridge else None)
    found = stationary_point(network.objective, network.parameters, tolerance=tolerance)
    return replace(network, parameters=found)


def _ridge(ridge: float) -> Callable[[Parameters], Tensor]:
    """Half the squared parameters, times ``ridge``."""

    def penalty(parameters: Parameters) -> Tensor:
        squares = [p.square().sum() for p in parameters.values()]
        return ridge / 2 * sum(squares[1:], squares[0])

    return penalty
