"""Measures of rank and spread against closed forms, numpy and scipy."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import entropy
from torch import Tensor

from geomlib import rank

seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=25, deadline=None)


def sample(seed: int = 0, n: int = 20, d: int = 5) -> Tensor:
    """Off-centre rows whose columns differ in scale."""
    rng = np.random.default_rng(seed)
    return torch.tensor(
        rng.normal(size=(n, d)) * rng.uniform(0.1, 2, d) + rng.normal(size=d)
    )


def orthonormal(seed: int, n: int, d: int) -> Tensor:
    """Orthonormal columns of mean 0."""
    z = sample(seed, n, d)
    return torch.linalg.qr(z - z.mean(0))[0]


def covariance(eigenvalues: list[float], seed: int = 0) -> Tensor:
    d = len(eigenvalues)
    Q = orthonormal(seed, d + 1, d)[:d]
    Q = torch.linalg.qr(Q)[0]
    S = Q @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ Q.T
    return (S + S.T) / 2


@pytest.fixture
def unchecked(monkeypatch):
    """Shape annotations off, as for users: the guards must then catch the mistake."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


# Effective rank and RankMe.


@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_effective_rank_of_even_directions_is_their_number(d, offset):
    z = 0.01 * orthonormal(d, 30, d) + offset
    assert rank.effective_rank(z).item() == pytest.approx(d, rel=1e-9)


def test_effective_rank_of_one_direction_is_one():
    line = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None] * torch.arange(1.0, 5.0)
    assert rank.effective_rank(line + 2.0).item() == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("n", [3, 20])
def test_effective_rank_is_scipys_entropy(n):
    z = sample(n=n)
    singular = np.linalg.svd(z.numpy() - z.numpy().mean(0), compute_uv=False)
    assert rank.effective_rank(z).item() == pytest.approx(math.exp(entropy(singular)))


@pytest.mark.parametrize("n", [3, 20])
def test_rankme_is_the_papers_on_the_uncentred_matrix(n):
    z = sample(n=n)
    singular = np.linalg.svd(z.numpy(), compute_uv=False)
    p = singular / singular.sum() + 1e-7
    expected = math.exp(-sum(share * math.log(share) for share in p))
    assert rank.rankme(z).item() == pytest.approx(expected, rel=1e-12)


def test_rankme_counts_the_offset_and_effective_rank_does_not():
    z = orthonormal(0, 30, 4) + 100.0
    assert rank.rankme(z).item() < 1.1
    assert rank.effective_rank(z).item() == pytest.approx(4.0, rel=1e-9)


def test_rankme_of_unused_directions_adds_what_the_docstring_says():
    z = torch.zeros(50, 40, dtype=torch.float64)
    z[:, 0] = 1.0
    log_excess = math.log(rank.rankme(z).item())
    # 39 unused directions, and 1e-7 too much on the used one: -(1 + e) log(1 + e).
    assert log_excess == pytest.approx(39 * -1e-7 * math.log(1e-7) - 1e-7, rel=1e-6)


@quick
@given(seed=seeds, power=st.floats(-6, 6))
def test_effective_rank_ignores_scale_offset_and_rotation(seed, power):
    z = sample(seed)
    Q = orthonormal(seed, 6, 5)[:5]
    Q = torch.linalg.qr(Q)[0]
    changed = rank.effective_rank(10**power * (z @ Q + 1.0)).item()
    assert changed == pytest.approx(rank.effective_rank(z).item(), rel=1e-8)


@quick
@given(seed=seeds, n=st.integers(2, 12), d=st.integers(1, 12))
def test_effective_rank_lies_between_one_and_the_rank(seed, n, d):
    assert (
        1 - 1e-9 <= rank.effective_rank(sample(seed, n, d)).item() <= min(n - 1, d) + 1e-9
    )


# Covariances.


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [([2.0, 2.0, 2.0], 3.0), ([1.0, 0.0, 0.0], 1.0), ([3.0, 1.0], 1.6), ([5.0], 1.0)],
)
def test_participation_ratio_of_known_eigenvalues(eigenvalues, expected):
    ratio = rank.participation_ratio(covariance(eigenvalues)).item()
    assert ratio == pytest.approx(expected, rel=1e-12)


@quick
@given(seed=seeds)
def test_participation_ratio_is_squared_trace_over_squared_norm(seed):
    S = torch.cov(sample(seed).T)
    expected = torch.trace(S) ** 2 / torch.linalg.matrix_norm(S) ** 2
    assert rank.participation_ratio(S).item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize(
    ("eigenvalues", "expected"), [([2.0, 2.0], 1.0), ([1e-4, 0.5, 1.0], 1e4), ([3.0], 1.0)]
)
def test_condition_number_of_known_eigenvalues(eigenvalues, expected):
    S = covariance(eigenvalues)
    assert rank.condition_number(S).item() == pytest.approx(expected, rel=1e-9)
    assert rank.condition_number(S).item() == pytest.approx(np.linalg.cond(S), rel=1e-9)


def test_float32_covariance_of_a_batch_counts_as_symmetric():
    z = sample(n=5000, d=40).float()
    S = z.T @ z / 5000
    expected = np.linalg.cond(S.double())
    assert rank.condition_number(S).item() == pytest.approx(expected, rel=1e-2)


