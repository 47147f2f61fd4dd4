"""The stop-gradient field against closed forms and finite differences, in float64."""

import pytest
import torch

from geomlib.params import flatten, unflatten
from geomlib.simsiam.field import stop_gradient_field, velocity
from geomlib.simsiam.heads import ACTIVATIONS, Head, head_outputs, initial_heads
from geomlib.simsiam.objective import simsiam_objective


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def bilinear(matrix):
    """Objective whose field is the linear one of a matrix, which may be any."""

    def objective(online, target):
        return -(online["x"] @ matrix @ target["x"])

    return objective


def small_head(activation, seed=0):
    """Objective and point of a projector and predictor of 5-6-6 and 6-3-6."""
    h = drawn(1, 2, 7, 5, seed=seed) + 1
    heads = initial_heads(
        5,
        width=6,
        bottleneck=3,
        generators=[torch.Generator().manual_seed(seed)],
        dtype=torch.float64,
    )

    def outputs(parameters):
        p, z = head_outputs(parameters, h, Head(activation))
        return p[0], z[0]

    return simsiam_objective(outputs), heads


def columns(product, size):
    return torch.stack([product(row) for row in torch.eye(size).double()], dim=1)


def test_any_matrix_is_the_jacobian_of_some_stop_gradient_field():
    matrix = drawn(4, 4)
    x = drawn(4, seed=1)
    field = stop_gradient_field(bilinear(matrix), {"x": x})
    torch.testing.assert_close(field.velocity, matrix @ x)
    torch.testing.assert_close(velocity(bilinear(matrix), {"x": x})["x"], matrix @ x)
    torch.testing.assert_close(columns(field.matvec, 4), matrix)
    torch.testing.assert_close(columns(field.rmatvec, 4), matrix.T)


def test_without_a_target_the_field_is_the_descent_of_a_loss():
    # Minus the gradient of |x|^4 / 4 has the Jacobian -(|x|^2 + 2 x x^T).
    x = drawn(3)
    field = stop_gradient_field(lambda a, b: (a["x"] @ a["x"]).square() / 4, {"x": x})
    expected = -((x @ x) * torch.eye(3) + 2 * torch.outer(x, x))
    torch.testing.assert_close(columns(field.matvec, 3), expected)
    torch.testing.assert_close(field.velocity, -(x @ x) * x)


def test_a_constant_field_has_no_jacobian():
    field = stop_gradient_field(lambda a, b: a["x"].sum(), {"x": drawn(3)})
    assert torch.equal(field.matvec(drawn(3)), torch.zeros(3).double())
    assert torch.equal(field.rmatvec(drawn(3)), torch.zeros(3).double())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobian_of_a_head_is_the_finite_difference_of_the_field(activation):
    objective, at = small_head(activation)
    field = stop_gradient_field(objective, at)
    v = drawn(field.size, seed=3)
    step = 1e-6

    def moved(sign):
        point = unflatten(flatten(at) + sign * step * v, at)
        return flatten(velocity(objective, point))

    expected = (moved(1) - moved(-1)) / (2 * step)
    torch.testing.assert_close(field.matvec(v), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_transposed_products_are_those_of_the_transpose(activation):
    objective, at = small_head(activation)
    field = stop_gradient_field(objective, at)
    u, v = drawn(field.size, seed=1), drawn(field.size, seed=2)
    torch.testing.assert_close(u @ field.matvec(v), field.rmatvec(u) @ v)


def test_the_field_of_simsiam_is_no_gradient():
    objective, at = small_head("gelu")
    field = stop_gradient_field(objective, at)
    J = columns(field.matvec, field.size)
    assert float((J - J.T).norm() / J.norm()) > 0.1
    assert field.shapes == {name: tensor.shape for name, tensor in at.items()}


def test_velocity_is_the_gradient_with_the_targets_held():
    # By finite differences in the online copy alone.
    objective, at = small_head("swish")
    v = drawn(flatten(at).numel(), seed=4)
    step = 1e-6

    def value(sign):
        return objective(unflatten(flatten(at) + sign * step * v, at), at)

    slope = (value(1) - value(-1)) / (2 * step)
    assert float(flatten(velocity(objective, at)) @ v) == pytest.approx(-float(slope), 1e-6)


@pytest.mark.parametrize("make", [velocity, stop_gradient_field])
def test_refuses_what_is_no_objective_or_no_point(make):
    x = {"x": torch.ones(2)}
    with pytest.raises(ValueError, match=r"must return a scalar, got shape \(2,\)"):
        make(lambda a, b: a["x"], x)
    with pytest.raises(ValueError, match="must depend on the online parameters"):
        make(lambda a, b: torch.ones(()), x)
    with pytest.raises(ValueError, match="value of the objective must be finite"):
        make(lambda a, b: a["x"].sum() * torch.inf, x)
    with pytest.raises(ValueError, match="at must be finite, got 1 bad of 2"):
        make(lambda a, b: a["x"].sum(), {"x": torch.tensor([1.0, torch.nan])})
    with pytest.raises(ValueError, match="floating point"):
        make(lambda a, b: a["x"].sum(), {"x": torch.ones(2).long()})
    with pytest.raises(ValueError, match="at least one tensor"):
        make(lambda a, b: a["x"].sum(), {})
    with pytest.raises(ValueError, match="number of entries in at must be at least 1"):
        make(lambda a, b: a["x"].sum(), {"x": torch.ones(0)})


def test_refuses_a_vector_of_another_length():
    field = stop_gradient_field(bilinear(torch.eye(2)), {"x": torch.ones(2)})
    for product in (field.matvec, field.rmatvec):
        with pytest.raises(ValueError, match=r"vector must have 2 entries, got \(3,\)"):
            product(torch.ones(3))
