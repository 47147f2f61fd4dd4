"""Torchvision's networks without their classifiers."""

import pytest
import torch

from geomlib.models.backbones import backbone


@pytest.mark.parametrize(("name", "width"), [("resnet50", 2048), ("vit_b_16", 768)])
def test_a_backbone_gives_its_last_representation(name, width):
    network = backbone(name, pretrained=False)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert network(torch.zeros(1, 3, 224, 224)).shape == (1, width)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="name must be one of resnet50, vit_b_16, got 'al"):
        backbone("alexnet")
