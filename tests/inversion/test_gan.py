"""The small GAN: sizes by counting, the penalty by hand, training by its first steps."""

import pytest
import torch
from torch import nn

from geomlib.inversion.gan import (
    critic,
    digit_generator,
    digit_images,
    gradient_penalty,
    trained_generator,
)


def test_digits_are_all_there_at_twice_their_side():
    images = digit_images()
    assert images.shape == (1797, 1, 16, 16)
    assert -1 <= images.min() < -0.99
    assert 0.99 < images.max() <= 1
    assert not images.requires_grad


def test_the_generator_has_128_styles():
    generator = digit_generator(0)
    assert generator.synthesis.num_styles == 128
    assert sum(p.numel() for p in generator.parameters()) == 15_176
    assert critic(width=4, seed=0)(generator(torch.randn(2, 16))).shape == (2, 1)


def test_penalty_of_a_linear_score_is_its_squared_length():
    images = torch.randn(5, 1, 4, 4, requires_grad=True)
    score = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    found = gradient_penalty(score(images), images)
    torch.testing.assert_close(found, score[1].weight.square().sum())
    found.backward()
    torch.testing.assert_close(score[1].weight.grad, 2 * score[1].weight)


def test_training_lasts_and_its_seed_decides_it(tmp_path):
    images = digit_images()[:64]
    settings = {"num_steps": 5, "batch_size": 8, "width": 4}
    z = torch.randn(3, 16)
    first = trained_generator(images, seed=0, **settings, path=tmp_path / "gan.npz")
    again = trained_generator(images, seed=0, **settings)
    kept = trained_generator(images, seed=0, **settings, path=tmp_path / "gan.npz")
    other = trained_generator(images, seed=1, **settings)
    for same in (again, kept):
        assert torch.equal(first(z), same(z))
        assert torch.equal(first.mapping.w_avg, same.mapping.w_avg)
    assert not torch.equal(first(z), other(z))
    assert not torch.equal(first(z), digit_generator(0)(z))
    assert not any(p.requires_grad for p in first.parameters())


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="penalty_every must be at least 1"):
        trained_generator(digit_images()[:4], seed=0, num_steps=1, penalty_every=0)
    with pytest.raises(ValueError, match="width must be at least 1"):
        critic(width=0, seed=0)
