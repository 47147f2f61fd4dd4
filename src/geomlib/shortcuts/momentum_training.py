"""Momentum descent on batches of images with two cues."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib import losses
from geomlib.checks import at_least, positive
from geomlib.data.two_cues import TwoCueImages
from geomlib.models.heads import head_of_depth
from geomlib.shortcuts.ensemble import (
    LastLayerEnsemble,
    classifier_loss,
    ensemble_loss,
)
from geomlib.shortcuts.mixtures import Batch, Mixture, drawn_batch


def descend(
    loss: Callable[[], Tensor],
    network: nn.Module,
    *,
    num_steps: int,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> Float[Tensor, " steps"]:
    """Loss before each step of momentum descent, the rate falling to zero as a cosine.

    Args:
        loss: Closure of the scalar to minimise; may draw a fresh batch at each call.
        network: Changed in place; left in evaluation mode.
        num_steps: Number of steps, at least 1.
        learning_rate: Rate of the first step.
        momentum: Share of the last step that the next one keeps.
        weight_decay: On half the squared weights, biases included.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the last loss is not finite.
    """
    at_least("num_steps", num_steps, 1)
    positive("learning_rate", learning_rate)
    optimiser = torch.optim.SGD(
        network.parameters(), lr=learning_rate, momentum=momentum, weight_decay=weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, num_steps)
    network.train()
    history: list[Tensor] = []
    for _ in range(num_steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        schedule.step()
        history.append(value.detach())
    network.eval()
    if not bool(history[-1].isfinite()):
        raise FloatingPointError(
            f"loss must stay finite, got {float(history[-1])} at the last step. "
            f"Lower learning_rate ({learning_rate})."
        )
    return torch.stack(history)


def train_classifier(
    encoder: nn.Module,
    data: TwoCueImages,
    mixture: Mixture,
    *,
    num_features: int,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    ensemble: bool = False,
    weights: Float[Tensor, " n"] | None = None,
) -> nn.Module:
    """Encoder with a linear head or a Last Layer Ensemble, trained together.

    With one seed, one head and the ensemble see the same batches.

    Args:
        encoder: Trained in place.
        data: Training images, on the encoder's device.
        mixture: Which cues are exchanged; the empty one is empirical risk minimisation.
        num_features: Width of the encoder's output.
        num_steps: Number of steps.
        batch_size: Images in a batch.
        learning_rate: Rate of the first step.
        seed: Of heads and batches.
        ensemble: Whether each kind of exchange has a head of its own.
        weights: Chance of each image to be drawn; None for equal ones.

    Returns:
        Network of images to logits, in evaluation mode; its first part, ``[0]``, or
        ``.encoder`` of an ensemble, is the encoder.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the loss does not stay finite.
    """
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(data.labels.device).manual_seed(seed)

    def batch() -> Batch:
        return drawn_batch(data, batch_size, mixture, generator=generator, weights=weights)

    fit = partial(descend, num_steps=num_steps, learning_rate=learning_rate)
    if ensemble:
        several = LastLayerEnsemble(encoder, num_features, seed=seed).to(data.labels.device)
        fit(lambda: ensemble_loss(several, batch()), several)
        return several
    head = head_of_depth(1, num_inputs=num_features, width=1, num_outputs=2, seed=seed)
    single = nn.Sequential(encoder, head).to(data.labels.device)
    fit(lambda: classifier_loss(single, batch()), single)
    return single


def train_contrastive(
    network: nn.Module,
    data: TwoCueImages,
    *,
    temperature: float,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Float[Tensor, " steps"]:
    """Loss before each step of supervised contrastive training on pairs of one class.

    The two "views" are two images of one class: nothing is cropped, so a digit in a corner
    stays.

    Args:
        network: Encoder with its head; changed in place, left in evaluation mode.
        data: Training images, on the network's device.
        temperature: Of the loss.
        num_steps: Number of steps.
        batch_size: Pairs in a batch.
        learning_rate: Rate of the first step.
        seed: Of the batches.

    Raises:
        ValueError: If a count or rate is out of range or there is no image of a class.
        FloatingPointError: If the loss does not stay finite.
    """
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(data.labels.device).manual_seed(seed)
    images, order = data.images, data.labels.argsort(stable=True)
    counts = torch.bincount(data.labels, minlength=2)
    at_least("number of images in the smaller class", int(counts.min()), 1)

    def loss() -> Tensor:
        u = torch.rand(3, batch_size, generator=generator, device=images.device)
        labels = (u[0] < 0.5).long()
        start, num = labels * counts[0], counts[labels]
        first, second = (
            network(images[order[start + (x * num).long().clamp(max=num - 1)]])
            for x in u[1:]
        )
        return losses.supervised_contrastive(first, second, labels, temperature=temperature)

    return descend(loss, network, num_steps=num_steps, learning_rate=learning_rate)
