"""Which features a few labels read better before the head than after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.weighting.closed_form import layer_weights
from geomlib.weighting.features import Features


def signal_share(
    features: Features, weights: Float[Tensor, " n"], feature: int
) -> Float[Tensor, ""]:
    r"""Share of a representation's energy that is one feature's signal.

    :math:`w_i^2 \phi_i^2 / \sum_j w_j^2 (\phi_j^2 + \sigma^2)`.

    Args:
        features: The inputs.
        weights: Of each feature in the representation.
        feature: Position of the one in question.

    >>> signal_share(Features(torch.ones(4), torch.ones(4), 0.0), torch.ones(4), 0)
    tensor(0.2500)
    """
    energy = weights.square() * features.variance
    return (
        energy[feature]
        * features.signal[feature].square()
        / (features.variance[feature] * energy.sum())
    )


def turning_weight(features: Features, feature: int) -> Float[Tensor, ""]:
    r"""Weight below which a feature has the larger share before the head than after it.

    :math:`\bar w = \sum_{j \ne i} w_j^2 v_j / \sum_{j \ne i} w_j v_j` with the variances
    v: the mean weight of the other features, by their energy before the head.
    For w before the square root of w the shares are
    :math:`w_i s / \sum_j w_j v_j` and :math:`w_i^2 s / \sum_j w_j^2 v_j`, and the terms of
    i itself cancel.
    """
    w, v = features.weights, features.variance
    others = torch.arange(len(w)) != feature
    w, v = w[others], v[others]
    return (w.square() * v).sum() / (w * v).sum()


def few_label_accuracies(
    features: Features,
    *,
    num_labels: int,
    num_draws: int,
    num_tests: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Accuracy of least squares on a few labels, before the head and after it.

    The label is the sign of feature 0. Of all weights that fit best the shortest are taken;
    both spaces see the same samples. No augmentation is applied here.

    Args:
        features: The inputs, encoder and head being balanced linear layers.
        num_labels: Labelled samples of each draw.
        num_draws: Draws of the labelled samples.
        num_tests: Samples that each draw is tested on.
        generator: Of all samples.

    Raises:
        ValueError: If a count is below 1.
    """
    for name, count in (
        ("num_labels", num_labels),
        ("num_draws", num_draws),
        ("num_tests", num_tests),
    ):
        at_least(name, count, 1)
    each = num_labels + num_tests
    x, signs = features.samples(num_draws * each, generator=generator)
    x, labels = x.view(num_draws, each, -1), signs[:, 0].view(num_draws, each, 1)
    accuracies: list[float] = []
    for layer in (1, 2):
        h = x * layer_weights(features.weights, layer=layer, depth=2)
        slopes = torch.linalg.pinv(h[:, :num_labels]) @ labels[:, :num_labels]
        right = (h[:, num_labels:] @ slopes).sign() == labels[:, num_labels:]
        accuracies.append(float(right.double().mean()))
    return accuracies[0], accuracies[1]


@dataclass(frozen=True)
class PhaseMap:
    """Where the head helps, cell by cell.

    Attributes:
        gain: Accuracy before the head less accuracy after it.
        predicted: Share of feature 0's signal before the head less that after it.
        boundary: Share kept at which the two shares agree, one for each signal; above 1
            where the representation before the head wins whatever is kept.
    """

    gain: Float[Tensor, "s k"]
    predicted: Float[Tensor, "s k"]
    boundary: Float[Tensor, " s"]

    def agreement(self, margin: float) -> float:
        """Share of the cells with a gain beyond ``margin`` whose sign is predicted.

        Raises:
            ValueError: If there is no such cell.
        """
        clear = self.gain.abs() > margin
        at_least("number of clear cells", int(clear.sum()), 1)
        same = self.gain.sign() == self.predicted.sign()
        return float(same[clear].double().mean())


def phase_map(
    others: Features,
    *,
    signals: Sequence[float],
    kept: Sequence[float],
    num_labels: int,
    num_draws: int,
    num_tests: int,
    seed: int,
) -> PhaseMap:
    """Gain of dropping the head, by the strength and the augmentation of what is labelled.

    Args:
        others: Features besides the one that the label is about.
        signals: Strengths of that one, in units of the input.
        kept: Shares of it that two views share.
        num_labels: Labelled samples.
        num_draws: Draws of them for each cell.
        num_tests: Samples that each draw is tested on.
        seed: Of all samples.

    Raises:
        ValueError: If a count is below 1, or a signal or share is out of range.
    """
    generator = torch.Generator().manual_seed(seed)
    gain = torch.zeros(len(signals), len(kept), dtype=torch.float64)
    predicted = torch.zeros_like(gain)
    boundary = torch.zeros(len(signals), dtype=torch.float64)
    for i, signal in enumerate(signals):
        strengths = torch.cat([others.signal.new_tensor([signal]), others.signal])
        for j, share in enumerate(kept):
            features = replace(
                others,
                signal=strengths,
                kept=torch.cat([others.kept.new_tensor([share]), others.kept]),
            )
            before, after = few_label_accuracies(
                features,
                num_labels=num_labels,
                num_draws=num_draws,
                num_tests=num_tests,
                generator=generator,
            )
            gain[i, j] = before - after
            w = features.weights
            shares = [signal_share(features, weights, 0) for weights in (w.sqrt(), w)]
            predicted[i, j] = shares[0] - shares[1]
            # sqrt(a) phi / v = w_bar, which does not depend on a.
            target = turning_weight(features, 0) * features.variance[0] / signal
            boundary[i] = target.square()
    return PhaseMap(gain, predicted, boundary)
