"""A loss, its closed form, and a head trained on the one and compared with the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor

from geomlib.whitening import population, weights
from geomlib.whitening.agreement import (
    Agreement,
    agreement,
    found_weights,
    standardised,
)
from geomlib.whitening.moments import Canonical


@dataclass(frozen=True)
class Recipe:
    """A population loss and what it predicts.

    Attributes:
        title: Name and settings, for figures.
        loss: Function of output covariance and cross-view covariance.
        weights: Closed-form weights of given canonical correlations.
        sees_scale: Whether the loss changes with the scale of an output; heads of one
            that does not are standardised before they are compared.
    """

    title: str
    loss: Callable[[Tensor, Tensor], Tensor]
    weights: Callable[[Tensor], Tensor]
    sees_scale: bool = True


@dataclass(frozen=True)
class Fit:
    """A trained head beside its prediction.

    Attributes:
        head: Weights W, outputs standardised if the loss does not see their scale.
        found: Weight that the head gives to each top canonical direction.
        predicted: Weight of the closed form.
        agreement: How far the two are apart.
    """

    head: Float[Tensor, "k d"]
    found: Float[Tensor, " k"]
    predicted: Float[Tensor, " k"]
    agreement: Agreement


def spectral_contrastive() -> Recipe:
    """Spectral contrastive loss: each direction weighs its correlation."""
    return Recipe(
        "Spectral loss", population.spectral_contrastive, weights.spectral_contrastive
    )


def barlow_twins(*, redundancy: float) -> Recipe:
    """Barlow Twins: directions of low correlation weigh more."""
    return Recipe(
        f"Barlow Twins (lambda {redundancy:g})",
        partial(population.barlow_twins, redundancy=redundancy),
        partial(weights.barlow_twins, redundancy=redundancy),
        sees_scale=False,
    )


def vicreg(*, invariance: float, variance: float, covariance: float) -> Recipe:
    """VICReg: the smaller invariance over covariance, the more even the weights."""
    options = {"invariance": invariance, "variance": variance, "covariance": covariance}
    return Recipe(
        f"VICReg ({invariance:g}, {variance:g}, {covariance:g})",
        partial(population.vicreg, **options),
        partial(weights.vicreg, **options),
    )


def fit(
    recipe: Recipe,
    canonical: Canonical,
    *,
    num_outputs: int,
    num_steps: int,
    seed: int,
    learning_rate: float = 0.02,
) -> Fit:
    """Head trained on a recipe's loss from random weights, beside its closed form.

    Args:
        recipe: The loss and its closed form.
        canonical: Canonical form of the representations' moments.
        num_outputs: Number of outputs.
        num_steps: Steps of Adam.
        seed: Seed of the initial weights.
        learning_rate: Adam's first rate.

    Raises:
        ValueError: If the closed form does not hold for these correlations, or
            ``num_outputs`` is out of range.
    """
    predicted = recipe.weights(canonical.correlations[:num_outputs])
    head = population.optimal_head(
        recipe.loss,
        canonical,
        num_outputs=num_outputs,
        num_steps=num_steps,
        learning_rate=learning_rate,
        seed=seed,
    )
    if not recipe.sees_scale:
        head = standardised(head, canonical)
    return Fit(
        head,
        found_weights(head, canonical),
        predicted,
        agreement(head, predicted, canonical),
    )
