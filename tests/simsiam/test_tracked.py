"""The tracked curvature, against the whole loss, Lanczos and a converged estimate."""

import pytest
import torch

from geomlib import losses
from geomlib.hessian.dense import dense
from geomlib.hessian.operator import hessian
from geomlib.simsiam.heads import Head, head_outputs, initial_heads
from geomlib.simsiam.tracked import tracked, tracked_loss

H = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def one(batch_norm=False):
    return initial_heads(
        6,
        width=8,
        bottleneck=4,
        generators=[torch.Generator().manual_seed(0)],
        batch_norm=batch_norm,
        dtype=torch.float64,
    )


def simsiam(h):
    """The whole loss, stop-gradient and both directions, of the first view."""
    p, z = head_outputs(one(), torch.stack([h, H[1]])[None], Head("swish"))
    return losses.simsiam(p[0, 0], z[0, 0], p[0, 1], z[0, 1])


def test_it_is_the_hessian_of_the_whole_loss():
    found = tracked(one(), Head("swish"), H, seed=0)
    # Differentiated twice: stop-gradient takes no second derivative through targets.
    whole = dense(hessian(lambda t: simsiam(t["h"]), {"h": H[0]}))
    values = torch.linalg.eigvalsh(whole)
    torch.testing.assert_close(found.eigenvalues.flatten().sort().values, values)
    assert found.smallest == pytest.approx(float(values[0]))


def test_the_part_left_out_is_constant():
    loss = tracked_loss(one(), Head("swish"), H[1])
    moved = H[0] + 0.1
    # The other direction has the first view as its target, which the loss sees move but
    # whose derivative is stopped; at one target the differences agree.
    gradients = []
    for each in (loss, simsiam):
        h = moved.clone().requires_grad_()
        gradients.append(torch.autograd.grad(each(h), h)[0])
    torch.testing.assert_close(*gradients)


def test_the_estimate_is_near_an_eigenvalue_and_in_float32():
    found = tracked(one(), Head("linear"), H, seed=0)
    assert found.estimate.first.dtype == torch.float32
    low, high = float(found.eigenvalues.min()), float(found.eigenvalues.max())
    assert low * 1.01 <= found.estimate.smallest <= high * 1.01


def test_a_head_that_mixes_samples_is_refused():
    with pytest.raises(ValueError, match="loss must not mix samples"):
        tracked(one(batch_norm=True), Head("relu", batch_norm=True), H, seed=0)
