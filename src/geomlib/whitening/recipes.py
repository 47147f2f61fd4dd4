"""A loss, its closed form, and a head trained on the one and compared with the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from geomlib import losses
from geomlib.whitening import population, sampled, weights
from geomlib.whitening.agreement import (
    Agreement,
    agreement,
    found_weights,
    standardised,
    unit_trace,
    whitened,
)
from geomlib.whitening.moments import Canonical


@dataclass(frozen=True)
class Recipe:
    """A loss on linear heads and what it predicts.

    Attributes:
        title: Name and settings, for figures.
        train: Function that descends on the loss and returns a head; called as
            ``population.optimal_head`` is, without its loss.
        weights: Closed-form weights of given canonical correlations.
        normalise: Picks, of all heads that the loss cannot tell apart, the one that the
            closed form speaks of; None where it tells all apart but for rotations.
    """

    title: str
    train: Callable[..., Tensor]
    weights: Callable[[Tensor], Tensor]
    normalise: Callable[[Tensor, Canonical], Tensor] | None = None


@dataclass(frozen=True)
class Fit:
    """A trained head beside its prediction.

    Attributes:
        head: Weights W, normalised where the loss cannot tell heads apart.
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
        "Spectral loss",
        partial(population.optimal_head, population.spectral_contrastive),
        weights.spectral_contrastive,
    )


def hard_whitening() -> Recipe:
    """Views pulled together under the constraint S = I: every direction weighs 1."""
    return Recipe(
        "Hard whitening",
        partial(population.optimal_head, population.hard_whitening),
        weights.hard_whitening,
        whitened,
    )


def barlow_twins(*, redundancy: float) -> Recipe:
    """Barlow Twins: directions of low correlation weigh more, or are lost."""
    return Recipe(
        f"Barlow Twins (lambda {redundancy:g})",
        partial(
            population.optimal_head,
            partial(population.barlow_twins, redundancy=redundancy),
        ),
        partial(weights.barlow_twins, redundancy=redundancy),
        standardised,
    )


def vicreg(*, invariance: float, variance: float, covariance: float) -> Recipe:
    """VICReg: the smaller invariance over covariance, the more even the weights."""
    options = {"invariance": invariance, "variance": variance, "covariance": covariance}
    return Recipe(
        f"VICReg ({invariance:g}, {variance:g}, {covariance:g})",
        partial(population.optimal_head, partial(population.vicreg, **options)),
        partial(weights.vicreg, **options),
    )


def info_nce(*, temperature: float, critic: Literal["cosine", "dot", "distance"]) -> Recipe:
    """InfoNCE on batches of Gaussian views."""
    options: dict[str, Any] = {"temperature": temperature, "critic": critic}
    return Recipe(
        f"InfoNCE, {critic} (tau {temperature:g})",
        partial(sampled.optimal_head, partial(losses.info_nce, **options)),
        partial(weights.info_nce, **options),
        unit_trace if critic == "cosine" else None,
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
    head = recipe.train(
        canonical,
        num_outputs=num_outputs,
        num_steps=num_steps,
        learning_rate=learning_rate,
        seed=seed,
    )
    if recipe.normalise is not None:
        head = recipe.normalise(head, canonical)
    return Fit(
        head,
        found_weights(head, canonical),
        predicted,
        agreement(head, predicted, canonical),
    )
