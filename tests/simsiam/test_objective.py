"""SimSiam's loss, against the one in geomlib.losses and by hand."""

import pytest
import torch

from geomlib import losses
from geomlib.simsiam.objective import (
    negative_cosine,
    simsiam_objective,
    unit_rows,
)


def random(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


def test_value_and_online_gradient_are_those_of_the_loss():
    p, z = random(2, 5, 3).requires_grad_(), random(2, 5, 3, seed=1)
    ours = negative_cosine(p, z)
    theirs = losses.simsiam(p[0], z[0], p[1], z[1])
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(value, p)[0] for value in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_derivatives_reach_the_targets():
    p, z = random(2, 5, 3), random(2, 5, 3, seed=1).requires_grad_()
    (gradient,) = torch.autograd.grad(negative_cosine(p, z), z)
    step = 1e-6 * random(2, 5, 3, seed=2)
    with torch.no_grad():
        change = negative_cosine(p, z + step) - negative_cosine(p, z - step)
    assert float(change) == pytest.approx(2 * float((gradient * step).sum()), rel=1e-6)


def test_runs_in_front_stay_apart():
    p, z = random(4, 2, 5, 3), random(4, 2, 5, 3, seed=1)
    alone = torch.stack([negative_cosine(*each) for each in zip(p, z, strict=True)])
    torch.testing.assert_close(negative_cosine(p, z), alone)


def test_a_row_of_zeros_has_finite_second_derivatives():
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(unit_rows(z)[0, 0], z, create_graph=True)
    (second,) = torch.autograd.grad(
        first.sum(), z, allow_unused=True, materialize_grads=True
    )
    assert first.isfinite().all()
    assert second.isfinite().all()


def test_objective_takes_predictions_online_and_targets_from_the_copy():
    def outputs(t):
        return t["w"] * torch.ones(2, 1, 2), torch.eye(2).expand(2, 2, 2)[:, :1] * t["w"]

    online, target = {"w": torch.tensor(2.0)}, {"w": torch.tensor(-3.0)}
    value = simsiam_objective(outputs)(online, target)
    # Predictions point to (1, 1), targets to -(1, 0): a cosine of -1/sqrt 2.
    assert float(value) == pytest.approx(0.5**0.5)


def test_bad_inputs_are_refused():
    with pytest.raises((ValueError, TypeError), match=r"one shape|targets"):
        negative_cosine(torch.ones(2, 5, 3), torch.ones(2, 4, 3))
    with pytest.raises(ValueError, match=r"number of rows .* at least 1, got 0"):
        negative_cosine(torch.ones(2, 0, 3), torch.ones(2, 0, 3))
