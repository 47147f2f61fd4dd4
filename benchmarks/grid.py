"""A grid of heads trained stacked in one product a layer, against one run after the other.

    python benchmarks/grid.py --output grid-cpu.json

The grid of the chapter on the published experiment: four heads, with batch norm and
without, three rates and five seeds. One after the other they are trained by the same code,
a stack of one, and as one usually writes it: modules, two forward passes, an optimiser.
All ways run in turns, in one process; how far their spreads differ at the end is recorded.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from eigenvalues import environment, measured
from torch import nn

from geomlib.losses import simsiam
from geomlib.places import write_text
from geomlib.simsiam.escape import iso
from geomlib.simsiam.grid import Configuration, Schedule, _batches, train_grid
from geomlib.simsiam.heads import ACTIVATIONS, PREDICTOR, PROJECTOR, Head, initial_heads

NUM_STEPS = 20
STACKED = "stacked"
SEEDS = range(5)
GRID = [
    Configuration(Head(activation, batch_norm), rate, seed)
    for activation in ACTIVATIONS
    for batch_norm in (False, True)
    for rate in (0.5, 0.05, 0.005)
    for seed in SEEDS
]
# Features, width, bottleneck and batch: from a toy to the replica at two batches.
SIZES = (
    (16, 32, 8, 16),
    (32, 64, 16, 32),
    (32, 64, 16, 128),
    (64, 128, 32, 64),
    (64, 128, 32, 128),
)


MODULES = {"linear": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}
Size = tuple[int, int, int, int]


def banks_of(size: Size, device: torch.device) -> dict[int, torch.Tensor]:
    """Random features of four batches of samples in four views."""
    random = torch.Generator().manual_seed(0)
    shape = (4 * size[3], 4, size[0])
    return {seed: torch.randn(shape, generator=random).to(device) for seed in SEEDS}


def stacked(size: Size, at_once: int, device: torch.device) -> torch.Tensor:
    """Spread of every run at the end, runs trained so many at a time."""
    _, width, bottleneck, batch = size
    banks = banks_of(size, device)
    parts = [
        train_grid(
            banks,
            GRID[first : first + at_once],
            Schedule(NUM_STEPS, batch, every=NUM_STEPS, num_evaluated=batch),
            width=width,
            bottleneck=bottleneck,
        ).spread[-1]
        for first in range(0, len(GRID), at_once)
    ]
    return torch.cat(parts)


def with_modules(size: Size, device: torch.device) -> torch.Tensor:
    """The same, one run after the other, by modules and torch's SGD."""
    banks = banks_of(size, device)
    return torch.stack([_with_modules(run, banks[run.seed], size) for run in GRID])


def _with_modules(run: Configuration, bank: torch.Tensor, size: Size) -> torch.Tensor:
    features, width, bottleneck, batch = size
    draw = torch.Generator().manual_seed(run.seed)
    first = initial_heads(
        features, width=width, bottleneck=bottleneck, generators=[draw], scale=run.scale
    )

    def network(names: tuple[str, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for name in names:
            weights = first[name][0]
            linear = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
            linear.weight.data = weights.clone()
            norm = nn.BatchNorm1d(len(weights), track_running_stats=False)
            layers += [linear, norm] if run.head.batch_norm else [linear]
            if name.endswith("_in"):
                layers.append(MODULES[run.head.activation]())
        return nn.Sequential(*layers).to(bank.device)

    projector, predictor = network(PROJECTOR), network(PREDICTOR)
    parameters = [*projector.parameters(), *predictor.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=run.rate, momentum=0.9)
    flat = bank.flatten(0, 1)
    batches = _batches(len(bank), bank.shape[1], batch, draw)
    for _ in range(NUM_STEPS):
        x1, x2 = flat[next(batches).to(bank.device)]
        z1, z2 = projector(x1), projector(x2)
        loss = simsiam(predictor(z1), z1, predictor(z2), z2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return iso(projector(bank[:batch, 0])).cpu()


def point(size: Size, repeats: int, device: torch.device) -> dict[str, Any]:
    """All ways at one size, in turns."""
    ways = {
        STACKED: partial(stacked, size, len(GRID), device),
        "one after the other": partial(stacked, size, 1, device),
        "one after the other, torch.nn": partial(with_modules, size, device),
    }
    names = list(ways)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    ends = {name: way() for name, way in ways.items()}
    for repeat in range(repeats):
        for turn in range(len(names)):
            name = names[(turn + repeat) % len(names)]
            runs[name].append(measured(ways[name], device)[1])
    sizes = dict(zip(("features", "width", "bottleneck", "batch"), size, strict=True))
    apart = [float((end - ends[STACKED]).abs().max()) for end in ends.values()]
    return {**sizes, "difference": max(apart), "runs": runs}


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    record: dict[str, Any] = {
        "benchmark": "grid",
        **environment(device),
        "num_runs": len(GRID),
        "num_steps": NUM_STEPS,
        "points": [],
    }
    for size in SIZES:
        record["points"].append(point(size, arguments.repeats, device))
        # Whole after every size, so that a run that is stopped is not lost.
        write_text(arguments.output, json.dumps(record, indent=1) + "\n")
        print(size, flush=True)


if __name__ == "__main__":
    main()
