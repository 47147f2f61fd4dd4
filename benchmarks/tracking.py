"""What it costs to track both ends of a Hessian at every 10 steps of a training run.

    python benchmarks/tracking.py --output tracking-cpu.json

The head of problem A trains on, in turns without a tracker and with several: started cold
or warm, on a probe of the whole batch or of a quarter of it.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from eigenvalues import environment, measured
from problems import Problem, head

from geomlib.hessian.model import module_loss
from geomlib.hessian.operator import SymmetricOperator, hessian
from geomlib.hessian.tracker import CurvatureTracker
from geomlib.places import write_text

NUM_STEPS, EVERY = 100, 10
MakeTracker = Callable[[Callable[[], SymmetricOperator]], CurvatureTracker]
TRACKERS: dict[str, tuple[float, MakeTracker]] = {
    "cold starts": (1.0, partial(CurvatureTracker, num_kept=(0, 0))),
    "warm, one vector an end": (1.0, CurvatureTracker),
    "warm, six from below, two from above": (
        1.0,
        partial(CurvatureTracker, num_kept=(6, 2)),
    ),
    "warm, no check for repeats": (1.0, partial(CurvatureTracker, check_repeats=False)),
    "warm, a quarter of the batch": (0.25, CurvatureTracker),
}


def train(problem: Problem, share: float, make: MakeTracker | None) -> list[int]:
    """Train on, and the products that each measurement took."""
    optimiser = torch.optim.Adam(problem.model.parameters(), lr=1e-3)
    count = int(share * len(problem.inputs))
    part = replace(problem, inputs=problem.inputs[:count], targets=problem.targets[:count])
    loss, at = module_loss(problem.model, None, lambda f, _: part.loss(f))
    tracker = make(lambda: hessian(loss, at)) if make else None
    for step in range(NUM_STEPS):
        if tracker and step % EVERY == 0:
            tracker.measure(step)
        optimiser.zero_grad()
        problem.loss().backward()
        optimiser.step()
    return [m.num_matvecs for m in tracker.history] if tracker else []


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    made = head()
    works: dict[str, tuple[float, MakeTracker | None]] = {"training": (1.0, None)}
    works |= TRACKERS
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    train(made.to(device, torch.float32), 1.0, None)
    names = list(works)
    for repeat in range(arguments.repeats):
        for turn in range(len(names)):
            name = names[(turn + repeat) % len(names)]
            problem = made.to(device, torch.float32)
            products, cost = measured(partial(train, problem, *works[name]), device)
            runs[name].append({**cost, "num_products": sum(products)})
            print(f"{name}: {runs[name][-1]}", flush=True)
    record = {
        "benchmark": "tracking",
        **environment(device),
        "size": made.size,
        "batch": len(made.inputs),
        "num_steps": NUM_STEPS,
        "every": EVERY,
        "runs": runs,
    }
    write_text(arguments.output, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
