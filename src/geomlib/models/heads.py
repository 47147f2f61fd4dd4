"""Projection heads by their depth: none, affine, or with hidden layers."""

from collections.abc import Callable

import torch
from torch import nn

from geomlib.checks import at_least


def head_of_depth(
    depth: int,
    *,
    num_inputs: int,
    width: int,
    num_outputs: int,
    seed: int,
    activation: Callable[[], nn.Module] = nn.SiLU,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Head with ``depth`` affine layers and an activation between them, seeded.

    The global random state is left as it was.

    Args:
        depth: 0 is no head at all (the output is the input, ``num_outputs`` is not
            used), 1 an affine map, 2 has one hidden layer, and so on.
        num_inputs: Width of the representation.
        width: Width of every hidden layer.
        num_outputs: Width of the embedding.
        seed: Seed of the initial weights (PyTorch's default initialisation).
        activation: Makes what stands after each hidden layer.
        batch_norm: Normalise each hidden layer over the batch, before the activation.
            In training mode such a head mixes samples and has no metric per sample.

    Raises:
        ValueError: If ``depth`` is negative or a width is below 1.

    >>> [len(head_of_depth(depth, num_inputs=2, width=8, num_outputs=4, seed=0))
    ...  for depth in range(4)]
    [0, 1, 3, 5]
    """
    at_least("depth", depth, 0)
    for name, size in (
        ("num_inputs", num_inputs),
        ("width", width),
        ("num_outputs", num_outputs),
    ):
        at_least(name, size, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        narrow = num_inputs
        for _ in range(depth - 1):
            layers.append(nn.Linear(narrow, width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(activation())
            narrow = width
        if depth:
            layers.append(nn.Linear(narrow, num_outputs))
    return nn.Sequential(*layers)
