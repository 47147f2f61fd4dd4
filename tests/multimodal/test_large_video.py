"""A live signal, TorchVision's window over the whole field, its units, refusals."""

import pytest
import torch
from torch import nn
from torchvision.models.video import S3D_Weights

from geomlib.multimodal.large_video import (
    kinetics_units,
    large_video_network,
)


def drawn(side: int, num: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num, 3, 14, side, side, generator=generator)


@torch.no_grad()
def test_small_videos_get_scores_that_differ():
    network = large_video_network(pretrained=False, num_classes=7)
    scores = network(drawn(32, 3))
    assert scores.shape == (3, 7)
    assert scores.std(0).min() > 1e-4
    assert scores.std(1).min() > 0.1
    again = large_video_network(pretrained=False, num_classes=7)
    other = large_video_network(pretrained=False, num_classes=7, seed=1)
    assert torch.equal(again(drawn(32, 3)), scores)
    assert not torch.allclose(other(drawn(32, 3)), scores)


@torch.no_grad()
def test_the_mean_after_the_classifier_is_torchvisions_window():
    network = large_video_network(pretrained=False, num_classes=5)
    # 64 pixels become 2 positions each way, as 224 become 7.
    found = network(drawn(64))
    network.avgpool = nn.AvgPool3d((2, 2, 2), stride=1)
    torch.testing.assert_close(network(drawn(64)), found, rtol=1e-4, atol=1e-4)


def test_units_are_those_of_torchvisions_weights():
    preset = S3D_Weights.KINETICS400_V1.transforms()
    video = drawn(256)
    wanted = preset(video[0].transpose(0, 1))  # [t c h w]
    left = (256 - wanted.shape[-1]) // 2
    found = kinetics_units(video)[0, :, :, left:-left, left:-left]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_refusals():
    with pytest.raises(ValueError, match="num_classes must be 400 if pretrained, got 9"):
        large_video_network(num_classes=9)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        large_video_network(pretrained=False, num_classes=0)
