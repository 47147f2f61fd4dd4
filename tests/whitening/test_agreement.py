"""Agreement: exact heads, broken heads, and scipy's principal angles."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geomlib.whitening.agreement import (
    agreement,
    found_weights,
    largest_angle,
    metric_error,
    standardised,
    unit_trace,
    whitened,
)
from geomlib.whitening.moments import canonical, synthetic
from geomlib.whitening.weights import head_metric

seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=25, deadline=None)
FORM = canonical(
    synthetic(torch.linspace(0.9, 0.1, 6, dtype=torch.float64), condition=200.0, seed=0)
)
T = torch.tensor([1.5, 1.0, 0.3], dtype=torch.float64)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def head(t: Tensor = T, seed: int = 0) -> Tensor:
    """Head of the weights t on the top directions, its outputs rotated at random."""
    rotation = torch.linalg.qr(gaussian(len(t), len(t), seed=seed)).Q
    directions = FORM.inverse_root @ FORM.directions[:, : len(t)]
    return rotation @ torch.diag(t.sqrt()) @ directions.T


# A head against its closed form.


@quick
@given(seed=seeds)
def test_the_exact_head_agrees_however_its_outputs_are_rotated(seed):
    found = agreement(head(seed=seed), T, FORM)
    assert found.condition == pytest.approx(5, rel=1e-9)
    assert (found.num_lost, found.num_lost_predicted) == (0, 0)
    assert found.error < 1e-9
    assert found.angle < 1e-6


def test_a_rotation_of_the_outputs_changes_nothing_for_a_wrong_head_either():
    W = gaussian(3, 6)
    rotation = torch.linalg.qr(gaussian(3, 3, seed=1)).Q
    before, after = agreement(W, T, FORM), agreement(rotation @ W, T, FORM)
    for name in ("condition", "num_lost", "num_lost_predicted", "error", "angle"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-8)
    assert before.error > 0.1
    assert before.angle > 5


def test_a_lost_output_is_counted_and_left_out_of_the_condition():
    directions = FORM.inverse_root @ FORM.directions[:, :3]
    W = torch.diag(T.sqrt()) @ directions.T
    W[2] = 0
    found = agreement(W, T, FORM)
    assert (found.num_lost, found.num_lost_predicted) == (1, 0)
    assert found.condition == pytest.approx(1.5, rel=1e-9)
    assert found.angle < 1e-6  # the directions that are left are predicted ones
    # Missing from the metric is 0.3 of diag(1.5, 1, 0.3).
    assert found.error == pytest.approx(0.3 / np.linalg.norm([1.5, 1, 0.3]), rel=1e-9)


def test_a_predicted_loss_is_counted_below_one_per_cent():
    t = torch.tensor([1.0, 0.011, 0.009, 0.0], dtype=torch.float64)
    found = agreement(head(t), t, FORM)
    assert (found.num_lost, found.num_lost_predicted) == (2, 2)
    assert found.condition == pytest.approx(1 / 0.011, rel=1e-6)
    assert found.angle < 1e-6


def test_angle_is_to_the_predicted_directions():
    # The second output turns by 30 degrees towards a direction that is not predicted.
    v = FORM.directions.clone()
    v[:, 1] = np.cos(np.pi / 6) * FORM.directions[:, 1] + 0.5 * FORM.directions[:, 5]
    W = torch.diag(T.sqrt()) @ v[:, :3].T @ FORM.inverse_root
    assert agreement(W, T, FORM).angle == pytest.approx(30, rel=1e-9)


def test_angle_shows_that_the_wrong_direction_was_lost():
    predicted, found = torch.tensor([[1.0, 0.5, 0.0], [1.0, 0.0, 0.5]]).double()
    assert agreement(head(found), predicted, FORM).angle == pytest.approx(90, rel=1e-6)


def test_standardised_outputs_have_unit_variance_and_their_old_directions():
    W = gaussian(3, 6)
    scaled = standardised(W, FORM)
    covariance = FORM.root @ FORM.root
    np.testing.assert_allclose((scaled @ covariance @ scaled.T).diagonal(), 1, rtol=1e-12)
    ratios = scaled / W
    np.testing.assert_allclose(ratios, ratios[:, :1].expand(3, 6), rtol=1e-9)
    assert (ratios > 0).all()


def test_nothing_is_measured_against_a_total_collapse():
    with pytest.raises(ValueError, match=r"norm of the head must be .* above 0, got 0\.0"):
        agreement(torch.zeros(3, 6).double(), T, FORM)
    with pytest.raises(ValueError, match=r"largest predicted weight must be .* got 0\.0"):
        agreement(head(), torch.zeros(3).double(), FORM)


def test_whitened_head_is_the_symmetric_whitening_of_its_outputs():
    W, covariance = gaussian(3, 6), (FORM.root @ FORM.root).numpy()
    S = W.numpy() @ covariance @ W.numpy().T
    expected = np.linalg.inv(scipy.linalg.sqrtm(S)) @ W.numpy()
    np.testing.assert_allclose(whitened(W, FORM), expected, rtol=1e-8)


def test_whitened_and_unit_trace_heads_see_the_same_directions():
    W, covariance = gaussian(3, 6), FORM.root @ FORM.root
    white, scaled = whitened(W, FORM), unit_trace(W, FORM)
    np.testing.assert_allclose(white @ covariance @ white.T, np.eye(3), atol=1e-9)
    assert (scaled @ covariance @ scaled.T).trace().item() == pytest.approx(1, rel=1e-12)
    assert largest_angle(white.T, W.T) < 1e-6
    np.testing.assert_allclose(scaled / W, (scaled / W)[0, 0].expand(3, 6), rtol=1e-9)


def test_found_weights_are_those_of_the_head():
    np.testing.assert_allclose(found_weights(head(), FORM), T, rtol=1e-9)
    W = gaussian(3, 6)
    whitened = FORM.root @ W.T @ W @ FORM.root
    expected = [v @ whitened @ v for v in FORM.directions.T[:3]]
    np.testing.assert_allclose(found_weights(W, FORM), expected, rtol=1e-9)


def test_metric_error_is_relative_and_blind_to_the_condition_of_the_covariance():
    metric = head_metric(T, FORM)
    assert metric_error(metric, metric, FORM) == 0
    assert metric_error(1.25 * metric, metric, FORM) == pytest.approx(0.25, rel=1e-9)
    # One per cent more of one direction counts by its weight, whichever it is.
    for j in range(3):
        t = T.clone()
        t[j] *= 1.01
        error = metric_error(head_metric(t, FORM), metric, FORM)
        assert error == pytest.approx(0.01 * (T[j] / T.norm()).item(), rel=1e-6)


# Principal angles.


@quick
@given(seed=seeds, k=st.integers(1, 4), num=st.integers(1, 4))
def test_largest_angle_is_scipys(seed, k, num):
    a, b = gaussian(6, k, seed=seed), gaussian(6, num, seed=seed + 1)
    expected = np.rad2deg(scipy.linalg.subspace_angles(a.numpy(), b.numpy()).max())
    # Near 90 degrees the sine has lost half its digits.
    assert largest_angle(a, b) == pytest.approx(expected, abs=1e-5)
    assert largest_angle(b, a) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("angle", [1e-9, 1e-5, 1.0, 60.0, 90.0])
def test_largest_angle_of_two_lines_keeps_its_digits(angle):
    turned = [np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]
    b = torch.tensor(turned, dtype=torch.float64)[:, None]
    a = torch.tensor([[-2.0], [0.0]], dtype=torch.float64)
    assert largest_angle(a, b) == pytest.approx(angle, rel=1e-6)


def test_largest_angle_of_a_part_of_a_space_is_zero():
    a = gaussian(6, 4)
    part = a @ gaussian(4, 2, seed=1)
    assert largest_angle(a, part) < 1e-10
    assert largest_angle(part, a) < 1e-10
