"""Gauss-Newton spectra against Jacobians, Hessians and closed forms."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from geomlib.whitening.landscape import gauss_newton_spectrum


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def check(spectrum: Tensor, curvature: Tensor) -> None:
    """The spectrum is all of the curvature's that is not zero."""
    expected = np.linalg.eigvalsh(curvature.numpy())
    split = len(expected) - len(spectrum)
    np.testing.assert_allclose(spectrum, expected[split:], rtol=1e-9)
    np.testing.assert_allclose(expected[:split], 0, atol=1e-9)
    assert spectrum[0] > 1e-6


# Square, and wide on either side.
SHAPES = [(3, 3, 3), (2, 5, 2), (2, 2, 5), (3, 4, 6), (1, 1, 1)]


@pytest.mark.parametrize(("k", "rows", "columns"), SHAPES)
def test_spectrum_is_that_of_the_jacobian_of_the_output_covariance(k, rows, columns):
    L, R = gaussian(k, rows), gaussian(k, columns, seed=1)

    def move(E: Tensor) -> Tensor:
        return L @ E @ R.T + (L @ E @ R.T).T

    E = gaussian(rows, columns, seed=2)  # the map is linear: anywhere will do
    J = torch.func.jacrev(move)(E).reshape(k * k, rows * columns)
    check(gauss_newton_spectrum(L, R), 2 * J.T @ J)


@pytest.mark.parametrize(("k", "d"), [(2, 2), (2, 4), (3, 5)])
def test_spectrum_is_the_hessian_of_the_loss_at_its_minimum(k, d):
    # z = W B x with inputs of covariance P: S = W B P B' W', so L = W and R = W B P.
    W, B, X = gaussian(k, d), gaussian(d, d, seed=1), gaussian(d, d, seed=2)
    P = X @ X.T
    target = W @ B @ P @ B.T @ W.T

    def loss(E: Tensor) -> Tensor:
        moved = W @ (B + E)
        return (moved @ P @ moved.T - target).square().sum()

    hessian = torch.func.jacrev(torch.func.jacrev(loss))(torch.zeros(d, d).double())
    check(gauss_newton_spectrum(W, W @ B @ P), hessian.reshape(d * d, d * d))


# Closed forms: a backbone of features h with covariance Sigma, whose variances are s, and
# a head Sigma^(-1/2) or none. Moving S by L E R' + R E' L' with diagonal L, R of entries
# l, r has eigenvalues 8 l_i^2 r_i^2 and 4 (l_i^2 r_j^2 + l_j^2 r_i^2).


def condition(left: Tensor, right: Tensor) -> float:
    spectrum = gauss_newton_spectrum(left, right)
    return (spectrum[-1] / spectrum[0]).item()


@pytest.mark.parametrize("kappa", [9.0, 1e4])
@pytest.mark.parametrize(
    ("coordinates", "without_head", "with_head"),
    [
        ("data units", lambda kappa: kappa**2, lambda kappa: 1),
        (
            "Euclidean, anisotropic inputs",
            lambda kappa: kappa**2,
            lambda kappa: kappa / 2 + 1 / (2 * kappa),
        ),
        (
            "Euclidean, white inputs, anisotropic backbone",
            lambda kappa: kappa,
            lambda kappa: kappa,
        ),
    ],
)
def test_gain_of_a_head_depends_on_the_coordinates(
    coordinates, without_head, with_head, kappa
):
    Q = torch.linalg.qr(gaussian(4, 4)).Q
    sigma = Q @ torch.diag(torch.tensor(np.geomspace(1, kappa, 4))) @ Q.T
    root = torch.tensor(scipy.linalg.sqrtm(sigma.numpy()))
    identity, head = torch.eye(4).double(), torch.linalg.inv(root)
    # What the features move by for a perturbation E: from its rows, and from its columns.
    rows, columns = {
        "data units": (root, root),  # h + root E root^-1 h
        "Euclidean, anisotropic inputs": (identity, sigma),  # h = x, inputs like Sigma
        "Euclidean, white inputs, anisotropic backbone": (identity, root),  # h = root x
    }[coordinates]
    bare = condition(rows, columns)
    headed = condition(head @ rows, head @ columns)
    assert bare == pytest.approx(without_head(kappa), rel=1e-6)
    assert headed == pytest.approx(with_head(kappa), rel=1e-6)


def test_too_few_entries_to_move_every_direction_are_refused():
    with pytest.raises(ValueError, match=r"left and right must .*, got 5 x 1\."):
        gauss_newton_spectrum(gaussian(3, 5), gaussian(3, 1))
