"""Blocks of a Hessian, against the whole matrix, finite differences and a formula."""

import pytest
import torch

from geomlib.hessian.dense import dense
from geomlib.hessian.lanczos import extreme_eigenpairs
from geomlib.hessian.operator import hessian
from geomlib.simsiam.blocks import block_eigenvalues, sample_blocks
from geomlib.simsiam.heads import Head, head_outputs, initial_heads
from geomlib.simsiam.objective import negative_cosine


def setting(activation, scale=1.0):
    draw = torch.Generator().manual_seed(0)
    heads = initial_heads(6, width=8, bottleneck=5, generators=[draw], dtype=torch.float64)
    h = torch.randn(7, 6, generator=draw, dtype=torch.float64)
    other = torch.randn(2, 7, 8, generator=draw, dtype=torch.float64)

    def loss(h):
        p, _ = head_outputs(heads, h.expand(1, 2, 7, 6), Head(activation))
        return scale * negative_cosine(p[0], other)

    return loss, h


@pytest.mark.parametrize("activation", ["linear", "relu", "gelu", "swish"])
def test_blocks_are_all_of_the_hessian(activation):
    loss, h = setting(activation)
    whole = dense(hessian(lambda t: loss(t["h"]), {"h": h}))
    torch.testing.assert_close(
        torch.block_diag(*sample_blocks(loss, h)), whole, atol=1e-12, rtol=0
    )


def test_blocks_are_second_differences():
    loss, h = setting("swish")
    block, e = sample_blocks(loss, h)[2], 1e-4
    a, b = (
        torch.zeros_like(h).index_put_(
            (torch.tensor(2), torch.tensor(i)), torch.tensor(e, dtype=h.dtype)
        )
        for i in (0, 3)
    )
    mixed = loss(h + a + b) - loss(h + a - b) - loss(h - a + b) + loss(h - a - b)
    assert float(mixed) / (4 * e**2) == pytest.approx(
        float(block[0, 3]), rel=1e-5, abs=1e-9
    )


@pytest.mark.parametrize("scale", [1.0, 1e-8])
def test_smallest_eigenvalue_is_lanczos_within_its_bound(scale):
    loss, h = setting("gelu", scale)
    exact = block_eigenvalues(loss, h)
    found = extreme_eigenpairs(
        hessian(lambda t: loss(t["h"]), {"h": h}), num_smallest=1, num_largest=1, rtol=1e-8
    )
    ends = torch.stack([exact.min(), exact.max()])
    assert bool(((found.values - ends).abs() <= found.bounds).all())
    assert float(found.bounds.max()) < 1e-7 * scale


def test_a_homogeneous_head_under_cosine_has_h_as_a_null_form():
    # loss(c h) = loss(h) for c > 0, so h'Hh = 0 and Hh = -g, sample by sample.
    loss, h = setting("relu")
    blocks = sample_blocks(loss, h)
    g = torch.autograd.functional.jacobian(loss, h)
    torch.testing.assert_close(torch.einsum("nij,nj->ni", blocks, h), -g)
    # With h'Hh = 0 and Hh not zero, H has eigenvalues of both signs.
    moved = g.norm(dim=1) > 0
    assert int(moved.sum()) >= 5
    assert bool((block_eigenvalues(loss, h)[moved, 0] < 0).all())


def test_linear_losses_have_none():
    assert not sample_blocks(lambda h: h.sum(), torch.ones(2, 3)).any()


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="loss must not mix samples"):
        sample_blocks(lambda h: (h.sum(0) ** 2).sum(), torch.ones(3, 2))
    with pytest.raises(ValueError, match="number of rows in h must be at least 1"):
        sample_blocks(lambda h: h.sum(), torch.ones(0, 2))
    with pytest.raises(ValueError, match="blocks must be finite"):
        sample_blocks(lambda h: h.sqrt().sum(), torch.zeros(1, 2))
