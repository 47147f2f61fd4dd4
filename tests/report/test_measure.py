"""A head measured: against closed forms of linear heads, and with nothing touched."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from geomlib.orbits import orbit_features
from geomlib.report.measure import HeadReport, measure

IMAGES = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
POOLED = 12
EYE = torch.eye(192).double()
close = torch.testing.assert_close


def pooling() -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten())


def linear(matrix: Tensor) -> nn.Linear:
    head = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False).double()
    head.weight.data = matrix
    return head


def covariance() -> Tensor:
    h = orbit_features(pooling(), IMAGES, num_views=4, seed=0)
    return h.flatten(0, 1).mT.cov()


@pytest.fixture(scope="module")
def white() -> HeadReport:
    values, vectors = torch.linalg.eigh(covariance())
    return measure(pooling(), linear(torch.diag(values.rsqrt()) @ vectors.mT), IMAGES)


def test_a_whitening_head(white: HeadReport):
    assert white.embedding.condition == pytest.approx(1, abs=1e-9)
    assert white.embedding.effective_rank == pytest.approx(POOLED, abs=1e-6)
    close(white.embedding.spectrum, torch.ones(POOLED).double())
    close(white.representation.spectrum, torch.linalg.eigvalsh(covariance()).flip(0))
    assert white.whitening.linear_share == pytest.approx(1, abs=1e-9)
    assert white.whitening.found == pytest.approx(
        white.whitening.predicted["hard whitening"]
    )
    assert white.spread.frobenius == pytest.approx(0, abs=1e-9)
    assert white.spread.log_euclidean == pytest.approx(0, abs=1e-6)


def test_weights_of_a_head_built_from_canonical_directions(white: HeadReport):
    # z = diag(sqrt t) V' Sigma^-1/2 h gives direction j the weight t_j.
    values, vectors = torch.linalg.eigh(covariance())
    inverse_root = vectors @ torch.diag(values.rsqrt()) @ vectors.mT
    h = orbit_features(pooling(), IMAGES, num_views=4, seed=0)
    x = (h - h.mean((0, 1))) @ inverse_root
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    cross = sum((x[a].mT @ x[b] for a, b in pairs[1:]), x[0].mT @ x[1])
    V = torch.linalg.eigh(cross).eigenvectors.flip(1)
    t = torch.arange(1.0, POOLED + 1).double()
    report = measure(pooling(), linear(torch.diag(t.sqrt()) @ V.mT @ inverse_root), IMAGES)
    close(report.whitening.found, t / t.sum())
    close(report.whitening.correlations, white.whitening.correlations)


def test_the_orbit_share_of_a_head_that_sees_no_augmentation():
    class ByIndex(nn.Module):
        """A number of each image that no view changes: its place in the batch."""

        def forward(self, images: Tensor) -> Tensor:
            place = torch.arange(len(images)).double()
            return torch.stack([place, images.mean((1, 2, 3))], dim=1)

    report = measure(
        ByIndex(), linear(torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double()), IMAGES
    )
    assert report.embedding.orbit_share == pytest.approx(0, abs=1e-12)
    assert 0 < report.representation.orbit_share < 1


def test_both_ends_of_the_hessian_of_a_quadratic_loss():
    # L = a/2 |W h|^2 over one sample has the Hessian a h h' for each row of W.
    def loss(z1: Tensor, _: Tensor) -> Tensor:
        return z1.square().sum() / 2 / len(z1)

    report = measure(pooling(), linear(torch.eye(POOLED).double()), IMAGES, loss=loss)
    h = orbit_features(pooling(), IMAGES, num_views=4, seed=0)[0]
    values = torch.linalg.eigvalsh(h.mT @ h / len(h))
    ends = report.curvature
    assert abs(ends.values[-1] - values[-1]) <= ends.bounds[-1] + 1e-9
    assert abs(ends.values[0] - values[0]) <= ends.bounds[0] + 1e-9
    assert report.num_weights == POOLED**2


def test_nothing_is_touched():
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    ).double()
    head = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 4))
    both = nn.ModuleList([backbone, head.double()])
    both.train()
    backbone[1].eval()
    before = {name: t.clone() for name, t in both.state_dict().items()}
    modes = [m.training for m in both.modules()]
    random = torch.get_rng_state()
    measure(backbone, head, IMAGES)
    assert [m.training for m in both.modules()] == modes
    assert all(torch.equal(both.state_dict()[n], t) for n, t in before.items())
    assert all(p.grad is None for p in both.parameters())
    assert torch.equal(torch.get_rng_state(), random)


class Rows(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    ("backbone", "head", "message"),
    [
        (
            nn.Identity(),
            linear(torch.eye(3).double()),
            "backbone must give one row an image",
        ),
        (pooling(), linear(EYE[:5, :5]), "head must take .* rows of width 12"),
        (pooling(), Rows(lambda h: h[:, None]), "head must give one row an image"),
        (
            Rows(lambda x: x.flatten(1) / 0),
            linear(torch.eye(192).double()),
            "must be finite",
        ),
    ],
)
def test_modules_that_do_not_fit(backbone: nn.Module, head: nn.Module, message: str):
    with pytest.raises(ValueError, match=message):
        measure(backbone, head, IMAGES)


def test_too_few_images():
    with pytest.raises(ValueError, match="number of images must be at least 8, got 7"):
        measure(pooling(), linear(torch.eye(POOLED).double()), IMAGES[:7])
