"""Gradient descent from a mirrored equilibrium, and how what is odd grows or shrinks.

Many runs at once: every rate with every replicate of the noise, all in one batch.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from tqdm.auto import tqdm

from geomlib.checks import at_least, positive
from geomlib.collapse.mirrored import odd_norm, odd_part, refuse_broken_mirror
from geomlib.collapse.network import Network, outputs, pre_activations

NUM_RECORDS = 100


@dataclass(frozen=True)
class Descent:
    """Runs of gradient descent, one for each rate and each replicate of the noise.

    Attributes:
        steps: Steps at which the rest was measured, from 0.
        distances: Norm of the odd part of the parameters.
        flips: Part of the gates (both views of all samples, all hidden units) on the
            other side of their kink than at the start.
        margins: Smallest distance of a pre-activation from zero.
        left: Whether a run's odd part reached the threshold, after which it stood still.
        diverged: Whether its parameters became infinite or NaN.
    """

    steps: Int[Tensor, " t"]
    distances: Float[Tensor, "t rates replicates"]
    flips: Float[Tensor, "t rates replicates"]
    margins: Float[Tensor, "t rates replicates"]
    left: Bool[Tensor, "rates replicates"]
    diverged: Bool[Tensor, "rates replicates"]

    def exponents(self, *, burn_in: float = 0.0) -> Float[Tensor, "rates replicates"]:
        """Growth of the odd part, in natural logarithms a step: its Lyapunov exponent.

        Of a long run that stays near the equilibrium the top one. Measured up to the
        step at which a run has left; NaN for one that has diverged.

        Args:
            burn_in: Part of each run to leave out at its start.

        Raises:
            ValueError: If ``burn_in`` is not at least 0 and below 1.
        """
        if not 0 <= burn_in < 1:
            raise ValueError(f"burn_in must be at least 0 and below 1, got {burn_in}.")
        # A run that has left stands still: its last step is the first of its last values.
        last = (self.distances == self.distances[-1]).int().argmax(dim=0)
        last = torch.where(self.left, last, len(self.steps) - 1)
        first = (burn_in * last).long()
        logs = self.distances.log()
        rise = logs.gather(0, last[None])[0] - logs.gather(0, first[None])[0]
        growth = rise / (self.steps[last] - self.steps[first])
        return growth.where(~self.diverged, torch.nan)


def descend(
    network: Network,
    *,
    rates: Float[Tensor, " r"],
    num_steps: int,
    batch_size: int | None = None,
    num_replicates: int = 1,
    momentum: float = 0.0,
    frozen_gates: bool = False,
    pinned: bool = False,
    odd_size: float = 1e-6,
    threshold: float = 0.1,
    seed: int,
) -> Descent:
    r"""Gradient descent on all parameters, from the network plus a small odd change.

    The change has a random direction in the odd sector, another for each replicate. All
    rates see the same directions and the same batches.

    Args:
        network: A mirrored network, at an equilibrium.
        rates: Learning rates; :math:`2 / \lambda_{\max}` is the edge of stability.
        num_steps: Steps.
        batch_size: Samples a step, without replacement; all of them if not given.
        num_replicates: Runs a rate, with noise of their own.
        momentum: Of the heavy ball; 0 is plain descent.
        frozen_gates: Whether each unit keeps, for each view of each sample, the linear
            branch that it has at the equilibrium.
        pinned: Whether the even part stays at the equilibrium.
        odd_size: Norm of the change.
        threshold: Norm of the odd part at which a run has left, and stops.
        seed: Of directions and batches.

    Raises:
        ValueError: If a number is out of range, the network is not its own reflection, or
            gates are to be frozen that the activation does not have.

    Source: Chen et al. 2023 (arXiv:2306.04251) on noise that attracts to invariant sets;
    Ziyin et al. 2023 (arXiv:2303.13093) on Lyapunov exponents as the measure of it.
    """
    refuse_broken_mirror(network.parameters)
    _check(network, rates, num_steps, batch_size, frozen_gates)
    at_least("num_replicates", num_replicates, 1)
    at_least("momentum", momentum, 0)
    positive("odd_size", odd_size)
    positive("threshold less odd_size", threshold - odd_size)
    generator = torch.Generator().manual_seed(seed)
    num_rates = len(rates)
    start = _oddly_displaced(network.parameters, odd_size, num_replicates, generator)
    state = {name: _repeated(p, num_rates) for name, p in start.items()}
    velocity = {name: torch.zeros_like(p) for name, p in state.items()}
    rate = rates.repeat_interleave(num_replicates).to(network.views)  # [runs]
    s = network.pre_activations(network.parameters)
    gates = network.activation.slope(s) if frozen_gates else None

    every = max(num_steps // NUM_RECORDS, 1)
    marks: list[int] = []
    records: list[tuple[Tensor, Tensor, Tensor]] = []
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    for step in tqdm(range(num_steps + 1), delay=5, leave=False, disable=quiet):
        if step % every == 0 or step == num_steps:
            distance = odd_norm(state)
            marks.append(step)
            records.append((distance, *_flips_and_margin(network, state, s)))
            rate = rate.where(distance < threshold, 0.0)
        if step == num_steps or not bool(rate.any()):
            break
        picks = None
        if batch_size is not None:
            order = torch.rand(num_replicates, s.shape[1], generator=generator)
            picks = _repeated(order.argsort(dim=1)[:, :batch_size], num_rates)
        gradient = _gradient(network, state, picks, gates)
        if pinned:
            gradient = odd_part(gradient)
        for name, p in state.items():
            velocity[name] = momentum * velocity[name] + gradient[name]
            state[name] = p - rate.reshape(-1, *[1] * (p.ndim - 1)) * velocity[name]

    shape = (len(marks), num_rates, num_replicates)
    distances, flips, margins = (
        torch.stack(record).reshape(shape) for record in zip(*records, strict=True)
    )
    finite = torch.stack([p.isfinite().flatten(1).all(1) for p in state.values()]).all(0)
    diverged = ~finite.reshape(shape[1:])
    left = (distances[-1] >= threshold) & ~diverged
    return Descent(torch.tensor(marks), distances, flips, margins, left, diverged)


def _gradient(
    network: Network,
    state: Mapping[str, Tensor],
    picks: Int[Tensor, "runs b"] | None,
    gates: Float[Tensor, "2 n m"] | None,
) -> dict[str, Tensor]:
    """Gradient of each run's own objective, on its own batch."""
    leaves = {name: p.requires_grad_() for name, p in state.items()}
    s = pre_activations(leaves, _picked(network.views, picks))
    hidden = network.activation.function(s) if gates is None else _picked(gates, picks) * s
    z = outputs(leaves, hidden)  # [runs 2 b k]
    # No run's objective depends on another's parameters, so the sum's gradient is theirs.
    value = torch.func.vmap(network.loss)(z[:, 0], z[:, 1]).sum()
    if network.penalty is not None:
        value = value + torch.func.vmap(network.penalty)(leaves).sum()
    gradients = torch.autograd.grad(value, list(leaves.values()))
    for p in state.values():
        p.requires_grad_(False)
    return dict(zip(leaves, gradients, strict=True))


