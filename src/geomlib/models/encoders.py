"""Small convolutional encoders, sized for one CPU core."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from geomlib.checks import at_least


def small_cnn(*, in_channels: int, num_features: int, seed: int) -> nn.Sequential:
    """Encoder of images into ``num_features`` non-negative features, seeded.

    Three convolutions of stride 2 with ReLU, then the mean over positions. The global
    random state is left as it was.

    Args:
        in_channels: Channels of the images.
        num_features: Width of the last layer; the two before it have a quarter and half.
        seed: Seed of the initial weights (PyTorch's default initialisation).

    Raises:
        ValueError: If ``num_features`` is below 4.
    """
    at_least("num_features", num_features, 4)
    widths = (in_channels, num_features // 4, num_features // 2, num_features)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp_head(
    *widths: int, seed: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Projection head of linear layers with an activation between them, seeded.

    Args:
        widths: Width of the representation, of each hidden layer, of the embedding.
        seed: Seed of the initial weights (PyTorch's default initialisation).
        activation: Makes what stands after each hidden layer: ``nn.SiLU``, say.

    Raises:
        ValueError: If there are fewer than two widths.
    """
    at_least("number of widths", len(widths), 2)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), activation()]
    return nn.Sequential(*layers[:-1])
