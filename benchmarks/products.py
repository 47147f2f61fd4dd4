"""Cost of Hessian-vector products in gradients, of the whole matrix, and against size.

    python benchmarks/products.py --output products-cpu.json

Works that are compared run in turns, so that whatever else the machine does falls on all
of them alike.
"""

import argparse
import importlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from eigenvalues import compiled, environment, measured, operator_of
from problems import NUM_LARGEST, NUM_SMALLEST, PROBLEMS, Problem, head

from geomlib.hessian.dense import dense
from geomlib.hessian.lanczos import extreme_eigenpairs
from geomlib.params import unflatten
from geomlib.places import write_text

Works = Mapping[str, Callable[[], Any]]

SHORTEST = 0.05  # seconds; a shorter work is repeated until it takes as long
SMALL = (32, 64, 16)  # widths of a head of 3,152 parameters
WIDTHS = (
    (16, 32, 16),
    (64, 96, 32),
    (128, 512, 64),
    (512, 1024, 128),
    (1024, 4864, 1024),
)
BATCHES = (64, 256, 1024)


def in_turns(
    works: Works, repeats: int, device: torch.device
) -> dict[str, list[dict[str, Any]]]:
    """Seconds and peak memory of one call of each work, measured in turns."""
    calls = {}
    for name, work in works.items():
        _ = work()
        start = time.perf_counter()
        _, _ = measured(work, device)
        calls[name] = max(1, math.ceil(SHORTEST / (time.perf_counter() - start)))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    names = list(works)
    for repeat in range(repeats):
        for turn in range(len(names)):
            name = names[(turn + repeat) % len(names)]
            runs[name].append(_per_call(works[name], calls[name], device))
    return runs


def _per_call(work: Callable[[], Any], calls: int, device: torch.device) -> dict[str, Any]:
    def all_calls() -> None:
        for _ in range(calls):
            work()

    _, cost = measured(all_calls, device)
    seconds = {name: cost[name] / calls for name in ("process_seconds", "wall_seconds")}
    return {**seconds, "peak_bytes": cost["peak_bytes"]}


def product_works(problem: Problem, *, with_compiled: bool) -> Works:
    """One product by each library, and one gradient."""
    device, dtype = problem.inputs.device, problem.inputs.dtype

    def copy() -> Problem:
        return problem.to(device, dtype)

    ours = operator_of(copy())
    v = torch.randn(ours.size, dtype=dtype, generator=torch.Generator().manual_seed(0))
    v = v.to(device)
    block = torch.stack([v.roll(shift) for shift in range(4)], dim=1)
    works: dict[str, Callable[[], Any]] = {
        "gradient": copy().gradient,
        "geomlib": lambda: ours.matvec(v),
        "geomlib, four at once": lambda: ours.matmat(block),
        "torch.func, jvp of grad": _forward_over_reverse(copy(), v),
        "hessian-eigenthings": _eigenthings(copy(), v),
        "curvlinops": _curvlinops(copy(), v),
        "PyHessian": _pyhessian(copy(), v),
    }
    if with_compiled:
        fast = compiled(copy())
        works["geomlib, compiled"] = lambda: fast.matvec(v)
    return works


