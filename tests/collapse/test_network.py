"""Embeddings against loops, many networks at once against one by one."""

import math

import numpy as np
import pytest
import torch
from equilibria import LOSSES, each_loss

from geomlib.collapse.activations import activation
from geomlib.collapse.network import loss_gradient, random_network
from geomlib.collapse.views import skewed_views


def network(loss: str = "info_nce", seed: int = 0):
    sizes = {"width": 3, "num_units": 5, "num_outputs": 2}
    views = skewed_views(num_samples=7, seed=1)
    return random_network(views, LOSSES[loss], activation("tanh"), seed=seed, **sizes)


def test_embeddings_are_the_formula():
    net = network()
    p = {name: tensor.numpy() for name, tensor in net.parameters.items()}
    z = net.embeddings(net.parameters)
    for view in range(2):
        for i in range(7):
            h = p["backbone"] @ net.views[view, i].numpy()
            expected = p["offset"].copy()
            for j in range(5):
                s = p["weights"][j] @ h + p["biases"][j]
                expected += p["outputs"][:, j] * math.tanh(s)
            np.testing.assert_allclose(z[view, i], expected, atol=1e-14)


def test_leading_dimensions_are_networks_of_their_own():
    nets = [network(seed=seed) for seed in range(3)]
    stacked = {
        n: torch.stack([net.parameters[n] for net in nets]) for n in nets[0].parameters
    }
    expected = torch.stack([net.embeddings(net.parameters) for net in nets])
    np.testing.assert_allclose(nets[0].embeddings(stacked), expected, atol=1e-15)


@each_loss
def test_loss_gradient_is_a_difference(loss):
    net = network(loss)
    z = net.embeddings(net.parameters)
    G, h = loss_gradient(net), 1e-5
    for index in np.ndindex(*z.shape):
        e = torch.zeros_like(z)
        e[index] = h
        difference = (net.loss(*(z + e)) - net.loss(*(z - e))) / (2 * h)
        assert G[index].item() == pytest.approx(difference.item(), abs=1e-8)


def test_refuses_a_size_of_zero():
    with pytest.raises(ValueError, match="num_units must be at least 1, got 0"):
        random_network(
            skewed_views(seed=0),
            LOSSES["vicreg"],
            activation("tanh"),
            width=2,
            num_units=0,
            num_outputs=2,
            seed=0,
        )
