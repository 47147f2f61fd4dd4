"""Both ends of a Hessian's spectrum along a training run, each value with its bound."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from geomlib.checks import positive
from geomlib.hessian.lanczos import Eigenpairs, extreme_eigenpairs
from geomlib.hessian.operator import SymmetricOperator


@dataclass(frozen=True)
class Measurement:
    """Curvature at one step.

    Attributes:
        step: As it was given.
        values: Ascending: the smallest, then the largest eigenvalues, on the CPU.
        bounds: Distance to the nearest eigenvalue, at most.
        rank_bounds: Distance to the eigenvalue of the same rank, at most, with
            probability 0.999; infinite without a check for repeats.
        num_matvecs: Products taken, those of an abandoned warm run among them.
        seconds: Wall-clock time, the making of the operator included.
        converged: Whether all ``bounds`` are within the tolerance.
        warm: Whether the run that gave the values started from the last measurement.
    """

    step: int
    values: Float[Tensor, " pairs"]
    bounds: Float[Tensor, " pairs"]
    rank_bounds: Float[Tensor, " pairs"]
    num_matvecs: int
    seconds: float
    converged: bool
    warm: bool


class CurvatureTracker:
    """Extreme eigenvalues at chosen steps of a training run.

    Products are spent until the bounds are met, never a fixed number: the eigenvector of
    the smallest eigenvalue often does not last ten steps, and a fixed number would then
    report noise. A run starts from the sum of the last run's outermost Ritz vectors, and is
    repeated from a random vector if it takes ``patience`` times the products of the last
    cold run and has not converged.

    How much the warm start saves depends on how far the training moved: from a fifth to
    half of the products on small heads. The check for repeats, which a start that is not
    random needs more, then takes most of that back. The two end vectors did as well as
    six from below and two from above, whose sum holds less of each; as a block those
    eight took as many products as a cold start, since each column costs one before
    anything is known.

    Args:
        operator: Makes the operator where the parameters now stand, always on the same
            probe batch: another batch has another Hessian, and the change of batch would
            look like a change of curvature.
        num_largest: Eigenvalues wanted from the upper end.
        num_smallest: Eigenvalues wanted from the lower end.
        rtol: Largest bound accepted, relative to the largest absolute value found.
        num_kept: Ritz vectors kept for the next start, from the lower and upper end.
        patience: See above.
        max_matvecs: Products after which a cold run stops, converged or not.
        check_repeats: Whether every run looks for what its start cannot see. Without it a
            direction of negative curvature that is new may be missed.
        seed: Of the random vectors.

    Attributes:
        history: All measurements so far, in order.

    Raises:
        ValueError: On measuring, as ``extreme_eigenpairs`` and the operator's maker do,
            or if the operator's size changes; ``history`` is kept.

    >>> import torch
    >>> from geomlib.hessian.operator import hessian
    >>> at = {"x": torch.tensor([1.0, 2.0])}
    >>> tracker = CurvatureTracker(lambda: hessian(lambda t: t["x"].pow(3).sum(), at))
    >>> tracker.measure(step=0).values
    tensor([ 6., 12.])
    >>> _ = at["x"].mul_(2)  # the training run moves on
    >>> tracker.measure(step=1).values
    tensor([12., 24.])
    """

    def __init__(
        self,
        operator: Callable[[], SymmetricOperator],
        *,
        num_largest: int = 1,
        num_smallest: int = 1,
        rtol: float = 1e-2,
        num_kept: tuple[int, int] = (1, 1),
        patience: float = 2.0,
        max_matvecs: int | None = None,
        check_repeats: bool = True,
        seed: int = 0,
    ):
        positive("patience", patience)
        self.history: list[Measurement] = []
        self._operator = operator
        self._pairs = (num_smallest, num_largest)
        self._rtol = rtol
        self._num_kept = num_kept
        self._patience = patience
        self._max_matvecs = max_matvecs
        self._check_repeats = check_repeats
        self._seed = seed
        self._kept: Tensor | None = None
        self._cold_matvecs = 0

    def measure(self, step: int) -> Measurement:
        """Measure now, and add the measurement to ``history``."""
        started = time.perf_counter()
        operator = self._operator()
        spent, warm, found = 0, False, None
        if self._kept is not None and self._kept.shape[1]:
            if len(self._kept) != operator.size:
                raise ValueError(
                    f"operator must keep its size, got {operator.size} after "
                    f"{len(self._kept)}. Make a tracker for each."
                )
            most = max(int(self._patience * self._cold_matvecs), sum(self._pairs))
            found = self._run(operator, self._kept.sum(dim=1, keepdim=True), most)
            spent, warm = found.num_matvecs, found.converged
        if found is None or not warm:
            found = self._run(operator, None, self._max_matvecs)
            spent += found.num_matvecs
            self._cold_matvecs = found.num_matvecs
        self._kept = found.kept
        measurement = Measurement(
            step=step,
            values=found.values.cpu(),
            bounds=found.bounds.cpu(),
            rank_bounds=found.rank_bounds.cpu(),
            num_matvecs=spent,
            seconds=time.perf_counter() - started,
            converged=found.converged,
            warm=warm,
        )
        self.history.append(measurement)
        return measurement

    def _run(
        self,
        operator: SymmetricOperator,
        start: Float[Tensor, "n 1"] | None,
        max_matvecs: int | None,
    ) -> Eigenpairs:
        return extreme_eigenpairs(
            operator,
            num_smallest=self._pairs[0],
            num_largest=self._pairs[1],
            rtol=self._rtol,
            max_matvecs=max_matvecs,
            start=start,
            check_repeats=self._check_repeats,
            num_kept=self._num_kept,
            seed=self._seed,
        )
