"""Probes against scikit-learn's own scores, closed forms, and a bootstrap by hand."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from geomlib.probes import (
    Examples,
    logistic_probe,
    mlp_probe,
    normal_interval,
    ridge_probe,
)


def sample(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features of uneven scale, two noisy targets, three classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, 0, -2, 1]
    y = x @ np.array([[1, 0], [0.1, 0.2], [3, -5], [0, 0.4], [0, 0]])
    y = y + rng.normal(size=(num, 2)) + [3, -7]
    return torch.tensor(x), torch.tensor(y), torch.tensor(np.digitize(x[:, 0], [-0.5, 0.5]))


def standardised(seen: Tensor, held_out: Tensor) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler().fit(seen.numpy())
    return scaler.transform(seen.numpy()), scaler.transform(held_out.numpy())


X, Y, C = sample(120, seed=0)
X2, Y2, C2 = sample(80, seed=1)


@pytest.mark.parametrize("penalty", [1e-6, 1.0, 300.0])
def test_ridge_scores_what_scikit_learn_scores(penalty):
    x, x2 = standardised(X, X2)
    model = Ridge(alpha=penalty).fit(x, Y.numpy())
    expected = r2_score(Y2.numpy(), model.predict(x2), multioutput="raw_values")
    score = ridge_probe(Examples(X, Y), Examples(X2, Y2), penalty=penalty)
    np.testing.assert_allclose(score.per_target, expected, atol=1e-9)
    assert score.value == pytest.approx(expected.mean())
    assert score.low < score.value < score.high


def test_ridge_of_one_feature_shrinks_as_the_closed_form_says():
    # One standardised feature x, target x: slope n / (n + penalty), so that
    # R2 = 1 - (penalty / (n + penalty))^2 on the same points.
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    score = ridge_probe(Examples(x, x[:, 0]), Examples(x, x[:, 0]), penalty=5.0)
    assert score.value == pytest.approx(1 - (5 / 25) ** 2)


def test_without_a_penalty_no_invertible_map_changes_the_score():
    mixing = torch.tensor(np.random.default_rng(3).normal(size=(5, 5)))
    plain, mixed = (
        ridge_probe(Examples(X @ M, Y), Examples(X2 @ M, Y2), penalty=1e-9).value
        for M in (torch.eye(5, dtype=torch.float64), mixing)
    )
    assert plain == pytest.approx(mixed, abs=1e-7)


def test_a_target_that_has_nothing_to_do_with_the_features_scores_about_zero():
    noise = torch.tensor(np.random.default_rng(4).normal(size=(200, 1)))
    score = ridge_probe(Examples(X, noise[:120]), Examples(X2, noise[120:]))
    assert -0.3 < score.value < 0.05


def test_logistic_scores_what_scikit_learn_scores():
    x, x2 = standardised(X, X2)
    model = LogisticRegression(C=1 / 0.3, max_iter=2000).fit(x, C.numpy())
    expected = accuracy_score(C2.numpy(), model.predict(x2))
    score = logistic_probe(Examples(X, C), Examples(X2, C2), penalty=0.3)
    assert score.value == pytest.approx(expected)
    assert 0.8 < score.low < score.value < score.high <= 1
    assert score.per_target == (score.value,)


def test_the_mlp_reads_what_no_line_does():
    x = torch.tensor(np.random.default_rng(5).uniform(-1, 1, size=(1500, 1)))
    seen, held_out = (Examples(part, part.square()) for part in (x[:1000], x[1000:]))
    assert ridge_probe(seen, held_out).value < 0.05
    score = mlp_probe(seen, held_out, num_hidden=32, num_epochs=30, seed=1)
    assert score.value > 0.95
    assert mlp_probe(seen, held_out, num_hidden=32, num_epochs=30, seed=1) == score

    features, other = standardised(seen.features, held_out.features)
    targets, other_targets = standardised(seen.targets, held_out.targets)
    network = MLPRegressor(
        hidden_layer_sizes=(32,), max_iter=30, learning_rate_init=3e-3, random_state=1
    )
    with pytest.warns(match="Maximum iterations"):
        network.fit(features, targets[:, 0])
    expected = r2_score(other_targets[:, 0], network.predict(other))
    assert score.value == pytest.approx(expected, abs=1e-9)


def test_the_interval_of_an_accuracy_is_that_of_a_binomial():
    # 80 right of 100 whatever the features: the classes are constant, the labels are not.
    labels = torch.arange(100) % 5
    noise = torch.tensor(np.random.default_rng(6).normal(size=(400, 1))) * 1e-3
    seen = Examples(noise[:300], (torch.arange(300) % 100 == 0).long())
    held_out = Examples(noise[300:], (labels == 0).long())
    score = logistic_probe(seen, held_out, num_resamples=20_000)
    assert score.value == 0.8
    low, high = stats.binom(100, 0.8).ppf([0.025, 0.975]) / 100
    assert score.low == pytest.approx(low, abs=0.011)
    assert score.high == pytest.approx(high, abs=0.011)


def test_the_bootstrap_is_that_of_scipy():
    x, x2 = standardised(X, X2)
    predicted = Ridge(alpha=1.0).fit(x, Y[:, 0].numpy()).predict(x2)

    def r2(i: np.ndarray) -> float:
        return r2_score(Y2[i, 0].numpy(), predicted[i])

    by_hand = stats.bootstrap(
        (np.arange(80),),
        r2,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        random_state=0,
    ).confidence_interval
    score = ridge_probe(Examples(X, Y[:, 0]), Examples(X2, Y2[:, 0]), num_resamples=20_000)
    np.testing.assert_allclose([score.low, score.high], by_hand, atol=0.02)


def test_copies_of_an_image_are_no_evidence():
    groups = torch.arange(80).repeat(9)
    alone = ridge_probe(Examples(X, Y), Examples(X2, Y2))
    copies = Examples(X2.repeat(9, 1), Y2.repeat(9, 1), groups)
    grouped = ridge_probe(Examples(X, Y), copies)
    np.testing.assert_allclose(
        [grouped.value, grouped.low, grouped.high], [alone.value, alone.low, alone.high]
    )
    careless = Examples(copies.features, copies.targets)
    fooled = ridge_probe(Examples(X, Y), careless)
    ratio = (fooled.high - fooled.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(1 / 3, abs=0.06)


def test_the_level_and_the_seed_decide_the_interval():
    wide = ridge_probe(Examples(X, Y), Examples(X2, Y2), level=0.99)
    narrow = ridge_probe(Examples(X, Y), Examples(X2, Y2), level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    again = ridge_probe(Examples(X, Y), Examples(X2, Y2), level=0.5)
    assert again == narrow
    other = ridge_probe(Examples(X, Y), Examples(X2, Y2), level=0.5, seed=1)
    assert other.value == narrow.value
    assert other.low != narrow.low


def test_the_normal_interval_is_scipys():
    values = torch.tensor(np.random.default_rng(7).normal(3, 2, size=11))
    low, high = stats.norm.interval(0.9, values.mean(), stats.sem(values.numpy()))
    assert normal_interval(values, level=0.9) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Examples(X, Y[:-1]), r"targets must have one entry a sample \(120\)"),
        (lambda: Examples(X, Y, torch.arange(3)), "groups must have one entry a sample"),
        (lambda: Examples(X[:1], Y[:1]), "number of samples must be at least 2, got 1"),
        (lambda: Examples(X / 0, Y), "features must be finite, got .* bad of 600"),
        (lambda: Examples(X, Y * torch.nan), "targets must be finite, got 240 bad"),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2[:, 1:], Y2)),
            r"must have one width of features, got \(5,\) and \(4,\)",
        ),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2, Y2[:, 0])),
            r"must have one width of targets, got \(2,\) and \(\)",
        ),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2, Y2 * 0)),
            "held-out targets must vary, got a constant one",
        ),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2, Y2), penalty=0.0),
            "penalty must be a finite number above 0, got 0.0",
        ),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2, Y2), level=1.0),
            "level must be between 0 and 1, got 1.0",
        ),
        (
            lambda: ridge_probe(Examples(X, Y), Examples(X2, Y2), num_resamples=0),
            "num_resamples must be at least 1, got 0",
        ),
        (
            lambda: mlp_probe(Examples(X, Y), Examples(X2, Y2), num_hidden=0),
            "num_hidden must be at least 1, got 0",
        ),
        (
            lambda: mlp_probe(Examples(X, Y), Examples(X2, Y2), num_epochs=0),
            "num_epochs must be at least 1, got 0",
        ),
        (
            lambda: logistic_probe(Examples(X, Y), Examples(X2, Y2)),
            r"targets must be one whole number a sample, got torch.float64 of shape",
        ),
        (
            lambda: logistic_probe(Examples(X, C), Examples(X2, C2), penalty=-1.0),
            "penalty must be a finite number above 0, got -1.0",
        ),
        (lambda: normal_interval(torch.ones(1)), "values must be at least 2, got 1"),
        (
            lambda: normal_interval(torch.ones(3), level=0.0),
            "level must be between 0 and 1, got 0.0",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
