"""Gaussian views against the moments asked of them, and a head trained on them."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from geomlib import losses
from geomlib.whitening import weights
from geomlib.whitening.agreement import metric_error
from geomlib.whitening.moments import Canonical, canonical, synthetic
from geomlib.whitening.sampled import gaussian_views, optimal_head


def form_of(*rho: float) -> Canonical:
    return canonical(synthetic(torch.tensor(rho).double(), condition=100.0, seed=0))


FORM = form_of(0.9, 0.75, 0.4, 0.2, 0.1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Views.


@pytest.mark.parametrize("rho", [(0.97, 0.6, 0.3, 0.05), (0.5,)])
def test_views_have_the_moments_of_the_canonical_form(rho):
    n, form = 100_000, form_of(*rho)
    first, second = (
        view.numpy() for view in gaussian_views(form, n, generator=generator())
    )
    V = form.directions.numpy()
    # The standard error of an entry is at most sqrt(2 / n) = 0.0045.
    for view in (first, second):
        np.testing.assert_allclose(view.T @ view / n, np.eye(len(rho)), atol=0.02)
        np.testing.assert_allclose(view.mean(axis=0), 0, atol=0.02)
    expected = V @ np.diag(rho) @ V.T
    np.testing.assert_allclose(first.T @ second / n, expected, atol=0.02)


def test_views_are_gaussian():
    first, second = gaussian_views(FORM, 100_000, generator=generator())
    for samples in (first, second, first - second):
        kurtosis = (samples / samples.std(0)).pow(4).mean(0)
        np.testing.assert_allclose(kurtosis, 3, atol=0.15)


def test_views_are_decided_by_the_generator_alone():
    state = torch.get_rng_state()
    draws = [gaussian_views(FORM, 6, generator=generator(s)) for s in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    for same, again, other in zip(*draws, strict=True):
        assert torch.equal(same, again)
        assert not torch.isclose(same, other).any()
    source = generator()
    once, twice = (gaussian_views(FORM, 6, generator=source)[0] for _ in range(2))
    assert not torch.isclose(once, twice).any()


def test_views_refuse_what_no_content_explains():
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        gaussian_views(FORM, 0, generator=generator())
    negative = Canonical(-FORM.correlations, FORM.directions, FORM.root, FORM.inverse_root)
    with pytest.raises(ValueError, match="smallest correlation must be at least"):
        gaussian_views(negative, 5, generator=generator())


# The head.

dot = partial(losses.info_nce, temperature=1.0, critic="dot")


def test_head_is_decided_by_its_seed_and_sees_fresh_batches_of_the_size_asked():
    seen: list[Tensor] = []

    def watched(z1: Tensor, z2: Tensor) -> Tensor:
        seen.append(z1.detach())
        return dot(z1, z2)

    fit = partial(
        optimal_head,
        watched,
        FORM,
        num_outputs=2,
        num_steps=3,
        learning_rate=1e-9,
        batch_size=16,
    )
    state = torch.get_rng_state()
    W, again, other = fit(seed=0), fit(seed=0), fit(seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert W.shape == (2, 5)
    assert W.dtype == torch.float64
    assert torch.equal(W, again)
    assert not torch.isclose(W, other).any()
    assert all(z.shape == (16, 2) for z in seen)
    # The weights hardly moved, so different outputs are those of different samples.
    assert not torch.isclose(seen[0], seen[1]).all()
    assert torch.equal(seen[0], seen[3])


def test_head_reaches_the_closed_form_of_the_dot_product():
    W = optimal_head(dot, FORM, num_outputs=2, num_steps=400, learning_rate=0.02, seed=0)
    predicted = weights.head_metric(torch.tensor([0.9, 0.75]).double(), FORM)
    assert metric_error(W.T @ W, predicted, FORM) < 0.15


@pytest.mark.parametrize(
    ("num", "message"),
    [
        (0, "num_outputs must be at least 1, got 0"),
        (6, "dimension of the representations less num_outputs must be at least 0, got -1"),
    ],
)
def test_head_refuses_more_outputs_than_dimensions(num, message):
    with pytest.raises(ValueError, match=message):
        optimal_head(dot, FORM, num_outputs=num, num_steps=1, learning_rate=0.1, seed=0)
