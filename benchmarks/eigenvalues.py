"""Five largest and the smallest eigenvalue: geomlib and its peers, side by side.

    python benchmarks/eigenvalues.py --problem A --output eigenvalues-A-cpu.json

Every method gets the same weights, data and loss, one run at a time and in turns, and is
judged by its errors against a float64 reference. Making the operator is part of the
time; making the problem, and finding the budgets that were picked by hand, is not.
"""

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from problems import NUM_LARGEST, NUM_SMALLEST, PROBLEMS, Problem, head, reference
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from geomlib.hessian.lanczos import extreme_eigenpairs
from geomlib.hessian.model import module_loss
from geomlib.hessian.operator import SymmetricOperator, hessian
from geomlib.params import flatten, unflatten
from geomlib.places import write_text

ACCURACY = 1e-3
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "projection-geometry",
    "hessian-eigenthings",
    "curvlinops-for-pytorch",
    "pyhessian",
)


@dataclass(frozen=True)
class Found:
    """What a method returned: ascending largest, the smallest or None, products taken."""

    largest: list[float]
    smallest: float | None
    num_products: int


@dataclass(frozen=True)
class Method:
    """A way to the eigenvalues.

    Attributes:
        name: Library and variant.
        run: Eigenvalues of a problem, from a seed and a budget.
        note: What a reader must know to judge the comparison.
        budget: Finds what ``run`` is given, knowing the answer; not timed.
    """

    name: str
    run: Callable[[Problem, int, Any], Found]
    note: str
    budget: Callable[[Problem, int, dict[str, Any]], Any] | None = None


def operator_of(problem: Problem) -> SymmetricOperator:
    """Our Hessian of a problem, by the documented way from a module."""
    loss, at = module_loss(
        problem.model,
        (problem.inputs, problem.targets),
        lambda f, batch: problem.criterion(f(batch[0]), batch[1]),
    )
    return hessian(loss, at)


def compiled(problem: Problem) -> SymmetricOperator:
    """Our operator with a compiled product: reverse over reverse, traced as a whole."""
    loss, at = module_loss(
        problem.model,
        (problem.inputs, problem.targets),
        lambda f, batch: problem.criterion(f(batch[0]), batch[1]),
    )

    @torch.compile
    def product(v: Tensor) -> Tensor:
        pulled = torch.func.vjp(torch.func.grad(loss), at)[1]
        return flatten(pulled(unflatten(v, at))[0])

    return replace(operator_of(problem), matvec=product)


def _ours(
    operator: Callable[[Problem], SymmetricOperator], **options: Any
) -> Callable[[Problem, int, Any], Found]:
    def run(problem: Problem, seed: int, _: Any) -> Found:
        ends = extreme_eigenpairs(
            operator(problem),
            num_largest=NUM_LARGEST,
            num_smallest=NUM_SMALLEST,
            seed=seed,
            **options,
        )
        values = ends.values.tolist()
        return Found(values[NUM_SMALLEST:], values[0], ends.num_matvecs)

    return run


def _arpack(one_run: bool) -> Callable[[Problem, int, Any], Found]:
    def run(problem: Problem, seed: int, _: Any) -> Found:
        from curvlinops import HessianLinearOperator

        model = problem.with_written_out_silu().model
        dtype = np.dtype(str(problem.inputs.dtype).removeprefix("torch."))
        product = HessianLinearOperator(
            model,
            problem.criterion,
            list(model.parameters()),
            [(problem.inputs, problem.targets)],
            check_deterministic=False,
            num_data=len(problem.inputs),
        ).to_scipy(dtype=dtype)
        calls: list[None] = []

        def matvec(v: Any) -> Any:
            calls.append(None)
            return product.matvec(v)

        operator = LinearOperator(product.shape, matvec=matvec, dtype=dtype)
        start = np.random.default_rng(seed).standard_normal(problem.size)
        options = {"tol": ACCURACY, "v0": start.astype(dtype)}
        if one_run:
            values, _ = eigsh(operator, 2 * NUM_LARGEST, which="BE", **options)
            ends = np.sort(values)
            return Found(ends[-NUM_LARGEST:].tolist(), float(ends[0]), len(calls))
        largest, _ = eigsh(operator, NUM_LARGEST, which="LA", **options)
        smallest, _ = eigsh(operator, NUM_SMALLEST, which="SA", **options)
        return Found(sorted(largest.tolist()), float(smallest[0]), len(calls))

    return run


