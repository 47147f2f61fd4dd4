"""Spectral density: exact moments, unit mass, bands that hold what they promise."""

import numpy as np
import pytest
import torch

from geomlib.hessian.density import spectral_density
from geomlib.hessian.operator import from_matrix


def rotated(values: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = len(values)
    gaussian = torch.randn(size, size, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(gaussian).Q
    matrix = basis @ torch.diag(values) @ basis.mT
    return (matrix + matrix.mT) / 2


def test_few_distinct_eigenvalues_are_found_exactly():
    values = torch.tensor([-1.0] * 30 + [2.0] * 50 + [5.0] * 20, dtype=torch.float64)
    found = spectral_density(
        from_matrix(rotated(values, 0)), num_vectors=40, num_steps=6, bandwidth=0.1, seed=0
    )
    heavy = found.weights > 1e-8
    nodes, weights = found.nodes[heavy], found.weights[heavy]
    for value, share in ((-1.0, 0.3), (2.0, 0.5), (5.0, 0.2)):
        near = (nodes - value).abs() < 1e-8
        assert float(weights[near].sum() / 40) == pytest.approx(share, abs=0.05)
    total = sum(float(weights[(nodes - v).abs() < 1e-8].sum()) for v in (-1.0, 2.0, 5.0))
    assert total == pytest.approx(40.0)


def test_density_integrates_to_one_and_has_the_moments_of_the_spectrum():
    values = torch.linspace(-3, 4, 80, dtype=torch.float64)
    found = spectral_density(
        from_matrix(rotated(values, 1)), num_vectors=60, num_steps=20, bandwidth=0.2, seed=1
    )
    points, density = found.points.double(), found.density.double()
    assert float(torch.trapezoid(density, points)) == pytest.approx(1.0, abs=0.01)
    mean = float(torch.trapezoid(density * points, points))
    assert mean == pytest.approx(float(values.mean()), abs=0.15)
    square = float(torch.trapezoid(density * points.square(), points))
    # The Gaussian adds its own variance to the second moment.
    assert square == pytest.approx(float(values.square().mean()) + 0.2**2, rel=0.1)


def test_band_holds_the_smoothed_spectrum():
    values = torch.linspace(-3, 4, 80, dtype=torch.float64)
    found = spectral_density(
        from_matrix(rotated(values, 2)), num_vectors=40, num_steps=25, bandwidth=0.4, seed=2
    )
    points = found.points.double()[:, None]
    kernel = torch.exp(-((points - values).square()) / (2 * 0.4**2))
    truth = kernel.mean(dim=1) / (0.4 * (2 * torch.pi) ** 0.5)
    outside = (found.density - truth).abs() > 3 * found.band + 1e-3
    assert float(outside.double().mean()) < 0.05


def test_seed_decides_and_global_state_stays():
    operator = from_matrix(rotated(torch.linspace(0, 1, 20, dtype=torch.float64), 3))
    before = torch.get_rng_state()
    runs = [
        spectral_density(operator, num_vectors=3, num_steps=5, bandwidth=0.1, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(runs[0].nodes, runs[1].nodes)
    assert not torch.equal(runs[0].nodes, runs[2].nodes)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "change", [{"num_vectors": 0}, {"num_steps": 0}, {"bandwidth": 0.0}]
)
def test_refuses_what_gives_no_density(change):
    options = {"num_vectors": 2, "num_steps": 3, "bandwidth": 0.1, "seed": 0, **change}
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be"):
        spectral_density(from_matrix(torch.eye(4)), **options)


@pytest.mark.parametrize("num_steps", [1, 3, 6])
def test_moments_of_each_start_are_exact_up_to_twice_the_steps(num_steps):
    matrix = rotated(torch.linspace(-1, 2, 30, dtype=torch.float64), 5)
    found = spectral_density(
        from_matrix(matrix), num_vectors=3, num_steps=num_steps, bandwidth=0.3, seed=4
    )
    generator = torch.Generator().manual_seed(4)
    for nodes, weights in zip(found.nodes, found.weights, strict=True):
        v = torch.randn(30, generator=generator, dtype=torch.float64)
        v = v / v.norm()
        power = v
        for order in range(2 * num_steps):
            quadrature = float((weights * nodes**order).sum())
            assert quadrature == pytest.approx(float(v @ power), abs=1e-10), order
            power = matrix @ power


def test_blocks_and_grids_change_nothing_else():
    operator = from_matrix(rotated(torch.linspace(0, 1, 20, dtype=torch.float64), 3))
    options = {"num_vectors": 5, "num_steps": 8, "bandwidth": 0.1, "seed": 0}
    one = spectral_density(operator, **options)
    blocks = spectral_density(operator, **options, block_size=3)
    torch.testing.assert_close(blocks.nodes, one.nodes)
    grid = torch.linspace(-1, 2, 7)
    chosen = spectral_density(operator, **options, grid=grid)
    assert torch.equal(chosen.points, grid.double())
    torch.testing.assert_close(
        chosen.density,
        torch.from_numpy(np.interp(grid, one.points, one.density)),
        atol=0.02,
        rtol=0,
    )
    assert one.num_matvecs == blocks.num_matvecs == 40


def test_more_steps_than_the_space_holds_are_not_taken():
    found = spectral_density(
        from_matrix(torch.diag(torch.tensor([1.0, 2.0, 3.0]).double())),
        num_vectors=4,
        num_steps=50,
        bandwidth=0.1,
        seed=0,
    )
    assert found.nodes.shape == (4, 3)
    np.testing.assert_allclose(found.nodes, [[1, 2, 3]] * 4, atol=1e-10)
    assert found.num_matvecs == 12


def test_refuses_grids_that_show_nothing():
    operator = from_matrix(torch.eye(4))
    options = {"num_vectors": 2, "num_steps": 3, "bandwidth": 0.1, "seed": 0}
    with pytest.raises(ValueError, match="grid must be ascending"):
        spectral_density(operator, **options, grid=torch.tensor([0.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="grid must be finite"):
        spectral_density(operator, **options, grid=torch.tensor([0.0, float("inf")]))
    with pytest.raises(ValueError, match="num_points must be at least 11"):
        spectral_density(operator, **options, num_points=5)
    with pytest.raises(ValueError, match="block_size must be at least 1"):
        spectral_density(operator, **options, block_size=0)
