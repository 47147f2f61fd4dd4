import math

import pytest
import torch

from geomlib.nnk.kernels import kernel_matrix, prepared


def test_gaussian_by_hand():
    a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    found = kernel_matrix(
        prepared(a, "gaussian"), prepared(b, "gaussian"), "gaussian", width=5
    )
    assert found[0].tolist() == pytest.approx([math.exp(-0.5), 1.0])


def test_cosine_by_hand():
    a = prepared(torch.tensor([[2.0, 0.0], [0.0, 7.0], [-1.0, 0.0]]), "cosine")
    expected = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]])
    torch.testing.assert_close(kernel_matrix(a, a, "cosine"), expected.double())


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
def test_positive_semi_definite(kernel):
    draw = torch.Generator().manual_seed(0)
    x = prepared(torch.randn(30, 4, generator=draw), kernel)
    eigenvalues = torch.linalg.eigvalsh(kernel_matrix(x, x, kernel, width=0.7))
    assert eigenvalues[0] > -1e-12


def test_bad_inputs():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"features must be finite, got 1 bad"):
        prepared(torch.tensor([[1.0, torch.nan]]), "gaussian")
    with pytest.raises(ValueError, match=r"no row of zeros .* got 2 of 2"):
        prepared(0 * x, "cosine")
    with pytest.raises(ValueError, match="width must be a finite number above 0"):
        kernel_matrix(x, x, "gaussian", width=0.0)
