"""Candidates, weights and certificate of every sample of a set."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from geomlib.checks import at_least
from geomlib.nnk.kernels import Kernel, kernel_matrix, prepared
from geomlib.nnk.solver import solve

# Between candidates that are all but duplicates a weight below this is rounding.
SMALLEST = 1e-7
# Candidates as similar to each other as rounding can tell are one and the same.
SAME = 1e-13
NUM_ENTRIES = 2**24


@dataclass(frozen=True)
class Problems:
    """Quadratic problems of some samples, over their candidates.

    Attributes:
        samples: Which rows of the features they are of.
        candidates: Rows of the features, the most similar first.
        K: Kernel among the candidates.
        q: Kernel of each candidate with the sample. Zero, with a unit row in ``K``,
            where there are fewer candidates or one repeats an earlier one.
    """

    samples: Int[Tensor, " b"]
    candidates: Int[Tensor, "b k"]
    K: Float[Tensor, "b k k"]
    q: Float[Tensor, "b k"]


@dataclass(frozen=True)
class Neighbourhoods:
    """Neighbours of every sample, and the proof that they are right.

    Attributes:
        candidates: Rows of the features, the most similar first.
        weights: Of the candidates; zero for those that add nothing.
        violation: Of the optimality conditions, sample by sample.
        width: Of the Gaussian kernel that was used; 1 for the cosine.
        num_fallbacks: Samples that block pivoting did not solve.
    """

    candidates: Int[Tensor, "n k"]
    weights: Float[Tensor, "n k"]
    violation: Float[Tensor, " n"]
    width: float
    num_fallbacks: int

    @property
    def chosen(self) -> Bool[Tensor, "n k"]:
        """Which candidates are neighbours: weight above 1e-7."""
        return self.weights > SMALLEST


def neighbourhoods(
    features: Float[Tensor, "n d"],
    *,
    num_candidates: int,
    kernel: Kernel = "cosine",
    width: float | None = None,
    groups: Int[Tensor, " n"] | None = None,
) -> Neighbourhoods:
    """Neighbours of each sample by non-negative kernel regression.

    The candidates are the samples of highest similarity. The weights are those of the
    non-negative combination of candidates that comes nearest to the sample in the
    kernel's space; a candidate that lies behind another one gets none.

    A sample far from all others, as seen by a Gaussian kernel, has no neighbours. A
    sample with a duplicate has that one alone. Of candidates that are duplicates of
    each other only the first is used.

    Args:
        features: One row a sample; computed with in float64, where they are.
        num_candidates: Fewer are used where there are fewer other samples.
        kernel: ``cosine`` or ``gaussian``.
        width: Of the Gaussian kernel; None takes ``usual_width``.
        groups: Only samples with the same number are candidates of each other.

    Raises:
        ValueError: If there is no other sample, ``num_candidates`` is below 1, the kernel
            is unknown, ``width`` is not positive, or a feature is not finite or, for the
            cosine, a row is zero.

    Source: Shekkizhar & Ortega 2020.

    >>> line = torch.tensor([[0.0], [1.0], [2.0], [5.0]])
    >>> found = neighbourhoods(line, num_candidates=3, kernel="gaussian", width=2.0)
    >>> found.candidates[0][found.chosen[0]].tolist()
    [1]
    """
    x = prepared(features, kernel)
    if kernel == "gaussian" and width is None:
        width = usual_width(x, num_candidates=num_candidates)
    parts = list(
        problems(
            features,
            num_candidates=num_candidates,
            kernel=kernel,
            width=width or 1.0,
            groups=groups,
        )
    )
    solutions = [solve(part.K, part.q) for part in parts]
    return Neighbourhoods(
        torch.cat([part.candidates for part in parts]),
        torch.cat([solution.weights for solution in solutions]),
        torch.cat([solution.violation for solution in solutions]),
        width or 1.0,
        sum(solution.num_fallbacks for solution in solutions),
    )


def problems(
    features: Float[Tensor, "n d"],
    *,
    num_candidates: int,
    kernel: Kernel,
    width: float = 1.0,
    groups: Int[Tensor, " n"] | None = None,
) -> Iterator[Problems]:
    """Problems of all samples, some at a time, so that memory stays small.

    Args:
        features: One row a sample.
        num_candidates: Fewer are used where there are fewer other samples.
        kernel: ``cosine`` or ``gaussian``.
        width: Of the Gaussian kernel.
        groups: Only samples with the same number are candidates of each other.

    Raises:
        ValueError: See ``neighbourhoods``.
    """
    at_least("number of samples", len(features), 2)
    at_least("num_candidates", num_candidates, 1)
    x = prepared(features, kernel)
    num = min(num_candidates, len(x) - 1)
    # Of |a - b|^2 = |a|^2 - 2 (a.b - |b|^2 / 2) the bracket ranks the rows b, wherever the
    # origin is. Its rounding may swap candidates that are equally far; the kernel itself
    # is taken from the differences.
    c = x - x.mean(0)
    offset = c.square().sum(1) / 2
    per_sample = len(x) + num * (num + x.shape[1])
    rows = torch.arange(len(x), device=x.device)
    for part in rows.split(max(1, NUM_ENTRIES // per_sample)):
        hidden = rows == part[:, None]
        if groups is not None:
            hidden = hidden | (groups != groups[part][:, None])
        scores = (c[part] @ c.T - offset).masked_fill(hidden, -torch.inf)
        best, candidates = scores.topk(num, dim=1)
        near = x[candidates]
        K = kernel_matrix(near, near, kernel, width=width)
        q = kernel_matrix(x[part, None], near, kernel, width=width)[:, 0]
        yield _masked(Problems(part, candidates, K, q), best.isinf())


def usual_width(features: Float[Tensor, "n d"], *, num_candidates: int) -> float:
    """A third of the median distance from a sample to its last candidate.

    So the last candidate has a kernel of about exp(-9/2), a hundredth.

    Raises:
        ValueError: If half of the samples have that many duplicates, or more.

    >>> usual_width(torch.tensor([[0.0], [3.0], [6.0]]), num_candidates=1)
    1.0
    """
    x = features.double()
    num = min(num_candidates, len(x) - 1) + 1  # a sample is the nearest to itself
    parts = x.split(max(1, NUM_ENTRIES // len(x)))
    last = [torch.cdist(part, x).topk(num, dim=1, largest=False) for part in parts]
    width = float(torch.cat([found.values[:, -1] for found in last]).median()) / 3
    if not width > 0:
        raise ValueError(
            f"features must differ, got half of the samples with {num - 1} duplicates "
            "or more. Drop the duplicates, or give a width."
        )
    return width


def _masked(given: Problems, hidden: Bool[Tensor, "b k"]) -> Problems:
    """Problems in which what is no candidate, or one for the second time, has no say."""
    unused = hidden | (given.K > 1 - SAME).tril(-1).any(2)
    K = given.K.masked_fill(unused[:, :, None] | unused[:, None, :], 0.0)
    K.diagonal(dim1=1, dim2=2).masked_fill_(unused, 1.0)
    q = given.q.masked_fill(unused, 0.0)
    return Problems(given.samples, given.candidates, K, q)
