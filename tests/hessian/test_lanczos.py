"""Extreme eigenpairs against spectra that are known by construction, and scipy's eigsh."""

import math
from dataclasses import replace
from functools import partial

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh
from torch import Tensor

from geomlib.hessian import lanczos
from geomlib.hessian.known import KINDS, from_spectrum, random_spectrum
from geomlib.hessian.lanczos import Eigenpairs, extreme_eigenpairs
from geomlib.hessian.operator import SymmetricOperator, from_matrix

DTYPES = [torch.float64, torch.float32]
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def reflected(spectrum: Tensor, dtype=torch.float64, seed=0) -> SymmetricOperator:
    return from_spectrum(spectrum.to(dtype), seed=seed)


def ends(spectrum: Tensor, num_smallest: int, num_largest: int) -> Tensor:
    spectrum = spectrum.sort().values
    return torch.cat([spectrum[:num_smallest], spectrum[len(spectrum) - num_largest :]])


def check_honest(pairs: Eigenpairs, operator: SymmetricOperator, spectrum: Tensor) -> None:
    """Bounds, residuals and vectors against the truth, in float64."""
    eps = torch.finfo(operator.dtype).eps
    scale = float(spectrum.abs().max())
    values = pairs.values.double()
    assert torch.equal(values, values.sort().values)
    nearest = (values[:, None] - spectrum).abs().amin(dim=1)
    assert (nearest <= pairs.bounds).all()
    gram = pairs.vectors.mT @ pairs.vectors
    assert (gram - torch.eye(len(gram), dtype=gram.dtype)).abs().max() < 100 * eps
    fresh = operator.matmat(pairs.vectors) - pairs.vectors * pairs.values
    assert (fresh.norm(dim=0) - pairs.residuals).abs().max() <= 50 * eps * scale


# 3000 down to 10 dimensions, both precisions, the basis bounded in every third.
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_value_lies_within_its_bounds(kind):
    for case in range(30):
        rng = np.random.default_rng([case, KINDS.index(kind)])
        n = int(10 * 300 ** rng.uniform())
        num_smallest = int(rng.integers(0, 4))
        num_largest = int(rng.integers(1, 6))
        spectrum = random_spectrum(kind, size=n, seed=case)
        operator = reflected(spectrum, DTYPES[case % 2], case)
        pairs = extreme_eigenpairs(
            operator,
            num_largest=num_largest,
            num_smallest=num_smallest,
            max_basis=None if case % 3 else 2 * (num_smallest + num_largest) + 38,
            seed=case,
        )
        assert pairs.converged
        assert pairs.repeats_checked
        check_honest(pairs, operator, spectrum)
        # Rank by rank, so a copy that was skipped would show.
        truth = ends(spectrum, num_smallest, num_largest)
        errors = (pairs.values - truth).abs()
        assert (errors <= pairs.rank_bounds).all()
        # At the crowded edge of a bulk, ranks are known to the rank bounds only.
        if kind in ("repeated", "low rank", "levels"):
            apart = (truth.abs() > 1.1) | (kind != "repeated")
            assert (errors <= 1e-3 * spectrum.abs().max())[apart].all()


@each_dtype
@pytest.mark.parametrize("copies", [2, 4])
@pytest.mark.parametrize("end", ["largest", "smallest"])
def test_copies_of_an_extreme_eigenvalue_are_counted(copies, end, dtype):
    bulk = torch.linspace(-1, 1, 2000 - copies, dtype=torch.float64)
    sign = 1.0 if end == "largest" else -1.0
    spectrum = sign * torch.cat([bulk, bulk.new_full((copies,), 1.3)])
    wanted = {"num_largest": 0, "num_smallest": 0, f"num_{end}": copies + 1}
    operator = reflected(spectrum, dtype)
    for seed in range(3):
        pairs = extreme_eigenpairs(operator, **wanted, seed=seed)
        truth = ends(spectrum, wanted["num_smallest"], wanted["num_largest"])
        assert pairs.converged
        np.testing.assert_allclose(pairs.values, truth, atol=3e-3)


