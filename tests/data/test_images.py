import dataclasses

import pytest
import torch

from geomlib.data.images import LabelledImages


def test_length_is_the_number_of_images():
    assert len(LabelledImages(torch.zeros(3, 1, 2, 2), torch.zeros(3).long(), ("a",))) == 3


def test_fields_cannot_be_replaced():
    images = LabelledImages(torch.zeros(3, 1, 2, 2), torch.zeros(3).long(), ("a",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        images.labels = torch.ones(3).long()  # pyright: ignore
