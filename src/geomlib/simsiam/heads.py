r"""SimSiam's projectors and predictors, many runs stacked in a leading dimension.

The projector maps d to w to w, the predictor w to b to w, by linear maps without bias
called ``projector_in``, ``projector_out``, ``predictor_in`` and ``predictor_out``. After
each may stand a batch norm (``projector_in_gain``, ``projector_in_shift`` and so on), and
after the first of each pair an activation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least, one_of, positive

BATCH_NORM_EPS = 1e-5  # what torch.nn.BatchNorm1d adds to a variance
PROJECTOR = ("projector_in", "projector_out")
PREDICTOR = ("predictor_in", "predictor_out")
LAST = ("projector_out", "predictor_out")  # which no activation follows

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda s: s,
    "relu": torch.relu,
    "gelu": F.gelu,
    "swish": F.silu,
}


@dataclass(frozen=True, order=True)
class Head:
    """What stands behind the linear maps of projector and predictor.

    Attributes:
        activation: ``linear``, ``relu``, ``gelu`` (the exact one) or ``swish``.
        batch_norm: Whether what each map gives, the last ones included, is standardised
            over the samples of one view, with a gain and a shift that are trained.
    """

    activation: str
    batch_norm: bool = False

    def __post_init__(self) -> None:
        one_of("activation", self.activation, ACTIVATIONS)

    @property
    def name(self) -> str:
        """As figures show it."""
        names = {"relu": "ReLU", "gelu": "GELU", "swish": "Swish"}
        name = names.get(self.activation, self.activation)
        return name + (" + BN" if self.batch_norm else "")


def initial_heads(
    num_features: int,
    *,
    width: int,
    bottleneck: int,
    generators: Sequence[torch.Generator],
    scale: float = 1.0,
    batch_norm: bool = False,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    r"""Named tensors of stacked heads before training, one run for each generator.

    Weights are uniform in :math:`\pm 1/\sqrt{\text{inputs}}`, as ``torch.nn.Linear``
    draws them; the same numbers whatever ``scale``, ``batch_norm`` and ``dtype``.

    Args:
        num_features: Width d of what enters the projector.
        width: Width w of the projector's hidden layer and of the embeddings.
        bottleneck: Width b of the predictor's hidden layer.
        generators: One a run, on the CPU.
        scale: Factor on both maps of the projector; the published collapsed start is 0.1.
        batch_norm: Whether to add gains of 1 and shifts of 0.
        dtype: Of the tensors.

    Raises:
        ValueError: If a width is below 1, there is no generator, or ``scale`` is not
            positive.
    """
    at_least("smallest width", min(num_features, width, bottleneck), 1)
    at_least("number of generators", len(generators), 1)
    positive("scale", scale)
    shapes = {
        "projector_in": (width, num_features),
        "projector_out": (width, width),
        "predictor_in": (bottleneck, width),
        "predictor_out": (width, bottleneck),
    }
    heads: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        bound = (scale if name in PROJECTOR else 1.0) / math.sqrt(shape[1])
        draws = [torch.rand(shape, generator=g, dtype=torch.float64) for g in generators]
        heads[name] = (bound * (2 * torch.stack(draws) - 1)).to(dtype)
    if batch_norm:
        for name, (units, _) in shapes.items():
            heads[f"{name}_gain"] = torch.ones(len(generators), units, dtype=dtype)
            heads[f"{name}_shift"] = torch.zeros(len(generators), units, dtype=dtype)
    return heads


def head_outputs(
    parameters: Mapping[str, Tensor], h: Float[Tensor, "r 2 n d"], head: Head
) -> tuple[Float[Tensor, "r 2 n w"], Float[Tensor, "r 2 n w"]]:
    """Predictions and embeddings (the targets) of both views, run by run.

    Args:
        parameters: Named tensors of the stacked heads.
        h: Representations of both views of each run's batch.
        head: What stands behind the maps of all runs.

    Raises:
        ValueError: If there are not as many runs in ``parameters`` as in ``h``.

    Source: Chen & He 2021 (arXiv:2011.10566) for projector and predictor; no bias, and a
    batch norm behind the predictor's last map too, as in the code of Chaudhry 2026.
    """
    runs = len(parameters[PROJECTOR[0]])
    if runs != len(h):
        raise ValueError(f"parameters must be of {len(h)} runs as h is, got {runs}.")
    # Features before samples: then a batch norm runs over what lies together.
    z = h.permute(0, 3, 1, 2).flatten(2)  # [r d 2n]
    for name in PROJECTOR:
        z = _layer(z, parameters, name, head)
    p = z
    for name in PREDICTOR:
        p = _layer(p, parameters, name, head)
    views = (2, h.shape[2])
    return p.unflatten(2, views).permute(0, 2, 3, 1), z.unflatten(2, views).permute(
        0, 2, 3, 1
    )


def _layer(
    x: Float[Tensor, "r i m"], parameters: Mapping[str, Tensor], name: str, head: Head
) -> Float[Tensor, "r o m"]:
    """One linear map of each run, both views in one product, and what stands behind it."""
    s = torch.bmm(parameters[name], x)
    if head.batch_norm:
        s = _standardised(s, parameters[f"{name}_gain"], parameters[f"{name}_shift"])
    return s if name in LAST else ACTIVATIONS[head.activation](s)


def _standardised(
    s: Float[Tensor, "r o m"], gain: Float[Tensor, "r o"], shift: Float[Tensor, "r o"]
) -> Float[Tensor, "r o m"]:
    """Batch norm of each unit of each run over the samples of each view."""
    channels = s.unflatten(2, (2, -1)).reshape(1, -1, s.shape[2] // 2)  # [1 ro2 n]
    twice = (t.reshape(-1).repeat_interleave(2) for t in (gain, shift))  # one a view
    normed = F.batch_norm(channels, None, None, *twice, training=True, eps=BATCH_NORM_EPS)
    return normed.reshape(s.shape)
