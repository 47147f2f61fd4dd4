"""ResNet-18 for images of 32x32 pixels, with any norm."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torchvision.models import resnet18


def small_resnet18(
    *, norm: Callable[[int], nn.Module] = nn.BatchNorm2d, seed: int
) -> nn.Module:
    """Encoder of small colour images into 512 non-negative features, seeded.

    The first convolution is 3x3 with stride 1 and there is no pooling after it, so that
    32x32 pixels reach the first block. The global random state is left as it was.

    Args:
        norm: Makes what stands after each convolution from the number of channels.
        seed: Seed of the initial weights (torchvision's initialisation).

    Source: He et al. 2016 (arXiv:1512.03385) as torchvision has it; the stem is that of
    Chen et al. 2020 (arXiv:2002.05709) for CIFAR-10.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = cast(Any, resnet18(norm_layer=norm))
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool, network.fc = nn.Identity(), nn.Identity()
    return cast(nn.Module, network)
