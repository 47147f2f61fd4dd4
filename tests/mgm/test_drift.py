import pytest
import torch
from torch import nn

from geomlib.losses import info_nce
from geomlib.mgm.cosines import mean_cosine
from geomlib.mgm.drift import cosine_drift
from geomlib.models.encoders import mlp_head, small_cnn

IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def drift(num_steps: int = 5, every: int = 2, norm=None):
    encoder = small_cnn(in_channels=3, num_features=16, seed=0, norm=norm)
    found = cosine_drift(
        encoder, mlp_head(16, 8, seed=0), IMAGES, IMAGES[:10],
        lambda a, b: info_nce(a, b, temperature=0.5),
        num_steps=num_steps, every=every, batch_size=8, learning_rate=1e-2, seed=0,
    )  # fmt: skip
    return encoder, found


def test_steps_and_start():
    _, found = drift()
    assert found.steps.tolist() == [0, 2, 4, 5]
    assert (found.alike > found.different).all()
    assert (found.different_centred.abs() < 0.2).all()
    assert (found.alike[0] != found.alike[-1]).item()


def test_watching_changes_nothing():
    often, seldom = drift(every=1, norm=nn.BatchNorm2d), drift(every=5, norm=nn.BatchNorm2d)
    for a, b in zip(
        often[0].state_dict().values(), seldom[0].state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    assert often[1].different[-1] == seldom[1].different[-1]


def test_end_is_the_network_that_comes_out():
    encoder, found = drift(num_steps=1, every=1)
    # One view of the watched images has other cosines than the images, but not by much.
    now = mean_cosine(encoder(IMAGES[:10]).detach())
    assert float(found.different[-1]) == pytest.approx(float(now), abs=0.1)


def test_bad_inputs():
    with pytest.raises(ValueError, match="every must be at least 1"):
        drift(every=0)
