"""Operators against finite differences in float64, closed forms and other libraries."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.nn import functional as F

from geomlib import losses
from geomlib.hessian.operator import (
    Loss,
    SymmetricOperator,
    Tensors,
    block,
    from_matrix,
    gauss_newton,
    hessian,
    residual,
    sum_over,
)
from geomlib.params import flatten, unflatten
from geomlib.whitening import population
from geomlib.whitening.landscape import gauss_newton_spectrum

# torch 2.15 itself calls what it deprecates on the first forward-mode derivative.
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
exactly = partial(torch.testing.assert_close, rtol=0)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def dense(operator: SymmetricOperator) -> Tensor:
    return operator.matmat(torch.eye(operator.size, dtype=operator.dtype))


@pytest.fixture
def unchecked(monkeypatch):
    """Shape annotations off, as for users: the guards must then catch the mistake."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


# Oracle: central differences of fourth order, of outputs or of a first gradient.


def jacobian_by_differences(of: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    step = 3e-4  # truncation and rounding both below 1e-9
    columns = []
    for e in step * torch.eye(len(x), dtype=x.dtype):
        near = of(x + e) - of(x - e)
        far = of(x + 2 * e) - of(x - 2 * e)
        columns.append((8 * near - far) / (12 * step))
    return torch.stack(columns, dim=1)


def hessian_by_differences(loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    def gradient(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(loss(x), x)[0]

    return jacobian_by_differences(gradient, x)


# Problems: two views through a small network with a learnt scale, a tensor of no
# dimension, and three losses of its outputs.


def batch_norm(h: Tensor) -> Tensor:
    return F.silu(F.batch_norm(h, None, None, training=True))


ACTIVATIONS = {"silu": F.silu, "mish": F.mish, "gelu": F.gelu, "batch norm": batch_norm}
LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "info nce": lambda z: losses.info_nce(z[0], z[1], temperature=0.5),
    "vicreg": lambda z: losses.vicreg(
        z[0], z[1], invariance=3.0, variance=5.0, covariance=2.0
    ),
    "cross entropy": lambda z: F.cross_entropy(z[0] + z[1], torch.arange(7) % 3),
}


class Problem(NamedTuple):
    outputs: Callable[[Tensors], Tensor]
    loss: Callable[[Tensor], Tensor]
    at: dict[str, Tensor]

    def whole(self, t: Tensors) -> Tensor:
        return self.loss(self.outputs(t))

    def flat(self, x: Tensor) -> Tensor:
        return self.whole(unflatten(x, self.at))


def problem(activation: str, loss: str) -> Problem:
    x = gaussian(7, 4)
    views = torch.stack([x, x + 0.3 * gaussian(7, 4, seed=1)])

    def outputs(t: Tensors) -> Tensor:
        h = torch.stack([ACTIVATIONS[activation](v @ t["W1"] + t["b"]) for v in views])
        return t["scale"] * h @ t["W2"]

    at = {
        "W1": gaussian(4, 5, seed=2) / 2,
        "b": gaussian(5, seed=3) / 2,
        "W2": gaussian(5, 3, seed=4) / 2,
        "scale": torch.tensor(0.7, dtype=torch.float64),
    }
    return Problem(outputs, LOSSES[loss], at)


@pytest.fixture(params=[f"{a}, {loss}" for a in ACTIVATIONS for loss in LOSSES])
def case(request) -> Problem:
    return problem(*request.param.split(", "))


def test_hessian_is_the_finite_difference_of_the_gradient(case):
    expected = hessian_by_differences(case.flat, flatten(case.at))
    operator, v = hessian(case.whole, case.at), gaussian(41) / 41
    exactly(dense(operator), expected, atol=1e-8)
    exactly(operator.matvec(v), expected @ v, atol=1e-8)


def test_gauss_newton_is_the_jacobians_around_the_losss_hessian(case):
    def outputs(x: Tensor) -> Tensor:
        return case.outputs(unflatten(x, case.at)).reshape(-1)

    x = flatten(case.at)
    J, z = jacobian_by_differences(outputs, x), outputs(x)
    H = hessian_by_differences(lambda z: case.loss(z.view(2, 7, 3)), z)
    exactly(dense(gauss_newton(*case)), J.T @ H @ J, atol=1e-8)


def test_gauss_newton_and_residual_sum_to_the_hessian(case):
    whole = hessian(case.whole, case.at)
    parts, v = (gauss_newton(*case), residual(*case)), gaussian(41)
    exactly(sum(map(dense, parts)), dense(whole), atol=1e-10)
    exactly(sum(part.matvec(v) for part in parts), whole.matvec(v), atol=1e-10)
    # Neither part is trivial.
    assert dense(gauss_newton(*case)).abs().max() > 1e-2
    assert dense(residual(*case)).abs().max() > 1e-2


def test_blocks_by_name_and_by_mask_are_submatrices(case):
    H = hessian_by_differences(case.flat, flatten(case.at))
    operator = hessian(case.whole, case.at)
    # W1 fills entries 0 to 19, b 20 to 24, W2 25 to 39, scale 40.
    index = torch.tensor([*range(20, 25), 40])
    exactly(dense(block(operator, ["b", "scale"])), H[index][:, index], atol=1e-8)
    mask = torch.zeros(41, dtype=torch.bool)
    mask[5:10] = True  # second row of W1
    exactly(dense(block(operator, mask)), H[5:10, 5:10], atol=1e-8)


@forward_mode
def test_hessian_is_torch_funcs():
    case = problem("silu", "info nce")
    expected = torch.func.hessian(case.flat)(flatten(case.at))
    exactly(dense(hessian(case.whole, case.at)), expected, atol=1e-12)


def test_hessian_in_the_representations_is_their_finite_difference():
    z = {"z1": gaussian(5, 2), "z2": gaussian(5, 2, seed=1)}

    def loss(t: Tensors) -> Tensor:
        return losses.info_nce(t["z1"], t["z2"], temperature=0.5)

    expected = hessian_by_differences(lambda x: loss(unflatten(x, z)), flatten(z))
    exactly(dense(hessian(loss, z)), expected, atol=1e-8)


# Closed forms.


def test_hessian_of_a_quadratic_is_its_matrix():
    A = gaussian(6, 6)
    at = {"x": gaussian(2, 2, seed=1), "y": gaussian(2, seed=2)}
    quadratic = hessian(lambda t: flatten(t) @ A @ flatten(t) / 2, at)
    exactly(dense(quadratic), (A + A.T) / 2, atol=1e-14)


def logistic(x: Tensor, y: Tensor) -> Loss:
    return lambda t: F.binary_cross_entropy_with_logits(x @ t["w"], y)


def test_hessian_of_logistic_regression_is_the_textbooks():
    x, y, w = gaussian(9, 4), (gaussian(9, seed=1) > 0).double(), gaussian(4, seed=2)
    p = 1 / (1 + np.exp(-(x @ w).numpy()))
    expected = x.T @ torch.diag(torch.tensor(p * (1 - p))) @ x / 9
    exactly(dense(hessian(logistic(x, y), {"w": w})), expected, atol=1e-14)


def test_hessian_of_softmax_regression_is_the_textbooks_and_all_gauss_newton():
    x, W, labels = gaussian(9, 4), gaussian(3, 4, seed=1), torch.arange(9) % 3
    odds = np.exp((x @ W.T).numpy())
    expected = torch.zeros(12, 12, dtype=torch.float64)
    for x_i, p in zip(x, torch.tensor(odds / odds.sum(1, keepdims=True)), strict=True):
        expected += torch.kron(torch.diag(p) - p.outer(p), x_i.outer(x_i)) / 9
    parts = lambda t: x @ t["W"].T, lambda z: F.cross_entropy(z, labels), {"W": W}
    exactly(dense(hessian(lambda t: parts[1](parts[0](t)), {"W": W})), expected, atol=1e-14)
    exactly(dense(gauss_newton(*parts)), expected, atol=1e-14)
    exactly(dense(residual(*parts)), torch.zeros(12, 12).double(), atol=0)


def test_hessian_of_linear_info_nce_is_the_variance_of_similarities_over_negatives():
    # S = x W W' x2' / tau. Along V: mean_i of the variances of dS under the softmax of
    # row i and column i, halved, plus <G, d2S> with G the loss's gradient in S.
    n, tau = 6, 0.5
    x, x2, W = gaussian(n, 4), gaussian(n, 4, seed=1), gaussian(4, 3, seed=2) / 2
    odds = np.exp((x @ W @ W.T @ x2.T).numpy() / tau)
    rows = torch.tensor(odds / odds.sum(1, keepdims=True))
    columns = torch.tensor(odds / odds.sum(0, keepdims=True))
    G = ((rows + columns) / 2 - torch.eye(n)) / n

    def curvature(V: Tensor) -> Tensor:
        dS = x @ (V @ W.T + W @ V.T) @ x2.T / tau
        row = (rows * dS**2).sum(1) - (rows * dS).sum(1) ** 2
        column = (columns * dS**2).sum(0) - (columns * dS).sum(0) ** 2
        return (row + column).mean() / 2 + (G * (2 * x @ V @ V.T @ x2.T / tau)).sum()

    def loss(t: Tensors) -> Tensor:
        return losses.info_nce(x @ t["W"], x2 @ t["W"], temperature=tau, critic="dot")

    operator = hessian(loss, {"W": W})
    for seed in range(10):
        V = gaussian(4, 3, seed=10 + seed)
        v = V.reshape(-1)
        exactly(v @ operator.matvec(v), curvature(V), atol=1e-11)


def test_hessian_of_whitening_is_eight_for_stretches_and_zero_for_rotations():
    # With equal views the population's spectral loss is |WW' - I|^2 less a constant.
    Q = torch.linalg.qr(gaussian(3, 3)).Q

    def loss(t: Tensors) -> Tensor:
        S = t["W"] @ t["W"].T
        return population.spectral_contrastive(S, S)

    spectrum = torch.linalg.eigvalsh(dense(hessian(loss, {"W": Q})))
    exactly(spectrum, torch.tensor([0.0] * 3 + [8.0] * 6).double(), atol=1e-12)
    exactly(spectrum[3:], gauss_newton_spectrum(Q, Q), atol=1e-12)


@pytest.mark.parametrize(
    "flat",
    [
        lambda t: 3 * t["x"].sum() + 1,
        lambda t: 0 * t["x"].sum(),
        lambda t: t["x"].floor().sum(),
    ],
    ids=["linear", "constant", "steps"],
)
def test_loss_without_curvature_has_a_zero_hessian(flat):
    x = {"x": gaussian(4)}
    exactly(dense(hessian(flat, x)), torch.zeros(4, 4).double(), atol=0)


def test_outputs_that_move_in_steps_have_no_gauss_newton_matrix():
    parts = lambda t: t["x"].floor(), lambda z: z.square().sum(), {"x": gaussian(4)}
    for operator in (gauss_newton(*parts), residual(*parts)):
        exactly(dense(operator), torch.zeros(4, 4).double(), atol=0)


def test_gauss_newton_of_a_loss_linear_in_the_outputs_is_zero():
    parts = lambda t: t["x"].square(), lambda z: z.sum(), {"x": gaussian(4)}
    exactly(dense(gauss_newton(*parts)), torch.zeros(4, 4).double(), atol=0)
    exactly(dense(residual(*parts)), 2 * torch.eye(4).double(), atol=0)


# Another library; only the benchmarks install it.


@forward_mode
def test_hessian_and_gauss_newton_are_curvlinops():
    curvlinops = pytest.importorskip("curvlinops")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    at = dict(model.named_parameters())
    inputs, labels = gaussian(6, 4), torch.arange(6) % 3
    data = [(inputs[:5], labels[:5]), (inputs[5:], labels[5:])]
    parts = (
        lambda t: torch.func.functional_call(model, t, inputs),
        lambda z: F.cross_entropy(z, labels),
    )
    ours = hessian(lambda t: parts[1](parts[0](t)), at), gauss_newton(*parts, at)
    theirs = curvlinops.HessianLinearOperator, curvlinops.GGNLinearOperator
    for operator, peer in zip(ours, theirs, strict=True):
        arguments = model, nn.CrossEntropyLoss(), list(at.values()), data
        identity = torch.eye(operator.size).double()
        exactly(dense(operator), peer(*arguments) @ identity, atol=1e-10)


def test_hessian_is_hessian_eigenthings():
    peer = pytest.importorskip("hessian_eigenthings")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 3)).double()
    at = dict(model.named_parameters())
    inputs, labels = gaussian(6, 4), torch.arange(6) % 3

    def loss(t: Tensors) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(model, t, inputs), labels)

    theirs = peer.HessianOperator(
        model, [(inputs, labels)], peer.supervised_loss(nn.CrossEntropyLoss())
    )
    ours = hessian(loss, at)
    columns = [theirs.matvec(unit) for unit in torch.eye(ours.size).double()]
    exactly(dense(ours), torch.stack(columns, dim=1), atol=1e-10)


