"""The phase map: shares by hand, the boundary by bisection, accuracies by scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.linear_model import LinearRegression

from geomlib.weighting import phase
from geomlib.weighting.features import Features


def several(kept: float = 0.5, signal: float = 1.0) -> Features:
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(2, 9, generator=generator, dtype=torch.float64)
    signals, shares = 0.4 + 1.2 * draws[0], 0.1 + 0.9 * draws[1]
    signals[0], shares[0] = signal, kept
    return Features(signals, shares, noise=0.5)


def difference(features: Features) -> float:
    w = features.weights
    shares = [phase.signal_share(features, weights, 0) for weights in (w.sqrt(), w)]
    return float(shares[0] - shares[1])


def test_share_by_hand():
    features = Features(torch.tensor([1.0, 2.0]), torch.ones(2), noise=1.0)
    share = phase.signal_share(features, torch.tensor([3.0, 1.0]), 0)
    assert share.item() == pytest.approx(9 / (9 * 2 + 5))


def test_shares_turn_at_the_turning_weight():
    crossing = brentq(lambda kept: difference(several(kept)), 0.01, 0.99)
    features = several(crossing)
    turning = float(phase.turning_weight(features, 0))
    assert float(features.weights[0]) == pytest.approx(turning, rel=1e-6)


def test_boundary_of_the_map_is_where_shares_agree():
    options = {"num_labels": 6, "num_draws": 2, "num_tests": 5, "seed": 0}
    features = several()
    others = Features(features.signal[1:], features.kept[1:], features.noise)
    found = phase.phase_map(others, signals=[1.0, 3.0], kept=[0.1, 1.0], **options)
    crossing = brentq(lambda kept: difference(several(kept)), 0.01, 0.99)
    assert found.boundary[0].item() == pytest.approx(crossing, rel=1e-6)
    # Very strong features weigh little whatever is kept of them.
    assert found.boundary[1] > 1
    assert (found.predicted[1] > 0).all()
    assert found.predicted[0, 0] > 0 > found.predicted[0, 1]


def test_accuracies_are_those_of_least_squares():
    features, options = several(), {"num_labels": 6, "num_draws": 4, "num_tests": 50}
    found = phase.few_label_accuracies(
        features, **options, generator=torch.Generator().manual_seed(3)
    )
    x, signs = features.samples(4 * 56, generator=torch.Generator().manual_seed(3))
    x, y = x.view(4, 56, 9).numpy(), signs[:, 0].view(4, 56).numpy()
    for accuracy, power in zip(found, (0.5, 1.0), strict=True):
        h = x * features.weights.numpy() ** power
        right = [
            np.sign(LinearRegression(fit_intercept=False).fit(a[:6], b[:6]).predict(a[6:]))
            == b[6:]
            for a, b in zip(h, y, strict=True)
        ]
        assert accuracy == pytest.approx(np.mean(right))


def test_many_labels_make_the_two_alike():
    before, after = phase.few_label_accuracies(
        several(),
        num_labels=40,
        num_draws=20,
        num_tests=50,
        generator=torch.Generator().manual_seed(0),
    )
    assert before == pytest.approx(after, abs=1e-9)


def test_agreement_counts_clear_cells():
    found = phase.PhaseMap(
        torch.tensor([[0.2, -0.2], [0.005, -0.3]]),
        torch.tensor([[1.0, 1.0], [-1.0, -1.0]]),
        torch.ones(2),
    )
    assert found.agreement(0.01) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="number of clear cells must be at least 1"):
        found.agreement(0.5)


def test_bad_counts_are_refused():
    counts = {"num_labels": 2, "num_draws": 2, "num_tests": 2}
    for name in counts:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            phase.few_label_accuracies(
                several(), **{**counts, name: 0}, generator=torch.Generator()
            )
