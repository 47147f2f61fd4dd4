"""Training SimSiam's heads on banks of features, many runs of a grid at once.

Rates, starts and seeds of one head are stacked, so that a step is one batched product a
layer. Runs of one seed share first weights and batches: they differ by nothing else.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from geomlib.checks import at_least, positive
from geomlib.simsiam.escape import iso
from geomlib.simsiam.heads import PROJECTOR, Head, head_outputs, initial_heads
from geomlib.simsiam.objective import negative_cosine


@dataclass(frozen=True)
class Configuration:
    """One run of a grid.

    Attributes:
        head: Activation, with batch norm or without.
        rate: Learning rate.
        seed: Of first weights and batches; names the bank of features.
        scale: Factor on the projector's first weights; the published start is 0.1.
        projector_rate: Factor on the rate of the projector's maps.
    """

    head: Head
    rate: float
    seed: int
    scale: float = 0.1
    projector_rate: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """How long all runs of a grid train, and what is recorded.

    Attributes:
        num_steps: Steps.
        batch_size: Samples a step.
        every: Steps from one record to the next; the last step is always recorded.
        keep: Steps whose heads are kept, besides the last.
        momentum: Of SGD.
        num_evaluated: Samples recorded, the first of each bank (all, if it has fewer),
            in their first two views.
    """

    num_steps: int
    batch_size: int
    every: int
    keep: Collection[int] = ()
    momentum: float = 0.9
    num_evaluated: int = 256

    def __post_init__(self) -> None:
        for name, least in (("num_steps", 1), ("batch_size", 2), ("every", 1)):
            at_least(name, getattr(self, name), least)
        at_least("momentum", self.momentum, 0)
        at_least("num_evaluated", self.num_evaluated, 2)


@dataclass(frozen=True)
class Grid:
    """Runs in the order of their configurations, and what was recorded.

    Attributes:
        steps: Steps at which spread and losses were recorded, from 0.
        spread: ``iso`` of the embeddings of the evaluated samples' first view; NaN once a
            run has diverged.
        losses: SimSiam's loss on the evaluated samples.
        kept: Of each run, by step, the head's named tensors, a stack of one.
    """

    steps: Int[Tensor, " t"]
    spread: Float[Tensor, "t r"]
    losses: Float[Tensor, "t r"]
    kept: list[dict[int, dict[str, Tensor]]]


def train_grid(
    banks: Mapping[int, Float[Tensor, "n v d"]],
    configurations: Sequence[Configuration],
    schedule: Schedule,
    *,
    width: int,
    bottleneck: int,
) -> Grid:
    """Records of all runs, those of one head trained side by side on frozen features.

    SGD at constant rates without decay. An epoch passes through all samples in random
    order and drops an incomplete batch; each sample shows two of its views, drawn anew.

    Args:
        banks: For each seed the features of v views of n samples, on one device and of
            one dtype, which are the heads' too.
        configurations: The runs.
        schedule: Steps, batches and records.
        width: Of the projector's hidden layer and of the embeddings.
        bottleneck: Of the predictor's hidden layer.

    Raises:
        ValueError: If a number is out of range, a seed has no bank, or banks differ in
            shape, have one view or fewer samples than a batch.

    Source: the protocol of Chaudhry 2026, with frozen features for the trained backbone.
    """
    at_least("number of configurations", len(configurations), 1)
    for name in ("rate", "scale", "projector_rate"):
        positive(f"smallest {name}", min(getattr(run, name) for run in configurations))
    by_head: dict[Head, list[int]] = {}
    for i, run in enumerate(configurations):
        by_head.setdefault(run.head, []).append(i)
    # Head by head, not all in one stack: then no tensor is split or joined, and what one
    # step touches stays in the cache.
    parts = [
        _trained(banks, [configurations[i] for i in which], schedule, width, bottleneck)
        for which in by_head.values()
    ]
    order = [i for which in by_head.values() for i in which]
    back = sorted(range(len(order)), key=lambda place: order[place])
    kept = [heads for part in parts for heads in part.kept]
    return Grid(
        parts[0].steps,
        torch.cat([part.spread for part in parts], dim=1)[:, back],
        torch.cat([part.losses for part in parts], dim=1)[:, back],
        [kept[place] for place in back],
    )


def _trained(
    banks: Mapping[int, Float[Tensor, "n v d"]],
    runs: Sequence[Configuration],
    schedule: Schedule,
    width: int,
    bottleneck: int,
) -> Grid:
    """Records of runs of one head."""
    seeds, head = sorted({run.seed for run in runs}), runs[0].head
    bank, num_views = _stacked_banks(banks, seeds, schedule.batch_size)
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    of_seeds = initial_heads(
        bank.shape[-1],
        width=width,
        bottleneck=bottleneck,
        generators=draws,
        batch_norm=head.batch_norm,
        dtype=bank.dtype,
    )
    seed_of = torch.tensor([seeds.index(run.seed) for run in runs])
    leaves = {name: tensor[seed_of].to(bank.device) for name, tensor in of_seeds.items()}
    for name in PROJECTOR:
        leaves[name] *= _each([run.scale for run in runs], leaves[name])
    rates = {
        name: _each(
            [r.rate * (r.projector_rate if name in PROJECTOR else 1) for r in runs], leaf
        )
        for name, leaf in leaves.items()
    }
    velocity = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    samples = bank.shape[1] // num_views
    batches = [_batches(samples, num_views, schedule.batch_size, draw) for draw in draws]
    row, each = torch.arange(len(seeds))[:, None, None], seed_of.to(bank.device)

    def outputs(picks: Int[Tensor, "s 2 b"]) -> tuple[Tensor, Tensor]:
        chosen = bank[row.to(bank.device), picks.to(bank.device)]
        return head_outputs(leaves, chosen[each], head)

    def descend() -> None:
        for leaf in leaves.values():
            leaf.requires_grad_()
        p, z = outputs(torch.stack([next(batch) for batch in batches]))
        # No run's loss depends on another's parameters: the sum's gradient is theirs.
        value = negative_cosine(p, z.detach()).sum()
        gradients = torch.autograd.grad(value, list(leaves.values()))
        with torch.no_grad():
            for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True):
                momentum = velocity[name].mul_(schedule.momentum).add_(gradient)
                leaf.sub_(rates[name] * momentum)

    shown = torch.arange(min(schedule.num_evaluated, samples)) * num_views
    evaluated = torch.stack([shown, shown + 1]).expand(len(seeds), 2, -1)
    steps: list[int] = []
    records: list[tuple[Tensor, Tensor]] = []
    kept: list[dict[int, dict[str, Tensor]]] = [{} for _ in runs]
    for step in _counted(schedule.num_steps):
        last = step == schedule.num_steps
        if step % schedule.every == 0 or last:
            with torch.no_grad():
                p, z = outputs(evaluated)
            records.append((iso(z[:, 0]), negative_cosine(p, z)))
            steps.append(step)
        if step in schedule.keep or last:
            copies = {name: leaf.detach().clone() for name, leaf in leaves.items()}
            for i, heads in enumerate(kept):
                heads[step] = {name: copy[i : i + 1] for name, copy in copies.items()}
        if not last:
            descend()
    spread, losses = (torch.stack(record).cpu() for record in zip(*records, strict=True))
    return Grid(torch.tensor(steps), spread, losses, kept)


def _counted(num_steps: int) -> Iterator[int]:
    """Steps from 0 to the last, with a bar for what takes over five seconds."""
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    return iter(tqdm(range(num_steps + 1), delay=5, leave=False, disable=quiet))


def _each(values: Sequence[float], like: Float[Tensor, "r ..."]) -> Float[Tensor, "r ..."]:
    """One number a run, shaped to multiply the runs' tensors."""
    # Not by way of float32, whose 0.05 is wrong by 1e-8.
    numbers = torch.tensor(values, dtype=torch.float64).to(like)
    return numbers.reshape(-1, *[1] * (like.ndim - 1))


