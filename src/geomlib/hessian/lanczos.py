"""Both ends of a spectrum from one Krylov run, each value with a bound on its error.

The run's small matrix and its edge enclose the i-th eigenvalue, repeats counted, within
about residual^2 / gap (``_enclosure``). The edge, a bound on the operator outside of the
basis, comes from a second, short run out there from a random vector, which also sees the
copies of a repeated eigenvalue that the first run cannot.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.hessian._enclosure import Edges, Ends, crossing, enclosures, wanted
from geomlib.hessian._krylov import MAX_CHECKS, PERIOD, ROUNDING, Basis
from geomlib.hessian.operator import SymmetricOperator

DENSE = 150  # up to this size all products are taken: hardly dearer, and exact
# Products of the run for each of its check, at least. The check goes on while copies are
# not excluded, up to as many products as the run: at a third, 12 of 60 copies were missed.
SHORTEST = 3
MISS = 1e-3  # probability that a rank bound fails
MEMORY = 2**31  # bytes for the basis, where its default size is not stated


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenpairs from the two ends of a spectrum.

    Attributes:
        values: Ascending: the smallest, then the largest, repeats counted.
        vectors: Orthonormal columns, one a value. Their angle to an eigenspace is about
            residual over gap, so values are far more accurate than vectors.
        residuals: Norm of A v - value v.
        bounds: Distance to the nearest eigenvalue, at most: the residual, or the rank
            bound where that is smaller, with an allowance for rounding.
        rank_bounds: Distance to the eigenvalue of the same rank, repeats counted, at
            most. It holds with probability 0.999 over the random vectors of the check,
            for certain where the whole matrix was seen; infinite without a check. About
            residual^2 / gap for values apart from the rest, wide at a crowded edge,
            where telling the ranks apart would cost more than the values.
        kept: Ritz vectors of the ``num_kept`` outermost values, those wanted among them:
            the start of a run on a matrix nearby. Nothing bounds the others.
        num_matvecs: Products taken.
        converged: Whether every entry of ``bounds`` is at most ``rtol`` times the largest
            absolute value.
        repeats_checked: Whether a second random vector looked for what the first run
            cannot see, until no copy could change the values reported (probability
            0.999) or for as many products as the run had taken, and found none; or the
            whole matrix was seen. ``rank_bounds`` says how far one is excluded.
    """

    values: Float[Tensor, " pairs"]
    vectors: Float[Tensor, "n pairs"]
    residuals: Float[Tensor, " pairs"]
    bounds: Float[Tensor, " pairs"]
    rank_bounds: Float[Tensor, " pairs"]
    kept: Float[Tensor, "n kept"]
    num_matvecs: int
    converged: bool
    repeats_checked: bool


