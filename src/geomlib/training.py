"""Gradient descent on any closure, and training an encoder on augmented views."""

import os
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from tqdm.auto import tqdm

from geomlib.checks import at_least, positive
from geomlib.data.augment import views


def minimise(
    loss: Callable[[], Tensor],
    parameters: Iterable[Tensor],
    *,
    num_steps: int,
    learning_rate: float,
) -> Float[Tensor, " steps"]:
    """Loss before each step of Adam with a cosine decay of the rate to zero.

    Args:
        loss: Closure of the scalar to minimise; may draw a fresh batch at each call.
        parameters: Leaf tensors, changed in place.
        num_steps: Number of steps, at least 1.
        learning_rate: Rate of the first step.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the loss is not finite; names the step.

    Source: Kingma & Ba 2015 (arXiv:1412.6980); Loshchilov & Hutter 2017
    (arXiv:1608.03983) for the decay, without restarts.
    """
    at_least("num_steps", num_steps, 1)
    positive("learning_rate", learning_rate)
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, num_steps)
    history: list[Tensor] = []
    # A bar for what takes over five seconds, unless the run was asked to be quiet.
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    for _ in tqdm(range(num_steps), delay=5, leave=False, disable=quiet):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        schedule.step()
        history.append(value.detach())
    losses = torch.stack(history)
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        raise FloatingPointError(
            f"loss must stay finite, got {float(losses[bad[0, 0]])} at step "
            f"{int(bad[0, 0])} of {num_steps}. Lower learning_rate ({learning_rate})."
        )
    return losses


def train_on_views(
    network: nn.Module,
    images: Float[Tensor, "n c h w"],
    loss: Callable[..., Tensor],
    *,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    view: Callable[..., Tensor] = views,
    labels: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, " steps"]:
    """Loss before each step of training a network on two random views of a batch.

    Batches are drawn with replacement. An encoder and its head are trained together where
    the network is the one after the other, ``nn.Sequential(encoder, head)``.

    Args:
        network: Encoder with its head; changed in place, left in training mode.
        images: Images with values in [0, 1], on the network's device.
        loss: Function of the embeddings of both views, and of the labels if there are any.
        num_steps: Number of steps.
        batch_size: Images in a batch, at least 2.
        learning_rate: Rate of Adam's first step.
        seed: Seed of batches and views.
        view: Random view of each image of a batch, drawn with the generator given; by
            default crops, mirror images and colours, ``geomlib.data.augment.views``.
        labels: Class of each image, for a loss that asks for it; on the images' device.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the loss is not finite.
    """
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(images.device).manual_seed(seed)
    network.train()

    def batch_loss() -> Tensor:
        picks = torch.randint(
            len(images), (batch_size,), generator=generator, device=images.device
        )
        first, second = (view(images[picks], generator=generator) for _ in range(2))
        known = () if labels is None else (labels[picks],)
        return loss(network(first), network(second), *known)

    return minimise(
        batch_loss, network.parameters(), num_steps=num_steps, learning_rate=learning_rate
    )
