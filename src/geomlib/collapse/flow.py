"""Gradient flow away from an equilibrium, and the time that its curvature predicts."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import solve_ivp
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.hessian.operator import hessian
from geomlib.params import flatten, unflatten


@dataclass(frozen=True)
class Flow:
    """A path of gradient flow.

    Attributes:
        times: Increasing, from 0; the steps that the integrator took.
        distances: Distance from the equilibrium at these times.
        left_at: Time at which the distance reached the threshold; infinite if it did not.
        end: Named tensors at the last time.
    """

    times: Float[Tensor, " t"]
    distances: Float[Tensor, " t"]
    left_at: float
    end: dict[str, Tensor]

    @property
    def growth(self) -> float:
        """Last distance over the first."""
        return float(self.distances[-1] / self.distances[0])


def gradient_flow(
    objective: Callable[[Mapping[str, Tensor]], Tensor],
    start: Mapping[str, Tensor],
    *,
    distance: Callable[[Mapping[str, Tensor]], Tensor],
    horizon: float,
    threshold: float = math.inf,
    moving: Collection[str] | None = None,
    rtol: float = 1e-9,
    max_gradients: int = 20_000,
) -> Flow:
    r"""Path of :math:`\dot\theta = -\nabla L(\theta)` until it is far away or time is up.

    Integrated by LSODA on the exact gradient; where the objective is stiff it turns to an
    implicit method, on the exact Hessian.

    Args:
        objective: Scalar function L of the named tensors.
        start: Named tensors at time 0.
        distance: What the threshold is about, ``odd_norm`` of a mirrored network.
        horizon: Time at which to stop.
        threshold: Distance at which to stop.
        moving: Names of the tensors that flow; all, if not given. The others are at rest.
        rtol: Error a step, relative to each entry or to the first distance.
        max_gradients: Gradients after which to give up.

    Raises:
        ValueError: If ``horizon`` or the first distance is not positive, or a name in
            ``moving`` is unknown.
        RuntimeError: If the integrator fails, or ``max_gradients`` are not enough.

    Source: Hindmarsh 1983 (ODEPACK) by way of scipy.

    >>> start = {"x": torch.tensor([1.0, 0.0], dtype=torch.float64)}
    >>> flow = gradient_flow(lambda t: -t["x"].square().sum(), start, horizon=9.0,
    ...     distance=lambda t: t["x"].norm(), threshold=100.0)
    >>> round(flow.left_at, 4), round(math.log(100) / 2, 4)
    (2.3026, 2.3026)
    """
    positive("horizon", horizon)
    first = float(distance(start))
    positive("distance at the start", first)
    names = list(start) if moving is None else [name for name in start if name in moving]
    unknown = set(() if moving is None else moving) - set(start)
    if unknown or not names:
        raise ValueError(
            f"moving must name tensors of start ({', '.join(start)}), got "
            f"{', '.join(sorted(unknown)) or 'none'}."
        )
    flowing = {name: start[name].detach() for name in names}

    def at(x: np.ndarray) -> dict[str, Tensor]:
        return {**start, **unflatten(torch.from_numpy(x.copy()), flowing)}

    gradients = count(1)

    def velocity(time: float, x: np.ndarray) -> np.ndarray:
        if next(gradients) > max_gradients:
            raise RuntimeError(
                f"flow must reach time {horizon:g} in {max_gradients} gradients, got to "
                f"{time:.6g}. Set a threshold if it blows up, else raise max_gradients."
            )
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        value = objective({**start, **unflatten(leaf, flowing)})
        return -torch.autograd.grad(value, leaf)[0].numpy()

    def jacobian(x: np.ndarray) -> np.ndarray:
        operator = hessian(
            lambda t: objective({**start, **t}), unflatten(torch.from_numpy(x), flowing)
        )
        return -operator.matmat(torch.eye(len(x), dtype=torch.float64)).numpy()

    def excess(_: float, x: np.ndarray) -> float:
        return math.log(max(float(distance(at(x))), 1e-300) / threshold)

    excess.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    watched = math.isfinite(threshold)
    solution = solve_ivp(
        velocity,
        (0.0, horizon),
        flatten(flowing).numpy(),
        method="LSODA",
        rtol=rtol,
        atol=rtol * first,
        # SciPy below 1.17 counts this function's arguments, and sees none where types are
        # checked; a lambda is left alone.
        jac=lambda _, x: jacobian(x),  # pyright: ignore[reportUnknownLambdaType]
        events=excess if watched else None,
    )
    if solution.status < 0:
        raise RuntimeError(
            f"flow must reach time {horizon:g}, got {solution.message!r} at "
            f"{solution.t[-1]:g}. Raise rtol ({rtol:g})."
        )
    left: list[float] = list(solution.t_events[0]) if watched else []  # pyright: ignore[reportGeneralTypeIssues]
    return Flow(
        torch.from_numpy(solution.t),
        torch.stack([distance(at(x)).detach() for x in solution.y.T]),
        float(left[0]) if left else math.inf,
        at(solution.y[:, -1]),
    )


def escape_time(
    block: Float[Tensor, "d d"],
    displacement: Float[Tensor, " d"],
    *,
    threshold: float,
    rounding: float = 1e-12,
) -> float:
    r"""Time that gradient flow of a quadratic form takes to carry a displacement away.

    With the least eigenvalue :math:`\lambda < 0` and its eigenvector e it is
    :math:`\log(\mathrm{threshold} / |e \cdot x|) / |\lambda|`, exact where x is parallel
    to e, else short by what the other directions do at first. Infinite where no
    eigenvalue is negative.

    Args:
        block: Hessian in the directions that matter.
        displacement: x, where the flow starts.
        threshold: Distance that counts as gone.
        rounding: Curvature up to which a negative eigenvalue counts as zero.

    Raises:
        ValueError: If ``threshold`` is not positive and finite, or ``rounding`` negative.

    >>> saddle = torch.tensor([[1.0, 0.0], [0.0, -0.5]])
    >>> time = escape_time(saddle, torch.tensor([1e-3, 1e-3]), threshold=0.1)
    >>> round(time, 4), round(math.log(100) / 0.5, 4)
    (9.2103, 9.2103)
    """
    positive("threshold", threshold)
    at_least("rounding", rounding, 0)
    theta, V = torch.linalg.eigh(block)
    rate, overlap = -float(theta[0]), abs(float(V[:, 0] @ displacement))
    if rate <= rounding or overlap == 0:
        return math.inf
    return math.log(threshold / overlap) / rate
