"""Losses and equilibria that several files of tests look at, each made once."""

from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import Tensor

from geomlib import losses
from geomlib.collapse.activations import activation
from geomlib.collapse.gated import gated_equilibrium
from geomlib.collapse.mirrored import mirror
from geomlib.collapse.network import Network
from geomlib.collapse.reduced import reduced_equilibrium
from geomlib.collapse.views import patterned_views, skewed_views

LOSSES = {
    "info_nce": partial(losses.info_nce, temperature=1.0, critic="dot"),
    "vicreg": partial(
        losses.vicreg, invariance=25.0, variance=25.0, covariance=1.0, hinge="squared"
    ),
}


def weights_on_u(network: Network, seed: int) -> Tensor:
    size = len(network.parameters["biases"])
    return torch.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, size))


@cache
def reduced(name: str, loss: str, seed: int) -> Network:
    """Smooth heads with the ridge, linear ones without: they are saturated then."""
    return reduced_equilibrium(
        skewed_views(seed=seed),
        LOSSES[loss],
        activation(name),
        ridge=0.0 if name == "linear" else 1e-3,
        seed=seed,
    )


@cache
def gated(leak: float, loss: str, seed: int, margin: float = 0.5) -> Network:
    views = patterned_views(seed=seed)
    return gated_equilibrium(views, LOSSES[loss], leak=leak, margin=margin, seed=seed)


def collapsed(network: Network, seed: int) -> Network:
    return mirror(network, weights_on_u(network, seed))


def unit(size: int, seed: int = 0) -> Tensor:
    v = torch.tensor(np.random.default_rng(seed).normal(size=size))
    return v / v.norm()


each_loss = pytest.mark.parametrize("loss", LOSSES)
