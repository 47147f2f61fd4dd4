"""Weights over spreads: those of the recipe, and nothing where it has none."""

import pytest
import torch

from geomlib.whitening import recipes
from geomlib.whitening.spread import weights_by_spread


def test_the_spectral_loss_weighs_each_direction_by_its_correlation():
    found = weights_by_spread(
        recipes.spectral_contrastive(), highest=0.9, lowest=[0.3, 0.9], num_outputs=3
    )
    expected = [[0.9, 0.6, 0.3], [0.9, 0.9, 0.9]]
    torch.testing.assert_close(torch.stack(found), torch.tensor(expected).double())


def test_what_has_no_closed_form_is_none():
    # Above 2/3 a large redundancy weight whitens C: t = harmonic mean / rho.
    known, unknown = weights_by_spread(
        recipes.barlow_twins(redundancy=1e9), highest=0.9, lowest=[0.7, 0.6], num_outputs=2
    )
    assert unknown is None
    mean = 2 / (1 / 0.9 + 1 / 0.7)
    expected = torch.tensor([mean / 0.9, mean / 0.7]).double()
    torch.testing.assert_close(known, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lowest": [0.0]}, r"lowest must be above 0 and at most highest \(0.9\), got 0"),
        ({"lowest": [0.95]}, "lowest must be above 0 .* got 0.95"),
        ({"highest": 1.0}, "highest must be below 1, got 1.0"),
        ({"num_outputs": 1}, "num_outputs must be at least 2, got 1"),
    ],
)
def test_what_is_no_spread_is_refused(options: dict, said: str):
    usual = {"highest": 0.9, "lowest": [0.5], "num_outputs": 4}
    with pytest.raises(ValueError, match=said):
        weights_by_spread(recipes.hard_whitening(), **{**usual, **options})