# Alignment and uniformity.


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_alignment_is_the_papers(power):
    z1, z2 = sample(0), sample(1)
    u1, u2 = (z.numpy() / np.linalg.norm(z, axis=1, keepdims=True) for z in (z1, z2))
    expected = np.mean(
        [np.linalg.norm(a - b) ** power for a, b in zip(u1, u2, strict=True)]
    )
    measured = rank.alignment(z1, z2, power=power).item()
    assert measured == pytest.approx(expected, rel=1e-12)


def test_alignment_of_equal_directions_is_zero_and_of_opposite_ones_the_largest():
    z = sample()
    assert rank.alignment(z, 7 * z).item() == pytest.approx(0.0, abs=1e-30)
    assert rank.alignment(z, -z, power=3.0).item() == pytest.approx(8.0)


@pytest.mark.parametrize("t", [0.5, 2.0, 40.0])
def test_uniformity_is_scipys(t):
    z = sample()
    u = z.numpy() / np.linalg.norm(z, axis=1, keepdims=True)
    expected = math.log(np.mean(np.exp(-t * pdist(u, "sqeuclidean"))))
    assert rank.uniformity(z, t).item() == pytest.approx(expected, rel=1e-10)


def test_uniformity_of_one_point_is_zero_and_of_two_opposite_points_the_lowest():
    z = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
    assert rank.uniformity(z).item() == pytest.approx(0.0, abs=1e-15)
    opposite = torch.tensor([[1.0, 2.0], [-3.0, -6.0]])
    assert rank.uniformity(opposite).item() == pytest.approx(-8.0)
    assert rank.uniformity(opposite, 50.0).item() == pytest.approx(-200.0)  # no underflow


def test_uniformity_of_orthogonal_points():
    z = 3 * torch.eye(6, dtype=torch.float64)  # all squared distances are 2
    assert rank.uniformity(z, 1.5).item() == pytest.approx(-3.0)


# What is refused.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 1000, 100_000])
def test_equal_rows_have_no_effective_rank(dtype, n):
    z = torch.tensor([0.1, -7.3, 1e3], dtype=dtype).expand(n, 3)
    with pytest.raises(ValueError, match="z must have rows that differ by more than"):
        rank.effective_rank(z)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_differ_a_little_do_have_an_effective_rank(dtype):
    z = (1e-3 * orthonormal(0, 100, 3) + 1.0).to(dtype)
    assert rank.effective_rank(z).item() == pytest.approx(3.0, rel=1e-2)


@pytest.mark.usefixtures("unchecked")
class TestRefuses:
    def test_too_few_rows(self):
        for measure in (rank.effective_rank, rank.uniformity):
            with pytest.raises(ValueError, match="rows in z must be at least 2, got 1"):
                measure(torch.ones(1, 3))
        with pytest.raises(ValueError, match="rows in z1 and z2 must be at least 1, got 0"):
            rank.alignment(torch.ones(0, 3), torch.ones(0, 3))

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_values_that_are_not_finite(self, bad):
        z = sample()
        z[1, 1] = bad
        for measure in (rank.effective_rank, rank.rankme, rank.uniformity):
            with pytest.raises(ValueError, match="z must be finite, got 1 bad of 100"):
                measure(z)
        with pytest.raises(ValueError, match="z2 must be finite"):
            rank.alignment(sample(), z)
        for measure in (rank.participation_ratio, rank.condition_number):
            with pytest.raises(ValueError, match="covariance must be finite"):
                measure(z[:5])

    def test_zeros(self):
        with pytest.raises(ValueError, match=r"value other than 0, got \(4, 3\) zeros"):
            rank.rankme(torch.zeros(4, 3))
        with pytest.raises(ValueError, match="eigenvalue above 0 and none below"):
            rank.participation_ratio(torch.zeros(3, 3))
        z = sample()
        z[4] = 0.0
        with pytest.raises(ValueError, match=r"no row of zeros, got 1 of 20\. Drop"):
            rank.uniformity(z)

    def test_matrices_that_are_no_covariances(self):
        for measure in (rank.participation_ratio, rank.condition_number):
            with pytest.raises(ValueError, match=r"must be symmetric, got .* by 0.5"):
                measure(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
            with pytest.raises(
                ValueError, match="none below, got eigenvalues from -1 to 2"
            ):
                measure(torch.diag(torch.tensor([2.0, -1.0])))

    @pytest.mark.parametrize("smallest", [0.0, 1e-17, -1e-17])
    def test_infinite_condition_numbers(self, smallest):
        with pytest.raises(ValueError, match=r"finite condition number.*Project onto"):
            rank.condition_number(covariance([smallest, 0.5, 1.0]))

    def test_condition_numbers_that_float32_cannot_tell_from_infinite(self):
        S = torch.diag(torch.tensor([1e-9, 1.0]))
        with pytest.raises(ValueError, match="or compute in float64"):
            rank.condition_number(S)
        assert rank.condition_number(S.double()).item() == pytest.approx(1e9)

    def test_shapes_powers_and_widths(self):
        with pytest.raises(ValueError, match="z1 and z2 must have one shape"):
            rank.alignment(sample(), sample(d=4))
        with pytest.raises(ValueError, match=r"power must be .* above 0, got 0.0"):
            rank.alignment(sample(), sample(), power=0.0)
        with pytest.raises(ValueError, match=r"t must be .* above 0, got -1.0"):
            rank.uniformity(sample(), -1.0)
