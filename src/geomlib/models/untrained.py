"""Networks at random initialisation, as their reference implementations draw it."""

from typing import Any, cast

import torch
from torch import nn
from torchvision.models import VisionTransformer, resnet18, resnet50

from geomlib.checks import one_of

# Patches a side, width, layers, heads, width of the perceptrons.
_TRANSFORMERS = {
    "ViT-Ti": (8, 192, 12, 3, 768),
    "ViT-S": (8, 384, 12, 6, 1536),
    "ViT-B": (14, 768, 12, 12, 3072),
}
_RESNETS = {"ResNet-18": resnet18, "ResNet-50": resnet50}
NAMES = (*_RESNETS, *_TRANSFORMERS)


def untrained(name: str, *, side: int, seed: int) -> nn.Module:
    """Network without its classifier, with torchvision's random weights, seeded.

    The transformers divide the image into 8x8 patches (ViT-B: 14x14), whatever its size.
    The global random state is left as it was.

    Args:
        name: ``ResNet-18``, ``ResNet-50``, ``ViT-Ti``, ``ViT-S`` or ``ViT-B``.
        side: Of the images in pixels; a multiple of the number of patches.
        seed: Seed of the weights.

    Raises:
        ValueError: If the name is none of these or ``side`` is no such multiple.

    Source: He et al. 2016 (arXiv:1512.03385), Dosovitskiy et al. 2021 (arXiv:2010.11929)
    and Touvron et al. 2021 (arXiv:2012.12877) for the sizes Ti and S; weights as
    torchvision draws them.
    """
    one_of("name", name, NAMES)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if name in _RESNETS:
            network = cast(Any, _RESNETS[name]())
            network.fc = nn.Identity()
            return cast(nn.Module, network.eval())
        num_patches, width, depth, num_heads, hidden = _TRANSFORMERS[name]
        if side < num_patches or side % num_patches:
            raise ValueError(
                f"side must be a multiple of {num_patches} for {name}, got {side}."
            )
        return _transformer(side, side // num_patches, width, depth, num_heads, hidden)


def small_transformer(*, side: int, seed: int) -> nn.Module:
    """Transformer of 4 layers, 64 wide, on 4x4 patches of an image, seeded.

    Args:
        side: Of the images in pixels; a multiple of 4.
        seed: Seed of the weights, as torchvision draws them.

    Raises:
        ValueError: If ``side`` is no positive multiple of 4.
    """
    if side < 4 or side % 4:
        raise ValueError(f"side must be a positive multiple of 4, got {side}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _transformer(side, side // 4, 64, 4, 4, 128)


def _transformer(
    side: int, patch: int, width: int, depth: int, num_heads: int, hidden: int
) -> nn.Module:
    """Torchvision's transformer without classifier, in evaluation mode."""
    network = VisionTransformer(
        image_size=side,
        patch_size=patch,
        num_layers=depth,
        num_heads=num_heads,
        hidden_dim=width,
        mlp_dim=hidden,
    )
    network.heads = nn.Sequential()
    return network.eval()