def extreme_eigenpairs(
    operator: SymmetricOperator,
    *,
    num_largest: int,
    num_smallest: int,
    rtol: float = 1e-3,
    max_matvecs: int | None = None,
    max_basis: int | None = None,
    start: Float[Tensor, "n k"] | None = None,
    check_repeats: bool = True,
    num_kept: tuple[int, int] = (0, 0),
    seed: int = 0,
) -> Eigenpairs:
    """Largest and smallest eigenvalues, by one Lanczos run with a bound on each.

    Args:
        operator: Symmetric; what it lacks in symmetry is added to the bounds.
        num_largest: Eigenvalues wanted from the upper end, repeats counted.
        num_smallest: Eigenvalues wanted from the lower end.
        rtol: Largest bound accepted, relative to the largest absolute value found. For a
            relative error of a small eigenvalue, scale it down by the ratio of the two.
        max_matvecs: Products after which to stop, converged or not; by default ten times
            ``max_basis``.
        max_basis: Vectors kept, after which the run is restarted from the best of them;
            by default 400, fewer where they would take over 2 GiB.
        start: Columns near the eigenvectors wanted (the last ones along a training run).
        check_repeats: Whether to look for repeated and overlooked eigenvalues with a
            second random vector, for a third more products, or up to as many again while
            a copy cannot be excluded (and once more after each find).
        num_kept: Ritz vectors to return in ``kept``, from the lower and the upper end;
            fewer where the run held fewer.
        seed: Of the random vectors; the global random state is not touched.

    Raises:
        ValueError: If a count, ``rtol`` or ``start`` is out of range, or the operator
            returns NaN or an infinity.

    Source: Lanczos 1950; Wu & Simon 2000 (thick restart); Parlett 1998, chapters 10 to 13
    (enclosures); van Dorsselaer, Hochstenbach & van der Vorst 2001 (bound on C). Two
    departures. Several vectors may wait for their product, as in band Lanczos, so a warm
    block and the second run join one basis. And the coefficients that symmetry makes
    known are subtracted first, so one pass over the basis, not two, keeps it orthonormal.

    >>> from geomlib.hessian.operator import from_matrix
    >>> ends = extreme_eigenpairs(
    ...     from_matrix(torch.arange(300.0).diag()), num_largest=2, num_smallest=1
    ... )
    >>> ends.values.round(), ends.converged
    (tensor([  0., 298., 299.]), True)
    """
    pairs, size = num_smallest + num_largest, operator.size
    ends = (num_smallest, num_largest)
    _check_counts(num_largest, num_smallest, size, rtol, operator.dtype)
    at_least("num_kept", min(num_kept), 0)
    block = None if start is None else _checked_start(start, operator)
    width = 0 if block is None else len(block)
    least = 2 * pairs + width + 2 * PERIOD
    if max_basis is None:
        row_bytes = size * torch.finfo(operator.dtype).bits // 8
        max_basis = max(2 * least + 40, min(400, MEMORY // row_bytes))
    at_least("max_basis", max_basis, least)
    max_matvecs = 10 * max_basis if max_matvecs is None else max_matvecs
    at_least("max_matvecs", max_matvecs, max(pairs, width))
    if size <= min(DENSE, max_matvecs):
        return _dense(operator, ends, rtol, num_kept)

    basis = Basis(operator, min(max_basis, size), max_matvecs, seed)
    if block is not None:
        basis.append(block)
    else:
        basis.append_random()
    for waiting in list(basis.waiting):
        basis.advance(waiting, 1)
    tau, num_checks = (-math.inf, math.inf), 0
    checked = torch.full((pairs,), math.inf, dtype=torch.float64)
    overlooked = block is not None  # a start that is not random may miss what it lacks
    looked = looked_in_all = 0  # products of checks: since values last moved, and all
    while True:
        ritz = basis.ritz()
        theta, S, B = ritz
        complete = len(theta) == size
        if complete:
            tau = (float(theta[-1]), float(theta[0]))  # nothing is left outside
        scale = float(theta.abs().max())
        tol = max(rtol * scale - basis.allowance, 0.0)
        settled, urgent = False, torch.ones(pairs, dtype=torch.bool)
        most = max(max_matvecs - basis.budget - looked_in_all, 8)
        if len(theta) >= pairs:
            residuals = wanted(B.norm(dim=0), ends)
            urgent = residuals > tol
            settled = not bool(urgent.any())
            if not bool(((wanted(theta, ends) - checked).abs() <= tol).all()):
                looked = 0
            excluded = _excluded(wanted(theta, ends), ends, tau, overlooked)
            enough = complete or looked >= (most // SHORTEST if excluded else most)
            give_up = not check_repeats or num_checks == MAX_CHECKS
            if basis.budget == 0 or complete or (settled and (enough or give_up)):
                break
        if basis.full:
            tau = basis.restart(ends, tau)
        elif len(basis.waiting) > 1 and len(theta) >= pairs and not settled:
            basis.rotate(wanted(B.mT, ends)[urgent])
        if settled:
            num_checks += 1
            checked, before = wanted(theta, ends), basis.budget
            limits = most // SHORTEST - looked, most - looked
            tau = _check(basis, tau, ends, tol, MISS / 2**num_checks, limits, overlooked)
            looked += before - basis.budget
            looked_in_all += before - basis.budget
        elif basis.waiting:
            # The more rows wait, the more a fresh choice among them is worth.
            basis.advance(basis.waiting[0], max(PERIOD // len(basis.waiting), 1))
        else:
            basis.advance(basis.append_random(), 1)

    rank_bounds = enclosures(ritz, tau, ends) + basis.allowance
    bounds = torch.minimum(residuals + basis.allowance, rank_bounds)
    weights = torch.zeros(basis.total, len(theta), dtype=torch.float64)
    weights[basis.done] = S

    def vectors(count: Ends) -> Float[Tensor, "n k"]:
        return basis.rows[: basis.total].mT @ wanted(weights.mT, count).mT.to(basis.rows)

    return Eigenpairs(
        values=wanted(theta, ends).to(basis.rows),
        vectors=vectors(ends),
        residuals=residuals.to(basis.rows),
        bounds=bounds.to(basis.rows),
        rank_bounds=rank_bounds.to(basis.rows),
        kept=vectors(_at_hand(num_kept, len(theta))),
        num_matvecs=max_matvecs - basis.budget,
        converged=bool((bounds <= rtol * scale).all()),
        repeats_checked=settled and enough,
    )


def _check(
    basis: Basis,
    tau: Edges,
    ends: Ends,
    tol: float,
    miss: float,
    limits: tuple[int, int],
    overlooked: bool,
) -> Edges:
    r"""Bounds on the operator outside of the basis, from a run there on a random vector.

    After k steps the next Lanczos vector is :math:`p_k(C) u`, of unit length, so its
    entry along C's top eigenvector, :math:`p_k(\lambda) u_1`, is at most 1. But
    :math:`|u_1|` is below :math:`\delta` with probability :math:`\delta\sqrt{2d/\pi}`
    at most (d the dimension), so :math:`p_k(\lambda) \le 1/\delta`, and p_k grows fast.

    It goes on until the values that a copy would change are out of reach, or has taken
    as many products as the run did from a start no better: at crowded edges nothing is
    ever out of reach. In a small basis the products are spread over several checks, each
    of which leaves its best vectors to the next.
    """
    outside = basis.operator.size - len(basis.done)
    log_delta = math.log(miss / 2) - math.log(2 * outside / math.pi) / 2
    ritz, num_before, apart = basis.ritz(), len(basis.done), list(basis.waiting)
    x, closed = basis.append_random(apart), False
    while basis.budget > 0 and not closed:
        num_steps = min(
            PERIOD, basis.limit - basis.total, limits[1] + num_before - len(basis.done)
        )
        if num_steps <= 0:
            break
        closed = basis.advance(x, num_steps, apart)
        chain = basis.done[num_before:]
        T = basis.T[chain][:, chain]
        mu = torch.linalg.eigvalsh((T + T.mT) / 2)
        low, high = float(mu[0]), float(mu[-1])
        if not closed:
            x = basis.waiting[-1]
            level = float(basis.T[[*chain[1:], x], chain].log().sum()) - log_delta
            low, high = -crossing(-mu.flip(0), level), crossing(mu, level)
        tau = max(tau[0], low), min(tau[1], high)
        excluded = _excluded(wanted(ritz[0], ends), ends, tau, overlooked)
        both = torch.cat([ritz[0], mu]).sort().values
        change = (wanted(both, ends) - wanted(ritz[0], ends)).abs()
        if (excluded and len(chain) >= limits[0]) or bool((change > tol).any()):
            break
    basis.join(apart, num_before)
    return tau


def _excluded(
    values: Float[Tensor, " pairs"], ends: Ends, tau: Edges, overlooked: bool
) -> bool:
    """Whether the outside has no eigenvalue that would change the values reported.

    A copy of the innermost value of an end changes none, so the one before it must be out
    of reach; the innermost itself where the run may have ``overlooked`` a value.
    """
    inner = 0 if overlooked else 1
    low, high = values[: max(ends[0] - inner, 0)], values[ends[0] + inner :]
    return bool((low < tau[0]).all()) and bool((high > tau[1]).all())


def _at_hand(count: Ends, total: int) -> Ends:
    """As many from below and above as there are, none twice."""
    low = min(count[0], total)
    return low, min(count[1], total - low)


def _dense(
    operator: SymmetricOperator, ends: Ends, rtol: float, num_kept: Ends
) -> Eigenpairs:
    """Everything from the whole matrix, in float64."""
    eye = torch.eye(operator.size, dtype=operator.dtype, device=operator.device)
    matrix = operator.matmat(eye).detach().double()
    finite("operator's products", matrix)
    theta, S = torch.linalg.eigh((matrix + matrix.mT) / 2)
    values, vectors = wanted(theta, ends), wanted(S.mT, ends).mT
    residuals = (matrix @ vectors - vectors * values).norm(dim=0)
    scale = float(theta.abs().max())
    allowance = ROUNDING * torch.finfo(operator.dtype).eps * scale
    allowance += float((matrix - matrix.mT).norm()) / 2
    bounds = torch.full_like(values, allowance).to(eye)
    return Eigenpairs(
        values=values.to(eye),
        vectors=vectors.to(eye),
        residuals=residuals.to(eye),
        bounds=bounds,
        rank_bounds=bounds,
        kept=wanted(S.mT, _at_hand(num_kept, operator.size)).mT.to(eye),
        num_matvecs=operator.size,
        converged=allowance <= rtol * scale,
        repeats_checked=True,
    )


def _check_counts(
    num_largest: int, num_smallest: int, size: int, rtol: float, dtype: torch.dtype
) -> None:
    """Refuse counts and tolerances that no run can meet."""
    at_least("num_largest", num_largest, 0)
    at_least("num_smallest", num_smallest, 0)
    pairs = num_largest + num_smallest
    at_least("num_largest + num_smallest", pairs, 1)
    if pairs > size:
        raise ValueError(
            f"num_largest + num_smallest must be at most the operator's size, {size}, "
            f"got {pairs}."
        )
    floor = 2 * ROUNDING * torch.finfo(dtype).eps
    if not floor <= rtol < 1:
        raise ValueError(
            f"rtol must be at least {floor:.2g} in {dtype} and below 1, got {rtol}."
        )


def _checked_start(
    start: Float[Tensor, "n k"], operator: SymmetricOperator
) -> Float[Tensor, "k n"]:
    """Orthonormal rows that span the columns given."""
    size = operator.size
    if start.ndim != 2 or start.shape[0] != size or not 1 <= start.shape[1] <= size:
        raise ValueError(
            f"start must have {size} rows and 1 to {size} columns, "
            f"got shape {tuple(start.shape)}."
        )
    finite("start", start)
    columns = start.detach().to(operator.device, operator.dtype)
    lengths = columns.norm(dim=0).clamp_min(torch.finfo(columns.dtype).tiny)
    Q, R = torch.linalg.qr(columns / lengths)
    least = float(R.diagonal().abs().min())
    floor = math.sqrt(torch.finfo(columns.dtype).eps)
    if least < floor:
        raise ValueError(
            f"start must have independent columns, got one within {least:.2g} of the "
            "span of the others, relative to its length. Leave it out."
        )
    return Q.mT
