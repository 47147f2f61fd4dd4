"""Stacked heads, against torch.nn modules run by run."""

import pytest
import torch
from torch import nn

from geomlib.simsiam.heads import Head, head_outputs, initial_heads

MODULES = {"linear": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}
SIZES = {"width": 8, "bottleneck": 4}


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def twin(parameters, run, name, units, head):
    """The same map by torch.nn, with what stands behind it."""
    weights = parameters[name][run]
    linear = nn.Linear(weights.shape[1], weights.shape[0], bias=False).double()
    linear.weight.data = weights
    layers = [linear]
    if head.batch_norm:
        norm = nn.BatchNorm1d(units).double()
        norm.weight.data = parameters[f"{name}_gain"][run]
        norm.bias.data = parameters[f"{name}_shift"][run]
        layers.append(norm)
    if name.endswith("_in"):
        layers.append(MODULES[head.activation]())
    return nn.Sequential(*layers)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", MODULES)
def test_every_run_is_what_torch_computes(activation, batch_norm):
    head = Head(activation, batch_norm)
    parameters = initial_heads(
        6, **SIZES, generators=generators(0, 1, 2), batch_norm=True, dtype=torch.float64
    )
    draw = torch.Generator().manual_seed(9)
    for name in parameters:  # gains and shifts that are not 1 and 0
        noise = torch.randn(parameters[name].shape, generator=draw, dtype=torch.float64)
        parameters[name] = parameters[name] + 0.1 * noise
    h = torch.randn(3, 2, 10, 6, generator=draw, dtype=torch.float64)
    p, z = head_outputs(parameters, h, head)
    for run in range(3):
        for view in range(2):
            x = h[run, view]
            for name, units in (("projector_in", 8), ("projector_out", 8)):
                x = twin(parameters, run, name, units, head)(x)
            torch.testing.assert_close(z[run, view], x)
            for name, units in (("predictor_in", 4), ("predictor_out", 8)):
                x = twin(parameters, run, name, units, head)(x)
            torch.testing.assert_close(p[run, view], x)


def test_weights_are_drawn_as_torchs_linear_draws_them():
    heads = initial_heads(100, width=200, bottleneck=50, generators=generators(0))
    for name, inputs in (("projector_in", 100), ("predictor_out", 50)):
        bound = inputs**-0.5
        assert 0.99 * bound < float(heads[name].abs().max()) <= bound
        # Of a uniform draw the variance is a third of the squared bound.
        assert float(heads[name].var()) == pytest.approx(bound**2 / 3, rel=0.05)


def test_scale_and_batch_norm_leave_the_draws_alone():
    plain = initial_heads(6, **SIZES, generators=generators(3))
    scaled = initial_heads(6, **SIZES, generators=generators(3), scale=0.1, batch_norm=True)
    torch.testing.assert_close(scaled["projector_out"], 0.1 * plain["projector_out"])
    torch.testing.assert_close(scaled["predictor_in"], plain["predictor_in"])
    assert set(scaled) - set(plain) == {
        f"{name}_{part}" for name in plain for part in ("gain", "shift")
    }


def test_names_are_short():
    assert Head("relu").name == "ReLU"
    assert Head("linear", batch_norm=True).name == "linear + BN"


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="activation must be one of linear, relu"):
        Head("tanh")
    with pytest.raises(ValueError, match="smallest width must be at least 1"):
        initial_heads(6, width=0, bottleneck=2, generators=generators(0))
    with pytest.raises(ValueError, match="number of generators must be at least 1"):
        initial_heads(6, **SIZES, generators=[])
    with pytest.raises(ValueError, match="scale must be a finite number above 0"):
        initial_heads(6, **SIZES, generators=generators(0), scale=0.0)
    heads = initial_heads(6, **SIZES, generators=generators(0))
    with pytest.raises(ValueError, match="parameters must be of 2 runs as h is, got 1"):
        head_outputs(heads, torch.ones(2, 2, 3, 6), Head("relu"))
