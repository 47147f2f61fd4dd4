r"""What gradient descent with stop-gradient follows: a field that is no gradient.

A loss :math:`L(\theta, \bar\theta)` has an online and a target copy of the parameters.
Stop-gradient moves both along :math:`F(\theta) = -\partial_1 L(\theta, \theta)`. Its
Jacobian :math:`-(\partial_{11} L + \partial_{12} L)` is not symmetric, so F is the
gradient of nothing, growth may rotate, and no Hessian decides who leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.params import flatten, unflatten
from geomlib.simsiam.objective import Objective, Tensors


@dataclass(frozen=True)
class StopGradientField:
    """The field at one point, and its Jacobian known by products.

    Attributes:
        velocity: F there: the direction of gradient descent with stop-gradient.
        matvec: Product of F's Jacobian with a vector.
        rmatvec: Product of the Jacobian's transpose with a vector.
        size: Number of entries.
        shapes: Shape of each named tensor that a vector holds, in order.
    """

    velocity: Float[Tensor, " n"]
    matvec: Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]
    rmatvec: Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]
    size: int
    shapes: dict[str, torch.Size]


def velocity(objective: Objective, at: Tensors) -> dict[str, Tensor]:
    """Named tensors of the field at a point: minus the gradient in the online copy.

    Args:
        objective: Scalar function of the online and of the target parameters.
        at: The point, both copies alike; floating tensors of one dtype and device.

    Raises:
        ValueError: If ``at`` is empty, holds integers or a value that is not finite, or
            the objective is no finite scalar that depends on the online copy.

    >>> def loss(online, target):
    ...     return (online["x"] * target["x"]).sum()
    >>> velocity(loss, {"x": torch.tensor([3.0])})
    {'x': tensor([-3.])}
    """
    online = _leaf(at)
    with torch.enable_grad():
        value = _checked(objective(unflatten(online, at), _detached(at)))
        (gradient,) = torch.autograd.grad(value, online)
    return unflatten(-gradient, at)


def stop_gradient_field(objective: Objective, at: Tensors) -> StopGradientField:
    r"""Field at a point with products of its Jacobian, from a graph that is kept.

    A transposed product is one backward pass through the field's graph. It is linear in
    the vector u that it multiplies, so differentiating it in u, along v, gives the product
    with v itself: no forward mode is needed, which some activations lack.

    Args:
        objective: Scalar function of the online and of the target parameters, the same at
            every call. It must let derivatives into the target (no ``detach`` inside), or
            the target's part of the Jacobian is missed.
        at: The point, both copies alike; floating tensors of one dtype and device.

    Raises:
        ValueError: As ``velocity`` does.

    >>> def loss(online, target):
    ...     return (online["x"] * target["x"]).sum()
    >>> stop_gradient_field(loss, {"x": torch.tensor([3.0])}).matvec(torch.ones(1))
    tensor([-1.])
    """
    online, target = _leaf(at), _leaf(at)
    with torch.enable_grad():
        value = _checked(objective(unflatten(online, at), unflatten(target, at)))
        (gradient,) = torch.autograd.grad(value, online, create_graph=True)
        forward = -gradient
        u = torch.zeros_like(online, requires_grad=True)
        # Linear objectives have a constant gradient, which carries no graph.
        back = _pulled(forward, (online, target), u, keep=True)

    def rmatvec(v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        _refuse_length(v, online)
        return _pulled(forward, (online, target), v.to(online))

    def matvec(v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        _refuse_length(v, online)
        return _pulled(back, (u,), v.to(online))

    shapes = {name: tensor.shape for name, tensor in at.items()}
    return StopGradientField(forward.detach(), matvec, rmatvec, len(online), shapes)


def _pulled(
    outputs: Float[Tensor, " n"],
    inputs: tuple[Tensor, ...],
    cotangent: Float[Tensor, " n"],
    *,
    keep: bool = False,
) -> Float[Tensor, " n"]:
    """Sum over the inputs of the transposed Jacobian times the cotangent."""
    if not outputs.requires_grad:
        return torch.zeros_like(outputs)
    gradients = torch.autograd.grad(
        outputs,
        inputs,
        cotangent,
        retain_graph=True,
        create_graph=keep,
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.stack(gradients).sum(0)


def _leaf(at: Tensors) -> Float[Tensor, " n"]:
    """All entries as one new leaf."""
    # flatten refuses what is empty, is an integer, or mixes dtypes or devices.
    flat = flatten(at).detach().clone()
    at_least("number of entries in at", len(flat), 1)
    finite("at", flat)
    return flat.requires_grad_()


def _detached(at: Tensors) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in at.items()}


def _checked(value: Tensor) -> Tensor:
    """The objective's value, a finite scalar with a graph."""
    if value.ndim:
        raise ValueError(
            f"objective must return a scalar, got shape {tuple(value.shape)}. Take the "
            "mean over samples."
        )
    finite("value of the objective", value.detach())
    if not value.requires_grad:
        raise ValueError(
            "objective must depend on the online parameters, got a constant. Use the "
            "first argument, and no detach or torch.no_grad on its way."
        )
    return value


def _refuse_length(v: Float[Tensor, " m"], like: Float[Tensor, " n"]) -> None:
    if v.shape != like.shape:
        raise ValueError(f"vector must have {len(like)} entries, got {tuple(v.shape)}.")
