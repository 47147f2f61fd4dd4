"""Parameters as a vector against torch's own order, and the exact round trip."""

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from geomlib.params import flatten, unflatten

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 2), nn.Linear(4, 2), nn.PReLU())


def test_order_is_torchs(model):
    ours = flatten(dict(model.named_parameters()))
    assert torch.equal(ours, parameters_to_vector(model.parameters()))


@settings(max_examples=50, deadline=None)
@given(shapes=st.lists(shapes, min_size=1, max_size=5), double=st.booleans())
def test_round_trip_is_exact(shapes, double):
    dtype = torch.float64 if double else torch.float32
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"t{i}": torch.randn(shape, generator=generator, dtype=dtype)
        for i, shape in enumerate(shapes)
    }
    vector = flatten(tensors)
    assert vector.dtype == dtype
    back = unflatten(vector, tensors)
    assert list(back) == list(tensors)
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    assert torch.equal(flatten(back), vector)


def test_order_is_the_mappings_and_not_the_names():
    a, b = torch.zeros(2), torch.ones(1)
    assert flatten({"b": b, "a": a}).tolist() == [1.0, 0.0, 0.0]
    assert flatten({"a": a, "b": b}).tolist() == [0.0, 0.0, 1.0]
    assert list(unflatten(torch.arange(3.0), {"b": b, "a": a})) == ["b", "a"]


def test_layout_in_memory_does_not_matter():
    matrix = torch.arange(6.0).reshape(2, 3)
    assert flatten({"w": matrix.T.contiguous().T}).tolist() == list(range(6))
    image = torch.arange(16.0).reshape(1, 2, 2, 4).to(memory_format=torch.channels_last)
    assert flatten({"w": image}).tolist() == list(range(16))


def test_flatten_copies_and_unflatten_does_not():
    weight = torch.ones(2)
    vector = flatten({"weight": weight})
    vector[0] = 5.0
    assert weight.tolist() == [1.0, 1.0]
    assert unflatten(vector, {"weight": weight})["weight"].data_ptr() == vector.data_ptr()


def test_dtype_is_the_vectors():
    like = {"weight": torch.zeros(2, dtype=torch.float32)}
    vector = torch.tensor([0.1, 0.2], dtype=torch.float64)
    assert torch.equal(unflatten(vector, like)["weight"], vector)


def test_derivatives_pass_both_ways(model):
    # f(w) = sum of x_i w_i^3 over the flat vector, whose derivatives are known.
    names = dict(model.named_parameters())
    vector = flatten(names)
    x = torch.arange(1.0, len(vector) + 1)

    def cubic(v: Tensor) -> Tensor:
        return (x * flatten(unflatten(v, names)) ** 3).sum()

    gradient = torch.func.grad(cubic)(vector)
    torch.testing.assert_close(gradient, 3 * x * vector**2)
    curvature = torch.func.grad(lambda v: torch.func.grad(cubic)(v).sum())(vector)
    torch.testing.assert_close(curvature, 6 * x * vector)


def test_functional_call_sees_the_same_model(model):
    head = model[1]
    inputs = torch.arange(8.0).reshape(2, 4)
    doubled = 2 * flatten(dict(head.named_parameters()))
    output = torch.func.functional_call(
        head, unflatten(doubled, head.state_dict()), (inputs,)
    )
    torch.testing.assert_close(output, 2 * head(inputs))


class TestRefuses:
    @pytest.fixture(autouse=True)
    def unchecked(self, monkeypatch):
        """Shape annotations off, as for users: the guards must catch the mistake."""
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)

    def test_nothing(self):
        with pytest.raises(ValueError, match="tensors must hold at least one tensor"):
            flatten({})
        with pytest.raises(ValueError, match="like must hold at least one tensor"):
            unflatten(torch.zeros(0), {})

    @pytest.mark.parametrize("length", [0, 2, 4])
    def test_another_length(self, length):
        with pytest.raises(
            ValueError, match=rf"vector must have 3 entries.*got {length}\."
        ):
            unflatten(torch.zeros(length), {"a": torch.zeros(2), "b": torch.zeros(())})

    def test_mixed_dtypes(self):
        rule = r"one dtype, got torch.float32 in 'a' and torch.float64 in 'c'\."
        tensors = {name: torch.zeros(1) for name in "ab"}
        with pytest.raises(ValueError, match=rule):
            flatten({**tensors, "c": torch.zeros(1, dtype=torch.float64)})

    def test_mixed_devices(self):
        rule = r"one device, got cpu in 'a' and meta in 'b'\."
        with pytest.raises(ValueError, match=rule):
            flatten({"a": torch.zeros(1), "b": torch.zeros(1, device="meta")})

    def test_integers(self):
        with pytest.raises(
            ValueError, match=r"floating point, got torch\.int64 in 'steps'"
        ):
            flatten({"steps": torch.zeros(1, dtype=torch.int64)})
