"""Pullback metrics against W^T W, the chain rule and finite differences."""

import pytest
import torch
from heads import deep, draw, radius, rotation
from torch import nn

from geomlib.metric.pullback import (
    jacobians,
    metric_chunks,
    pullback_field,
    pullback_metric,
)
from geomlib.models.heads import head_of_depth


def differences(head, h, step=1e-6):
    """Jacobians by central differences, [n k d]."""
    columns = [
        (head(h + step * e) - head(h - step * e)) / (2 * step)
        for e in torch.eye(h.shape[1], dtype=h.dtype)
    ]
    return torch.stack(columns, dim=2).detach()


@pytest.mark.parametrize("num_outputs", [2, 9])
def test_linear_head_has_one_metric(num_outputs):
    head = nn.Linear(5, num_outputs).double()
    G = pullback_metric(head, draw(7, 5))
    W = head.weight.detach()
    assert (G - W.T @ W).abs().max() < 1e-12
    assert not G.requires_grad


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("num_outputs", [2, 9])
def test_jacobians_against_differences(batch_norm, num_outputs):
    head, h = deep(batch_norm, num_outputs=num_outputs), draw(6, 5)
    assert (jacobians(head, h) - differences(head, h)).abs().max() < 1e-8
    J = differences(head, h)
    assert (pullback_metric(head, h) - J.mT @ J).abs().max() < 1e-7


def test_composition_obeys_the_chain_rule():
    inner, outer = deep(num_outputs=4), deep(num_inputs=4)
    h = draw(6, 5)
    J = jacobians(inner, h)
    expected = J.mT @ pullback_metric(outer, inner(h).detach()) @ J
    G = pullback_metric(nn.Sequential(inner, outer).eval(), h)
    assert (G - expected).abs().max() < 1e-12


def test_rotation_of_h_rotates_the_metric():
    head, h, Q = deep(), draw(6, 5), rotation(5)
    turned = pullback_metric(lambda x: head(x @ Q), h @ Q.T)
    assert (turned - Q @ pullback_metric(head, h) @ Q.T).abs().max() < 1e-12


def test_rotation_of_z_changes_nothing():
    head, h, Q = deep(), draw(6, 5), rotation(3)
    turned = pullback_metric(lambda x: head(x) @ Q, h)
    assert (turned - pullback_metric(head, h)).abs().max() < 1e-12


def test_radius_sees_the_radial_step_alone():
    h = draw(9, 4)
    unit = h / h.norm(dim=1, keepdim=True)
    G = pullback_metric(radius, h)
    assert (G - unit[:, :, None] * unit[:, None, :]).abs().max() < 1e-12


@pytest.mark.parametrize("chunk_size", [1, 4, 10, 99])
def test_chunks_change_nothing(chunk_size):
    head, h = deep(), draw(10, 5)
    chunks = list(metric_chunks(head, h, chunk_size=chunk_size))
    assert all(len(chunk) <= chunk_size for chunk in chunks)
    whole = pullback_metric(head, h)
    assert (torch.cat(chunks) - whole).abs().max() < 1e-12


def test_chosen_chunk_fits_the_numbers_allowed(monkeypatch):
    monkeypatch.setattr("geomlib.metric.pullback._CHUNK_NUMBERS", 100)
    chunks = list(metric_chunks(deep(), draw(10, 5)))
    # 5 * 5 numbers of a metric and 3 * 5 of a Jacobian, 40 a sample.
    assert [len(chunk) for chunk in chunks] == [2, 2, 2, 2, 2]


def test_field_is_the_metric_and_can_be_differentiated():
    head, h = deep(), draw(3, 5)
    field = pullback_field(head)
    assert (field(h) - pullback_metric(head, h)).abs().max() < 1e-12
    slope = torch.autograd.functional.jvp(field, h, torch.ones_like(h))[1]
    near = pullback_metric(head, h + 1e-6) - pullback_metric(head, h - 1e-6)
    assert (slope - near / 2e-6).abs().max() < 1e-7


def test_precision_and_parameters_stay():
    head = head_of_depth(2, num_inputs=4, width=6, num_outputs=2, seed=0)
    assert pullback_metric(head, draw(3, 4).float()).dtype == torch.float32
    assert all(p.grad is None for p in head.parameters())


@pytest.mark.parametrize("kept", [True, False])
def test_batch_norm_over_the_batch_is_refused(kept):
    norm = nn.BatchNorm1d(5, track_running_stats=kept).double()
    norm.train(kept)
    head = nn.Sequential(nn.Linear(5, 5).double(), norm)
    with pytest.raises(ValueError, match=r"batch norm '1' .* head.eval\(\)"):
        pullback_metric(head, draw(4, 5))
    if kept:
        assert norm.num_batches_tracked == 0


def test_heads_that_mix_samples_or_are_random_are_refused():
    def centred(h):
        return h - h.mean(0)

    for head in (centred, nn.Dropout(0.5).train()):
        with pytest.raises(ValueError, match="each sample by itself and always alike"):
            # Wide, or chance would drop the same entries twice.
            pullback_metric(head, draw(4, 60))


def test_no_sample_and_empty_chunks_are_refused():
    with pytest.raises(ValueError, match="rows in h must be at least 1, got 0"):
        pullback_metric(deep(), draw(0, 5))
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        pullback_metric(deep(), draw(4, 5), chunk_size=0)
