"""Banks of features: order and batches."""

import pytest
import torch

from geomlib.models.encoders import small_cnn
from geomlib.simsiam.bank import feature_bank, random_backbone


def test_views_and_images_keep_their_places():
    images = torch.arange(24.0).reshape(6, 1, 2, 2)
    drawn = iter([0.0, 100.0, 200.0])
    bank = feature_bank(
        images, lambda x: x.flatten(1), lambda x: x + next(drawn), num_views=3, batch_size=4
    )
    for view, shift in enumerate((0.0, 100.0, 200.0)):
        torch.testing.assert_close(bank[:, view], images.flatten(1) + shift)


def test_a_backbone_may_see_all_images_or_a_part():
    images = torch.arange(4.0).reshape(4, 1, 1, 1)

    def mean(x):
        return x.mean(0, keepdim=True).expand_as(x).flatten(1)

    for size, expected in ((None, [1.5] * 4), (2, [0.5, 0.5, 2.5, 2.5])):
        bank = feature_bank(images, mean, lambda x: x, num_views=1, batch_size=size)
        assert bank[:, 0, 0].tolist() == expected


def test_batch_norm_of_the_batch_stands_before_each_relu():
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    backbone = random_backbone(in_channels=3, num_features=16, seed=5).eval()
    plain = small_cnn(in_channels=3, num_features=16, seed=5)
    torch.testing.assert_close(backbone[0](images), plain[0](images))
    after = backbone[:2](images)
    torch.testing.assert_close(after.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    assert backbone(images).shape == (8, 16)


def test_bad_inputs_are_refused():
    images = torch.zeros(2, 1, 4, 4)
    with pytest.raises(ValueError, match="num_views must be at least 1"):
        feature_bank(images, lambda x: x.flatten(1), lambda x: x, num_views=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        feature_bank(images, lambda x: x.flatten(1), lambda x: x, num_views=1, batch_size=0)
    with pytest.raises(ValueError, match="num_features must be at least 4"):
        random_backbone(in_channels=1, num_features=2, seed=0)