def _forward_over_reverse(problem: Problem, v: torch.Tensor) -> Callable[[], Any]:
    model = problem.with_written_out_silu().model
    at = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        def call(x: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(model, dict(parameters), (x,))

        return problem.loss(call)

    direction = unflatten(v, at)
    return lambda: torch.func.jvp(torch.func.grad(loss), (at,), (direction,))[1]


def _eigenthings(problem: Problem, v: torch.Tensor) -> Callable[[], Any]:
    from hessian_eigenthings import HessianOperator, supervised_loss

    batches = [(problem.inputs, problem.targets)]
    operator = HessianOperator(problem.model, batches, supervised_loss(problem.criterion))
    return lambda: operator.matvec(v)


def _curvlinops(problem: Problem, v: torch.Tensor) -> Callable[[], Any]:
    from curvlinops import HessianLinearOperator

    model = problem.with_written_out_silu().model
    operator = HessianLinearOperator(
        model,
        problem.criterion,
        list(model.parameters()),
        [(problem.inputs, problem.targets)],
        check_deterministic=False,
        num_data=len(problem.inputs),
    )
    return lambda: operator @ v


def _pyhessian(problem: Problem, v: torch.Tensor) -> Callable[[], Any]:
    module = importlib.import_module("pyhessian.hessian")
    with warnings.catch_warnings():
        # It makes the graph by backward(create_graph=True), which torch warns about.
        warnings.simplefilter("ignore")
        made = module.hessian(
            problem.model,
            problem.criterion,
            data=(problem.inputs, problem.targets),
            cuda=problem.inputs.is_cuda,
        )
    parameters = dict(problem.model.named_parameters())
    direction = list(unflatten(v, parameters).values())
    return lambda: module.hessian_vector_product(made.gradsH, made.params, direction)


def dense_works(problem: Problem) -> Works:
    """The whole matrix, ours and torch's, from the same function of the parameters."""
    at = {name: p.detach() for name, p in problem.model.named_parameters()}

    def loss(parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        def call(x: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(problem.model, dict(parameters), (x,))

        return problem.loss(call)

    return {
        "geomlib": lambda: dense(operator_of(problem)),
        "torch.func.hessian": lambda: torch.func.hessian(loss)(at),
    }


def scaling(problem: Problem, repeats: int) -> dict[str, Any]:
    """Gradient, product and both ends of the spectrum for one size and batch."""
    operator = operator_of(problem)
    draw = torch.Generator().manual_seed(0)
    v = torch.randn(operator.size, dtype=operator.dtype, generator=draw)
    v = v.to(operator.device)
    products: list[int] = []

    def ends() -> None:
        found = extreme_eigenpairs(
            operator_of(problem), num_largest=NUM_LARGEST, num_smallest=NUM_SMALLEST
        )
        products.append(found.num_matvecs)

    works = {
        "gradient": problem.gradient,
        "geomlib": lambda: operator.matvec(v),
        "both ends": ends,
    }
    runs = in_turns(works, repeats, operator.device)
    return {
        "size": problem.size,
        "batch": len(problem.inputs),
        "num_products": products[0],
        "runs": runs,
    }


def _products(make: Callable[[], Problem], *options: Any) -> dict[str, Any]:
    device, repeats, with_compiled = options
    problem = make().to(device, torch.float32)
    works = product_works(problem, with_compiled=with_compiled)
    return {
        "problem": problem.name,
        "size": problem.size,
        "batch": len(problem.inputs),
        "vectors": {"geomlib, four at once": 4},
        "runs": in_turns(works, repeats, device),
    }


def _dense(device: torch.device, repeats: int, _: bool) -> dict[str, Any]:
    problem = head(SMALL, batch=64).to(device, torch.float32)
    works = dense_works(problem)
    ours, theirs = works["geomlib"](), works["torch.func.hessian"]()
    return {
        "size": problem.size,
        "batch": len(problem.inputs),
        "difference": _difference(problem, ours, theirs),
        "runs": in_turns(works, repeats, device),
    }


def _scaling(
    problems: Iterable[Callable[[], Problem]], device: torch.device, repeats: int
) -> list[dict[str, Any]]:
    few = min(repeats, 3)
    return [scaling(make().to(device, torch.float32), few) for make in problems]


def _sizes(device: torch.device, repeats: int, _: bool) -> list[dict[str, Any]]:
    return _scaling((partial(head, w, batch=128) for w in WIDTHS), device, repeats)


def _batches(device: torch.device, repeats: int, _: bool) -> list[dict[str, Any]]:
    return _scaling((partial(head, batch=b) for b in BATCHES), device, repeats)


PARTS: dict[str, Callable[[torch.device, int, bool], Any]] = {
    **{f"products {name}": partial(_products, make) for name, make in PROBLEMS.items()},
    "dense": _dense,
    "sizes": _sizes,
    "batches": _batches,
}


def _difference(
    problem: Problem, ours: torch.Tensor, theirs: Mapping[str, Mapping[str, torch.Tensor]]
) -> float:
    """Largest difference of entries, relative to the largest entry."""
    rows = [
        torch.cat([block.reshape(p.numel(), -1) for block in theirs[name].values()], dim=1)
        for name, p in problem.model.named_parameters()
    ]
    whole = torch.cat(rows)
    return float((ours - whole).abs().max() / whole.abs().max())


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="add a compiled product")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    record: dict[str, Any] = {"benchmark": "products", **environment(device)}
    for part in arguments.parts:
        record[part] = PARTS[part](device, arguments.repeats, arguments.compile)
        # Whole after every part, so that a run that is stopped is not lost.
        write_text(arguments.output, json.dumps(record, indent=1) + "\n")
        print(part, flush=True)


if __name__ == "__main__":
    main()
