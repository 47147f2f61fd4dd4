"""Activation functions with their first two derivatives in closed form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import one_of

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Activation:
    r"""A function :math:`\sigma` of one number, applied entry by entry.

    Attributes:
        name: As figures show it.
        function: The function itself.
        slope: Its derivative; on a kink that of the left side.
        bend: Its second derivative; zero where there is a kink only.
        gated: Whether it is linear on either side of a kink at 0.
    """

    name: str
    function: Elementwise
    slope: Elementwise
    bend: Elementwise
    gated: bool = False


def activation(
    name: Literal["linear", "relu", "softplus", "tanh", "gelu", "swish"],
) -> Activation:
    """Activation of that name; GELU is the exact one, Swish is also called SiLU.

    Raises:
        ValueError: If the name is unknown.

    >>> swish = activation("swish")
    >>> swish.slope(torch.tensor(0.0)), swish.bend(torch.tensor(0.0))
    (tensor(0.5000), tensor(0.5000))
    """
    one_of("name", name, _BY_NAME)
    return _BY_NAME[name]


def leaky_relu(leak: float) -> Activation:
    """ReLU with the slope ``leak`` on the left of its kink; 0 gives ReLU.

    Raises:
        ValueError: If ``leak`` is not between -1 and 1, both left out: at 1 there is no
            kink, at -1 two patterns of active units span one map, not two.
    """
    if not -1 < leak < 1:
        raise ValueError(f"leak must be between -1 and 1, got {leak}.")
    return Activation(
        f"LeakyReLU ({leak:g})" if leak else "ReLU",
        lambda s: torch.where(s > 0, s, leak * s),
        lambda s: torch.where(s > 0, torch.ones_like(s), leak),
        torch.zeros_like,
        gated=True,
    )


def _swish_slope(s: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    p = s.sigmoid()
    return p + s * p * (1 - p)


def _swish_bend(s: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    p = s.sigmoid()
    return p * (1 - p) * (2 + s * (1 - 2 * p))


def _normal_density(s: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    return (-s.square() / 2).exp() / math.sqrt(2 * math.pi)


_BY_NAME = {
    "linear": Activation("linear", lambda s: s, torch.ones_like, torch.zeros_like),
    "relu": leaky_relu(0.0),
    "softplus": Activation(
        "softplus",
        # The default of torch goes over to the identity at 20, a jump of 2e-9.
        partial(F.softplus, threshold=40.0),
        torch.sigmoid,
        lambda s: s.sigmoid() * (-s).sigmoid(),
    ),
    "tanh": Activation(
        "tanh",
        torch.tanh,
        lambda s: 1 - s.tanh().square(),
        lambda s: -2 * s.tanh() * (1 - s.tanh().square()),
    ),
    "gelu": Activation(
        "GELU",
        F.gelu,
        lambda s: (1 + torch.erf(s / math.sqrt(2))) / 2 + s * _normal_density(s),
        lambda s: (2 - s.square()) * _normal_density(s),
    ),
    "swish": Activation("Swish", F.silu, _swish_slope, _swish_bend),
}
