"""An orthonormal basis of a Krylov space, grown from several vectors and restarted."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.hessian._enclosure import Edges, Ends, Ritz, bordered
from geomlib.hessian.operator import SymmetricOperator

PERIOD = 4  # products between two looks at the small matrix, each of which waits for a GPU
ROUNDING = 50.0  # allowance for rounding, in units of eps times the largest |eigenvalue|
MAX_CHECKS = 20  # each can leave one more row waiting


class Basis:
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
            float(bordered(*dropped, tau[0])[0]),
            float(bordered(*dropped, tau[1])[-1]),
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
