r"""Both ends of a spectrum from one Krylov run, each value with a bound on its error.

The run keeps orthonormal rows: V, multiplied by A already, and a few P that wait, with
:math:`A V^\top = V^\top T + P^\top B`. In such a basis A is
:math:`\begin{pmatrix} T & B^\top \\ B & C \end{pmatrix}` (P is part of C's space), so

- eigenvalues of T lie inside those of A, counted from either end (Cauchy);
- if :math:`C \le \tau`, replacing C by :math:`\tau` moves no eigenvalue down (Weyl): the
  i-th largest of A is at most that of T bordered by B and :math:`\tau`, or :math:`\tau`.

The two enclose the i-th eigenvalue, repeats counted, within about residual^2 / gap. A
bound on C comes from a second, short run on C from a random vector, which sees the copies
of a repeated eigenvalue that the first run cannot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.hessian.operator import SymmetricOperator

DENSE = 150  # up to this size all products are taken: hardly dearer, and exact
PERIOD = 4  # products between two looks at the small matrix, each of which waits for a GPU
ROUNDING = 50.0  # allowance for rounding, in units of eps times the largest |eigenvalue|
CHECK = 3  # products so far for each product of the check
MISS = 1e-3  # probability that a rank bound fails
MAX_CHECKS = 20  # each can leave one more row waiting
MEMORY = 2**31  # bytes for the basis, where its default size is not stated

Ends = tuple[int, int]  # how many wanted from below, from above
Edges = tuple[float, float]
Ritz = tuple[Float[Tensor, " p"], Float[Tensor, "p p"], Float[Tensor, "q p"]]


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
        num_matvecs: Products taken.
        converged: Whether every entry of ``bounds`` is at most ``rtol`` times the largest
            absolute value.
        repeats_checked: Whether a second random vector looked for what the first run
            cannot see, and found no value that changes those reported (or the whole
            matrix was seen). How far this excludes one is in ``rank_bounds``.
    """

    values: Float[Tensor, " pairs"]
    vectors: Float[Tensor, "n pairs"]
    residuals: Float[Tensor, " pairs"]
    bounds: Float[Tensor, " pairs"]
    rank_bounds: Float[Tensor, " pairs"]
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
            second random vector, for a third more products (again after each find).
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
    _check_counts(num_largest, num_smallest, size, rtol, operator.dtype)
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
        return _dense(operator, num_largest, num_smallest, rtol)

    basis = _Basis(operator, min(max_basis, size), max_matvecs, seed)
    if block is not None:
        basis.append(block)
    else:
        basis.append_random()
    for waiting in list(basis.waiting):
        basis.advance(waiting, 1)
    ends = (num_smallest, num_largest)
    tau, num_checks = (-math.inf, math.inf), 0
    checked = torch.full((pairs,), math.inf, dtype=torch.float64)
    while True:
        ritz = basis.ritz()
        theta, S, B = ritz
        complete = len(theta) == size
        if complete:
            tau = (float(theta[-1]), float(theta[0]))  # nothing is left outside
        scale = float(theta.abs().max())
        tol = max(rtol * scale - basis.allowance, 0.0)
        settled, urgent = False, torch.ones(pairs, dtype=torch.bool)
        if len(theta) >= pairs:
            residuals = _wanted(B.norm(dim=0), ends)
            urgent = residuals > tol
            settled = not bool(urgent.any())
            known = bool(((_wanted(theta, ends) - checked).abs() <= tol).all())
            enough = complete or known or not check_repeats or num_checks == MAX_CHECKS
            if basis.budget == 0 or complete or (settled and enough):
                break
        if basis.full:
            tau = basis.restart(ends, tau)
        elif len(basis.waiting) > 1 and len(theta) >= pairs and not settled:
            basis.rotate(_wanted(B.mT, ends)[urgent])
        if settled:
            num_checks += 1
            checked = _wanted(theta, ends)
            tau = _check(basis, tau, ends, tol, MISS / 2**num_checks)
        elif basis.waiting:
            # The more rows wait, the more a fresh choice among them is worth.
            basis.advance(basis.waiting[0], max(PERIOD // len(basis.waiting), 1))
        else:
            basis.advance(basis.append_random(), 1)

    rank_bounds = _enclosures(ritz, tau, ends) + basis.allowance
    bounds = torch.minimum(residuals + basis.allowance, rank_bounds)
    weights = torch.zeros(basis.total, pairs, dtype=torch.float64)
    weights[basis.done] = _wanted(S.mT, ends).mT
    return Eigenpairs(
        values=_wanted(theta, ends).to(basis.rows),
        vectors=basis.rows[: basis.total].mT @ weights.to(basis.rows),
        residuals=residuals.to(basis.rows),
        bounds=bounds.to(basis.rows),
        rank_bounds=rank_bounds.to(basis.rows),
        num_matvecs=max_matvecs - basis.budget,
        converged=bool((bounds <= rtol * scale).all()),
        repeats_checked=complete or (num_checks > 0 and settled and known),
    )


class _Basis:
    """Orthonormal rows, ``done`` (multiplied by A: V) or ``waiting`` (P)."""

    def __init__(self, operator: SymmetricOperator, limit: int, budget: int, seed: int):
        self.operator = operator
        self.limit = limit
        self.budget = budget
        self.generator = torch.Generator().manual_seed(seed)
        # Spare rows: a remainder when the space is full, and one that waits a check.
        spare = 1 + MAX_CHECKS
        self.rows = torch.empty(
            limit + spare, operator.size, dtype=operator.dtype, device=operator.device
        )
        self.T = torch.zeros(limit + spare, limit + spare, dtype=torch.float64)
        self.done: list[int] = []
        self.waiting: list[int] = []
        self.scale = 0.0
        self.asymmetry = 0.0

    @property
    def total(self) -> int:
        return len(self.done) + len(self.waiting)

    @property
    def full(self) -> bool:
        """Whether a restart is due; never where the rows may span the whole space."""
        return self.limit < self.operator.size and self.total + 2 * PERIOD > self.limit

    @property
    def rounding(self) -> float:
        """Size below which a number is noise."""
        return ROUNDING * torch.finfo(self.operator.dtype).eps * self.scale

    @property
    def allowance(self) -> float:
        return self.rounding + self.asymmetry

    def append(self, block: Float[Tensor, "k n"]) -> None:
        """Add orthonormal rows, orthogonal to the others, to those that wait."""
        start, end = self.total, self.total + len(block)
        self.rows[start:end] = block
        self.T[start:end] = 0
        self.T[:, start:end] = 0
        self.waiting += range(start, end)

    def append_random(self, apart: Sequence[int] = ()) -> int:
        """Add a random direction orthogonal to the rows, but those apart; its index."""
        draw = torch.randn(
            (1, self.operator.size), generator=self.generator, dtype=self.rows.dtype
        )
        self.append(self.split(draw.to(self.rows), apart)[0])
        return self.waiting[-1]

    def split(
        self, block: Float[Tensor, "k n"], apart: Sequence[int]
    ) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k k"], Float[Tensor, "m k"]]:
        """Q, R and G with block' = rows' G + Q' R, Q orthonormal, outside of the rows."""
        rows, inside = self.rows[: self.total], self._inside(apart)[:, None]
        right = torch.eye(len(block), dtype=torch.float64)
        known = torch.zeros(self.total, len(block), dtype=torch.float64)
        for _ in range(2):
            h = (rows @ block.mT) * inside
            Q, R = torch.linalg.qr(block.mT - rows.mT @ h)
            known += h.cpu().double() @ right
            right = R.cpu().double() @ right
            block = Q.mT
        return block, right, known

    def _inside(self, apart: Sequence[int]) -> Float[Tensor, " m"]:
        inside = torch.ones(self.total, dtype=self.rows.dtype)
        inside[list(apart)] = 0
        return inside.to(self.rows.device)

    def advance(self, first: int, num_steps: int, apart: Sequence[int] = ()) -> bool:
        """Lanczos steps from a row that waits; True if the space closed.

        Rows ``apart`` count as part of the outside. Nothing is read before the end.
        """
        total, num_waiting = self.total, len(self.waiting) - len(apart)
        num_steps = min(num_steps, self.budget, max(self.limit + 1 - total, 1))
        inside = torch.nn.functional.pad(self._inside(apart), (0, num_steps), value=1.0)
        columns: list[Tensor] = []
        before, x, beta = first, first, torch.zeros(())
        for end in range(total, total + num_steps):
            rows = self.rows[:end]
            w = self.operator.matvec(self.rows[x]).detach()
            # What symmetry makes known goes first, then x's own quotient, then noise.
            column = torch.zeros(len(self.T), dtype=rows.dtype, device=rows.device)
            if end == total:
                column += self.T[x].to(rows)
                w = torch.addmv(w, rows.mT, column[:end], alpha=-1)
            else:
                column[before] += beta
                w = w - beta * self.rows[before]
            quotient = self.rows[x] @ w
            column[x] += quotient
            w = w - quotient * self.rows[x]
            # Rows that wait share unknown entries with x: two passes there.
            for _ in range(1 if num_waiting == 1 else 2):
                h = (rows @ w) * inside[:end]
                column[:end] += h
                w = torch.addmv(w, rows.mT, h, alpha=-1)
            beta = w.norm()
            column[end] = beta
            columns.append(column)
            torch.div(w, beta.clamp_min(torch.finfo(w.dtype).tiny), out=self.rows[end])
            before, x = x, end
        self.budget -= num_steps
        return self._record(first, torch.stack(columns).cpu().double())

    def _record(self, first: int, columns: Float[Tensor, "s m"]) -> bool:
        """Enter new columns of T up to the first remainder that is noise."""
        if not bool(torch.isfinite(columns).all()):
            raise ValueError(
                "operator must return finite products, got NaN or an infinity. "
                "Look for overflow in the loss, or take the Hessian in float64."
            )
        self.scale = max(self.scale, float(columns.norm(dim=1).max()))
        self.waiting.remove(first)
        total = self.total + 1
        x = first
        for step, column in enumerate(columns):
            end = total + step
            self.T[:, x] = column
            self.done.append(x)
            if float(column[end]) <= self.rounding or end >= self.operator.size:
                self.T[end, x] = 0.0
                return True
            self.T[end] = 0.0
            self.T[end, x] = column[end]
            x = end
        self.waiting.append(x)
        return False

    def ritz(self) -> Ritz:
        """Eigenpairs of T, and the couplings of each to the rows that wait."""
        T = self.T[self.done][:, self.done]
        self.asymmetry = float((T - T.mT).norm()) / 2
        theta, S = torch.linalg.eigh((T + T.mT) / 2)
        return theta, S, self.T[self.waiting][:, self.done] @ S

    def rotate(self, couplings: Float[Tensor, "u q"]) -> None:
        """Turn the rows that wait so that the first carries most of these residuals."""
        turn = torch.linalg.svd(couplings).Vh
        self.rows[self.waiting] = turn.to(self.rows) @ self.rows[self.waiting]
        self.T[self.waiting] = turn @ self.T[self.waiting]

    def restart(self, ends: Ends, tau: Edges) -> Edges:
        """Keep the best Ritz vectors only; edges of the space outside of those."""
        theta, S, B = self.ritz()
        pairs, num_waiting = sum(ends), len(self.waiting)
        most = self.limit - pairs - num_waiting - 4 * PERIOD
        extra = max(min((self.limit - pairs) // 3, most), 0) // sum(n > 0 for n in ends)
        low, high = (n + extra if n else 0 for n in ends)
        index = torch.arange(len(theta))
        kept = (index < low) | (index >= len(theta) - high)
        num_kept = int(kept.sum())
        weights = torch.zeros(self.total, num_kept + num_waiting, dtype=torch.float64)
        weights[self.done, :num_kept] = S[:, kept]
        weights[self.waiting, range(num_kept, weights.shape[1])] = 1.0
        old, turn = self.rows[: self.total], weights.mT.to(self.rows)
        for columns in old.split(2**16, dim=1):
            columns[: len(turn)] = turn @ columns
        self.done = list(range(num_kept))
        self.waiting = list(range(num_kept, len(turn)))
        self.T.zero_()
        self.T[self.done, self.done] = theta[kept]
        self.T[num_kept : len(turn), :num_kept] = B[:, kept]
        # The outside now holds what was dropped, coupled to the outside of before.
        dropped = theta[~kept], B[:, ~kept]
        return (
            float(_bordered(*dropped, tau[0])[0]),
            float(_bordered(*dropped, tau[1])[-1]),
        )

    def join(self, apart: list[int], num_before: int) -> None:
        """Make rows apart orthogonal to those done since, and enter their couplings."""
        if not apart:
            return
        before = self.done[:num_before]
        B = self.T[apart][:, before]
        Q, R, G = self.split(self.rows[apart], apart)
        index = torch.tensor(before)
        since = [*self.done[num_before:], *(i for i in self.waiting if i not in apart)]
        self.T[torch.tensor(since)[:, None], index] = G[since] @ B
        self.T[torch.tensor(apart)[:, None], index] = R @ B
        self.rows[apart] = Q
        noise = R.norm(dim=1) <= ROUNDING * torch.finfo(self.rows.dtype).eps
        for i in sorted((i for i, n in zip(apart, noise, strict=True) if n), reverse=True):
            self._remove(i)

    def _remove(self, i: int) -> None:
        """Forget a row that waits; the last row takes its place."""
        last = self.total - 1
        self.waiting.remove(i)
        self.rows[i], self.T[i] = self.rows[last], self.T[last]
        self.T[:, i] = self.T[:, last]
        self.done = [i if j == last else j for j in self.done]
        self.waiting = [i if j == last else j for j in self.waiting]


def _check(basis: _Basis, tau: Edges, ends: Ends, tol: float, miss: float) -> Edges:
    r"""Bounds on the operator outside of the basis, from a run there on a random vector.

    After k steps the next Lanczos vector is :math:`p_k(C) u`, of unit length, so its
    entry along C's top eigenvector, :math:`p_k(\lambda) u_1`, is at most 1. But
    :math:`|u_1|` is below :math:`\delta` with probability :math:`\delta\sqrt{2d/\pi}`
    at most (d the dimension), so :math:`p_k(\lambda) \le 1/\delta`, and p_k grows fast.

    A third of the products so far are enough to see what those resolved: a random entry
    of 1 / sqrt(n) has to grow to 1, not on to 1 / rtol, and much is deflated already.
    """
    outside = basis.operator.size - len(basis.done)
    log_delta = math.log(miss / 2) - math.log(2 * outside / math.pi) / 2
    ritz, num_before, apart = basis.ritz(), len(basis.done), list(basis.waiting)
    x, closed, length = basis.append_random(apart), False, max(len(basis.done) // CHECK, 8)
    while basis.budget > 0 and not closed:
        num_steps = min(
            PERIOD, basis.limit - basis.total, length + num_before - len(basis.done)
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
            low, high = -_crossing(-mu.flip(0), level), _crossing(mu, level)
        tau = max(tau[0], low), min(tau[1], high)
        certain = bool((_enclosures(ritz, tau, ends) <= tol).all())
        both = torch.cat([ritz[0], mu]).sort().values
        change = (_wanted(both, ends) - _wanted(ritz[0], ends)).abs()
        if certain or bool((change > tol).any()):
            break
    basis.join(apart, num_before)
    return tau


def _crossing(mu: Float[Tensor, " k"], level: float) -> float:
    """Where sum log(t - mu) reaches a level, t above the largest mu."""
    above, top = 0.0, float(mu[-1])
    reach = math.exp(level / len(mu))
    gaps = top - mu
    for _ in range(60):
        middle = (above + reach) / 2
        if float((gaps + middle).log().sum()) < level:
            above = middle
        else:
            reach = middle
    return top + reach


def _bordered(
    theta: Float[Tensor, " p"], B: Float[Tensor, "q p"], tau: float
) -> Float[Tensor, " m"]:
    """Eigenvalues of T bordered by B and tau."""
    if math.isinf(tau):
        return torch.full((len(theta) + len(B),), tau, dtype=theta.dtype)
    corner = tau * torch.eye(len(B), dtype=B.dtype)
    return torch.linalg.eigvalsh(
        torch.cat([torch.cat([theta.diag(), B.mT], 1), torch.cat([B, corner], 1)])
    )


def _enclosures(ritz: Ritz, tau: Edges, ends: Ends) -> Float[Tensor, " pairs"]:
    """How far the wanted eigenvalues may lie beyond those of T, repeats counted."""
    theta, _, B = ritz
    below = _bordered(theta, B, tau[0])[: ends[0]].clamp_max(tau[0])
    above = _bordered(theta, B, tau[1])
    above = above[len(above) - ends[1] :].clamp_min(tau[1])
    wanted = _wanted(theta, ends)
    gaps = torch.cat([wanted[: ends[0]] - below, above - wanted[ends[0] :]])
    return gaps.clamp_min(0.0)


def _wanted(x: Float[Tensor, "p ..."], ends: Ends) -> Float[Tensor, "pairs ..."]:
    """Entries at the two ends."""
    return torch.cat([x[: ends[0]], x[len(x) - ends[1] :]])


def _dense(
    operator: SymmetricOperator, num_largest: int, num_smallest: int, rtol: float
) -> Eigenpairs:
    """Everything from the whole matrix, in float64."""
    eye = torch.eye(operator.size, dtype=operator.dtype, device=operator.device)
    matrix = operator.matmat(eye).detach().double()
    finite("operator's products", matrix)
    theta, S = torch.linalg.eigh((matrix + matrix.mT) / 2)
    ends = (num_smallest, num_largest)
    values, vectors = _wanted(theta, ends), _wanted(S.mT, ends).mT
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
