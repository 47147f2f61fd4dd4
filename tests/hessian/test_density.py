"""Spectral density: exact moments, unit mass, bands that hold what they promise."""

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