def test_one_vector_cannot_see_copies_and_says_that_it_did_not_look():
    tops = torch.tensor([1.15, 1.3, 1.3])
    spectrum = torch.cat([torch.linspace(-1, 1, 997), tops]).double()
    run = partial(extreme_eigenpairs, reflected(spectrum), num_largest=2, num_smallest=0)
    blind = run(check_repeats=False)
    assert blind.converged
    np.testing.assert_allclose(blind.values, [1.15, 1.3], atol=2e-3)
    assert not blind.repeats_checked
    assert blind.rank_bounds.isinf().all()
    check_honest(blind, reflected(spectrum), spectrum)
    looked = run()
    np.testing.assert_allclose(looked.values, [1.3, 1.3], atol=2e-3)
    assert looked.repeats_checked
    assert looked.num_matvecs <= 3 * blind.num_matvecs


def test_the_check_costs_at_most_as_much_as_the_run():
    spectrum = torch.cat([torch.linspace(-1, 1, 1997), torch.tensor([-1.1, 1.1, 1.2])])
    run = partial(extreme_eigenpairs, reflected(spectrum.double()))
    run = partial(run, num_largest=2, num_smallest=1)
    assert run().num_matvecs <= 2 * run(check_repeats=False).num_matvecs


def test_ranks_are_certain_within_rtol_where_a_gap_is_seen():
    spectrum = torch.cat([torch.linspace(-1, 1, 2000), torch.tensor([-4.0, 3.0, 5.0])])
    operator = reflected(spectrum.double())
    pairs = extreme_eigenpairs(operator, num_largest=2, num_smallest=1)
    np.testing.assert_allclose(pairs.values, [-4, 3, 5], atol=1e-4)
    assert (pairs.rank_bounds <= 5e-3).all()


def test_second_differences_have_the_eigenvalues_of_a_string():
    n = 400

    def matvec(v: Tensor) -> Tensor:
        w = 2 * v
        w[1:] -= v[:-1]
        w[:-1] -= v[1:]
        return w

    def matmat(V: Tensor) -> Tensor:
        return torch.stack([matvec(v) for v in V.mT], dim=1)

    shapes = {"x": torch.Size([n])}
    string = SymmetricOperator(
        matvec, matmat, n, torch.float64, torch.device("cpu"), shapes
    )
    k = torch.arange(1, n + 1, dtype=torch.float64)
    spectrum = 2 - 2 * torch.cos(math.pi * k / (n + 1))
    pairs = extreme_eigenpairs(string, num_largest=3, num_smallest=3, rtol=1e-8)
    np.testing.assert_allclose(pairs.values, ends(spectrum, 3, 3), atol=4e-8)
    check_honest(pairs, string, spectrum)


@pytest.mark.parametrize("seed", range(3))
def test_scipy_finds_the_same(seed):
    spectrum = random_spectrum("normal", size=1500, seed=seed)
    operator = reflected(spectrum, seed=seed)
    pairs = extreme_eigenpairs(operator, num_largest=4, num_smallest=2, rtol=1e-9)
    scipy = operator.to_scipy()
    high = eigsh(scipy, 4, which="LA", return_eigenvectors=False)
    low = eigsh(scipy, 2, which="SA", return_eigenvectors=False)
    np.testing.assert_allclose(pairs.values, np.sort([*low, *high]), atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 2**31 - 1), data=st.data())
