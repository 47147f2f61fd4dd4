"""A head built from the names and shapes of its weights."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from geomlib.models.checkpoints import reading


def stacked(
    weights: Mapping[str, Tensor],
    activation: Callable[[], nn.Module],
    *,
    num_inputs: int,
    what: str,
) -> nn.Sequential:
    """Linear layers and batch norms of a sequence, with its weights.

    A name begins with the position of its layer. A position with a running mean is a
    batch norm, one with a matrix a linear layer, and one with no name, between others,
    an activation, which has no weights.

    Args:
        weights: Tensors ``0.weight``, ``0.bias`` and so on.
        activation: Makes what stands at the positions without weights.
        num_inputs: Width of what the first layer gets.
        what: What these weights are, for errors.

    Raises:
        ValueError: If a name does not begin with a position, a layer does not fit what
            comes before it, or weights are missing or left over.

    >>> weights = {"0.weight": torch.eye(2), "2.weight": torch.ones(1, 2)}
    >>> head = stacked(weights, nn.ReLU, num_inputs=2, what="head")
    >>> head(torch.tensor([[3.0, -1.0]]))
    tensor([[3.]], grad_fn=<MmBackward0>)
    """
    positions = {name.partition(".")[0] for name in weights}
    if "0" not in positions or not all(p.isdecimal() for p in positions):
        raise ValueError(
            f"{what} must be a sequence of layers 0, 1 and so on, got "
            f"{', '.join(sorted(positions)[:4]) or 'nothing'}."
        )
    layers: list[nn.Module] = []
    width = num_inputs
    for position in range(max(map(int, positions)) + 1):
        matrix = weights.get(f"{position}.weight")
        mean = weights.get(f"{position}.running_mean")
        if mean is not None:
            _refuse_width(what, position, len(mean), width)
            layers.append(nn.BatchNorm1d(width, affine=matrix is not None))
        elif matrix is not None and matrix.ndim == 2:
            _refuse_width(what, position, matrix.shape[1], width)
            width = len(matrix)
            bias = f"{position}.bias" in weights
            layers.append(nn.Linear(matrix.shape[1], width, bias=bias))
        else:
            layers.append(activation())
    head = nn.Sequential(*layers)
    reading.fill(head, weights, what)
    return head


def _refuse_width(what: str, position: int, got: int, width: int) -> None:
    if got != width:
        raise ValueError(
            f"{what} must fit what comes before it: layer {position} must take {width} "
            f"numbers, got one that takes {got}. Is the backbone another one's?"
        )


class NormalisedLinear(nn.Module):
    """Linear map, without bias, of inputs divided by their length."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())  # [k d]

    def forward(self, x: Tensor) -> Tensor:
        """Products of each row's direction with the rows of the matrix."""
        return nn.functional.normalize(x, dim=-1) @ self.weight.mT


def weight_normed(direction: Tensor, length: Tensor) -> Tensor:
    """Matrix whose rows have given directions and lengths.

    Source: Salimans & Kingma 2016 (arXiv:1602.07868), over each row.

    >>> weight_normed(torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0]]))
    tensor([[6., 8.]])
    """
    return length * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)
