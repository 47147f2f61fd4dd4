"""Torchvision's networks without their classifiers."""

from torch import nn
from torchvision.models import (
    ResNet,
    VisionTransformer,
    get_model,
    get_model_weights,
)

from geomlib.checks import one_of
from geomlib.models.published_weights import load_published

NAMES = ("resnet50", "vit_b_16")


def backbone(name: str, *, pretrained: bool = True) -> nn.Module:
    """ResNet-50 or ViT-B/16 that gives its last representation, in evaluation mode.

    Args:
        name: ``resnet50`` (2048 numbers an image) or ``vit_b_16`` (768).
        pretrained: With torchvision's best weights, trained with labels on ImageNet;
            downloaded as ``load_published`` says. Else random.

    Raises:
        ValueError: If ``name`` is neither.

    Source: He et al. 2016 (arXiv:1512.03385); Dosovitskiy et al. 2021
    (arXiv:2010.11929).
    """
    one_of("name", name, NAMES)
    network = get_model(name, weights=None)
    if pretrained:
        load_published(network, get_model_weights(name)["DEFAULT"])
    if isinstance(network, ResNet):
        network.register_module("fc", nn.Identity())
    elif isinstance(network, VisionTransformer):
        network.heads = nn.Sequential()
    return network.eval().requires_grad_(False)
