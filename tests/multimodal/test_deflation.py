"""Inflated on repeated frames in float64, TorchVision's S3D too; counts; refusals."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from torchvision.models.video import s3d

from geomlib.multimodal.deflation import (
    deflated,
    multiply_adds,
    relative_error,
    repeated,
    replicate_padded,
)
from geomlib.multimodal.separable import TemporalShift, separable_network


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def lived_in(network: nn.Module) -> nn.Module:
    """The network in float64, with batch norms that are far from their start."""
    generator = torch.Generator().manual_seed(9)
    network = network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.2, 1.5),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.3, 0.3),
            ):
                tensor.uniform_(low, high, generator=generator)
    return network


@torch.no_grad()
def error(network: nn.Module, frames: torch.Tensor, num_frames: int) -> float:
    inflated = network(repeated(frames, num_frames=num_frames))
    assert inflated.std() > 1e-6
    return relative_error(deflated(network)(frames), inflated)


@pytest.mark.parametrize("time_stride", [1, 2])
@pytest.mark.parametrize("padding", ["replicate", "none"])
def test_exact_without_zeros_in_time(padding: str, time_stride: int):
    network = lived_in(separable_network(padding=padding, time_stride=time_stride, seed=0))
    assert error(network, drawn(4, 1, 1, 16, 16), 9) < 1e-12


def test_zeros_in_time_cost_what_the_padding_weighs():
    # One kernel of weights a, b, c on a still video of 1s: ends give b + c and a + b.
    network = nn.Conv3d(1, 1, (3, 1, 1), padding=(1, 0, 0), bias=False).double()
    mean = nn.Sequential(network, nn.AdaptiveAvgPool3d(1))
    with torch.no_grad():
        network.weight.copy_(torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 3, 1, 1))
    frame = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
    still = network(repeated(frame, num_frames=5)).flatten().tolist()
    assert still == [6, 7, 7, 7, 3]
    assert deflated(network)(frame).item() == 7
    # The mean over time errs by (a + c) / T, here by 5 / T.
    for num_frames in (5, 50):
        found = mean(repeated(frame, num_frames=num_frames)).item()
        assert 7 - found == pytest.approx(5 / num_frames)
    assert error(replicate_padded(mean), drawn(3, 1, 1, 1, 1), 5) < 1e-12


def test_zero_padded_network_errs_and_its_replicate_padded_copy_does_not():
    network, frames = lived_in(separable_network(seed=1)), drawn(4, 1, 1, 16, 16)
    errors = [error(network, frames, num_frames) for num_frames in (8, 16, 32, 64)]
    assert errors[0] > 1e-3
    # As 1 / T, since each end of a video costs the same whatever its length.
    for shorter, longer in pairwise(errors):
        assert shorter / longer == pytest.approx(2, rel=0.05)
    assert error(replicate_padded(network), frames, 8) < 1e-12


@pytest.fixture(scope="module")
def video_network() -> nn.Module:
    """TorchVision's S3D without its 7x7 window, so that 32 pixels are enough."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = s3d(weights=None, num_classes=11)
    network.avgpool = nn.AvgPool3d((2, 1, 1), stride=1)
    # With TorchVision's start the signal fades from layer to layer; this keeps it.
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data.mul_((module.weight[0].numel() ** -0.5) / 0.01)
    return lived_in(network)


def test_torchvisions_s3d(video_network: nn.Module):
    frames = drawn(2, 3, 1, 32, 32)
    assert error(video_network, frames, 16) > 1e-3
    assert error(replicate_padded(video_network), frames, 16) < 1e-12


def test_neither_copy_touches_the_network(video_network: nn.Module):
    before = copy.deepcopy(video_network.state_dict())
    deflated(replicate_padded(video_network))
    after = video_network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert video_network.features[0][1][0].kernel_size == (7, 1, 1)
    assert video_network.features[7].kernel_size == (3, 3, 3)


def test_no_draw_is_taken_from_the_global_generator():
    network = separable_network(seed=0)
    before = torch.random.get_rng_state()
    deflated(replicate_padded(network))
    assert torch.equal(before, torch.random.get_rng_state())


def test_shifts_pools_groups_dilation_and_bias():
    network = nn.Sequential(
        nn.Conv3d(2, 8, (3, 1, 1), dilation=(2, 1, 1), padding=(2, 0, 0), groups=2),
        TemporalShift(share=0.25, padding="replicate"),
        nn.MaxPool3d(3, stride=2, padding=1),
        nn.AvgPool3d((2, 3, 3), stride=1, padding=(0, 1, 1)),
        nn.Conv3d(8, 4, 3, padding=(0, 1, 1)),
        nn.AdaptiveAvgPool3d((1, 2, 2)),
    ).double()
    frames = drawn(3, 2, 1, 9, 9)
    assert error(network, frames, 12) > 1e-3
    assert error(replicate_padded(network), frames, 12) < 1e-12
    single = deflated(network)
    assert single[2].kernel_size == (1, 3, 3)
    assert single[2].stride == (1, 2, 2)
    assert single[2].padding == (0, 1, 1)


def test_multiply_adds_by_hand():
    # Positions 64, 16, 4 of 8 frames; kernels 9 and 3, then 9 and 1, of 1, 12, 24, 48.
    network = separable_network(seed=0).eval()
    frame = torch.zeros(1, 1, 1, 16, 16)
    widths = ((64, 1, 12), (16, 12, 24), (4, 24, 48))
    inflated = sum(8 * p * (9 * a * b + 3 * b * b) for p, a, b in widths)
    single = sum(p * (9 * a * b + b * b) for p, a, b in widths)
    assert multiply_adds(network, repeated(frame, num_frames=8)) == inflated == 1_382_400
    assert multiply_adds(deflated(network), frame) == single == 117_504
    assert multiply_adds(nn.Linear(5, 3), torch.zeros(7, 5)) == 105


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.AvgPool3d(3, padding=1), "averages over time must not be padded"),
        (nn.AdaptiveAvgPool3d(2), "adaptive means must be over all of time"),
        (nn.ConvTranspose3d(1, 1, 3), "network must mix times in known ways alone"),
        (nn.LSTM(3, 3), "network must mix times in known ways alone"),
    ],
)
def test_what_cannot_be_deflated_is_refused(module: nn.Module, message: str):
    with pytest.raises(ValueError, match=message):
        deflated(nn.Sequential(nn.ReLU(), module))


def test_padded_kernels_over_space_and_time_cannot_repeat_their_ends():
    with pytest.raises(ValueError, match="kernels over time must be padded in time alone"):
        replicate_padded(nn.Conv3d(1, 1, 3, padding=1))
    with pytest.raises(ValueError, match="num_frames must be at least 1"):
        repeated(torch.zeros(1, 1, 1, 2, 2), num_frames=0)
    with pytest.raises(ValueError, match="found and wanted must have one shape"):
        relative_error(torch.zeros(2), torch.zeros(3))
