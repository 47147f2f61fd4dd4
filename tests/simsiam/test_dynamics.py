"""Flow and descent against the exponential of a matrix, and a conserved quantity."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from geomlib.simsiam.dynamics import Path, stop_gradient_descent, stop_gradient_flow

TURNING = torch.tensor([[0.1, -1.0, 0.0], [1.0, 0.1, 0.0], [0.3, 0.0, -2.0]]).double()


def linear(online, target):
    """Objective whose field is x' = A x, A neither symmetric nor normal."""
    return -(online["x"] @ TURNING @ target["x"])


def start():
    return {"x": torch.tensor([1.0, 0.5, -1.0]).double()}


def length(parameters):
    return parameters["x"].norm()[None]


def exact(time):
    return expm(time * TURNING.numpy()) @ start()["x"].numpy()


TIMES = torch.tensor([0.0, 0.5, 3.0])


def test_flow_follows_the_exponential_of_the_jacobian():
    path = stop_gradient_flow(
        linear, start(), times=TIMES, measure=length, rtol=1e-8, atol=1e-10
    )
    expected = [[np.linalg.norm(exact(float(time)))] for time in TIMES]
    np.testing.assert_allclose(path.values, expected, rtol=1e-5)
    np.testing.assert_allclose(path.end["x"], exact(3.0), rtol=1e-5)
    assert torch.equal(path.start["x"], start()["x"])
    assert torch.equal(path.times, TIMES.double())


def test_descent_approaches_the_flow_in_proportion_to_the_step():
    errors = []
    for step in (0.02, 0.01):
        path = stop_gradient_descent(
            linear, start(), step=step, times=TIMES, measure=length
        )
        errors.append(np.linalg.norm(path.end["x"].numpy() - exact(3.0)))
        assert path.num_fields == round(3 / step)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    assert errors[1] < 0.05


def test_descent_is_euler_step_by_step():
    path = stop_gradient_descent(
        linear, start(), step=0.5, times=torch.tensor([0.0, 0.5, 1.0]), measure=length
    )
    x = start()["x"]
    lengths = [x.norm()[None]]
    for _ in range(2):
        x = x + 0.5 * TURNING @ x
        lengths.append(x.norm()[None])
    torch.testing.assert_close(path.values, torch.stack(lengths))
    torch.testing.assert_close(path.end["x"], x)


def test_one_weight_and_one_predictor_stay_on_a_hyperbola():
    # L = (p w - w')^2 / 2 with w' held: w' = p w (1 - p), p' = w^2 (1 - p), so w^2 - p^2
    # does not change, and a linear network leaves collapse.
    def objective(online, target):
        return (online["p"] * online["w"] - target["w"]).square() / 2

    at = {"p": torch.tensor(0.5).double(), "w": torch.tensor(0.01).double()}
    path = stop_gradient_flow(
        objective,
        at,
        times=torch.linspace(0, 40, 9),
        measure=lambda t: (10 + t["w"].square() - t["p"].square())[None],
        rtol=1e-8,
    )
    torch.testing.assert_close(path.values, path.values[:1].expand(9, 1))
    assert float(path.end["p"]) == pytest.approx(1, abs=1e-6)
    assert float(path.end["w"]) == pytest.approx(math.sqrt(0.75 + 1e-4), abs=1e-6)


def test_stacked_runs_go_their_own_ways():
    points = torch.tensor([[1.0, 0.5, -1.0], [0.2, -2.0, 0.1]]).double()

    def both(online, target):
        return -torch.einsum("ri,ij,rj->", online["x"], TURNING, target["x"])

    path = stop_gradient_flow(
        both, {"x": points}, times=TIMES, measure=lambda t: t["x"].norm(dim=1)
    )
    for run in range(2):
        alone = stop_gradient_flow(linear, {"x": points[run]}, times=TIMES, measure=length)
        torch.testing.assert_close(
            path.values[:, run], alone.values[:, 0], rtol=1e-4, atol=0
        )


def test_rate_is_of_the_largest_rise_after_a_fall():
    values = [[1.0, 5.0, 1.0, 3.0], [2.0, 1.0, 3.0, 2.0], [math.e, 2.0, 2.0, 1.0]]
    path = Path(torch.tensor([0.0, 1.0, 4.0]), torch.tensor(values), {}, {}, 0)
    expected = torch.tensor([1.0, math.log(2), math.log(3), 0.0]) / 4
    torch.testing.assert_close(path.rate, expected)


@pytest.mark.parametrize("times", [[0.0], [0.5, 1.0], [0.0, 1.0, 1.0]])
def test_refuses_times_that_do_not_increase_from_zero(times):
    times = torch.tensor(times)
    for run in (
        lambda: stop_gradient_flow(linear, start(), times=times, measure=length),
        lambda: stop_gradient_descent(
            linear, start(), step=0.5, times=times, measure=length
        ),
    ):
        with pytest.raises(ValueError, match="times must hold two or more, increasing"):
            run()


def test_refuses_other_starts_and_numbers():
    def flow(at=None, **changed):
        return stop_gradient_flow(
            linear, at or start(), times=TIMES, measure=length, **changed
        )

    def descent(step):
        return stop_gradient_descent(
            linear, start(), step=step, times=TIMES, measure=length
        )

    with pytest.raises(ValueError, match="start must be float64, got"):
        flow({"x": torch.ones(3)})
    with pytest.raises(ValueError, match="rtol must be"):
        flow(rtol=0.0)
    with pytest.raises(ValueError, match="atol must be"):
        flow(atol=-1.0)
    with pytest.raises(RuntimeError, match="reach time 3 in 5 fields"):
        flow(max_fields=5)
    with pytest.raises(ValueError, match="step must be"):
        descent(0.0)
    with pytest.raises(ValueError, match=r"multiples of step \(0.3\), got 0.5"):
        descent(0.3)


def test_a_field_that_runs_away_is_an_error():
    def explosive(online, target):
        return -(online["x"] * target["x"] ** 3).sum()  # x' = x^3: infinite by 1 / 2 x^2

    at = {"x": torch.tensor([1.0]).double()}
    with pytest.raises(RuntimeError, match="flow must reach time 3"):
        stop_gradient_flow(explosive, at, times=TIMES, measure=length, max_fields=300)
    with pytest.raises((FloatingPointError, ValueError), match="finite"):
        stop_gradient_descent(explosive, at, step=0.5, times=TIMES * 4, measure=length)