def _eigenthings_operator(problem: Problem) -> Any:
    from hessian_eigenthings import HessianOperator, supervised_loss

    batches = [(problem.inputs, problem.targets)]
    return HessianOperator(problem.model, batches, supervised_loss(problem.criterion))


def eigenthings(problem: Problem, seed: int, budget: tuple[int, int] | None) -> Found:
    """One run for each end, with the budgets given or the library's own."""
    from hessian_eigenthings import lanczos

    operator = _eigenthings_operator(problem)
    upper, lower = budget or (None, None)
    # By default the steps are twice the pairs: one pair alone would get two.
    num_lower = NUM_SMALLEST if budget else NUM_LARGEST
    # Above 50 steps it no longer reorthogonalises unless told to, and then the steps are
    # not those that the budget was found with.
    options = {"seed": seed, "reorthogonalize": True if budget else None}
    high = lanczos(operator, k=NUM_LARGEST, max_iter=upper, which="LA", **options)
    low = lanczos(operator, k=num_lower, max_iter=lower, which="SA", **options)
    return Found(
        sorted(high.eigenvalues.tolist()),
        float(low.eigenvalues[0]),
        high.iterations + low.iterations,
    )


def eigenthings_by_hand(
    problem: Problem, seed: int, budget: tuple[int, int] | None
) -> Found:
    """One run of its Lanczos steps, whose small matrix the user takes apart."""
    from hessian_eigenthings import lanczos_tridiagonal

    run = lanczos_tridiagonal(
        _eigenthings_operator(problem), _start(problem, seed), max(budget or (20,))
    )
    theta, s = torch.linalg.eigh(_tridiagonal(run.alphas, run.betas))
    wanted = [0, *range(len(theta) - NUM_LARGEST, len(theta))]
    _ = torch.stack(run.basis, dim=1) @ s[:, wanted]  # the eigenvectors, as others give
    return Found(theta[-NUM_LARGEST:].tolist(), float(theta[0]), run.iterations)


def _tridiagonal(alphas: Tensor, betas: Tensor) -> Tensor:
    return alphas.diag() + betas.diag(1) + betas.diag(-1)


