"""Training encoder and head together: seeds, depths, and features at variance one."""

from functools import partial

import numpy as np
import pytest
import torch

from geomlib import losses
from geomlib.data.digits import digits
from geomlib.data.poses import Strength
from geomlib.invariance.joint import train_joint, untrained

IMAGES = digits("validation").images[:64]
train = partial(
    train_joint,
    IMAGES,
    partial(losses.info_nce, temperature=0.2),
    strength=Strength(rotation=30.0, shift=0.1, brightness=0.4),
    num_steps=5,
    num_features=8,
    num_outputs=4,
    width=16,
    batch_size=16,
)


def test_without_a_head_both_spaces_are_one():
    pair = train(depth=0, seed=0)
    h, z = (space(IMAGES) for space in pair.spaces.values())
    assert torch.equal(h, z)
    assert h.shape == (64, 8)


@pytest.mark.parametrize(("depth", "num_layers"), [(1, 1), (2, 2), (3, 3)])
def test_depth_counts_the_affine_layers_of_the_head(depth, num_layers):
    pair = train(depth=depth, seed=0)
    layers = [part for part in pair.head.modules() if isinstance(part, torch.nn.Linear)]
    assert len(layers) == num_layers
    z = pair.spaces["z"](IMAGES)
    assert torch.equal(z, pair.head(pair.encoder(IMAGES)))
    assert z.shape == (64, 4)
    assert not z.requires_grad


def test_the_seed_decides_all_and_the_padding_matters():
    state = torch.get_rng_state()
    first, again, other = (train(depth=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    reflected = train(depth=2, seed=0, padding="reflection")
    z, same, different, third = (
        pair.spaces["z"](IMAGES) for pair in (first, again, other, reflected)
    )
    assert torch.equal(z, same)
    assert not torch.isclose(z, different).all()
    assert not torch.isclose(z, third).all()


def test_training_makes_views_agree_better():
    few, many = (train(depth=2, seed=0, num_steps=steps) for steps in (1, 150))
    turned = IMAGES.roll(1, dims=-1)

    def disagreement(encoder) -> float:
        z = encoder(IMAGES)
        return float((z - encoder(turned)).square().sum() / (z - z.mean(0)).square().sum())

    assert disagreement(many.spaces["z"]) < 0.7 * disagreement(few.spaces["z"])


def test_an_untrained_encoder_has_variance_one_and_is_not_whitened():
    h = untrained(IMAGES, num_features=8, seed=0).encoder(IMAGES).double().numpy()
    np.testing.assert_allclose(h.mean(0), 0, atol=1e-5)
    assert h.var(0, ddof=1).mean() == pytest.approx(1, abs=1e-5)
    values = np.linalg.eigvalsh(np.cov(h.T))
    assert values[-1] > 5 * values[0]
