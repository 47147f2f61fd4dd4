"""Shapes, numbers of parameters, shifts by hand, refusals."""

import pytest
import torch

from geomlib.multimodal.separable import TemporalShift, separable_network


def test_parameters_are_as_counted_by_hand():
    network = separable_network(seed=0)
    kernels = sum(9 * a * b + 3 * b * b for a, b in ((1, 12), (12, 24), (24, 48)))
    norms = 2 * 2 * (12 + 24 + 48)
    assert sum(p.numel() for p in network.parameters()) == kernels + norms
    assert norms == 336


@pytest.mark.parametrize(("padding", "num_frames"), [("zeros", 8), ("none", 2)])
def test_times_before_the_mean(padding: str, num_frames: int):
    network = separable_network(padding=padding, seed=0).eval()
    x = torch.rand(2, 1, 8, 16, 16)
    assert network[:-2](x).shape == (2, 48, num_frames, 2, 2)
    assert network(x).shape == (2, 48)
    halved = separable_network(padding="zeros", time_stride=2, seed=0).eval()
    assert halved[:-2](x).shape == (2, 48, 4, 2, 2)


def test_shift_by_hand():
    x = torch.arange(1.0, 13.0).view(1, 4, 3, 1, 1)
    found = TemporalShift(share=0.25)(x)[0, :, :, 0, 0]
    wanted = [[0, 1, 2], [5, 6, 0], [7, 8, 9], [10, 11, 12]]
    assert found.tolist() == wanted
    found = TemporalShift(share=0.25, padding="replicate")(x)[0, :, :, 0, 0]
    assert found[:2].tolist() == [[1, 1, 2], [5, 6, 6]]
    assert torch.equal(TemporalShift(share=0.1)(x), x)


def test_seed_decides():
    a, b, c = (separable_network(seed=seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_refusals():
    with pytest.raises(ValueError, match="number of widths must be at least 1"):
        separable_network(widths=(), seed=0)
    with pytest.raises(ValueError, match="time_stride must be at least 1"):
        separable_network(time_stride=0, seed=0)
    with pytest.raises(ValueError, match=r"share must be between 0 and 1/2, got 0\.6"):
        TemporalShift(share=0.6)
