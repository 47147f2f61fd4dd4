"""The flow along the stop-gradient field, and descent with a step of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import solve_ivp
from torch import Tensor

from geomlib.checks import positive
from geomlib.params import flatten, unflatten
from geomlib.simsiam.field import velocity
from geomlib.simsiam.objective import Objective, Tensors

Measure = Callable[[Tensors], Tensor]


@dataclass(frozen=True)
class Path:
    """A path along the field, with what was measured on it.

    Attributes:
        times: Increasing, from 0.
        values: What was measured at these times, a column a run.
        start: Named tensors at time 0.
        end: Named tensors at the last time.
        num_fields: Evaluations of the field.
    """

    times: Float[Tensor, " t"]
    values: Float[Tensor, "t r"]
    start: dict[str, Tensor]
    end: dict[str, Tensor]
    num_fields: int

    @property
    def rate(self) -> Float[Tensor, " r"]:
        """Log of the largest ratio of a value to an earlier one, a unit of all the time.

        For a run that grows to the end this is its mean rate of growth; for one that only
        falls it is zero. Values must be positive.
        """
        rise = self.values / self.values.cummin(0).values
        return rise.amax(0).log() / self.times[-1]


def stop_gradient_flow(
    objective: Objective,
    start: Tensors,
    *,
    times: Float[Tensor, " t"],
    measure: Measure,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    max_fields: int = 100_000,
) -> Path:
    r"""Path of :math:`\dot\theta = F(\theta)`, descent at an infinitesimal rate.

    Integrated by the explicit pair of Bogacki and Shampine. Near collapse the field is
    stiff and it is stability, not the error, that limits the step; of the usual pairs this
    one goes farthest for each evaluation of the field then. No Jacobian is formed.

    Runs may be stacked, with the sum of their losses as objective: as long as no run's
    loss depends on another's parameters, the field of the sum is each one's own.

    Args:
        objective: Scalar function of the online and of the target parameters.
        start: Named float64 tensors at time 0, on the CPU.
        times: Increasing, from 0: when to measure.
        measure: Function of the named tensors that gives one number a run.
        rtol: Error a step, relative to each entry.
        atol: Error a step, in units of the entries.
        max_fields: Evaluations of the field after which to give up.

    Raises:
        ValueError: If ``times`` is not increasing from 0, ``start`` is not float64, or a
            number is out of range.
        RuntimeError: If the integrator fails, or ``max_fields`` are not enough.

    Source: Bogacki & Shampine 1989 by way of ``scipy.integrate.solve_ivp``.

    >>> def loss(online, target):
    ...     return -(online["x"] * target["x"]).sum()  # so that x' = x
    >>> start = {"x": torch.tensor([1.0], dtype=torch.float64)}
    >>> path = stop_gradient_flow(loss, start, times=torch.tensor([0.0, 1.0]),
    ...     measure=lambda at: at["x"])
    >>> round(path.rate.item(), 3)
    1.0
    """
    _check_times(times)
    positive("rtol", rtol)
    positive("atol", atol)
    x = flatten(start).detach()
    if x.dtype != torch.float64:
        raise ValueError(f"start must be float64, got {x.dtype}. Convert it by .double().")
    num_fields = 0

    def field(time: float, x: np.ndarray) -> np.ndarray:
        nonlocal num_fields
        if num_fields == max_fields:
            raise RuntimeError(
                f"flow must reach time {float(times[-1]):g} in {max_fields} fields, got to "
                f"{time:.6g}. Shorten times, or raise max_fields or rtol ({rtol:g})."
            )
        num_fields += 1
        at = unflatten(torch.from_numpy(x.copy()), start)
        return flatten(velocity(objective, at)).numpy()

    solution = solve_ivp(
        field,
        (0.0, float(times[-1])),
        x.numpy(),
        method="RK23",
        t_eval=times.double().numpy(),
        rtol=rtol,
        atol=atol,
    )
    if solution.status < 0:
        raise RuntimeError(
            f"flow must reach time {float(times[-1]):g}, got {solution.message!r}. "
            f"Raise rtol ({rtol:g}) or shorten times."
        )
    points = [unflatten(torch.from_numpy(y.copy()), start) for y in solution.y.T]
    return Path(
        times.double(),
        torch.stack([measure(point).detach() for point in points]),
        {name: tensor.detach().clone() for name, tensor in start.items()},
        points[-1],
        num_fields,
    )


def stop_gradient_descent(
    objective: Objective,
    start: Tensors,
    *,
    step: float,
    times: Float[Tensor, " t"],
    measure: Measure,
) -> Path:
    """Path of plain gradient descent with stop-gradient, time being rate times steps.

    Where paths of several rates agree with each other and with the flow, none of what
    they show is made by the rate.

    Args:
        objective: Scalar function of the online and of the target parameters.
        start: Named tensors at time 0.
        step: Learning rate: Euler's step along the field.
        times: Increasing, from 0: when to measure; multiples of ``step``.
        measure: Function of the named tensors that gives one number a run.

    Raises:
        ValueError: If ``step`` is not positive, or ``times`` is not increasing from 0 or
            holds a time that is no multiple of ``step``.
        FloatingPointError: If a parameter is not finite when it is measured.
    """
    positive("step", step)
    _check_times(times)
    counts = [round(float(time) / step) for time in times]
    for time, count in zip(times.tolist(), counts, strict=True):
        if abs(count * step - time) > 1e-6 * step:
            raise ValueError(f"times must be multiples of step ({step:g}), got {time:g}.")
    at = {name: tensor.detach().clone() for name, tensor in start.items()}
    values: list[Tensor] = []
    for count in range(counts[-1] + 1):
        if count == counts[len(values)]:
            if not all(bool(tensor.isfinite().all()) for tensor in at.values()):
                raise FloatingPointError(
                    f"parameters must stay finite, got others at time {count * step:g}. "
                    f"Lower step ({step:g})."
                )
            values.append(measure(at).detach())
        if count < counts[-1]:
            field = velocity(objective, at)
            at = {name: tensor + step * field[name] for name, tensor in at.items()}
    first = {name: tensor.detach().clone() for name, tensor in start.items()}
    return Path(times.double(), torch.stack(values), first, at, counts[-1])


def _check_times(times: Float[Tensor, " t"]) -> None:
    """Refuse times that do not increase from 0."""
    if len(times) < 2 or float(times[0]) != 0 or not bool((times.diff() > 0).all()):
        raise ValueError(
            f"times must hold two or more, increasing from 0, got {times.tolist()[:5]}."
        )
