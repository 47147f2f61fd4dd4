"""Encoders that predict a point and two quantiles of each output, by three heads."""

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet50

from geomlib.checks import at_least


class Quantiles(NamedTuple):
    """Predictions of each output, one row per image.

    Attributes:
        lower: Predicted lower quantile.
        point: Predicted point.
        upper: Predicted upper quantile. Nothing orders the three.
    """

    lower: Float[Tensor, "n d"]
    point: Float[Tensor, "n d"]
    upper: Float[Tensor, "n d"]


class QuantileEncoder(nn.Module):
    """A backbone that gives a map of features, and three heads on it.

    Each head is a 1x1 convolution to as many channels as there are outputs, a leaky ReLU
    of slope 0.2, and the mean over positions. The heads share no weight and nothing orders
    them: an interval takes ``max(upper - point, 0)`` for its side, as
    ``geomlib.conformal.intervals`` does.

    Args:
        backbone: Maps images to features with ``num_features`` channels.
        num_features: Channels of the map.
        num_outputs: Outputs that are predicted; 9088 styles at 1024 pixels.
        seed: Of the heads' initial weights (PyTorch's default initialisation). The global
            random state is left as it was.

    Raises:
        ValueError: If a count is below 1.

    Source: Sankaranarayanan et al. 2022 (arXiv:2207.10074), heads as in their code.
    """

    def __init__(
        self, backbone: nn.Module, *, num_features: int, num_outputs: int, seed: int
    ) -> None:
        super().__init__()
        at_least("num_features", num_features, 1)
        at_least("num_outputs", num_outputs, 1)
        self.backbone = backbone
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.lower, self.point, self.upper = (
                nn.Sequential(
                    nn.Conv2d(num_features, num_outputs, 1),
                    nn.LeakyReLU(0.2),
                    nn.AdaptiveAvgPool2d(1),
                    nn.Flatten(),
                )
                for _ in range(3)
            )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Quantiles:
        """Predictions for each image."""
        features = self.backbone(images)
        return Quantiles(self.lower(features), self.point(features), self.upper(features))


def resnet50_map(*, num_features: int = 512, seed: int) -> nn.Sequential:
    """ResNet-50 without pooling and classifier, its 2048 channels mixed down to 512.

    The map has a 32nd of the image's side: 512 x 4 x 4 for 128 pixels, 8 x 8 for 256. The
    published code has another one of 50 layers, made for faces, that gives 512 x 16 x 16
    for 256 pixels; the 1x1 convolution here is what brings ResNet-50 to 512 channels.

    Args:
        num_features: Channels of the map.
        seed: Of the initial weights (torchvision's initialisation). The global random
            state is left as it was.

    Source: He et al. 2016 (arXiv:1512.03385), as torchvision has it.
    """
    at_least("num_features", num_features, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = cast(Any, resnet50())
        mix = nn.Conv2d(2048, num_features, 1)
    stem = (network.conv1, network.bn1, network.relu, network.maxpool)
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    return nn.Sequential(*stem, *stages, mix)


def small_map(*, in_channels: int, seed: int) -> nn.Sequential:
    """Three residual blocks of 16, 32 and 64 channels, each but the first at half the side.

    A map of 64 x 4 x 4 for images of 16 pixels.

    Args:
        in_channels: Channels of the images.
        seed: Of the initial weights (PyTorch's default initialisation). The global random
            state is left as it was.
    """
    at_least("in_channels", in_channels, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(in_channels, 16, 3, padding=1),
            ResidualBlock(16, 16, stride=1),
            ResidualBlock(16, 32, stride=2),
            ResidualBlock(32, 64, stride=2),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with leaky ReLU, added to what comes in.

    Args:
        num_inputs: Input channels.
        num_outputs: Output channels.
        stride: 2 halves the side.
    """

    def __init__(self, num_inputs: int, num_outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_inputs, num_outputs, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(num_outputs, num_outputs, 3, padding=1)
        same = num_inputs == num_outputs and stride == 1
        self.skip = (
            nn.Identity() if same else nn.Conv2d(num_inputs, num_outputs, 1, stride=stride)
        )

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o hh ww"]:
        """Feature maps of the next block."""
        y = self.second(F.leaky_relu(self.first(x), 0.2))
        return F.leaky_relu(self.skip(x) + y, 0.2)