# Laws, over random shapes and dtypes.

SHAPE = st.lists(st.integers(1, 3), max_size=2).map(tuple)
SHAPES = st.lists(SHAPE, min_size=1, max_size=3)
DTYPES = st.sampled_from([torch.float32, torch.float64])
quick = settings(max_examples=40, deadline=None)


class Waves(NamedTuple):
    """mean_i sin(a_i . x), whose Hessian is -A' diag(sin(A x)) A / m."""

    operator: SymmetricOperator
    matrix: Tensor
    close: Callable[[Tensor, Tensor], None]


def waves(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> Waves:
    at = {f"t{i}": gaussian(*s, seed=i).to(dtype) for i, s in enumerate(shapes)}
    x = flatten(at).double()
    A = gaussian(6, len(x), seed=9)
    matrix = -A.T @ torch.diag(torch.sin(A @ x)) @ A / 6
    operator = hessian(lambda t: torch.sin(A.to(dtype) @ flatten(t)).mean(), at)
    slack = 200 * torch.finfo(dtype).eps

    def close(a: Tensor, b: Tensor) -> None:
        exactly(a, b.to(dtype), atol=slack)

    return Waves(operator, matrix, close)


@quick
@given(SHAPES, DTYPES)
def test_matvec_and_matmat_are_the_matrixs(shapes, dtype):
    operator, matrix, close = waves(shapes, dtype)
    assert (operator.size, operator.dtype) == (len(matrix), dtype)
    V = gaussian(len(matrix), 3, seed=1).to(dtype)
    close(operator.matmat(V), matrix @ V.double())
    close(operator.matvec(V[:, 0]), matrix @ V[:, 0].double())


@quick
@given(SHAPES, DTYPES, st.floats(-3, 3), st.floats(-3, 3))
def test_products_are_linear(shapes, dtype, a, b):
    operator, _, close = waves(shapes, dtype)
    u, v = gaussian(2, operator.size, seed=1).to(dtype)
    close(operator.matvec(a * u + b * v), a * operator.matvec(u) + b * operator.matvec(v))


@quick
@given(SHAPES, DTYPES)
def test_matrix_is_symmetric(shapes, dtype):
    operator, _, close = waves(shapes, dtype)
    close(dense(operator), dense(operator).T)


@quick
@given(SHAPES, DTYPES, st.data())
def test_block_is_the_submatrix_and_a_block_of_a_block_is_a_block(shapes, dtype, data):
    operator, matrix, close = waves(shapes, dtype)
    flags = st.lists(st.booleans(), min_size=operator.size, max_size=operator.size)
    outer = torch.tensor(data.draw(flags.filter(any)))
    inner = outer & torch.tensor(data.draw(flags))
    part = block(operator, outer)
    close(dense(part), matrix[outer][:, outer])
    close(part.matvec(torch.ones(part.size, dtype=dtype)), matrix[outer][:, outer].sum(1))
    if inner.any():
        close(dense(block(part, inner[outer])), matrix[inner][:, inner])


@quick
@given(SHAPES, DTYPES, st.data())
def test_block_by_name_keeps_the_operators_order(shapes, dtype, data):
    operator, _, close = waves(shapes, dtype)
    names = data.draw(st.permutations(list(operator.shapes)))
    names = names[: data.draw(st.integers(1, len(names)))]
    part = block(operator, names)
    assert list(part.shapes) == sorted(names)
    holds = {n: torch.full(s, n in names) for n, s in operator.shapes.items()}
    mask = torch.cat([held.reshape(-1) for held in holds.values()])
    close(dense(part), dense(block(operator, mask)))


@quick
@given(SHAPES)
def test_unflatten_gives_the_named_tensors_of_a_vector(shapes):
    operator = waves(shapes, torch.float64).operator
    v = gaussian(operator.size)
    named = operator.unflatten(v)
    assert [tuple(t.shape) for t in named.values()] == shapes
    assert torch.equal(flatten(named), v)


# Sums over batches, and scipy.


def test_sum_over_unequal_batches_is_the_hessian_of_the_whole():
    x, y, w = gaussian(6, 4), torch.tensor([0, 1, 1, 0, 1, 0.0]).double(), gaussian(4)
    batches = [
        hessian(logistic(x[rows], y[rows]), {"w": w}, couples_samples=False)
        for rows in (slice(0, 5), slice(5, 6))
    ]
    total, whole = sum_over(batches, [5, 1]), hessian(logistic(x, y), {"w": w})
    exactly(dense(total), dense(whole), atol=1e-14)
    v = gaussian(4, seed=1)
    exactly(total.matvec(v), whole.matvec(v), atol=1e-14)
    # Weighed alike, the lone sample would count five times.
    assert (dense(sum_over(batches, [1, 1])) - dense(whole)).abs().max() > 1e-2


def test_sum_of_a_sum_is_a_sum():
    parts = [from_matrix(torch.eye(2) * value) for value in (1.0, 2.0, 6.0)]
    nested = sum_over([sum_over(parts[:2], [1, 1]), parts[2]], [2, 1])
    exactly(dense(nested), 3 * torch.eye(2), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scipy_finds_both_ends_of_the_spectrum(dtype):
    case = problem("silu", "info nce")
    spectrum = torch.linalg.eigvalsh(hessian_by_differences(case.flat, flatten(case.at)))
    # A float32 loss: inputs are cast on the way in, the value on the way out.
    narrow = {name: t.to(dtype) for name, t in case.at.items()}
    operator = hessian(
        lambda t: case.whole({n: v.double() for n, v in t.items()}).to(dtype), narrow
    )
    scipys = operator.to_scipy()
    assert scipys.shape == (41, 41)
    assert scipys.dtype == torch.empty(0, dtype=dtype).numpy().dtype
    values = eigsh(scipys, k=4, which="BE", v0=np.ones(41), return_eigenvectors=False)
    expected = [*spectrum[:2], *spectrum[-2:]]
    slack = 1e-5 if dtype == torch.float32 else 1e-8
    np.testing.assert_allclose(np.sort(values), expected, rtol=0, atol=slack)


def test_scipy_multiplies_matrices_and_columns():
    A = gaussian(4, 4)
    scipys = from_matrix(A + A.T).to_scipy()
    V = gaussian(4, 3, seed=1).numpy()
    np.testing.assert_allclose(scipys @ V, (A + A.T).numpy() @ V, atol=1e-14)
    np.testing.assert_allclose(scipys @ V[:, :1], (A + A.T).numpy() @ V[:, :1], atol=1e-14)


def test_scipy_may_pass_wider_numbers():
    narrow = from_matrix(2 * torch.eye(3)).to_scipy()
    product = narrow @ np.ones(3)
    assert product.dtype == np.float32
    np.testing.assert_array_equal(product, [2, 2, 2])


# What stays as it was.


def all_three(loss: Callable[[Tensor], Tensor], outputs: Callable, at: Tensors) -> None:
    """Build each operator and multiply with it."""
    for operator in (
        hessian(lambda t: loss(outputs(t)), at),
        gauss_newton(outputs, loss, at),
        residual(outputs, loss, at),
    ):
        operator.matvec(torch.ones(operator.size, dtype=operator.dtype))
        operator.matmat(torch.ones(operator.size, 2, dtype=operator.dtype))


def test_tensors_keep_values_requires_grad_and_grad():
    held, free = nn.Parameter(gaussian(3)), gaussian(3, seed=1)
    held.grad = torch.full((3,), 5.0).double()
    before, grad = held.detach().clone(), held.grad
    all_three(lambda z: z.square().sum(), lambda t: t["a"] * t["b"], {"a": held, "b": free})
    assert held.grad is grad
    assert torch.equal(grad, torch.full((3,), 5.0).double())
    assert torch.equal(held.detach(), before)
    assert held.requires_grad
    assert not free.requires_grad
    assert free.grad is None


def test_random_state_is_as_before_though_the_loss_seeds_and_draws():
    def outputs(t: Tensors) -> Tensor:
        torch.manual_seed(0)
        return t["x"] * torch.randn(3)

    torch.manual_seed(1)
    before = torch.get_rng_state()
    all_three(lambda z: z.square().sum(), outputs, {"x": torch.ones(3)})
    assert torch.equal(torch.get_rng_state(), before)


def test_operator_stays_when_the_callers_tensors_move_on():
    x = torch.ones(3)
    operator = hessian(lambda t: t["x"].pow(3).sum(), {"x": x})
    x.zero_()
    exactly(dense(operator), 6 * torch.eye(3), atol=0)


def test_products_work_where_gradients_are_off_and_leave_no_graph():
    with torch.no_grad():
        operator = hessian(lambda t: t["x"].pow(3).sum(), {"x": torch.ones(3)})
        product = operator.matvec(torch.ones(3, requires_grad=True))
    exactly(product, torch.full((3,), 6.0), atol=0)
    assert not product.requires_grad
    assert torch.is_grad_enabled()


def test_sums_that_differ_in_the_last_digits_only_are_no_random_loss():
    # As atomic additions on a GPU do. The cosine's gradient is orthogonal to the outputs,
    # so that the residual's own loss is zero but for such digits.
    calls = iter(range(100))

    def outputs(t: Tensors) -> Tensor:
        return t["z"] * (1 + next(calls) * torch.finfo(torch.float32).eps)

    z = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    all_three(LOSSES["info nce"], outputs, {"z": z})


# Mistakes.

square: Loss = lambda t: t["x"].square().sum()  # noqa: E731
ones = {"x": torch.ones(3)}
nan = float("nan")


def fresh_batches() -> Loss:
    batches = iter(gaussian(50, 3).float())
    return lambda t: (next(batches) @ t["x"]) ** 2


def then_nan() -> Loss:
    factors = iter([1.0, *[nan] * 50])
    return lambda t: next(factors) * t["x"].square().sum()


MISTAKES: dict[str, tuple[Loss, Tensors, str]] = {
    "no tensor": (square, {}, r"entries in at must be at least 1, got 0\."),
    "no entry": (square, {"x": torch.ones(0)}, r"entries in at must be .*, got 0\."),
    "integers": (square, {"x": torch.ones(3).int()}, r"at .* got torch.int32 in 'x'\."),
    "complex": (square, {"x": torch.ones(3) * 1j}, r"at .* got torch.complex64 in 'x'\."),
    "two dtypes": (
        square,
        {**ones, "y": torch.ones(2).double()},
        r"one dtype, got torch.float32 in 'x' and torch.float64 in 'y'\.",
    ),
    "NaN in at": (square, {"x": torch.tensor([1.0, nan])}, r"at .* got 1 bad of 2\."),
    "not a scalar": (lambda t: t["x"], ones, r"a scalar, got shape \(3,\)\. Take its mean"),
    "NaN": (lambda t: -(-t["x"]).log().sum(), ones, r"loss must be finite"),
    "infinite": (lambda t: 1 / (t["x"] - 1).sum(), ones, r"loss must be finite"),
    "NaN later": (then_nan(), ones, r"the same at every call, got 3 and nan\."),
    "infinite gradient": (
        lambda t: (t["x"] - 1).sqrt().sum(),
        ones,
        r"gradient by x must be finite, got 3 bad of 3\.",
    ),
    "NaN gradient": (
        lambda t: square(t) + (t["y"] - 1).norm() * (t["y"] - 1).square().sum().sqrt(),
        {**ones, "y": torch.ones(2)},
        r"gradient by y must be finite, got 2 bad of 2\.",
    ),
    "unreached": (square, {**ones, "y": torch.ones(2)}, r"no gradient for 'y'\. Leave it"),
    "no tensor out": (lambda t: 1.0, ones, r"return a tensor, got float\. Leave out item"),
    "constant": (lambda t: torch.tensor(1.0), ones, r"on a tensor in at, got a constant"),
    "a count": (lambda t: (t["x"] > 0).sum(), ones, r"on a tensor in at, got a constant"),
    "dropout": (
        lambda t: F.dropout(t["x"] * torch.arange(1.0, 4.0), 0.5).sum(),
        ones,
        r"the same at every call, got .* Switch dropout off",
    ),
    "fresh batches": (fresh_batches(), ones, r"the same .* draw the batch before"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_refused_before_any_product(mistake):
    loss, at, message = MISTAKES[mistake]
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=message):
        hessian(loss, at)


def test_inference_mode_is_refused_with_the_cure():
    with torch.inference_mode(), pytest.raises(ValueError, match=r"Use torch\.no_grad"):
        hessian(square, ones)


def test_no_columns_give_no_columns():
    none = torch.zeros(3, 0)
    assert hessian(square, ones).matmat(none).shape == (3, 0)


def test_scipys_transpose_is_the_operator():
    matrix = torch.tensor([[2.0, 1.0], [1.0, -3.0]]).double()
    adapted = from_matrix(matrix).to_scipy()
    np.testing.assert_allclose(adapted.rmatvec(np.array([1.0, 2.0])), [4.0, -5.0])
    np.testing.assert_allclose(adapted.rmatmat(np.eye(2)), matrix)


@pytest.mark.parametrize("part", [gauss_newton, residual])
@pytest.mark.parametrize("mistake", ["no tensor", "NaN", "unreached", "dropout"])
def test_parts_refuse_the_same_mistakes(part, mistake):
    loss, at, message = MISTAKES[mistake]
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=message):
        part(lambda t: loss(t).reshape(1), lambda z: z.sum(), at)


def products() -> dict[str, SymmetricOperator]:
    """An operator of size 3 of each kind."""
    parts = lambda t: t["x"].square(), lambda z: z.square().sum(), ones
    cubic = hessian(lambda t: t["x"].pow(3).sum(), ones, couples_samples=False)
    four = hessian(square, {"x": torch.ones(4)})
    return {
        "hessian": cubic,
        "gauss_newton": gauss_newton(*parts),
        "residual": residual(*parts),
        "block": block(four, torch.tensor([True, True, True, False])),
        "sum_over": sum_over([cubic, cubic], [1, 1]),
        "from_matrix": from_matrix(torch.eye(3)),
    }


@pytest.mark.parametrize("kind", products())
@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.usefixtures("unchecked")
def test_vector_of_another_length_is_refused(kind, length):
    operator = products()[kind]
    message = rf"vector must have 3 entries.*, got {length}\."
    with pytest.raises(ValueError, match=message):
        operator.matvec(torch.ones(length))
    with pytest.raises(ValueError, match=message):
        operator.matmat(torch.ones(length, 2))
    with pytest.raises(ValueError, match=message):
        operator.unflatten(torch.ones(length))


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (["x", "w"], r"which must name tensors of the operator \(x, y\), got w\."),
        ([], r"which must name tensors of the operator \(x, y\), got none\."),
        (torch.ones(4).bool(), r"which .* 5 booleans, got torch.bool of shape \(4,\)\."),
        (torch.ones(5, 1).bool(), r"which .* 5 booleans, got .* of shape \(5, 1\)\."),
        (torch.ones(5), r"which .* 5 booleans, got torch.float32 of shape \(5,\)\."),
        (torch.tensor([0, 4]), r"which .* 5 booleans, got torch.int64 of shape \(2,\)\."),
        (torch.zeros(5).bool(), r"selected entries must be at least 1, got 0\."),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_block_of_what_is_not_there_is_refused(which, message):
    at = {"x": torch.ones(3), "y": torch.ones(2)}
    operator = hessian(lambda t: flatten(t).square().sum(), at)
    with pytest.raises(ValueError, match=message):
        block(operator, which)


def test_sum_over_a_loss_that_couples_samples_is_refused():
    parts = [hessian(square, ones), hessian(square, ones, couples_samples=False)]
    for operators in (parts, [block(parts[0], ["x"])]):
        with pytest.raises(ValueError, match=r"a mean over samples, got one declared to"):
            sum_over(operators, [1] * len(operators))


@pytest.mark.parametrize("counts", [[], [1], [1, 2, 3], [1, 0]])
def test_counts_that_fit_no_batches_are_refused(counts):
    parts = [from_matrix(torch.eye(2))] * 2
    with pytest.raises(ValueError, match=r"num_samples must hold 2 counts of at least 1"):
        sum_over(parts, counts)


def test_sum_over_no_batch_is_refused():
    with pytest.raises(ValueError, match=r"operators must be at least 1, got 0\."):
        sum_over([], [])


@pytest.mark.parametrize(
    "other",
    [
        {"y": torch.ones(2), "x": torch.ones(2)},  # the same names in another order
        {"x": torch.ones(2), "z": torch.ones(2)},
        {"x": torch.ones(2, 1), "y": torch.ones(2)},
        {"x": torch.ones(2).double(), "y": torch.ones(2).double()},
    ],
    ids=["order", "names", "shapes", "dtypes"],
)
def test_sum_over_different_tensors_is_refused(other):
    first = {"x": torch.ones(2), "y": torch.ones(2)}
    parts = [
        hessian(lambda t: flatten(t).square().sum(), at, couples_samples=False)
        for at in (first, other)
    ]
    with pytest.raises(ValueError, match=r"the same order, got x\[2\], y\[2\] \(torch.fl"):
        sum_over(parts, [1, 1])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.ones(3, 2), r"matrix must be square, got shape \(3, 2\)\."),
        (torch.ones(0, 0), r"matrix must be square, got shape \(0, 0\)\."),
        (torch.full((2, 2), nan), r"matrix must be finite, got 4 bad of 4\."),
        (
            torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
            r"symmetric, got entries .* by 2\.",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_matrix_that_is_no_symmetric_operator_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        from_matrix(matrix)
