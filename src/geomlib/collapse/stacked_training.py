"""Gradient descent of stacked networks, and their curvature on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.collapse.network import Loss
from geomlib.collapse.stacked import Head, effective_ranks, embeddings, representations
from geomlib.hessian.operator import hessian
from geomlib.hessian.tracker import CurvatureTracker, Measurement


def train(
    start: Mapping[str, Tensor],
    views: Float[Tensor, "q 2 n d"],
    head: Head,
    loss: Loss,
    *,
    num_steps: int,
    rate: float,
    batch_size: int | None = None,
    momentum: float = 0.0,
    watch: Callable[[int, Mapping[str, Tensor]], None] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Parameters after gradient descent, each network by itself on its own views.

    Args:
        start: Stacked parameters, left as they are.
        views: Inputs of each network.
        head: Of all networks.
        loss: Scalar function of the embeddings of both views.
        num_steps: Steps.
        rate: Learning rate.
        batch_size: Samples a step, without replacement; all of them if not given.
        momentum: Of the heavy ball.
        watch: Called with the step and the parameters before each step and at the end.
        seed: Of the batches, which all networks share by their index.

    Raises:
        ValueError: If a number is out of range.
        FloatingPointError: If a parameter is not finite at the end.
    """
    at_least("num_steps", num_steps, 1)
    positive("rate", rate)
    at_least("batch_size", views.shape[2] if batch_size is None else batch_size, 2)
    generator = torch.Generator().manual_seed(seed)
    leaves = {name: p.clone().requires_grad_() for name, p in start.items()}
    optimiser = torch.optim.SGD(leaves.values(), lr=rate, momentum=momentum)
    each = torch.func.vmap(loss)
    for step in range(num_steps):
        if watch is not None:
            watch(step, {name: p.detach() for name, p in leaves.items()})
        batch = views
        if batch_size is not None:
            order = torch.randperm(views.shape[2], generator=generator)
            batch = views[:, :, order[:batch_size].to(views.device)]
        z = embeddings(leaves, representations(leaves, batch), head)
        optimiser.zero_grad()
        # No network's loss depends on another's parameters.
        each(z[:, 0], z[:, 1]).sum().backward()
        optimiser.step()
    end = {name: p.detach() for name, p in leaves.items()}
    if watch is not None:
        watch(num_steps, end)
    if not all(bool(p.isfinite().all()) for p in end.values()):
        raise FloatingPointError(f"parameters must stay finite. Lower rate ({rate:g}).")
    return end


@dataclass(frozen=True)
class Tracked:
    """A training run with what was measured on it.

    Attributes:
        curvature: Both ends of the spectrum at the measured steps.
        ranks: Effective ranks of representations and embeddings at these steps.
    """

    curvature: list[Measurement]
    ranks: Float[Tensor, "t 2"]


def tracked(
    start: Mapping[str, Tensor],
    views: Float[Tensor, "1 2 n d"],
    head: Head,
    loss: Loss,
    *,
    num_steps: int,
    rate: float,
    every: int,
) -> Tracked:
    """Curvature and ranks along full-batch descent, without a check for repeats.

    Args:
        start: Parameters of one network.
        views: Its inputs.
        head: Its head.
        loss: Twice differentiable where training passes.
        num_steps: Steps.
        rate: Learning rate.
        every: Steps from one measurement to the next.

    Raises:
        ValueError: If a number is out of range.
    """
    at_least("every", every, 1)
    now: dict[str, Tensor] = {}
    ranks: list[Tensor] = []

    def objective(parameters: Mapping[str, Tensor]) -> Tensor:
        z = embeddings(parameters, representations(parameters, views), head)
        return loss(z[0, 0], z[0, 1])

    tracker = CurvatureTracker(lambda: hessian(objective, now), check_repeats=False)

    def watch(step: int, parameters: Mapping[str, Tensor]) -> None:
        if step % every == 0:
            # Without batch norm the loss does not depend on the gains.
            now.update(
                {n: p for n, p in parameters.items() if head.batch_norm or n != "gains"}
            )
            tracker.measure(step)
            ranks.append(effective_ranks(parameters, views, head)[0].cpu())

    train(start, views, head, loss, num_steps=num_steps, rate=rate, watch=watch)
    return Tracked(tracker.history, torch.stack(ranks))
