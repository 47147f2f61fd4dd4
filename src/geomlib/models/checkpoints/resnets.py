"""VICReg and Barlow Twins: full checkpoints of a ResNet-50 with its projector."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn
from torchvision.models import ResNet, resnet50

from geomlib.models.checkpoints import layers, reading
from geomlib.models.checkpoints.pretrained import Pretrained, pretrained


def vicreg(path: Path, *, backbone: Callable[[], ResNet] = resnet50) -> Pretrained:
    """ResNet-50 and projector of VICReg, from ``resnet50_fullckpt.pth``.

    Args:
        path: The file.
        backbone: Makes the network that its weights are of.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds code, is another model's, has no head,
            or a head of another width.

    Source: Bardes et al. 2022 (arXiv:2105.04906), checkpoint of
    github.com/facebookresearch/vicreg.
    """
    return _loaded("VICReg ResNet-50", path, backbone)


def barlow_twins(path: Path, *, backbone: Callable[[], ResNet] = resnet50) -> Pretrained:
    """ResNet-50 and projector of Barlow Twins, from ``checkpoint.pth``.

    The batch norm after the projector, without weights of its own, belongs to the loss,
    and is left out.

    Args:
        path: The file.
        backbone: Makes the network that its weights are of.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds code, is another model's, has no head,
            or a head of another width.

    Source: Zbontar et al. 2021 (arXiv:2103.03230), checkpoint of
    github.com/facebookresearch/barlowtwins.
    """
    return _loaded("Barlow Twins ResNet-50", path, backbone)


def headless(
    backbone: Callable[[], ResNet], weights: Mapping[str, Tensor], path: Path
) -> tuple[ResNet, int]:
    """A ResNet without its classifier, its weights below ``backbone.``, and its width.

    Raises:
        ValueError: If the weights are not those of such a network.
    """
    network = backbone()
    width = network.fc.in_features
    network.register_module("fc", nn.Identity())
    reading.fill(network, reading.below(weights, "backbone.", path), f"backbone of {path}")
    return network, width


def _loaded(name: str, path: Path, backbone: Callable[[], ResNet]) -> Pretrained:
    # Both optimisers name this function of the authors' script. It is not needed, and
    # what takes its place does nothing.
    stand_in = (_nothing, "__main__.exclude_bias_and_norm")
    weights = reading.part(reading.contents(path, allowed=[stand_in]), "model", path)
    network, width = headless(backbone, weights, path)
    head = layers.stacked(
        reading.below(weights, "projector.", path),
        nn.ReLU,
        num_inputs=width,
        what=f"head of {path}",
    )
    return pretrained(name, network, head)


def _nothing(*_: object) -> None:
    """Stand-in for a function that an optimiser's state names."""
