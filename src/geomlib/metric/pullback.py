"""Pullback metric of a head at each sample, by Jacobians of many samples at once."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least

Head = Callable[[Tensor], Tensor]

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

# Numbers that a chunk of Jacobians and metrics may hold: 128 MiB in float64.
_CHUNK_NUMBERS = 2**24


def pullback_metric(
    head: Head, h: Float[Tensor, "n d"], *, chunk_size: int | None = None
) -> Float[Tensor, "n d d"]:
    r"""Metric that ``head`` pulls back onto representation space, one per sample.

    For :math:`z = g(h)` this is :math:`G(h) = J_g(h)^\top J_g(h)`: the squared embedding
    length of a unit step in representation space. All n metrics are held at once; where
    they do not fit, take them from ``metric_chunks``.

    Args:
        head: Map :math:`g` of rows, ``[n d]`` to ``[n k]``, each row by itself.
        h: Representations, one row per sample.
        chunk_size: Samples whose Jacobians are held at once; None chooses.

    Returns:
        Symmetric positive semi-definite matrices of rank at most ``min(d, k)``, in
        squared embedding units per squared representation unit, on the device of ``h``.
        No derivative passes through them; ``pullback_field`` has one.

    Raises:
        ValueError: If ``h`` holds no sample, ``chunk_size`` is below 1, or ``head`` mixes
            samples (batch norm in training mode does) or is random (so does dropout).

    Source: Arvanitidis et al. 2018 (arXiv:1710.11379), for a head, not a generator.

    >>> weight = torch.tensor([[1.0, 1.0]])
    >>> pullback_metric(lambda h: h @ weight.T, torch.zeros(1, 2))
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    return torch.cat(list(metric_chunks(head, h, chunk_size=chunk_size)))


def metric_chunks(
    head: Head, h: Float[Tensor, "n d"], *, chunk_size: int | None = None
) -> Iterator[Float[Tensor, "_c d d"]]:
    """The metrics of ``pullback_metric`` chunk by chunk, in the order of the samples.

    Args:
        head: Map of rows, each by itself.
        h: Representations.
        chunk_size: Samples in a chunk; None takes as many as fit 2**24 numbers.

    Raises:
        ValueError: As ``pullback_metric``, when the first chunk is asked for.
    """
    for J in _jacobian_chunks(head, h, chunk_size):
        yield J.mT @ J


def jacobians(
    head: Head, h: Float[Tensor, "n d"], *, chunk_size: int | None = None
) -> Float[Tensor, "n k d"]:
    """Jacobian of ``head`` at each sample; arguments and errors of ``pullback_metric``.

    >>> jacobians(torch.sin, torch.zeros(1, 2))
    tensor([[[1., 0.],
             [0., 1.]]])
    """
    return torch.cat(list(_jacobian_chunks(head, h, chunk_size)))


def pullback_field(head: Head) -> Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d d"]]:
    """Metric of ``head`` as a function of the point, which can be differentiated.

    For geodesics, which need the metric between the samples and its derivative. It makes
    no check of ``head``, since it is called at every step.

    Args:
        head: Map of rows, each by itself.
    """

    def field(points: Float[Tensor, "n d"]) -> Float[Tensor, "n d d"]:
        J = jacobian_of(head, points)
        return J.mT @ J

    return field


def jacobian_of(head: Head, h: Float[Tensor, "n d"]) -> Float[Tensor, "n k d"]:
    """Jacobians of all rows at once; makes no check of ``head``.

    Derivatives pass through to ``h``, and not to the parameters of a module.

    Args:
        head: Map of rows, each by itself.
        h: Representations.
    """
    frozen = _frozen(head)

    def one(row: Tensor) -> Tensor:
        return frozen(row[None])[0]

    # One reverse pass for each output. Forward passes, one for each input, would be fewer
    # for d < k, but not every activation has a forward derivative of its derivative.
    return torch.vmap(torch.func.jacrev(one))(h)


def refuse_mixing(head: Head, h: Float[Tensor, "n d"]) -> None:
    """Refuse a head whose output for a row depends on the other rows, or on chance.

    Such a head has no Jacobian per sample. One row is embedded alone and beside another
    one, and the two outcomes are compared.

    Raises:
        ValueError: If it does; names a batch norm in training mode, which is not run.
    """
    at_least("number of rows in h", len(h), 1)
    if isinstance(head, nn.Module):
        for name, part in head.named_modules():
            # Without running statistics it takes those of the batch in both modes.
            if isinstance(part, _BATCH_NORMS) and (
                part.training or part.running_mean is None
            ):
                raise ValueError(
                    "head must map each sample by itself, got batch norm "
                    f"{name or 'head'!r} that takes statistics of the batch. Call "
                    "head.eval() first, and keep track_running_stats on."
                )
    with torch.no_grad():
        alone, beside = head(h[:1]), head(torch.cat([h[:1], h[:1] + 1]))[:1]
    apart = (alone - beside).abs().max()
    if apart > torch.finfo(h.dtype).eps ** 0.5 * (1 + alone.abs().max()):
        raise ValueError(
            "head must map each sample by itself and always alike, got outputs for one "
            f"row, alone and beside another, that differ by {apart:.3g}. Put it into "
            "evaluation mode."
        )


def _frozen(head: Head) -> Head:
    """Module whose parameters are constants, or the callable itself."""
    if not isinstance(head, nn.Module):
        return head
    # torch.func switches gradients on, even inside no_grad: every Jacobian would keep the
    # graph of how it depends on the parameters, which costs more than the Jacobian.
    constants = {
        name: tensor.detach()
        for tensors in (head.named_parameters(), head.named_buffers())
        for name, tensor in tensors
    }
    return lambda h: torch.func.functional_call(head, constants, (h,))


def _jacobian_chunks(
    head: Head, h: Float[Tensor, "n d"], chunk_size: int | None
) -> Iterator[Float[Tensor, "_c k d"]]:
    """Jacobians of consecutive samples."""
    refuse_mixing(head, h)
    if chunk_size is None:
        d = h.shape[1]
        chunk_size = max(1, _CHUNK_NUMBERS // (d * (d + head(h[:1]).shape[1])))
    at_least("chunk_size", chunk_size, 1)
    for part in h.detach().split(chunk_size):
        yield jacobian_of(head, part).detach()
