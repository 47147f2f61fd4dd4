"""A backbone with the head that it was trained under."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Pretrained:
    """A published model, both parts in evaluation mode.

    Attributes:
        name: Method and architecture, for figures.
        backbone: Map of images to representations. It takes what the original took: 224
            pixels square, normalised by ImageNet's mean and deviation.
        head: Map of representations to embeddings.
    """

    name: str
    backbone: nn.Module
    head: nn.Module


def pretrained(name: str, backbone: nn.Module, head: nn.Module) -> Pretrained:
    """Both parts in evaluation mode, with no gradients kept."""
    for part in (backbone, head):
        part.eval().requires_grad_(False)
    return Pretrained(name, backbone, head)
