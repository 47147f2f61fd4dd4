"""The surface against the network, the Hessian, and heads that leave it level."""

import pytest
import torch
from equilibria import LOSSES

from geomlib.collapse import activations, curvature, mirrored, network, surface, views

SEED = 3


def mirrored_network(name: str) -> network.Network:
    plain = network.random_network(
        views.skewed_views(seed=SEED),
        LOSSES["info_nce"],
        activations.activation(name),
        width=2,
        num_units=2,
        num_outputs=2,
        seed=SEED,
    )
    return mirrored.mirror(plain, torch.tensor([0.8, 0.6]).double())


def plane(num_points: int = 5, reach: float = 0.3, name: str = "swish") -> torch.Tensor:
    v, w = torch.eye(4).double()[:2]
    return surface.row_surface(
        mirrored_network(name), v, w, reach=reach, num_points=num_points
    )


def test_each_height_is_that_of_the_displaced_network():
    net = mirrored_network("swish")
    start = net.objective(net.parameters)
    heights = plane()
    for i, y in enumerate((-0.3, -0.15, 0.0, 0.15, 0.3)):
        for j, x in enumerate((-0.3, -0.15, 0.0, 0.15, 0.3)):
            row = torch.tensor([x, y, 0.0, 0.0], dtype=torch.float64)
            there = net.objective(mirrored.displaced(net.parameters, row))
            assert float((heights[i, j] - there + start).abs()) < 1e-12


def test_near_the_collapse_it_is_half_the_quadratic_form_of_the_block():
    heights = plane(num_points=3, reach=1e-3)
    H = curvature.backbone_block(mirrored_network("swish"))[:2, :2]
    steps = torch.tensor([-1e-3, 0.0, 1e-3]).double()
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    expected = (H[0, 0] * x**2 + 2 * H[0, 1] * x * y + H[1, 1] * y**2) / 2
    torch.testing.assert_close(heights, expected, rtol=1e-4, atol=1e-11)


def test_both_sides_of_the_collapse_are_alike():
    heights = plane()
    torch.testing.assert_close(heights, heights.flip(0, 1), rtol=0, atol=1e-12)


def test_a_linear_head_leaves_it_level():
    assert plane(name="linear").abs().max() < 1e-12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_points": 4}, "num_points must be odd, got 4"),
        ({"num_points": 1}, "num_points must be at least 3, got 1"),
        ({"reach": 0.0}, "reach must be a finite number above 0, got 0"),
    ],
)
def test_what_is_no_grid_is_refused(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        plane(**options)


def test_a_displaced_network_is_refused():
    net = mirrored_network("swish")
    net.parameters["backbone"][-1] += 1
    v, w = torch.eye(4).double()[:2]
    with pytest.raises(ValueError, match="must be their own reflection"):
        surface.row_surface(net, v, w, reach=0.3, num_points=5)
