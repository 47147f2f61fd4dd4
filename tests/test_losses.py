"""Losses against loops written from the papers, closed forms and finite differences."""

import math
from collections.abc import Callable
from functools import partial

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from geomlib import losses

CRITICS = ["cosine", "dot", "distance"]
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{c: partial(losses.info_nce, temperature=0.7, critic=c) for c in CRITICS},
    "spectral": losses.spectral_contrastive,
    "barlow": partial(losses.barlow_twins, redundancy=0.3),
    "vicreg": partial(losses.vicreg, invariance=3.0, variance=5.0, covariance=2.0),
    "vicreg, squared": partial(
        losses.vicreg, invariance=3.0, variance=5.0, covariance=2.0, hinge="squared"
    ),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
each_critic = pytest.mark.parametrize("critic", CRITICS)
seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=25, deadline=None)
# torch 2.15 itself calls what it deprecates on the first forward-mode derivative.
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")


def views(seed: int = 0, n: int = 7, k: int = 4) -> tuple[Tensor, Tensor]:
    """Two correlated views, off centre, standard deviations around 0.5."""
    rng = np.random.default_rng(seed)
    content = 0.5 * rng.normal(size=(n, k)) + rng.normal(size=k)
    z1, z2 = (torch.tensor(content + 0.2 * rng.normal(size=(n, k))) for _ in range(2))
    return z1, z2


def rotation(seed: int, k: int) -> Tensor:
    return torch.tensor(np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0])


