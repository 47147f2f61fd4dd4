"""Stationary points to the last digits: L-BFGS, then Newton with the dense Hessian."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.hessian.dense import dense
from geomlib.hessian.operator import hessian
from geomlib.params import flatten, unflatten

DAMPING = 1e-8  # relative to the Hessian's norm
LENGTHS = [0.5**halvings for halvings in range(30)]  # parts of a Newton step to try


def stationary_point(
    objective: Callable[[Mapping[str, Tensor]], Tensor],
    start: Mapping[str, Tensor],
    *,
    tolerance: float = 1e-12,
    num_steps: int = 200,
) -> dict[str, Tensor]:
    r"""Named tensors at which the gradient of a smooth objective vanishes.

    L-BFGS comes near a local minimum. A Newton step then is
    :math:`-(\mathrm{abs}(H) + \|g\| + 10^{-8} \|H\|)^{-1} g`, with the absolute values of
    H's eigenvalues: downhill at a saddle too, and short along directions that the
    objective does not see at all (rotations, scales), where g is only rounding. Steps are
    taken until they gain nothing more, below ``tolerance`` too.

    Args:
        objective: Scalar function of the named tensors.
        start: Where to begin; float64.
        tolerance: Largest norm of the gradient accepted, in units of the objective.
        num_steps: Newton steps at most.

    Raises:
        ValueError: If ``start`` is not float64 or a number is out of range.
        RuntimeError: If the gradient stays above ``tolerance``.

    >>> start = {"x": torch.tensor([3.0, -2.0], dtype=torch.float64)}
    >>> stationary_point(lambda t: (t["x"] - 1).pow(4).sum() + t["x"].square().sum(), start)
    {'x': tensor([0.4102, 0.4102], dtype=torch.float64)}
    """
    positive("tolerance", tolerance)
    at_least("num_steps", num_steps, 1)
    x = flatten(start)
    if x.dtype != torch.float64:
        raise ValueError(f"start must be float64, got {x.dtype}.")

    def value_and_gradient(x: Tensor) -> tuple[float, Tensor]:
        leaf = x.detach().requires_grad_()
        value = objective(unflatten(leaf, start))
        return value.item(), torch.autograd.grad(value, leaf)[0]

    def in_numpy(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, g = value_and_gradient(torch.from_numpy(x.copy()))
        return value, g.numpy()

    options: Any = {"maxiter": 5000, "maxfun": 10000, "maxcor": 30, "gtol": 1e-7}
    found = minimize(
        in_numpy,
        x.numpy(),
        jac=True,
        method="L-BFGS-B",
        options={**options, "ftol": 0.0},
    )
    x = torch.from_numpy(found.x.copy())
    value, g = value_and_gradient(x)
    for _ in range(num_steps):
        theta, V = torch.linalg.eigh(dense(hessian(objective, unflatten(x, start))))
        damping = float(g.norm()) + DAMPING * float(theta.abs().max())
        step = -V @ ((V.mT @ g) / (theta.abs() + damping))
        better = _shortened(value_and_gradient, x, value, g, step)
        if better is None:
            break
        x, value, g = better
    if not float(g.norm()) <= tolerance:
        raise RuntimeError(
            f"gradient must fall to {tolerance:.3g}, got {float(g.norm()):.3g}. Start from "
            "another seed, or accept a larger tolerance if this one is rounding."
        )
    return unflatten(x, start)


def _shortened(
    value_and_gradient: Callable[[Tensor], tuple[float, Tensor]],
    x: Float[Tensor, " n"],
    value: float,
    g: Float[Tensor, " n"],
    step: Float[Tensor, " n"],
) -> tuple[Tensor, float, Tensor] | None:
    """Where the longest part of a step leads that gains something, or None."""
    norm = float(g.norm())
    for length in LENGTHS:
        next_x = x + length * step
        next_value, next_g = value_and_gradient(next_x)
        downhill = next_value < value + 1e-4 * length * float(g @ step)
        # Near the end only the gradient still has digits that tell points apart.
        if float(next_g.norm()) < 0.9 * norm or (norm > 1e-6 and downhill):
            return next_x, next_value, next_g
    return None
