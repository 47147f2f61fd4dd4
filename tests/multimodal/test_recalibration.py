"""What scales and shifts can mend and cannot, statistics by hand, refusals."""

import pytest
import torch
from torch import nn

from geomlib.multimodal.deflation import deflated, relative_error, repeated
from geomlib.multimodal.recalibration import (
    batch_norm_parameters,
    l1_retrained,
    re_estimated,
)
from geomlib.multimodal.separable import separable_network


def frames(num: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, channels, 1, 4, 4, generator=generator)


def test_one_depthwise_layer_is_mended_whole():
    # A channel's kernel a, b, c then loses (a + c) / T of its sum in the mean over time:
    # a scale for each channel gives it back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(
            nn.Conv3d(3, 3, (3, 1, 1), padding=(1, 0, 0), groups=3, bias=False),
            nn.BatchNorm3d(3),
            nn.AdaptiveAvgPool3d((1, 4, 4)),
        ).eval()
    x, unseen = frames(60, 3), frames(60, 3, seed=1)
    single = deflated(network)
    with torch.no_grad():
        wanted = network(repeated(unseen, num_frames=4))
        assert relative_error(single(unseen), wanted) > 0.05
    mended = l1_retrained(
        single,
        network,
        x,
        num_frames=4,
        num_steps=400,
        batch_size=30,
        learning_rate=0.03,
        seed=0,
    )
    kernels = network[0].weight.detach().view(3, 3).double()
    scale = 1 - (kernels[:, 0] + kernels[:, 2]) / 4 / kernels.sum(1)
    assert relative_error(mended[1].weight.detach(), scale) < 0.01
    with torch.no_grad():
        assert relative_error(mended(unseen), wanted) < 0.01


def test_kernels_and_statistics_stay():
    network = separable_network(seed=0).eval()
    single = deflated(network)
    mended = l1_retrained(
        single,
        network,
        torch.rand(20, 1, 1, 16, 16, generator=torch.Generator().manual_seed(1)),
        num_frames=4,
        num_steps=3,
        batch_size=5,
        learning_rate=0.01,
        seed=0,
    )
    changed = {
        name
        for (name, a), b in zip(
            single.state_dict().items(), mended.state_dict().values(), strict=True
        )
        if not torch.equal(a, b)
    }
    norms = {n for n, m in single.named_modules() if isinstance(m, nn.BatchNorm3d)}
    assert changed == {f"{n}.{p}" for n in norms for p in ("weight", "bias")}
    assert batch_norm_parameters(single) == 336
    assert not mended.training


def test_re_estimated_statistics_by_hand():
    network = nn.Sequential(nn.BatchNorm3d(2), nn.ReLU(), nn.BatchNorm3d(2)).eval()
    x = frames(30, 2)
    found = re_estimated(network, x)
    values = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(found[0].running_mean, values.mean(1))
    torch.testing.assert_close(found[0].running_var, values.var(1))
    scaled = (values - values.mean(1, keepdim=True)) / (
        values.var(1, correction=0, keepdim=True) + 1e-5
    ).sqrt()
    torch.testing.assert_close(found[2].running_mean, scaled.relu().mean(1))
    assert not found.training
    assert found[0].momentum == 0.1
    assert network[0].running_mean.tolist() == [0, 0]


def test_a_heads_own_statistics_leave_no_scale():
    # Batch norm after a linear layer: neither a factor nor the layer's bias is left.
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        head = nn.Sequential(nn.ReLU(), nn.Linear(6, 4), nn.BatchNorm1d(4)).double()
    small, large = (re_estimated(head, s * x)(s * x).detach() for s in (1.0, 100.0))
    torch.testing.assert_close(small, large, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(large.mean(0), torch.zeros(4).double())
    assert not torch.allclose(head.eval()(x), head(100 * x), rtol=0.1)


def test_refusals():
    plain = nn.Sequential(nn.Conv3d(1, 1, 1))
    settings = {"num_frames": 2, "num_steps": 1, "learning_rate": 0.1, "seed": 0}
    with pytest.raises(ValueError, match="scales and shifts must be at least 1, got 0"):
        l1_retrained(plain, plain, frames(2), batch_size=1, **settings)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        l1_retrained(plain, plain, frames(2), batch_size=0, **settings)
    norm = nn.Sequential(nn.BatchNorm3d(1))
    with pytest.raises(ValueError, match=r"network\(frames\) and inflated's must have one"):
        l1_retrained(norm, norm, frames(2), batch_size=1, **settings)
    with pytest.raises(ValueError, match="number of inputs must be at least 2"):
        re_estimated(plain, frames(1))
