"""The curvature that the published tracker follows: exact, and as it estimates it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.hessian.operator import hessian
from geomlib.simsiam.blocks import block_eigenvalues
from geomlib.simsiam.estimator import Estimate, published_estimate
from geomlib.simsiam.heads import Head, head_outputs


@dataclass(frozen=True)
class Tracked:
    """Curvature of SimSiam's loss in the representations of one batch's first view.

    Attributes:
        eigenvalues: All of them, exact in float64, sample by sample, each in rising order.
        estimate: Of the smallest, by the published estimator in float32.
    """

    eigenvalues: Float[Tensor, "n d"]
    estimate: Estimate

    @property
    def smallest(self) -> float:
        """Exact smallest eigenvalue."""
        return float(self.eigenvalues.min())


def tracked(
    parameters: Mapping[str, Tensor], head: Head, h: Float[Tensor, "2 n d"], *, seed: int
) -> Tracked:
    """Exact spectrum and published estimate for one run and one batch.

    Args:
        parameters: Named tensors of one run's head, a stack of one.
        head: What stands behind its maps; no batch norm, which mixes samples.
        h: Representations of both views.
        seed: Of the estimator's first vectors.

    Raises:
        ValueError: If the head mixes samples, or a derivative is not finite.
    """
    double, single = (
        {name: tensor.to(dtype) for name, tensor in parameters.items()}
        for dtype in (torch.float64, torch.float32)
    )
    exact = block_eigenvalues(tracked_loss(double, head, h[1].double()), h[0].double())
    loss = tracked_loss(single, head, h[1].float())
    operator = hessian(lambda t: loss(t["h"]), {"h": h[0].float()})
    estimate = published_estimate(
        operator.matvec, operator.size, seed=seed, device=operator.device
    )
    return Tracked(exact, estimate)


def tracked_loss(
    parameters: Mapping[str, Tensor], head: Head, other: Float[Tensor, "n d"]
) -> Callable[[Float[Tensor, "n d"]], Tensor]:
    """SimSiam's loss as a function of the first view's representations alone.

    Targets are held fixed, so of the two cosines only one depends on it; the other is a
    constant and left out.

    Args:
        parameters: Named tensors of one run's head, a stack of one.
        head: What stands behind its maps.
        other: Representations of the second view.

    Source: what the tracker of Chaudhry 2026 differentiates.
    """

    def loss(h: Float[Tensor, "n d"]) -> Tensor:
        p, z = head_outputs(parameters, torch.stack([h, other])[None], head)
        return -F.cosine_similarity(p[0, 0], z[0, 1].detach()).mean() / 2

    return loss
