"""A loss on an ``nn.Module`` as a function of its parameters, the model untouched."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.hessian.operator import Loss


def module_loss(
    model: nn.Module, batch: Any, loss: Callable[[Callable[..., Any], Any], Tensor]
) -> tuple[Loss, dict[str, Tensor]]:
    """Loss of the model's trainable parameters, and where they stand.

    Every call works on copies of the buffers, so running statistics stay as they are, and
    the mode is the model's own: batch norm in training mode uses the batch's statistics.

    Args:
        model: Any module; its parameters that require no gradient are held fixed.
        batch: What the loss is to be evaluated on; kept, not copied.
        loss: Function of a callable that stands for the model, and of the batch; it may
            call the model several times (two views).

    Raises:
        ValueError: If no parameter requires a gradient.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> views = torch.eye(2)
    >>> value, at = module_loss(model, views, lambda f, x: f(x).square().sum())
    >>> list(at)
    ['weight']
    """
    trainable = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    at_least("number of parameters that require a gradient", len(trainable), 1)

    def value(parameters: Mapping[str, Tensor]) -> Tensor:
        buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        state = {**buffers, **parameters}

        def call(*inputs: Any, **options: Any) -> Any:
            return torch.func.functional_call(model, state, inputs, options)

        return loss(call, batch)

    return value, trainable
