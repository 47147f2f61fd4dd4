"""A head trained on the features of an encoder that stands still."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.training import minimise


def train_head(
    head: nn.Module,
    bank: Float[Tensor, "v n d"],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    num_steps: int,
    seed: int,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
) -> Float[Tensor, " steps"]:
    """Loss before each step of training a head on two different views of each sample.

    Args:
        head: Changed in place, left in evaluation mode.
        bank: Features of v views of n samples, on the head's device.
        loss: Function of the embeddings of both views.
        num_steps: Steps of Adam.
        seed: Seed of samples and views.
        batch_size: Samples in a batch, drawn with replacement.
        learning_rate: Rate of Adam's first step; it decays to zero along a cosine.

    Raises:
        ValueError: If there are fewer than two views or a batch of fewer than two
            samples, or a count or rate is out of range.
        FloatingPointError: If the loss is not finite.
    """
    num_views, num_samples = bank.shape[:2]
    at_least("number of views", num_views, 2)
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(bank.device).manual_seed(seed)

    def drawn(limit: int) -> Tensor:
        return torch.randint(limit, (batch_size,), generator=generator, device=bank.device)

    def batch_loss() -> Tensor:
        samples, first = drawn(num_samples), drawn(num_views)
        # 1 to v - 1 places further on the circle of views: any other view, evenly.
        second = (first + 1 + drawn(num_views - 1)) % num_views
        return loss(head(bank[first, samples]), head(bank[second, samples]))

    head.train()
    history = minimise(
        batch_loss, head.parameters(), num_steps=num_steps, learning_rate=learning_rate
    )
    head.eval()
    return history