@pytest.fixture
def unchecked(monkeypatch):
    """Shape annotations off, as for users: the guards must then catch the mistake."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


# Oracles: loops over samples and dimensions, from the papers' formulas.


def info_nce_by_loops(z1, z2, temperature, critic):
    n = len(z1)

    def similarity(a, b):
        if critic == "cosine":
            return a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) / temperature
        if critic == "dot":
            return a @ b / temperature
        return -(np.linalg.norm(a - b) ** 2) / (2 * temperature)

    total = 0.0
    for anchors, others in ((z1, z2), (z2, z1)):
        for i in range(n):
            odds = [math.exp(similarity(anchors[i], others[j])) for j in range(n)]
            total -= math.log(odds[i] / sum(odds)) / (2 * n)
    return total


def spectral_by_loops(z1, z2):
    n = len(z1)
    attraction = np.mean([z1[i] @ z2[i] for i in range(n)])
    repulsion = [(z1[i] @ z2[j]) ** 2 for i in range(n) for j in range(n) if i != j]
    return -2 * attraction + np.mean(repulsion)


def barlow_by_loops(z1, z2, redundancy):
    loss = 0.0
    for i in range(z1.shape[1]):
        for j in range(z1.shape[1]):
            c = np.corrcoef(z1[:, i], z2[:, j])[0, 1]
            loss += (1 - c) ** 2 if i == j else redundancy * c**2
    return loss


def vicreg_by_loops(z1, z2, invariance, variance, covariance, power=1):
    n, k = z1.shape
    loss = invariance * sum(np.sum((z1[i] - z2[i]) ** 2) for i in range(n)) / (n * k)
    for z in (z1, z2):
        for i in range(k):
            std = math.sqrt(np.var(z[:, i], ddof=1) + 1e-4)
            loss += variance * max(0.0, 1 - std) ** power / (2 * k)
            for j in range(k):
                if i != j:
                    loss += covariance * np.cov(z[:, i], z[:, j])[0, 1] ** 2 / k
    return loss


@each_critic
@pytest.mark.parametrize("temperature", [0.1, 1.0, 20.0])
def test_info_nce_is_the_papers(critic, temperature):
    z1, z2 = views()
    expected = info_nce_by_loops(z1.numpy(), z2.numpy(), temperature, critic)
    loss = losses.info_nce(z1, z2, temperature=temperature, critic=critic)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_spectral_is_the_papers():
    z1, z2 = views()
    expected = spectral_by_loops(z1.numpy(), z2.numpy())
    assert losses.spectral_contrastive(z1, z2).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("redundancy", [0.0, 0.0051, 1.0])
def test_barlow_is_the_papers(redundancy):
    z1, z2 = views()
    expected = barlow_by_loops(z1.numpy(), z2.numpy(), redundancy)
    loss = losses.barlow_twins(z1, z2, redundancy=redundancy, eps=0.0)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_barlow_standardises_as_the_authors_batch_norm():
    # Small embeddings, where eps is a tenth of the variance and its place matters.
    z1, z2 = (0.02 * z for z in views())
    norm = nn.BatchNorm1d(4, affine=False, dtype=torch.float64)
    C = norm(z1).T @ norm(z2) / 7
    weights = torch.full((4, 4), 0.3, dtype=torch.float64).fill_diagonal_(1.0)
    expected = (weights * (C - torch.eye(4, dtype=torch.float64)) ** 2).sum()
    loss = losses.barlow_twins(z1, z2, redundancy=0.3)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 25.0, 25.0), (0.0, 1.0, 0.0)])
@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])  # hinge active, mixed, idle
def test_vicreg_is_the_authors(weights, scale):
    z1, z2 = (scale * z for z in views())
    expected = vicreg_by_loops(z1.numpy(), z2.numpy(), *weights)
    named = dict(zip(("invariance", "variance", "covariance"), weights, strict=True))
    assert losses.vicreg(z1, z2, **named).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_squared_hinge_is_the_square_of_each_shortfall(scale):
    z1, z2 = (scale * z for z in views())
    expected = vicreg_by_loops(z1.numpy(), z2.numpy(), 3.0, 5.0, 2.0, power=2)
    found = LOSSES["vicreg, squared"](z1, z2)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_simsiam_is_the_papers():
    (p1, z1), (p2, z2) = views(0), views(1)
    cosines = [
        p[i] @ z[i] / (np.linalg.norm(p[i]) * np.linalg.norm(z[i]))
        for p, z in ((p1.numpy(), z2.numpy()), (p2.numpy(), z1.numpy()))
        for i in range(7)
    ]
    loss = losses.simsiam(p1, z1, p2, z2).item()
    assert loss == pytest.approx(-np.mean(cosines), rel=1e-12)


# Known values.


@each_critic
@pytest.mark.parametrize("n", [2, 5, 300])
def test_info_nce_at_complete_collapse_is_log_n(critic, n):
    z = torch.full((n, 3), 0.7, dtype=torch.float64)
    loss = losses.info_nce(z, z, temperature=0.1, critic=critic)
    assert loss.item() == pytest.approx(math.log(n), rel=1e-12)


def test_info_nce_vanishes_when_the_pairs_stand_out():
    z = torch.eye(5, dtype=torch.float64)
    loss = losses.info_nce(z, z, temperature=0.05)
    assert loss.item() == pytest.approx(math.log1p(4 * math.exp(-20)), rel=1e-6)


def test_barlow_of_whitened_equal_views_is_zero():
    z = whitened(views()[0])
    loss = losses.barlow_twins(z, z, redundancy=1.0, eps=0.0)
    assert loss.item() == pytest.approx(0.0, abs=1e-24)


@pytest.mark.parametrize("std", [0.25, 0.9, 1.0, 3.0])
def test_vicreg_of_whitened_equal_views_is_only_the_hinge(std):
    z = std * whitened(views()[0])
    loss = losses.vicreg(z, z, invariance=3.0, variance=5.0, covariance=2.0)
    hinge = max(0.0, 1 - math.sqrt(std**2 + 1e-4))
    assert loss.item() == pytest.approx(5.0 * hinge, abs=1e-12)


def whitened(z: Tensor) -> Tensor:
    """Columns with mean 0, unbiased variance 1 and no correlation."""
    return torch.linalg.qr(z - z.mean(0))[0] * math.sqrt(len(z) - 1)


def test_one_dimension_has_no_redundancy():
    z1, z2 = views(k=1)
    loss = losses.vicreg(z1, z2, invariance=0.0, variance=0.0, covariance=1.0)
    assert loss.item() == 0.0
    correlation = np.corrcoef(z1[:, 0], z2[:, 0])[0, 1]
    barlow = losses.barlow_twins(z1, z2, redundancy=9.0, eps=0.0)
    assert barlow.item() == pytest.approx((1 - correlation) ** 2, rel=1e-12)


@pytest.mark.parametrize(("sign", "expected"), [(1.0, -1.0), (-1.0, 1.0)])
def test_simsiam_of_equal_and_opposite_directions(sign, expected):
    z, _ = views()
    assert losses.simsiam(sign * 3 * z, z, 2 * sign * z, z).item() == pytest.approx(
        expected
    )


# Laws.


@each_loss
@quick
@given(seed=seeds)
def test_views_may_be_swapped(loss, seed):
    z1, z2 = views(seed)
    assert loss(z2, z1).item() == pytest.approx(loss(z1, z2).item(), rel=1e-10)


@each_loss
@quick
@given(seed=seeds)
def test_order_of_the_samples_does_not_matter(loss, seed):
    z1, z2 = views(seed)
    order = torch.tensor(np.random.default_rng(seed).permutation(7))
    assert loss(z1[order], z2[order]).item() == pytest.approx(
        loss(z1, z2).item(), rel=1e-10
    )


@pytest.mark.parametrize("name", [*CRITICS, "spectral"])
@quick
@given(seed=seeds)
def test_rotations_do_not_matter(name, seed):
    z1, z2 = views(seed)
    Q = rotation(seed, 4)
    rotated = LOSSES[name](z1 @ Q, z2 @ Q).item()
    assert rotated == pytest.approx(LOSSES[name](z1, z2).item(), rel=1e-9, abs=1e-9)


@quick
@given(seed=seeds, power=st.floats(-3, 3))
def test_cosine_info_nce_ignores_the_length_of_each_row(seed, power):
    z1, z2 = views(seed)
    lengths = torch.tensor(np.random.default_rng(seed).uniform(0.5, 2, (7, 1))) * 10**power
    scaled = losses.info_nce(lengths * z1, z2 / lengths, temperature=0.2)
    assert scaled.item() == pytest.approx(
        losses.info_nce(z1, z2, temperature=0.2).item(), rel=1e-9, abs=1e-9
    )


@each_critic
@quick
@given(seed=seeds)
def test_info_nce_is_never_negative(critic, seed):
    z1, z2 = views(seed)
    assert losses.info_nce(z1, z2, temperature=0.05, critic=critic) >= 0


@quick
@given(seed=seeds, shift=st.floats(-100, 100))
def test_distance_info_nce_ignores_a_shift(seed, shift):
    z1, z2 = views(seed)
    loss = partial(losses.info_nce, temperature=0.2, critic="distance")
    shifted = loss(z1 + shift, z2 + shift).item()
    assert shifted == pytest.approx(loss(z1, z2).item(), rel=1e-9, abs=1e-9)


@quick
@given(seed=seeds, power=st.floats(-3, 3))
def test_barlow_ignores_the_scale_and_offset_of_each_dimension(seed, power):
    z1, z2 = views(seed)
    rng = np.random.default_rng(seed)
    a1, a2 = torch.tensor(rng.uniform(0.5, 2, (2, 4))) * 10**power
    b1, b2 = torch.tensor(rng.normal(size=(2, 4)))
    loss = partial(losses.barlow_twins, redundancy=0.3, eps=0.0)
    changed = loss(a1 * z1 + b1, a2 * z2 + b2).item()
    assert changed == pytest.approx(loss(z1, z2).item(), rel=1e-7)


@quick
@given(seed=seeds)
def test_spectral_leaves_out_pairs_so_that_its_mean_is_the_populations(seed):
    # Population: n points, each its own second view. A batch draws two different points;
    # over all pairs of points the batch loss averages to that of the whole.
    z, _ = views(seed, n=5)
    pairs = [(i, j) for i in range(5) for j in range(i)]
    batches = [losses.spectral_contrastive(z[[i, j]], z[[i, j]]).item() for i, j in pairs]
    whole = losses.spectral_contrastive(z, z).item()
    assert np.mean(batches) == pytest.approx(whole, rel=1e-9, abs=1e-9)


# Derivatives.


@each_loss
def test_first_and_second_derivatives(loss):
    inputs = tuple(z.requires_grad_() for z in views(n=4, k=3))
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


@forward_mode
@each_loss
def test_curvature_by_torch_func_is_the_second_difference_of_the_loss(loss):
    z1, z2 = views(n=4, k=3)
    direction = torch.tensor(np.random.default_rng(1).normal(size=(4, 3)))

    def gradient(z: Tensor) -> Tensor:
        return torch.func.grad(loss)(z, z2)

    curvature = (torch.func.jvp(gradient, (z1,), (direction,))[1] * direction).sum()
    h = 1e-4
    high, low = loss(z1 + h * direction, z2), loss(z1 - h * direction, z2)
    difference = (high - 2 * loss(z1, z2) + low) / h**2
    assert curvature.item() == pytest.approx(difference.item(), rel=1e-4, abs=1e-5)


def test_simsiam_derivatives_through_the_predictions():
    z1, z2 = views(2, n=4, k=3)
    predictions = tuple(p.requires_grad_() for p in views(n=4, k=3))

    def loss(p1: Tensor, p2: Tensor) -> Tensor:
        return losses.simsiam(p1, z1, p2, z2)

    assert torch.autograd.gradcheck(loss, predictions)
    assert torch.autograd.gradgradcheck(loss, predictions)


@forward_mode
def test_simsiam_stops_the_gradient_at_the_targets():
    (p1, p2), (z1, z2) = views(0), views(1)
    for z in (z1, z2):
        z.requires_grad_()
    loss = losses.simsiam(p1.requires_grad_(), z1, p2, z2)
    through_p, *through_z = torch.autograd.grad(loss, (p1, z1, z2), allow_unused=True)
    assert through_p.abs().max() > 1e-3
    assert through_z == [None, None]
    # The loss does depend on the targets, and forward mode is stopped alike.
    assert abs((losses.simsiam(p1, z1 + p2, p2, z2) - loss).item()) > 1e-3
    by_z1 = partial(torch.func.jvp, lambda z: losses.simsiam(p1, z, p2, z2))
    assert by_z1((z1.detach(),), (torch.ones_like(z1),))[1].item() == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_zeros_leave_both_derivatives_finite(dtype):
    z1, z2 = (z.to(dtype) for z in views())
    z1[2] = 0.0

    def loss(z: Tensor) -> Tensor:
        return losses.info_nce(z, z2, temperature=0.2)

    (gradient,) = torch.autograd.functional.jacobian(loss, (z1,))
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(torch.autograd.functional.hessian(loss, z1)).all()


# Precision, and what is refused.


def test_distances_survive_float32_far_from_the_origin():
    z1, z2 = views(n=64)
    far = torch.tensor(1000.0, dtype=torch.float64)
    # Both sides see the same float32 points, so only the arithmetic differs.
    near32, other32 = (z1 + far).float(), (z2 + far).float()
    expected = info_nce_by_loops(
        near32.double().numpy(), other32.double().numpy(), 0.5, "distance"
    )
    loss = losses.info_nce(near32, other32, temperature=0.5, critic="distance")
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@each_loss
def test_nan_is_passed_on(loss):
    z1, z2 = views()
    z1[3, 1] = math.nan
    assert loss(z1, z2).isnan()


@each_loss
def test_no_value_is_read(loss):
    # A meta tensor has a shape and no data: reading a value, which on a GPU would wait
    # for it, raises.
    z1, z2 = (z.to("meta").requires_grad_() for z in views())
    loss(z1, z2).backward()
    assert z1.grad is not None


@pytest.mark.usefixtures("unchecked")
class TestRefuses:
    @each_loss
    def test_views_of_different_shapes(self, loss):
        with pytest.raises(
            ValueError, match=r"z1 and z2 must have one shape, got \(7, 4\)"
        ):
            loss(views()[0], views(k=3)[1])

    @each_loss
    def test_a_single_row(self, loss):
        with pytest.raises(ValueError, match="rows in z1 and z2 must be at least 2, got 1"):
            loss(*views(n=1))

    @pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
    def test_temperatures_that_are_not_positive(self, temperature):
        with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
            losses.info_nce(*views(), temperature=temperature)

    def test_an_unknown_critic(self):
        rule = "critic must be one of cosine, dot, distance, got 'cos'"
        with pytest.raises(ValueError, match=rule):
            losses.info_nce(*views(), temperature=1.0, critic="cos")

    @pytest.mark.parametrize("name", ["redundancy", "eps"])
    def test_negative_barlow_numbers(self, name):
        with pytest.raises(ValueError, match=rf"{name} must be at least 0.0, got -1.0"):
            losses.barlow_twins(*views(), **{"redundancy": 1.0, name: -1.0})

    @pytest.mark.parametrize("name", ["invariance", "variance", "covariance"])
    def test_vicreg_weights_that_are_no_weights(self, name):
        weights = {"invariance": 1.0, "variance": 1.0, "covariance": 1.0, name: math.nan}
        with pytest.raises(ValueError, match=rf"{name} must be at least 0.0, got nan"):
            losses.vicreg(*views(), **weights)

    def test_an_unknown_hinge(self):
        weights = {"invariance": 1.0, "variance": 1.0, "covariance": 1.0}
        rule = "hinge must be one of linear, squared, got 'cubed'"
        with pytest.raises(ValueError, match=rule):
            losses.vicreg(*views(), **weights, hinge="cubed")

    def test_simsiam_shapes(self):
        z, _ = views()
        with pytest.raises(ValueError, match="p1 and z1 must have one shape"):
            losses.simsiam(z[:, :2], z, z, z)
        with pytest.raises(ValueError, match="p2 and z2 must have one shape"):
            losses.simsiam(z, z, z[:3], z)
        with pytest.raises(ValueError, match="must be at least 1, got 0"):
            losses.simsiam(z[:0], z[:0], z[:0], z[:0])


def test_supervised_contrastive_is_the_papers():
    z1, z2 = views(n=5)
    labels = torch.tensor([3, 0, 3, 3, 1])
    u = [row / np.linalg.norm(row) for row in [*z1.numpy(), *z2.numpy()]]
    member = [*labels.tolist(), *labels.tolist()]
    terms = []
    for a, anchor in enumerate(u):
        others = [b for b in range(10) if b != a]
        norm = math.log(sum(math.exp(anchor @ u[b] / 0.4) for b in others))
        same = [b for b in others if member[b] == member[a]]
        terms.append(np.mean([norm - anchor @ u[p] / 0.4 for p in same]))
    found = losses.supervised_contrastive(z1, z2, labels, temperature=0.4)
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-12)


def test_supervised_contrastive_is_least_at_class_collapse():
    # Two classes of four at opposite points: 3 of the 7 others are alike.
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]).double()
    labels = torch.tensor([0, 0, 1, 1])
    least = losses.supervised_contrastive(z, z, labels, temperature=0.5).item()
    assert least == pytest.approx(math.log(3 + 4 * math.exp(-4)))
    for seed in range(20):
        z1, z2 = views(seed, n=4, k=2)
        assert losses.supervised_contrastive(z1, z2, labels, temperature=0.5) > least


def test_supervised_contrastive_derivatives():
    z1, z2 = (z.requires_grad_() for z in views(n=3))
    labels = torch.tensor([0, 0, 1])

    def loss(a, b):
        return losses.supervised_contrastive(a, b, labels, temperature=0.5)

    assert torch.autograd.gradcheck(loss, (z1, z2))
    assert torch.autograd.gradgradcheck(loss, (z1, z2))


@pytest.mark.usefixtures("unchecked")
def test_supervised_contrastive_refuses_bad_labels():
    z1, z2 = views(n=3)
    labels = torch.tensor([0, 0, 1])
    with pytest.raises(ValueError, match=r"labels must be one a row \(3\), got 2"):
        losses.supervised_contrastive(z1, z2, labels[:2], temperature=0.5)
    with pytest.raises(ValueError, match=r"temperature must be .* got 0"):
        losses.supervised_contrastive(z1, z2, labels, temperature=0.0)
