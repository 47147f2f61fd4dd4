"""How cosines of views and of different images move while a network trains."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.data.augment import views
from geomlib.mgm.cosines import mean_cosine, view_cosine
from geomlib.training import train_on_views


@dataclass(frozen=True)
class Drift:
    """Mean cosines of the representation in the course of a training.

    Attributes:
        steps: Steps done at each measurement.
        alike: Of two views of one image.
        different: Of different images.
        alike_centred: As ``alike``, less the mean of all.
        different_centred: As ``different``, less the mean of all.
    """

    steps: Int[Tensor, " t"]
    alike: Float[Tensor, " t"]
    different: Float[Tensor, " t"]
    alike_centred: Float[Tensor, " t"]
    different_centred: Float[Tensor, " t"]


def cosine_drift(
    encoder: nn.Module,
    head: nn.Module,
    images: Float[Tensor, "n c h w"],
    watched: Float[Tensor, "m c h w"],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    num_steps: int,
    every: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Drift:
    """Train an encoder and measure its cosines before every so many steps.

    They are measured in training mode, because that is the network that is trained: batch
    norm takes the statistics of the watched images. Its running ones stay as they were.

    Args:
        encoder: Map of images to representations, trained in place.
        head: Map of representations to embeddings, trained with it.
        images: What it is trained on.
        watched: What it is measured on, two fixed views of each.
        loss: Of the embeddings of two views.
        num_steps: Number of steps.
        every: Steps between two measurements; the first comes before any step.
        batch_size: Images in a batch.
        learning_rate: Rate of Adam's first step.
        seed: Of batches and views.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the loss is not finite.
    """
    at_least("every", every, 1)
    generator = torch.Generator(watched.device).manual_seed(seed)
    pair = [views(watched, generator=generator) for _ in range(2)]
    steps: list[int] = []
    rows: list[Tensor] = []
    done = 0

    def measure() -> None:
        copy = deepcopy(encoder).train()
        with torch.no_grad():
            first, second = (copy(view) for view in pair)
        rows.append(
            torch.stack(
                [
                    measured
                    for centred in (False, True)
                    for measured in (
                        view_cosine(first, second, centred=centred),
                        mean_cosine(first, centred=centred),
                    )
                ]
            ).cpu()
        )
        steps.append(done)

    def watching(first: Tensor, second: Tensor) -> Tensor:
        nonlocal done
        if done % every == 0:
            measure()
        done += 1
        return loss(first, second)

    train_on_views(
        nn.Sequential(encoder, head),
        images,
        watching,
        num_steps=num_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    measure()
    return Drift(torch.tensor(steps), *torch.stack(rows).T)
