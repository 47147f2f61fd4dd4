"""Closed-form weights of one loss over spreads of the correlations, where known."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.whitening.recipes import Recipe


def weights_by_spread(
    recipe: Recipe, *, highest: float, lowest: Sequence[float], num_outputs: int
) -> list[Float[Tensor, " k"] | None]:
    """Weights for correlations that fall evenly from ``highest``, one list a spread.

    Args:
        recipe: The loss.
        highest: Correlation of the first direction.
        lowest: Correlation of the last direction, one for each spread.
        num_outputs: Directions k.

    Returns:
        The weights, or None where the recipe refuses these correlations because no
        closed form is known for them.

    Raises:
        ValueError: If a correlation is not above 0 and at most ``highest``, that is not
            below 1, or there are fewer than two directions.

    >>> from geomlib.whitening.recipes import barlow_twins
    >>> large = barlow_twins(redundancy=10)
    >>> weights_by_spread(large, highest=0.9, lowest=[0.9, 0.1], num_outputs=2)
    [tensor([1., 1.], dtype=torch.float64), None]
    """
    at_least("num_outputs", num_outputs, 2)
    if not highest < 1:
        raise ValueError(f"highest must be below 1, got {highest}.")
    for value in lowest:
        if not 0 < value <= highest:
            raise ValueError(
                f"lowest must be above 0 and at most highest ({highest}), got {value}."
            )
    spreads = [
        torch.linspace(highest, value, num_outputs, dtype=torch.float64) for value in lowest
    ]
    return [_weights(recipe, rho) for rho in spreads]


def _weights(recipe: Recipe, rho: Float[Tensor, " k"]) -> Float[Tensor, " k"] | None:
    """Weights, or None where the recipe has none."""
    # Settings were checked when the recipe was made; what it refuses now are correlations.
    try:
        return recipe.weights(rho)
    except ValueError:
        return None