def _stacked_banks(
    banks: Mapping[int, Tensor], seeds: Sequence[int], batch_size: int
) -> tuple[Float[Tensor, "s nv d"], int]:
    """Banks of the seeds, samples and views in one dimension, and the number of views."""
    missing = [seed for seed in seeds if seed not in banks]
    if missing:
        raise ValueError(
            f"banks must hold one for each seed, got none for {missing[0]}. "
            "Repeat a bank under each seed if they share it."
        )
    n, v, _ = shape = banks[seeds[0]].shape
    for seed in seeds:
        if banks[seed].shape != shape:
            raise ValueError(
                f"banks must have one shape, got {tuple(shape)} for seed {seeds[0]} and "
                f"{tuple(banks[seed].shape)} for seed {seed}."
            )
    at_least("number of views in a bank", v, 2)
    at_least("number of samples in a bank", n, batch_size)
    return torch.stack([banks[seed].flatten(0, 1) for seed in seeds]), v


def _batches(
    num_samples: int, num_views: int, batch_size: int, generator: torch.Generator
) -> Iterator[Int[Tensor, "2 b"]]:
    """Places of both views of each batch in a flat bank, without an end."""
    while True:
        order = torch.randperm(num_samples, generator=generator)
        one = torch.randint(num_views, (num_samples,), generator=generator)
        further = torch.randint(1, num_views, (num_samples,), generator=generator)
        views = torch.stack([one, (one + further) % num_views])
        places = order * num_views + views  # [2 n]
        for at in range(0, num_samples - batch_size + 1, batch_size):
            yield places[:, at : at + batch_size]
