"""Features: their moments by counting, and the minimum of the loss by optimisation."""

import numpy as np
import pytest
import scipy.optimize
import torch

from geomlib.weighting.features import Features


def three(noise: float = 0.5) -> Features:
    signal = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    return Features(signal, torch.tensor([1.0, 0.3, 0.6], dtype=torch.float64), noise)


def test_views_have_the_stated_moments():
    features = three()
    first, second = features.views(400_000, generator=torch.Generator().manual_seed(0))
    for view in (first, second):
        np.testing.assert_allclose(np.cov(view.T), features.variance.diag(), atol=0.03)
    cross = (first.T @ second / len(first)).numpy()
    np.testing.assert_allclose(cross, features.shared.diag(), atol=0.03)


def test_samples_are_signs_times_signal_plus_noise():
    features = three()
    x, signs = features.samples(50_000, generator=torch.Generator().manual_seed(1))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    rest = (x - signs * features.signal).numpy()
    np.testing.assert_allclose(rest.std(0), 0.5, rtol=0.02)
    assert np.abs(np.corrcoef(rest.T, signs.T.numpy())[:3, 3:]).max() < 0.02


def test_weights_minimise_the_loss_of_each_feature():
    features = three()
    for v, c, weight in zip(
        features.variance, features.shared, features.weights, strict=True
    ):
        found = scipy.optimize.minimize_scalar(
            lambda w, v=float(v), c=float(c): w**4 * v**2 - 2 * w**2 * c,
            bounds=(0, 5),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert found.x == pytest.approx(float(weight), abs=1e-6)


def test_what_views_do_not_share_has_no_weight():
    features = Features(torch.ones(2), torch.tensor([0.0, 1.0]), noise=1.0)
    assert features.weights.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("signal", "kept", "noise", "message"),
    [
        ([1.0, 1.0], [1.0], 0.0, "one length, got 2 and 1"),
        ([1.0], [1.5], 0.0, "kept must be between 0 and 1, got 1.5 to 1.5"),
        ([1.0], [float("nan")], 0.0, "kept must be between 0 and 1"),
        ([-1.0], [1.0], 1.0, "smallest signal must be at least 0, got -1"),
        ([1.0], [1.0], -1.0, "noise must be at least 0, got -1"),
        ([0.0], [1.0], 0.0, "smallest variance must be a finite number above 0"),
    ],
)
def test_bad_features_are_refused(signal, kept, noise, message):
    with pytest.raises(ValueError, match=message):
        Features(torch.tensor(signal), torch.tensor(kept), noise)
