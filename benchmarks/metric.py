"""Metrics of many samples: geomlib's chunks and loops over the samples, side by side.

    python benchmarks/metric.py --output metric-cpu.json

A head with one hidden layer, in float32. The metrics of all samples do not fit in the
memory allowed, so every method uses each as it comes, for their mean and their relative
Frobenius spread. One run at a time and in turns; peak memory is what a run adds.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from eigenvalues import environment, measured
from torch import Tensor, nn

from geomlib.metric.pullback import metric_chunks
from geomlib.metric.spread import frobenius_spread
from geomlib.models.heads import head_of_depth
from geomlib.places import write_text

WIDTH = 512
NUM_OUTPUTS = 128


def chunks(head: nn.Module, h: Tensor) -> Iterator[Tensor]:
    """Ours, with the chunk that the library chooses."""
    return metric_chunks(head, h)


def loop(head: nn.Module, h: Tensor) -> Iterator[Tensor]:
    """One sample after another, one backward pass for each output."""
    for row in h:
        J = torch.autograd.functional.jacobian(head, row)
        yield (J.T @ J)[None]


def vectorised_loop(head: nn.Module, h: Tensor) -> Iterator[Tensor]:
    """One sample after another, the backward passes of its outputs at once."""
    for row in h:
        with torch.no_grad():
            J = torch.func.jacrev(head)(row)
        yield (J.T @ J)[None]


METHODS = {
    "geomlib": (chunks, "metric_chunks with the defaults."),
    "loop over samples": (loop, "torch.autograd.functional.jacobian, sample by sample."),
    "loop over samples, jacrev": (
        vectorised_loop,
        "torch.func.jacrev, sample by sample: all outputs of one sample at once.",
    ),
}


def compared(
    head: nn.Module, h: Tensor, repeats: int
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, float]]:
    """Runs of every method, in turns, and the spread that each found."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in METHODS}
    spreads: dict[str, float] = {}
    for method, _ in METHODS.values():
        frobenius_spread(method(head, h[:8]))  # what is made once, on first use
    for turn in range(repeats):
        for name, (method, _) in METHODS.items():

            def work(
                method: Callable[[nn.Module, Tensor], Iterator[Tensor]] = method,
            ) -> float:
                return frobenius_spread(method(head, h))

            spreads[name], cost = measured(work, h.device)
            runs[name].append(cost)
            print(f"turn {turn}, {name}: {cost['wall_seconds']:.1f} s", flush=True)
    return runs, spreads


def main() -> None:
    """Measure and write a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--samples", type=int, default=4096)
    args = parser.parse_args()
    device = torch.device(args.device)
    head = head_of_depth(
        2, num_inputs=WIDTH, width=WIDTH, num_outputs=NUM_OUTPUTS, seed=0
    ).to(device)
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(args.samples, WIDTH, generator=generator).to(device)
    runs, spreads = compared(head, h, args.repeats)
    record = {
        "benchmark": "metric",
        **environment(device),
        "dtype": "float32",
        "depth": 2,
        "num_inputs": WIDTH,
        "width": WIDTH,
        "num_outputs": NUM_OUTPUTS,
        "num_samples": args.samples,
        "difference": max(spreads.values()) - min(spreads.values()),
        "spread": spreads["geomlib"],
        "notes": {name: note for name, (_, note) in METHODS.items()},
        "runs": runs,
    }
    write_text(args.output, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
