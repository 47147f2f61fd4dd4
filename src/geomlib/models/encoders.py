"""Small convolutional encoders, sized for one CPU core."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from geomlib.checks import at_least


def small_cnn(
    *,
    in_channels: int,
    num_features: int,
    seed: int,
    norm: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    """Encoder of images into ``num_features`` non-negative features, seeded.

    Three convolutions of stride 2 with ReLU, then the mean over positions. The global
    random state is left as it was.

    Args:
        in_channels: Channels of the images.
        num_features: Width of the last layer; the two before it have a quarter and half.
        seed: Seed of the initial weights (PyTorch's default initialisation).
        norm: Makes what stands before each ReLU from the number of channels:
            ``nn.BatchNorm2d``, say. None for nothing.

    Raises:
        ValueError: If ``num_features`` is below 4.
    """
    at_least("num_features", num_features, 4)
    widths = (in_channels, num_features // 4, num_features // 2, num_features)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers.append(nn.Conv2d(narrow, wide, 3, stride=2, padding=1))
            layers += ([] if norm is None else [norm(wide)]) + [nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def flat_cnn(*, in_channels: int, side: int, num_features: int, seed: int) -> nn.Sequential:
    """Encoder of square images that keeps where things are, seeded.

    Two convolutions with ReLU down to 32 channels of 4x4 positions, then one linear layer
    of them all, so features have either sign and no mean over positions hides a shift.
    The global random state is left as it was.

    Args:
        in_channels: Channels of the images.
        side: Of the images in pixels, a multiple of 8.
        num_features: Width of the last layer.
        seed: Seed of the initial weights (PyTorch's default initialisation).

    Raises:
        ValueError: If ``side`` is no positive multiple of 8 or there is no feature.
    """
    at_least("num_features", num_features, 1)
    if side < 8 or side % 8:
        raise ValueError(f"side must be a positive multiple of 8, got {side}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            # A window as wide as its stride, or wider, so that no pixel is left out.
            nn.Conv2d(in_channels, 16, max(3, side // 8), stride=side // 8, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, num_features),
        )


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
