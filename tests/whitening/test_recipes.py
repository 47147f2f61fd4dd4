"""Recipes: a head trained on each loss ends where the closed form says."""

from functools import partial

import numpy as np
import pytest
import torch

from geomlib import losses
from geomlib.whitening import recipes, sampled, weights
from geomlib.whitening.moments import canonical, synthetic

FORM = canonical(
    synthetic(
        torch.tensor([0.95, 0.85, 0.7, 0.3, 0.2, 0.1], dtype=torch.float64),
        condition=1e4,
        seed=0,
    )
)
TWO = canonical(synthetic(torch.tensor([0.95, 0.3, 0.1]).double(), condition=9.0, seed=0))
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


def test_hard_whitening_head_weighs_all_alike():
    check(fit(recipes.hard_whitening()), np.ones(3), error=1e-4)


def test_barlow_head_loses_the_direction_that_its_form_gives_up():
    # Of two directions of correlation 0.95 and 0.3 the second is lost below 0.027.
    found = fit(recipes.barlow_twins(redundancy=0.01), canonical=TWO, num_outputs=2)
    np.testing.assert_allclose(found.predicted, [2, 0], atol=1e-12)
    assert found.agreement.num_lost == found.agreement.num_lost_predicted == 1
    assert found.agreement.error < 0.01


@pytest.mark.parametrize("critic", ["cosine", "dot", "distance"])
def test_info_nce_is_trained_on_samples_with_its_own_settings(critic):
    options = {"temperature": 0.7, "critic": critic}
    recipe = recipes.info_nce(**options)
    assert torch.equal(
        recipe.weights(FORM.correlations), weights.info_nce(FORM.correlations, **options)
    )
    steps = {"num_outputs": 2, "num_steps": 4, "learning_rate": 0.1, "seed": 1}
    head = sampled.optimal_head(partial(losses.info_nce, **options), FORM, **steps)
    if critic == "cosine":  # only the cosine does not see the scale
        head = head / (head @ FORM.root).norm()
    found = recipes.fit(recipe, FORM, **steps)
    torch.testing.assert_close(found.head, head)


def test_fit_refuses_where_no_closed_form_is_known():
    with pytest.raises(ValueError, match="every correlation must be above 2/3"):
        fit(recipes.barlow_twins(redundancy=2.0), num_outputs=4)


def test_recipes_pass_their_settings_to_the_weights():
    options = {"invariance": 25.0, "variance": 20.0, "covariance": 2.0}
    rho = torch.tensor([0.9, 0.5])
    found = recipes.vicreg(**options).weights(rho)
    assert torch.equal(found, weights.vicreg(rho, **options))
    found = recipes.barlow_twins(redundancy=0.5).weights(rho)
    assert torch.equal(found, weights.barlow_twins(rho, redundancy=0.5))
