"""Probes: how much of a target a simple model reads from frozen representations.

Every probe is scikit-learn's, fitted on one set and scored on another, with an interval
from resampling the held-out groups: views of one image are no independent evidence.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from geomlib.checks import at_least, finite, positive


@dataclass(frozen=True)
class Examples:
    """Representations, what is to be read from them, and which of them belong together.

    Attributes:
        features: One row a sample.
        targets: Class of each sample, or real targets, one column each.
        groups: Number of the image (or other unit) that a sample is a view of; None where
            every sample is a unit of its own.

    Raises:
        ValueError: If the lengths differ, there are fewer than two samples, or a feature
            or a target is not finite.
    """

    features: Float[Tensor, "n d"]
    targets: Shaped[Tensor, "_n ..."]
    groups: Int[Tensor, " _n"] | None = None

    def __post_init__(self) -> None:
        num = len(self.features)
        at_least("number of samples", num, 2)
        for name, tensor in (("targets", self.targets), ("groups", self.groups)):
            if tensor is not None and len(tensor) != num:
                raise ValueError(
                    f"{name} must have one entry a sample ({num}), got {len(tensor)}."
                )
        finite("features", self.features)
        finite("targets", self.targets)


@dataclass(frozen=True)
class Score:
    """A held-out score with its interval.

    Attributes:
        value: R2 (mean over targets) or accuracy.
        low: Lower limit of the interval.
        high: Upper limit.
        per_target: R2 of each target; the accuracy alone for classes.
    """

    value: float
    low: float
    high: float
    per_target: tuple[float, ...]


def ridge_probe(
    seen: Examples,
    held_out: Examples,
    *,
    penalty: float = 1.0,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    r"""Held-out R2 of ridge regression on standardised features.

    :math:`R^2 = 1 - \sum_i (y_i - \hat y_i)^2 / \sum_i (y_i - \bar y)^2` for each target,
    with the held-out mean, then the mean over targets: 1 is perfect, 0 what a constant
    gives, and below 0 is worse than that.

    Args:
        seen: What is fitted.
        held_out: What is scored.
        penalty: On squared weights of standardised features, beside the sum of squared
            errors. As it goes to zero the score stops to depend on the scale of any
            direction of the representation.
        level: Of the interval.
        num_resamples: Resamples of the interval.
        seed: Of the resamples.

    Raises:
        ValueError: If ``penalty`` is not positive, ``level`` is outside (0, 1), the two
            sets do not fit each other, or a held-out target is constant.

    Source: Hoerl & Kennard 1970, as scikit-learn has it.

    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> round(ridge_probe(Examples(x, 3 * x), Examples(x, 3 * x), penalty=1e-6).value, 3)
    1.0
    """
    positive("penalty", penalty)
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty))
    return _regression(model, seen, held_out, level, num_resamples, seed)


def mlp_probe(
    seen: Examples,
    held_out: Examples,
    *,
    num_hidden: int = 64,
    num_epochs: int = 60,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Held-out R2 of a network of one hidden layer (ReLU, Adam) on standardised features.

    Targets are standardised too for the fit. Training stops after ``num_epochs`` whether
    it has converged or not: how much is read in a given effort is what is asked.

    Args:
        seen: What is fitted.
        held_out: What is scored.
        num_hidden: Width of the hidden layer.
        num_epochs: Passes over ``seen``.
        level: Of the interval.
        num_resamples: Resamples of the interval.
        seed: Of weights, batches and resamples.

    Raises:
        ValueError: If a count is below 1, ``level`` is outside (0, 1), the two sets do not
            fit each other, or a held-out target is constant.
    """
    at_least("num_hidden", num_hidden, 1)
    at_least("num_epochs", num_epochs, 1)
    network = MLPRegressor(
        hidden_layer_sizes=(num_hidden,),
        max_iter=num_epochs,
        learning_rate_init=3e-3,
        random_state=seed,
    )
    model = make_pipeline(StandardScaler(), network)
    return _regression(model, seen, held_out, level, num_resamples, seed)


