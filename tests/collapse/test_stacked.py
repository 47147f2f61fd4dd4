"""Stacked networks against torch's own modules, one by one."""

import pytest
import torch
from torch import nn

from geomlib.collapse.activations import activation
from geomlib.collapse.stacked import (
    Head,
    effective_ranks,
    embeddings,
    jacobian_norm,
    representations,
)
from geomlib.collapse.training_start import collapsed_start
from geomlib.rank import effective_rank

SEEDS = [0, 1]
VIEWS = torch.randn(2, 2, 20, 10, generator=torch.Generator().manual_seed(0)).double()


def start(**options):
    sizes = {"num_features": 12, "width": 6, "num_units": 8, "num_outputs": 5}
    return collapsed_start(VIEWS, seeds=SEEDS, **{"mirrored": False, **sizes, **options})


def modules(parameters, index, batch_norm):
    """The same network in torch's own layers, with Swish."""
    p = {name: x[index] for name, x in parameters.items()}
    encoder = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 6, bias=False))
    norm = nn.BatchNorm1d(8) if batch_norm else nn.Identity()
    head = nn.Sequential(nn.Linear(6, 8), norm, nn.SiLU(), nn.Linear(8, 5))
    values = [(encoder[0].weight, p["features"]), (encoder[0].bias, p["thresholds"])]
    values += [(encoder[2].weight, p["backbone"]), (head[0].weight, p["weights"])]
    values += [(head[3].weight, p["outputs"]), (head[3].bias, p["offset"])]
    if batch_norm:
        zero = torch.zeros(8)
        values += [
            (norm.bias, p["biases"]),
            (norm.weight, p["gains"]),
            (head[0].bias, zero),
        ]
    else:
        values.append((head[0].bias, p["biases"]))
    encoder, head = encoder.double(), head.double()
    for parameter, value in values:
        parameter.data = value.double()
    return encoder, head


@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_are_those_of_torchs_modules(batch_norm):
    at = start()
    at["gains"] = at["gains"] + 0.3
    h = representations(at, VIEWS)
    z = embeddings(at, h, Head(activation("swish"), batch_norm))
    for index in range(2):
        encoder, head = modules(at, index, batch_norm)
        for view in range(2):
            expected = encoder(VIEWS[index, view])
            torch.testing.assert_close(h[index, view], expected)
            torch.testing.assert_close(z[index, view], head(expected))


def test_ranks_are_of_both_views_together():
    at, head = start(), Head(activation("relu"))
    h = representations(at, VIEWS)
    found = effective_ranks(at, VIEWS, head)
    assert found.shape == (2, 2)
    expected = effective_rank(torch.cat([h[1, 0], h[1, 1]]))
    assert found[1, 0].item() == pytest.approx(expected.item(), rel=1e-12)


def test_jacobian_of_a_linear_head_is_by_hand():
    at, h = start(), torch.randn(2, 2, 4, 6).double()
    column = torch.einsum("qkm,qm->qk", at["outputs"], at["weights"][..., -1])
    # Each of 2 x 4 samples moves its own embedding by the column.
    expected = (8 * column.square().sum()).sqrt()
    found = jacobian_norm(at, h, Head(activation("linear")))
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_batch_norm_makes_the_jacobian_grow_as_one_over_the_deviation():
    at, h = start(), torch.randn(2, 2, 16, 6).double()
    head = Head(activation("relu"), batch_norm=True)
    near, far = (jacobian_norm(at, std * h, head) for std in (0.1, 1.0))
    assert near / far == pytest.approx(10, rel=0.02)
    assert head.name == "ReLU + BN"