def _picked(
    tensor: Float[Tensor, "2 n d"], picks: Int[Tensor, "runs b"] | None
) -> Float[Tensor, "..."]:
    """Each run's batch of samples, [runs 2 b d]; everything if there are no batches."""
    return tensor if picks is None else tensor[:, picks].movedim(1, 0)


def _oddly_displaced(
    parameters: Mapping[str, Tensor], size: float, count: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Copies of the parameters, each with a random odd change of the given norm."""
    drawn = {
        name: torch.randn(count, *p.shape, generator=generator, dtype=p.dtype)
        for name, p in parameters.items()
    }
    odd, norm = odd_part(drawn), odd_norm(drawn)
    return {
        name: p + size * odd[name] / norm.reshape(-1, *[1] * p.ndim)
        for name, p in parameters.items()
    }


def _repeated(tensor: Shaped[Tensor, "q *s"], count: int) -> Shaped[Tensor, "p *s"]:
    """The leading dimension, that many times."""
    return tensor.repeat(count, *[1] * (tensor.ndim - 1))


def _flips_and_margin(
    network: Network, state: Mapping[str, Tensor], start: Float[Tensor, "2 n m"]
) -> tuple[Float[Tensor, " runs"], Float[Tensor, " runs"]]:
    """Part of the gates that have flipped, and the smallest pre-activation."""
    s = network.pre_activations(state)
    flipped = ((s > 0) != (start > 0)).to(s).mean(dim=(1, 2, 3))
    return flipped, s.abs().amin(dim=(1, 2, 3))


def _check(
    network: Network,
    rates: Float[Tensor, " r"],
    num_steps: int,
    batch_size: int | None,
    frozen_gates: bool,
) -> None:
    """Refuse rates, counts and gates out of range."""
    at_least("number of rates", len(rates), 1)
    positive("smallest rate", float(rates.min()))
    at_least("num_steps", num_steps, 1)
    num_samples = network.views.shape[1]
    if batch_size is not None and not 2 <= batch_size <= num_samples:
        raise ValueError(
            f"batch_size must be from 2 to the number of samples, {num_samples}, got "
            f"{batch_size}."
        )
    if frozen_gates and not network.activation.gated:
        raise ValueError(
            f"frozen_gates needs an activation that is linear on either side of a kink, "
            f"got {network.activation.name}."
        )