def logistic_probe(
    seen: Examples,
    held_out: Examples,
    *,
    penalty: float = 1.0,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Held-out accuracy of multinomial logistic regression on standardised features.

    Args:
        seen: What is fitted.
        held_out: What is scored.
        penalty: On half the squared weights, beside the sum of the losses.
        level: Of the interval.
        num_resamples: Resamples of the interval.
        seed: Of the resamples.

    Raises:
        ValueError: If ``penalty`` is not positive, ``level`` is outside (0, 1), targets
            are not one whole number a sample, or the two sets do not fit each other.
    """
    positive("penalty", penalty)
    _refuse_misfit(seen, held_out)
    for examples in (seen, held_out):
        if examples.targets.ndim != 1 or examples.targets.is_floating_point():
            raise ValueError(
                "targets must be one whole number a sample, got "
                f"{examples.targets.dtype} of shape {tuple(examples.targets.shape)}."
            )
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=2000)
    )
    model.fit(_numpy(seen.features), seen.targets.cpu().numpy())
    predicted: Any = model.predict(_numpy(held_out.features))
    right = (predicted == held_out.targets.cpu().numpy()).astype(np.float64)
    sums = _resampled(
        np.stack([right, np.ones_like(right)], axis=1), held_out, num_resamples, seed
    )
    low, high = _limits(sums[:, 0] / sums[:, 1], level)
    value = float(right.mean())
    return Score(value, low, high, (value,))


def normal_interval(
    values: Float[Tensor, " n"], *, level: float = 0.95
) -> tuple[float, float]:
    r"""Mean minus and plus :math:`q\, s / \sqrt n`, with s over n - 1 and q of the normal.

    For n independent values, such as one a seed; with a handful it is too narrow.

    Raises:
        ValueError: If there are fewer than two values or ``level`` is outside (0, 1).

    >>> [round(limit, 3) for limit in normal_interval(torch.tensor([0.0, 1.0, 2.0]))]
    [-0.132, 2.132]
    """
    at_least("number of values", len(values), 2)
    _refuse_level(level)
    quantile = torch.special.ndtri(torch.tensor((1 + level) / 2, dtype=torch.float64))
    half = float(quantile * values.double().std()) / len(values) ** 0.5
    mean = float(values.double().mean())
    return mean - half, mean + half


def _regression(
    model: Pipeline,
    seen: Examples,
    held_out: Examples,
    level: float,
    num_resamples: int,
    seed: int,
) -> Score:
    """R2 of a regression, fitted on standardised targets."""
    _refuse_misfit(seen, held_out)
    scaler: Any = StandardScaler().fit(_columns(seen.targets))
    targets: Any = scaler.transform(_columns(seen.targets))
    with warnings.catch_warnings():
        # A fixed number of epochs is what the probe is; scikit-learn would warn of it.
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        # A single target goes in as a vector, which is what scikit-learn asks for.
        model.fit(
            _numpy(seen.features), targets[:, 0] if targets.shape[1] == 1 else targets
        )
    predicted: Any = model.predict(_numpy(held_out.features)).reshape(-1, targets.shape[1])
    y: Any = scaler.transform(_columns(held_out.targets))
    if (y.std(0) <= 1e-12).any():
        raise ValueError("held-out targets must vary, got a constant one. Drop it.")
    # R2 needs these four sums alone, so a resample adds up groups, not samples.
    terms = np.concatenate([(y - predicted) ** 2, y**2, y, np.ones_like(y)], axis=1)
    per_target = _r2(terms.sum(0, keepdims=True))[0]
    sums = _resampled(terms, held_out, num_resamples, seed)
    low, high = _limits(_r2(sums).mean(1), level)
    return Score(float(per_target.mean()), low, high, tuple(map(float, per_target)))


def _r2(sums: Float[np.ndarray, "b t4"]) -> Float[np.ndarray, "b t"]:
    """R2 of each target from sums of squared errors, of y^2, of y, and of ones."""
    errors, squares, y, num = np.split(sums, 4, axis=1)
    # sum (y - mean)^2 = sum y^2 - (sum y)^2 / n; y is centred to a part of its spread, so
    # the difference loses no digits.
    return 1 - errors / (squares - y**2 / num)


def _resampled(
    terms: Float[np.ndarray, "n m"], examples: Examples, num: int, seed: int
) -> Float[np.ndarray, "b m"]:
    """Sums of the terms over bootstrap resamples of whole groups."""
    at_least("num_resamples", num, 1)
    size = len(examples.features)
    groups = np.arange(size) if examples.groups is None else examples.groups.cpu().numpy()
    _, member = np.unique(groups, return_inverse=True)
    total = int(member.max()) + 1
    by_group = np.zeros((total, terms.shape[1]))
    np.add.at(by_group, member, terms)
    draws = np.random.default_rng(seed).multinomial(total, np.full(total, 1 / total), num)
    return draws @ by_group


def _limits(values: Float[np.ndarray, " b"], level: float) -> tuple[float, float]:
    """Percentiles that enclose the share ``level`` of resampled values."""
    _refuse_level(level)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _refuse_level(level: float) -> None:
    """Refuse a level that is no share strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")


def _refuse_misfit(seen: Examples, held_out: Examples) -> None:
    """Refuse sets of different widths or numbers of targets."""
    for name in ("features", "targets"):
        shapes = [tuple(getattr(part, name).shape[1:]) for part in (seen, held_out)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"seen and held_out must have one width of {name}, "
                f"got {shapes[0]} and {shapes[1]}."
            )


def _numpy(features: Tensor) -> Any:
    """Features as scikit-learn takes them, in float64."""
    return features.detach().cpu().double().numpy()


def _columns(targets: Tensor) -> Any:
    """Real targets as columns, in float64."""
    return _numpy(targets).reshape(len(targets), -1)