def _start(problem: Problem, seed: int) -> Tensor:
    """The vector that hessian-eigenthings itself draws from a seed."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(problem.size, dtype=problem.inputs.dtype, generator=generator)
    return draw.to(problem.inputs.device)


def eigenthings_budget(
    problem: Problem, seed: int, answer: dict[str, Any]
) -> tuple[int, int]:
    """Fewest steps that reach the accuracy at either end, from this very seed.

    Lanczos steps are nested, so one long run shows what every shorter one gives.
    """
    from hessian_eigenthings import lanczos_tridiagonal

    operator, start = _eigenthings_operator(problem), _start(problem, seed)
    for longest in (60, 120, 240):
        run = lanczos_tridiagonal(operator, start, longest)
        right: list[tuple[bool, bool]] = []
        for steps in range(NUM_LARGEST, longest + 1):
            small = _tridiagonal(run.alphas[:steps], run.betas[: steps - 1])
            theta = torch.linalg.eigvalsh(small.double()).tolist()
            found = Found(theta[-NUM_LARGEST:], theta[0], steps)
            errors = _errors(found, answer)
            right.append((errors[0] <= ACCURACY, errors[1] <= ACCURACY))
        first = [next((i for i, ok in enumerate(right) if ok[end]), None) for end in (0, 1)]
        if first[0] is not None and first[1] is not None:
            return NUM_LARGEST + first[0], NUM_LARGEST + first[1]
    raise ValueError(f"240 steps must reach {ACCURACY:g} at both ends; they do not.")


def _pyhessian(**options: Any) -> Callable[[Problem, int, Any], Found]:
    def run(problem: Problem, seed: int, _: Any) -> Found:
        module = importlib.import_module("pyhessian.hessian")
        product = module.hessian_vector_product
        with (
            torch.random.fork_rng(),
            warnings.catch_warnings(),
            patch.object(module, "hessian_vector_product", wraps=product) as counted,
        ):
            # It makes the graph by backward(create_graph=True), which torch warns about.
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            values, _ = module.hessian(
                problem.model,
                problem.criterion,
                data=(problem.inputs, problem.targets),
                cuda=problem.inputs.is_cuda,
            ).eigenvalues(top_n=NUM_LARGEST, **options)
            return Found(sorted(values), None, counted.call_count)

    return run


METHODS = (
    Method(
        "geomlib",
        _ours(operator_of),
        "Defaults (rtol 1e-3). Both ends from one run, with a bound on each value and a "
        "check for repeated eigenvalues, which no other method here makes.",
    ),
    Method(
        "geomlib, no check for repeats",
        _ours(operator_of, check_repeats=False),
        "Bounds are residual norms; the guarantee that the others give, or less.",
    ),
    Method(
        "curvlinops + eigsh, two runs",
        _arpack(one_run=False),
        "eigsh with tol 1e-3, once for either end, in the problem's dtype (the exported "
        "operator's default is float64, which is slower). Its check for determinism is "
        "off. Both views are stacked in one input. On A nn.SiLU is written out, because "
        "the library needs its forward-mode derivative.",
    ),
    Method(
        "curvlinops + eigsh, which='BE'",
        _arpack(one_run=True),
        "As above in one run, which gives as many pairs at the lower end as at the upper.",
    ),
    Method(
        "hessian-eigenthings, budget picked by hand",
        eigenthings,
        "One run for either end; steps are the fewest that reach 1e-3 from this very "
        "seed, found beforehand by comparing with the reference.",
        eigenthings_budget,
    ),
    Method(
        "hessian-eigenthings, one run by hand",
        eigenthings_by_hand,
        "Its Lanczos steps, once; the user takes both ends from the small matrix. The "
        "library offers no such call. Budget picked as above.",
        eigenthings_budget,
    ),
    Method(
        "hessian-eigenthings, defaults",
        eigenthings,
        "Five pairs at either end, ten steps each, as its default has it.",
    ),
    Method(
        "PyHessian, defaults",
        _pyhessian(),
        "Power iteration with deflation, largest absolute values only; the smallest "
        "eigenvalue is not offered.",
    ),
    Method(
        "PyHessian, tightened",
        _pyhessian(tol=1e-6, maxIter=1000),
        "tol 1e-6 and at most 1000 steps a value in place of 1e-3 and 100.",
    ),
)
COMPILED = Method(
    "geomlib, compiled",
    _ours(compiled),
    "As the first, with torch.compile on the product; compiling happens before the clock "
    "starts.",
)


def measured(work: Callable[[], Any], device: torch.device) -> tuple[Any, dict[str, Any]]:
    """What some work returned, its seconds, and the memory it added at its peak."""
    gc.collect()
    before = _begin_peak(device)
    wall, process = time.perf_counter(), time.process_time()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = {
        "process_seconds": time.process_time() - process,
        "wall_seconds": time.perf_counter() - wall,
    }
    peak = max(_peak(device) - before, 0) if before else None
    return result, {**seconds, "peak_bytes": peak}


def _begin_peak(device: torch.device) -> int:
    """Memory in use now, the peak counter set back; 0 where there is none."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    counter = Path("/proc/self/clear_refs")
    if not counter.exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return 0
    # Memory that was freed but kept would hide what the next method takes.
    ctypes.CDLL(None).malloc_trim(0)
    counter.write_text("5")
    return _peak(device)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def environment(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the code."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        # On a GPU the process waits without working.
        "clock": "wall_seconds" if cuda else "process_seconds",
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in PACKAGES},
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _errors(found: Found, answer: dict[str, Any]) -> tuple[float, float | None]:
    """Relative errors: the worst of the largest eigenvalues, and the smallest."""
    pairs = zip(found.largest, answer["largest"], strict=True)
    worst = max(abs(value - true) / abs(true) for value, true in pairs)
    if found.smallest is None:
        return worst, None
    true = answer["smallest"][0]
    return worst, abs(found.smallest - true) / abs(true)


