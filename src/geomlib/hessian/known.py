"""Operators whose spectrum is known, to see what an eigensolver makes of it."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite, one_of
from geomlib.hessian.operator import SymmetricOperator

KINDS = ("repeated", "low rank", "clustered", "normal", "decaying", "levels", "uniform")


def from_spectrum(
    values: Float[Tensor, " n"], *, num_reflections: int = 3, seed: int = 0
) -> SymmetricOperator:
    """Operator with these eigenvalues, behind random reflections.

    A product costs a few passes over the vector, so millions of rows are no trouble. With
    no reflection it is the diagonal matrix.

    Args:
        values: Eigenvalues; their dtype and device are the operator's.
        num_reflections: Householder reflections, each of which mixes all entries.
        seed: Of the reflections, drawn on the CPU.

    Raises:
        ValueError: If ``values`` is empty or not finite, or ``num_reflections`` negative.

    >>> operator = from_spectrum(torch.tensor([1.0, 2.0, 3.0]))
    >>> matrix = operator.matmat(torch.eye(3))
    >>> torch.linalg.eigvalsh(matrix).round()
    tensor([1., 2., 3.])
    """
    at_least("number of values", len(values), 1)
    at_least("num_reflections", num_reflections, 0)
    finite("values", values)
    generator = torch.Generator().manual_seed(seed)
    mirrors = torch.randn(
        (num_reflections, len(values)), generator=generator, dtype=torch.float64
    )
    mirrors = (mirrors / mirrors.norm(dim=1, keepdim=True)).to(values)

    def matmat(block: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        for u in mirrors:
            block = block - 2 * torch.outer(u, u @ block)
        block = values[:, None] * block
        for u in mirrors.flip(0):
            block = block - 2 * torch.outer(u, u @ block)
        return block

    return SymmetricOperator(
        lambda v: matmat(v[:, None])[:, 0],
        matmat,
        len(values),
        values.dtype,
        values.device,
        {"x": values.shape},
        couples_samples=False,
    )


def random_spectrum(kind: str, *, size: int, seed: int) -> Float[Tensor, " n"]:
    """Eigenvalues of a kind that solvers find hard, ascending, float64.

    Args:
        kind: ``repeated`` (three copies above, one to three below), ``low rank`` (zero
            but for one in fifty), ``clustered`` (a third within 1e-4 above, a third
            within 1e-3 below), ``normal``, ``decaying`` (few large, most tiny, two
            negative), ``levels`` (five values in all), or ``uniform``.
        size: Number of eigenvalues, at least 8.
        seed: Of the draw.

    Raises:
        ValueError: If the kind is unknown or ``size`` too small.
    """
    one_of("kind", kind, KINDS)
    at_least("size", size, 8)
    draw = torch.Generator().manual_seed(seed)

    def uniform(count: int) -> Float[Tensor, " count"]:
        return torch.rand(count, generator=draw, dtype=torch.float64)

    values = 2 * uniform(size) - 1
    third = size // 3
    if kind == "repeated":
        copies = 1 + int(torch.randint(3, (1,), generator=draw))
        values[:3] = 1.5 + uniform(1)
        values[3 : 3 + copies] = -1.3 - uniform(1)
    elif kind == "low rank":
        values[max(2, size // 50) :] = 0.0
    elif kind == "clustered":
        values[:third] = 1 + 1e-4 * uniform(third)
        values[third : 2 * third] = -1 - 1e-3 * uniform(third)
    elif kind == "normal":
        values = torch.randn(size, generator=draw, dtype=torch.float64)
    elif kind == "decaying":
        values = 100 * uniform(size) ** 8
        values[:2] = -3.0
    elif kind == "levels":
        values = (5 * uniform(size)).floor() - 2
    return values.sort().values