def test_small_operators_are_exact(n, seed, data):
    num_largest = data.draw(st.integers(0, n))
    num_smallest = data.draw(st.integers(0 if num_largest else 1, n - num_largest))
    rng = np.random.default_rng(seed)
    M = rng.normal(size=(n, max(1, n // 2)))
    matrix = torch.tensor(M @ M.T)
    pairs = extreme_eigenpairs(
        from_matrix(matrix), num_largest=num_largest, num_smallest=num_smallest
    )
    truth = torch.tensor(np.linalg.eigvalsh(matrix.numpy()))
    expected = ends(truth, num_smallest, num_largest)
    np.testing.assert_allclose(pairs.values, expected, atol=1e-12 * n)
    assert pairs.converged
    assert pairs.repeats_checked
    assert (pairs.rank_bounds < 1e-10).all()


@each_dtype
@pytest.mark.parametrize("kind", ["uniform", "levels", "low rank"])
def test_spanning_the_whole_space_step_by_step_is_exact(kind, dtype, monkeypatch):
    monkeypatch.setattr(lanczos, "DENSE", 0)
    for n in range(1, 14):
        spectrum = random_spectrum(kind, size=max(n, 8), seed=n)[:n]
        operator = reflected(spectrum, dtype)
        wanted = {"num_largest": (n + 1) // 2, "num_smallest": n // 2}
        pairs = extreme_eigenpairs(operator, **wanted, seed=n)
        eps = torch.finfo(dtype).eps
        np.testing.assert_allclose(pairs.values, spectrum, atol=50 * eps)
        assert pairs.converged
        check_honest(pairs, operator, spectrum)


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_multiples_of_the_identity(value):
    spectrum = torch.full((500,), value, dtype=torch.float64)
    pairs = extreme_eigenpairs(reflected(spectrum), num_largest=3, num_smallest=2)
    np.testing.assert_allclose(pairs.values, [value] * 5, atol=1e-12)
    assert pairs.converged
    assert pairs.num_matvecs < 20


def test_a_warm_start_takes_fewer_products():
    rng = np.random.default_rng(0)
    spectrum = torch.cat(
        [torch.linspace(-1, 1, 996), torch.tensor([-1.05, 1.02, 1.05, 1.1])]
    )
    operator = reflected(spectrum.double())
    run = partial(extreme_eigenpairs, operator, num_largest=3, num_smallest=1)
    cold = run(check_repeats=False)
    noise = torch.tensor(rng.normal(size=cold.vectors.shape)) * 1e-2 / math.sqrt(1000)
    warm = run(check_repeats=False, start=cold.vectors + noise)
    assert warm.converged
    assert warm.num_matvecs <= cold.num_matvecs / 2
    np.testing.assert_allclose(warm.values, cold.values, atol=1e-3)


def test_a_warm_start_on_the_wrong_eigenvectors_does_not_fool_the_check():
    spectrum = torch.cat([torch.linspace(-1, 1, 996), torch.tensor([-2.0, 1.5, 1.7, 2])])
    operator = reflected(spectrum.double())
    inner = extreme_eigenpairs(operator, num_largest=4, num_smallest=1, rtol=1e-9)
    start = inner.vectors[:, [1, 2]]  # of 1.0 and 1.5
    pairs = extreme_eigenpairs(operator, num_largest=2, num_smallest=0, start=start)
    np.testing.assert_allclose(pairs.values, [1.7, 2], atol=2e-3)


@each_dtype
def test_a_tiny_basis_restarts_and_finds_the_same(dtype):
    spectrum = torch.cat([torch.linspace(-1, 1, 2000), torch.tensor([-1.1, 1.1, 1.1, 1.3])])
    operator = reflected(spectrum.double(), dtype)
    run = partial(extreme_eigenpairs, operator, num_largest=3, num_smallest=1)
    tiny = run(max_basis=20, max_matvecs=1000)
    assert tiny.num_matvecs > 40
    assert tiny.converged
    np.testing.assert_allclose(tiny.values, [-1.1, 1.1, 1.1, 1.3], atol=2e-3)
    check_honest(tiny, operator, spectrum.double())
    errors = (tiny.values - torch.tensor([-1.1, 1.1, 1.1, 1.3])).abs()
    assert (errors <= tiny.rank_bounds).all()


@pytest.mark.parametrize("max_basis", [20, 30, None])
def test_no_copy_is_missed_however_small_the_basis(max_basis):
    outer = torch.tensor([-1.1, 1.1, 1.1, 1.3])
    spectrum = torch.cat([torch.linspace(-1, 1, 1000), outer]).double()
    for seed in range(12):
        pairs = extreme_eigenpairs(
            reflected(spectrum, seed=seed),
            num_largest=3,
            num_smallest=1,
            max_basis=max_basis,
            max_matvecs=1000,
            seed=seed,
        )
        # Twenty vectors leave little room to look, which may then be said instead.
        assert pairs.repeats_checked or max_basis == 20
        np.testing.assert_allclose(pairs.values, outer, atol=3e-3)


@pytest.mark.parametrize("outer", [[-1.3, -1.3, -1.15], [-1.1, -1.1, -1.05], [-2, -2]])
def test_short_runs_miss_no_copy(outer):
    # A check of a third of these short runs missed one copy in four.
    bulk = torch.linspace(-1, 1, 1200 - len(outer), dtype=torch.float64)
    spectrum = torch.cat([torch.tensor(outer, dtype=torch.float64), bulk])
    for seed in range(25):
        pairs = extreme_eigenpairs(
            reflected(spectrum, seed=seed), num_largest=0, num_smallest=2, seed=seed
        )
        assert pairs.repeats_checked
        np.testing.assert_allclose(pairs.values, spectrum[:2], atol=3e-3)


def test_a_check_cut_short_is_no_check():
    spectrum = torch.cat([torch.linspace(-1, 1, 1000), torch.tensor([1.3, 1.3])]).double()
    run = partial(extreme_eigenpairs, reflected(spectrum), num_largest=1, num_smallest=0)
    settled = run(check_repeats=False).num_matvecs
    # The budget ends within the check's first look.
    short = run(max_matvecs=settled + 2)
    assert short.converged
    assert not short.repeats_checked


@pytest.mark.parametrize("max_matvecs", [3, 4, 9, 15, 21])
def test_too_few_products_give_honest_bounds(max_matvecs):
    spectrum = random_spectrum("normal", size=1000, seed=0)
    operator = reflected(spectrum)
    pairs = extreme_eigenpairs(
        operator, num_largest=2, num_smallest=1, max_matvecs=max_matvecs
    )
    assert not pairs.converged
    assert pairs.num_matvecs == max_matvecs
    check_honest(pairs, operator, spectrum)


def test_what_an_operator_lacks_in_symmetry_shows_in_the_bounds():
    rng = np.random.default_rng(0)
    skewed = torch.tensor(rng.normal(size=(300, 300)))
    symmetric = from_matrix(skewed + skewed.mT)
    lopsided = SymmetricOperator(
        lambda v: skewed @ v,
        lambda v: skewed @ v,
        symmetric.size,
        symmetric.dtype,
        symmetric.device,
        symmetric.shapes,
    )
    run = partial(extreme_eigenpairs, num_largest=1, num_smallest=1, max_matvecs=200)
    assert run(symmetric).converged
    assert not run(lopsided).converged


def test_a_little_asymmetry_is_added_to_bounds_that_residuals_alone_would_pass():
    n = 300
    spectrum = torch.cat([torch.linspace(-1, 1, n - 2), torch.tensor([-2.0, 2.0])]).double()
    sound = reflected(spectrum)
    skew = torch.tensor(np.random.default_rng(0).normal(size=(n, n)))
    skew = 0.02 * (skew - skew.mT) / n**0.5

    def matvec(v: Tensor) -> Tensor:
        return sound.matvec(v) + skew @ v

    lopsided = SymmetricOperator(
        matvec,
        lambda V: sound.matmat(V) + skew @ V,
        sound.size,
        sound.dtype,
        sound.device,
        sound.shapes,
    )
    run = partial(extreme_eigenpairs, num_largest=1, num_smallest=1, max_matvecs=90)
    assert run(sound).converged
    pairs = run(lopsided)
    assert not pairs.converged
    # Residuals of the small matrix settle all the same: only the allowance tells.
    assert (pairs.residuals < 1e-3 * 2).all()
    assert (pairs.bounds > 1e-2).all()


def test_the_seed_decides_and_the_global_state_is_left_alone():
    operator = reflected(random_spectrum("normal", size=800, seed=0))
    run = partial(extreme_eigenpairs, operator, num_largest=2, num_smallest=1)
    before = torch.random.get_rng_state()
    first, again, other = run(seed=1), run(seed=1), run(seed=2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, other.vectors)
    np.testing.assert_allclose(first.values, other.values, atol=2e-3 * 3.5)


def test_products_are_counted():
    count = 0
    inner = reflected(random_spectrum("repeated", size=900, seed=0))

    def matvec(v: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return inner.matvec(v)

    counted = SymmetricOperator(
        matvec, inner.matmat, inner.size, inner.dtype, inner.device, inner.shapes
    )
    pairs = extreme_eigenpairs(counted, num_largest=3, num_smallest=3)
    assert pairs.num_matvecs == count


@pytest.fixture
def unchecked(monkeypatch):
    """Shape annotations off, as for users: the guards must then catch the mistake."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.usefixtures("unchecked")
class TestRefuses:
    def run(self, n=200, dtype=torch.float64, **options):
        operator = reflected(torch.linspace(0, 1, n, dtype=torch.float64), dtype)
        return extreme_eigenpairs(
            operator, **{"num_largest": 1, "num_smallest": 1, **options}
        )

    @pytest.mark.parametrize("rtol", [0.0, -1e-3, 1.0, math.nan, math.inf])
    def test_tolerances_out_of_range(self, rtol):
        with pytest.raises(ValueError, match=r"rtol must be .* and below 1, got"):
            self.run(rtol=rtol)

    def test_tolerances_below_the_precision(self):
        with pytest.raises(ValueError, match=r"at least 1\.2e-05 in torch"):
            self.run(rtol=1e-6, dtype=torch.float32)

    @pytest.mark.parametrize("name", ["num_largest", "num_smallest"])
    def test_negative_counts(self, name):
        with pytest.raises(ValueError, match=f"{name} must be at least 0, got -1"):
            self.run(**{name: -1})

    def test_no_pair(self):
        with pytest.raises(ValueError, match="must be at least 1, got 0"):
            self.run(num_largest=0, num_smallest=0)

    def test_more_pairs_than_the_size(self):
        with pytest.raises(ValueError, match="at most the operator's size, 3, got 4"):
            self.run(n=3, num_largest=2, num_smallest=2)

    @pytest.mark.parametrize("shape", [(200,), (199, 2), (200, 0), (200, 201)])
    def test_starts_of_another_shape(self, shape):
        with pytest.raises(ValueError, match="start must have 200 rows"):
            self.run(start=torch.ones(shape))

    @pytest.mark.parametrize("column", [0.0, 1.0])
    def test_dependent_columns(self, column):
        start = torch.ones(200, 2, dtype=torch.float64)
        start[:, 1] = column
        with pytest.raises(ValueError, match="start must have independent columns"):
            self.run(start=start)

    def test_a_start_with_nan(self):
        with pytest.raises(ValueError, match="start must be finite, got 1 bad"):
            self.run(start=torch.ones(200, 1).index_fill(0, torch.tensor([3]), math.nan))

    def test_a_basis_or_a_budget_too_small(self):
        with pytest.raises(ValueError, match="max_basis must be at least 12, got 5"):
            self.run(max_basis=5)
        with pytest.raises(ValueError, match="max_matvecs must be at least 2, got 1"):
            self.run(max_matvecs=1)

    @pytest.mark.parametrize("n", [10, 300])
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_operators_that_return_nan(self, n, bad):
        sound = reflected(torch.ones(n))
        broken = replace(
            sound,
            matvec=lambda v: bad * sound.matvec(v),
            matmat=lambda V: bad * sound.matmat(V),
        )
        with pytest.raises(ValueError, match=r"operator.* finite"):
            extreme_eigenpairs(broken, num_largest=1, num_smallest=1)