def _judged(
    work: Callable[[], Found], device: torch.device, answer: dict[str, Any]
) -> dict[str, Any]:
    found, cost = measured(work, device)
    largest, smallest = _errors(found, answer)
    errors = {"error_largest": largest, "error_smallest": smallest}
    return {**cost, "num_products": found.num_products, **errors}


def compared(
    problem: Problem,
    answer: dict[str, Any],
    methods: tuple[Method, ...],
    repeats: int,
) -> Iterator[list[dict[str, Any]]]:
    """Runs of every method, in turns, after each seed."""
    device = problem.inputs.device
    dtype = problem.inputs.dtype
    toy = head((16, 32, 8), batch=16, steps=1).to(device, dtype)
    runs: dict[str, list[dict[str, Any]]] = {method.name: [] for method in methods}
    for method in methods:
        # Imports, and what libraries do once; errors come up again in the runs.
        with contextlib.suppress(Exception):
            method.run(toy.to(device, dtype), 0, (10, 10) if method.budget else None)
    problem.gradient()
    if COMPILED in methods:
        start = time.perf_counter()
        compiled(problem).matvec(_start(problem, 0))
        print(f"compiled in {time.perf_counter() - start:.1f} s")
    for seed in range(repeats):
        budgets = {
            pick: pick(problem.to(device, dtype), seed, answer)
            for pick in {method.budget for method in methods}
            if pick
        }
        for turn in range(len(methods)):
            method = methods[(turn + seed) % len(methods)]
            own = problem.to(device, dtype)
            budget = budgets.get(method.budget)
            try:
                run = _judged(partial(method.run, own, seed, budget), device, answer)
            except Exception as error:
                # What a library cannot do is a result too.
                run = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            runs[method.name].append({"seed": seed, "budget": budget, **run})
            print(f"{method.name}: {runs[method.name][-1]}", flush=True)
        yield [
            {"name": method.name, "note": method.note, "runs": runs[method.name]}
            for method in methods
        ]


def main() -> None:
    """Compare, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=PROBLEMS, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--compile", action="store_true", help="add a compiled product")
    parser.add_argument("--methods", nargs="+", help="names or their beginnings")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    made = PROBLEMS[arguments.problem]()
    problem = made.to(device, getattr(torch, arguments.dtype))
    offered = (*METHODS, COMPILED) if arguments.compile else METHODS
    chosen = tuple(
        method
        for method in offered
        if not arguments.methods or method.name.startswith(tuple(arguments.methods))
    )
    answer = reference(made)
    record = {
        "benchmark": "eigenvalues",
        "problem": arguments.problem,
        "size": problem.size,
        "batch": len(problem.inputs),
        "dtype": arguments.dtype,
        **environment(device),
        "wanted": {
            "num_largest": NUM_LARGEST,
            "num_smallest": NUM_SMALLEST,
            "relative_error": ACCURACY,
        },
        "reference": answer,
    }
    for methods in compared(problem, answer, chosen, arguments.repeats):
        # Whole after every seed, so that a run that is stopped is not lost.
        text = json.dumps({**record, "methods": methods}, indent=1)
        write_text(arguments.output, text + "\n")


if __name__ == "__main__":
    main()
