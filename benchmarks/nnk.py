"""Non-negative kernel regression of many samples: blocks, a loop over SciPy, and pruning.

    python benchmarks/nnk.py --output nnk-cpu.json

Patches of photographs, averaged to 8x8 pixels, 50 candidates each, Gaussian and cosine
kernel, in float64. Every method gets the same kernel matrices. Beside the time stand the
violation of the optimality conditions and the supports that differ from SciPy's: the
rule of the authors' code drops candidates and never takes one back, which is fast and
not the problem's solution.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from eigenvalues import environment, measured
from scipy.optimize import nnls
from torch import Tensor

from geomlib.data.photographs import photographs
from geomlib.nnk.kernels import KERNELS, Kernel
from geomlib.nnk.neighbourhoods import SMALLEST, problems, usual_width
from geomlib.nnk.pruning import pruned
from geomlib.nnk.solver import kkt_violation, solve
from geomlib.places import write_text

NUM_CANDIDATES = 50
BROKEN = 1e-6
SCIPY = "loop over SciPy"
Parts = list[tuple[Tensor, Tensor]]


def blocks(parts: Parts) -> Tensor:
    """Ours: block principal pivoting with a certificate."""
    return torch.cat([solve(K, q).weights for K, q in parts])


def loop(parts: Parts) -> Tensor:
    """Non-negative least squares on a Cholesky factor, sample by sample, on the CPU."""
    found = []
    for K, q in parts:
        for matrix, row in zip(K.cpu().numpy(), q.cpu().numpy(), strict=True):
            root = np.linalg.cholesky(matrix)
            found.append(nnls(root.T, np.linalg.solve(root, row))[0])
    return torch.from_numpy(np.stack(found))


def pruning(parts: Parts) -> Tensor:
    """The rule of the authors' code, in our batched version of it."""
    return torch.cat([pruned(K, q) for K, q in parts])


METHODS: dict[str, tuple[Callable[[Parts], Tensor], str]] = {
    "geomlib": (blocks, "block principal pivoting, all samples at once, certified."),
    SCIPY: (loop, "scipy.optimize.nnls on a Cholesky factor, sample by sample."),
    "pruning": (pruning, "the rule of the authors' code, batched by us; not exact."),
}


def samples(num: int) -> Tensor:
    """Different patches, none of them black."""
    images = photographs("train", num_per_class=num // 10 + 200, seed=0, size=8).images
    different = images.flatten(1).unique(dim=0)
    different = different[different.norm(dim=1) > 0]
    order = torch.randperm(len(different), generator=torch.Generator().manual_seed(0))
    return different[order[:num]]


def compared(x: Tensor, kernel: Kernel, repeats: int) -> dict[str, Any]:
    """Runs of every method in turns, and what is wrong with what each found."""
    width = usual_width(x, num_candidates=NUM_CANDIDATES) if kernel == "gaussian" else 1.0
    given = problems(x, num_candidates=NUM_CANDIDATES, kernel=kernel, width=width)
    parts = [(part.K, part.q) for part in given]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in METHODS}
    weights: dict[str, Tensor] = {}
    for turn in range(repeats):
        for name, (method, _) in METHODS.items():

            def work(method: Callable[[Parts], Tensor] = method) -> Tensor:
                return method(parts)

            weights[name], cost = measured(work, x.device)
            runs[name].append(cost)
            print(
                f"{kernel}, turn {turn}, {name}: {cost['wall_seconds']:.1f} s", flush=True
            )
    support = weights[SCIPY] > SMALLEST
    quality = {}
    for name, found in weights.items():
        pieces = found.to(x.device).split([len(q) for _, q in parts])
        violation = torch.cat(
            [kkt_violation(K, q, w) for (K, q), w in zip(parts, pieces, strict=True)]
        )
        chosen = found.cpu() > SMALLEST
        quality[name] = {
            "violation": float(violation.max()),
            "broken": float((violation > BROKEN).double().mean()),
            "other_support": float((chosen != support).any(1).double().mean()),
            "neighbours": float(chosen.sum(1).double().mean()),
        }
    return {"kernel": kernel, "width": width, "quality": quality, "runs": runs}


def main() -> None:
    """Measure and write a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000)
    args = parser.parse_args()
    device = torch.device(args.device)
    x = samples(args.samples).to(device)
    record = {
        "benchmark": "nnk",
        **environment(device),
        "dtype": "float64",
        "num_samples": len(x),
        "num_inputs": x.shape[1],
        "num_candidates": NUM_CANDIDATES,
        "broken": BROKEN,
        "notes": {name: note for name, (_, note) in METHODS.items()},
        "kernels": [compared(x, kernel, args.repeats) for kernel in KERNELS],
    }
    write_text(args.output, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
