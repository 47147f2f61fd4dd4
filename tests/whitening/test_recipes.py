"""Recipes: a head trained on each loss ends where the closed form says."""

from functools import partial

import numpy as np
import pytest
import torch

from geomlib.whitening import recipes, weights
from geomlib.whitening.moments import canonical, synthetic

FORM = canonical(
    synthetic(
        torch.tensor([0.95, 0.85, 0.7, 0.3, 0.2, 0.1], dtype=torch.float64),
        condition=1e4,
        seed=0,
    )
)
RHO = np.array([0.95, 0.85, 0.7])
fit = partial(recipes.fit, canonical=FORM, num_outputs=3, num_steps=1200, seed=0)


def check(found: recipes.Fit, expected: np.ndarray, error: float) -> None:
    """The head is where the weights put it, and the fit says so."""
    np.testing.assert_allclose(found.predicted, expected, rtol=1e-6)
    np.testing.assert_allclose(found.found, expected, atol=3 * error)
    assert found.agreement.error < error
    assert found.agreement.angle < 1
    assert found.agreement.num_lost == found.agreement.num_lost_predicted
    W = found.head @ FORM.root
    kept = np.linalg.eigvalsh((W @ W.T).numpy())[found.agreement.num_lost :]
    assert found.agreement.condition == pytest.approx(kept[-1] / kept[0], rel=1e-9)


def test_spectral_head_weighs_by_the_correlations():
    check(fit(recipes.spectral_contrastive()), RHO, error=1e-4)


def test_barlow_head_spends_its_variance_on_low_correlations():
    c = ((1 / RHO).sum() - 3) / (1 / RHO**2).sum()
    found = fit(recipes.barlow_twins(redundancy=1.0))
    check(found, 1 / RHO - c / RHO**2, error=5e-3)
    covariance = found.head @ FORM.root @ FORM.root @ found.head.T
    np.testing.assert_allclose(covariance.diagonal(), 1, rtol=1e-9)


def test_vicreg_head_leans_as_far_as_the_views_pull():
    found = fit(recipes.vicreg(invariance=16.0, variance=25.0, covariance=4.0))
    # Mean 1 - eps, slope lam / 2 nu.
    check(found, 0.9999 + 2 * (RHO - RHO.mean()), error=0.01)


def test_vicreg_head_as_published_loses_a_direction():
    found = fit(recipes.vicreg(invariance=25.0, variance=25.0, covariance=1.0))
    # theta + 12.5 rho on the top two, whose sum is 3 (1 - eps).
    top = 1.5 * 0.9999 + 12.5 * (RHO[:2] - RHO[:2].mean())
    check(found, np.array([*top, 0]), error=5e-3)
    assert found.agreement.num_lost == 1


def test_fit_refuses_outputs_that_the_closed_form_gives_up():
    with pytest.raises(ValueError, match="Ask for fewer outputs"):
        fit(recipes.barlow_twins(redundancy=1.0), num_outputs=6)


def test_recipes_pass_their_settings_to_the_weights():
    options = {"invariance": 25.0, "variance": 20.0, "covariance": 2.0}
    rho = torch.tensor([0.9, 0.5])
    found = recipes.vicreg(**options).weights(rho)
    assert torch.equal(found, weights.vicreg(rho, **options))
    found = recipes.barlow_twins(redundancy=0.5).weights(rho)
    assert torch.equal(found, weights.barlow_twins(rho, redundancy=0.5))
