"""Flow against matrix exponentials, and escape times against the flow."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from equilibria import collapsed, each_loss, gated, reduced, unit

from geomlib.collapse.curvature import backbone_block, unit_curvatures
from geomlib.collapse.flow import escape_time, gradient_flow
from geomlib.collapse.mirrored import displaced, mirror, odd_norm

H = np.array([[-0.8, 0.3, 0.0], [0.3, 0.5, 0.2], [0.0, 0.2, 200.0]])  # stiff
MATRIX = torch.tensor(H)


def quadratic(t) -> torch.Tensor:
    return t["x"] @ MATRIX @ t["x"] / 2


def length(t) -> torch.Tensor:
    return t["x"].norm()


def test_flow_of_a_quadratic_is_the_matrix_exponential():
    start = {"x": 1e-4 * unit(3)}
    flow = gradient_flow(quadratic, start, distance=length, horizon=5.0)
    expected = scipy.linalg.expm(-5 * H) @ start["x"].numpy()
    np.testing.assert_allclose(flow.end["x"], expected, rtol=1e-6)
    assert flow.times[[0, -1]].tolist() == [0, 5]
    assert flow.left_at == math.inf
    ratio = np.linalg.norm(expected) / 1e-4
    assert flow.growth == pytest.approx(ratio, rel=1e-6)


def test_escape_time_is_exact_along_the_eigenvector_of_a_quadratic():
    theta, V = np.linalg.eigh(H)
    start = {"x": torch.tensor(1e-4 * V[:, 0])}
    expected = math.log(1e3) / -theta[0]
    predicted = escape_time(MATRIX, start["x"], threshold=0.1)
    assert predicted == pytest.approx(expected, rel=1e-12)
    flow = gradient_flow(quadratic, start, distance=length, horizon=100.0, threshold=0.1)
    assert flow.left_at == pytest.approx(expected, rel=1e-6)
    assert flow.distances[-1].item() == pytest.approx(0.1, rel=1e-6)


def test_escape_time_takes_the_part_along_the_eigenvector():
    start = {"x": 1e-4 * unit(3, seed=1)}
    predicted = escape_time(MATRIX, start["x"], threshold=0.1)
    flow = gradient_flow(quadratic, start, distance=length, horizon=100.0, threshold=0.1)
    assert flow.left_at == pytest.approx(predicted, rel=1e-4)


def test_escape_never_happens_without_negative_curvature_or_overlap():
    x = torch.ones(2)
    for diagonal in ([1.0, 0.0], [1.0, -1e-14]):
        matrix = torch.tensor(diagonal).diag()
        assert escape_time(matrix, x, threshold=0.1) == math.inf
    saddle = torch.tensor([-1.0, 1.0]).diag()
    assert escape_time(saddle, torch.tensor([0.0, 1.0]), threshold=0.1) == math.inf


def test_tensors_at_rest_do_not_move():
    start = {"x": torch.ones(2).double(), "y": torch.ones(3).double()}
    flow = gradient_flow(
        lambda t: t["x"].sum() * t["y"].square().sum(),
        start,
        distance=length,
        horizon=1.0,
        moving=["x"],
    )
    assert torch.equal(flow.end["y"], start["y"])
    np.testing.assert_allclose(flow.end["x"], [-2, -2], rtol=1e-8)


@each_loss
@pytest.mark.parametrize("seed", range(3))
def test_swish_leaves_at_the_time_predicted(loss, seed):
    network = reduced("swish", loss, seed)
    lowest = torch.linalg.eigvalsh(unit_curvatures(mirror(network, unit(2))))[:, 0]
    network = mirror(network, torch.eye(2).double()[lowest.argmin()])
    displacement = 1e-4 * unit(4, seed)
    predicted = escape_time(backbone_block(network), displacement, threshold=0.1)
    flow = gradient_flow(
        network.objective,
        displaced(network.parameters, displacement),
        distance=odd_norm,
        horizon=2 * predicted,
        threshold=0.1,
        moving=["backbone"],
    )
    assert flow.left_at == pytest.approx(predicted, rel=0.1)


@each_loss
@pytest.mark.parametrize("moving", [["backbone"], None])
@pytest.mark.parametrize("head", ["linear", "gated"])
def test_saturated_heads_do_not_leave(head, moving, loss):
    network = reduced("linear", loss, 0) if head == "linear" else gated(0.0, loss, 0)
    network = collapsed(network, 0)
    flow = gradient_flow(
        network.objective,
        displaced(network.parameters, 1e-4 * unit(network.views.shape[-1])),
        distance=odd_norm,
        horizon=300.0,
        threshold=0.1,
        moving=moving,
    )
    assert flow.left_at == math.inf
    assert flow.growth == pytest.approx(1, abs=1e-4)


def test_refuses_names_horizons_and_starts_that_make_no_flow():
    start = {"x": torch.ones(3).double()}
    with pytest.raises(ValueError, match=r"moving must name tensors of start \(x\), got y"):
        gradient_flow(quadratic, start, distance=length, horizon=1.0, moving=["y"])
    with pytest.raises(ValueError, match="horizon must be a finite number above 0"):
        gradient_flow(quadratic, start, distance=length, horizon=0.0)
    with pytest.raises(ValueError, match="distance at the start must be a finite number"):
        gradient_flow(quadratic, {"x": 0 * start["x"]}, distance=length, horizon=1.0)
    with pytest.raises(ValueError, match="threshold must be a finite number above 0"):
        escape_time(MATRIX, start["x"], threshold=0.0)


def test_a_flow_that_blows_up_says_when():
    # x' = x^2 is infinite at time 1.
    start = {"x": torch.ones(1).double()}
    with pytest.raises(RuntimeError, match=r"reach time 5 in 2000 gradients, got to 1\."):
        gradient_flow(
            lambda t: -t["x"].pow(3).sum() / 3,
            start,
            distance=length,
            horizon=5.0,
            max_gradients=2000,
        )
