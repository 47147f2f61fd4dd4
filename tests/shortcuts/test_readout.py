"""A last layer trained again, against the optimality of logistic regression."""

import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.optimize import minimize
from torch import nn

from geomlib.shortcuts.readout import in_batches, linear_readout


def clouds(scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    noise = torch.randn(60, 3, generator=draw)
    return (noise + labels[:, None] * torch.tensor([1.0, 0, 0])) * torch.tensor(
        [scale, 1, 1]
    ), labels


def test_predictions_are_those_of_the_minimum_that_scipy_finds():
    x, labels = clouds()
    standard = ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()
    signs = (2 * labels - 1).double().numpy()

    def objective(w):
        margin = signs * (standard @ w[:3] + w[3])
        return (
            torch.from_numpy(-margin).exp().log1p().sum().item()
            + 0.7 * (w[:3] ** 2).sum() / 2
        )

    best = minimize(objective, [0.0] * 4).x
    expected = torch.from_numpy(standard @ best[:3] + best[3] > 0).long()
    assert torch.equal(linear_readout(x, labels, x, penalty=0.7), expected)


def test_only_a_standardised_probe_sees_a_direction_of_little_variance():
    x, labels = clouds(scale=1e-4)
    plain = linear_readout(x, labels, x, standardised=False)
    standard = linear_readout(x, labels, x)
    assert (standard == labels).sum() > (plain == labels).sum() + 3
    assert torch.equal(standard, linear_readout(clouds()[0], labels, clouds()[0]))


def test_batches_make_no_difference():
    network, images = nn.Linear(3, 2), torch.rand(10, 3)
    found = in_batches(network, images, 3)
    torch.testing.assert_close(found, network(images))
    assert not found.requires_grad


def test_bad_arguments_are_refused():
    x, labels = clouds()
    # Shapes that differ are caught by the types here, by the function elsewhere.
    with pytest.raises((ValueError, TypeCheckError), match=r"one width|features"):
        linear_readout(x, labels, x[:, :2])
    with pytest.raises(ValueError, match="penalty must be a finite number above 0"):
        linear_readout(x, labels, x, penalty=0.0)
    with pytest.raises(ValueError, match="features must be finite, got 180 bad"):
        linear_readout(x, labels, x / 0)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        in_batches(nn.Identity(), x, 0)
