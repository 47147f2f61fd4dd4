"""Hessian of a loss in the representations, one block a sample."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite


def sample_blocks(
    loss: Callable[[Float[Tensor, "n d"]], Tensor], h: Float[Tensor, "n d"]
) -> Float[Tensor, "n d d"]:
    r"""Second derivatives of a loss in each sample's representation, all that there are.

    Where neither head nor loss mixes samples, the Hessian in all n d entries of ``h`` has
    no others, so the eigenvalues of the blocks are its eigenvalues. It takes d backward
    passes, each of which gives one row of every block.

    Args:
        loss: Scalar function that is a sum or a mean over samples, each of which enters
            by its own row alone (batch norm in training mode mixes them).
        h: Where to differentiate; float64 where small eigenvalues count.

    Raises:
        ValueError: If there is no sample, a derivative is not finite, or the loss mixes
            samples: then a row's derivative in another sample is not zero.

    >>> h = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    >>> sample_blocks(lambda h: (h[:, 0] * h[:, 1] ** 2).sum(), h)[0]
    tensor([[0., 4.],
            [4., 2.]])
    """
    at_least("number of rows in h", len(h), 1)
    h = h.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss(h), h, create_graph=True)

        def row(sums: Tensor) -> Float[Tensor, "n d"]:
            (found,) = torch.autograd.grad(
                sums, h, retain_graph=True, materialize_grads=True, allow_unused=True
            )
            return found

        if not gradient.requires_grad:  # linear in h
            return h.new_zeros(*h.shape, h.shape[1])
        blocks = torch.stack([row(column.sum()) for column in gradient.unbind(1)], 1)
        alone = row(gradient[0].sum())
    finite("blocks", blocks)
    if len(h) > 1 and bool(alone[1:].any()):
        raise ValueError(
            "loss must not mix samples, got a gradient of the first sample that depends on "
            f"others, by up to {float(alone[1:].abs().max()):.3g}. Batch norm does so."
        )
    return (blocks + blocks.mT) / 2


def block_eigenvalues(
    loss: Callable[[Float[Tensor, "n d"]], Tensor], h: Float[Tensor, "n d"]
) -> Float[Tensor, "n d"]:
    """Eigenvalues of each sample's block, ascending: together those of the Hessian."""
    return torch.linalg.eigvalsh(sample_blocks(loss, h))
