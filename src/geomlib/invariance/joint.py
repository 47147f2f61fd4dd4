"""Encoder and head trained together on views with known parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.data.poses import Padding, Strength, posed_views
from geomlib.models.encoders import flat_cnn
from geomlib.models.heads import head_of_depth
from geomlib.training import train_on_views


@dataclass(frozen=True)
class Joint:
    """An encoder and the head that it was trained under, both in evaluation mode.

    Attributes:
        encoder: From images to representations.
        head: From representations to embeddings; of depth 0 it changes nothing.
    """

    encoder: nn.Module
    head: nn.Module

    @property
    def spaces(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Maps from images into representations, ``h``, and embeddings, ``z``."""
        return {"h": self.encoder, "z": nn.Sequential(self.encoder, self.head)}


def train_joint(
    images: Float[Tensor, "n c s s"],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    depth: int,
    strength: Strength,
    num_steps: int,
    seed: int,
    padding: Padding = "zeros",
    num_features: int = 32,
    width: int = 128,
    num_outputs: int = 32,
    batch_size: int = 128,
    learning_rate: float = 5e-3,
) -> Joint:
    """An encoder that keeps positions and a ReLU head on it, after training.

    Args:
        images: Square, with a side that is a multiple of 8.
        loss: Function of the embeddings of both views.
        depth: Affine layers of the head; 0 is no head, and ``num_outputs`` is not used.
        strength: Of the views.
        num_steps: Steps of Adam.
        seed: Seed of weights, batches and views.
        padding: What lies beyond an image.
        num_features: Width of the representation.
        width: Of the head's hidden layers.
        num_outputs: Width of the embedding. Equal to ``num_features`` nothing need be
            lost for lack of room.
        batch_size: Images in a batch.
        learning_rate: Rate of Adam's first step; it decays to zero along a cosine.

    Raises:
        ValueError: If a count, a rate or the images' side is out of range.
        FloatingPointError: If the loss is not finite.
    """
    encoder = flat_cnn(
        in_channels=images.shape[1],
        side=images.shape[2],
        num_features=num_features,
        seed=seed,
    )
    head = head_of_depth(
        depth,
        num_inputs=num_features,
        width=width,
        num_outputs=num_outputs,
        activation=nn.ReLU,
        seed=seed,
    )
    network = nn.Sequential(encoder, head).to(images.device)
    train_on_views(
        network,
        images,
        loss,
        num_steps=num_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        view=partial(posed_views, strength=strength, padding=padding),
    )
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    return Joint(encoder, head)


def untrained(images: Float[Tensor, "n c s s"], *, num_features: int, seed: int) -> Joint:
    """The same encoder as it is drawn, without a head, its features at variance one.

    One number is subtracted from each feature and all are divided by one number, so that
    their mean is zero and their mean variance one over ``images``; nothing is whitened.

    Args:
        images: Square, with a side that is a multiple of 8.
        num_features: Width of the representation.
        seed: Seed of the weights.

    Raises:
        ValueError: If the side is no multiple of 8.
    """
    encoder = flat_cnn(
        in_channels=images.shape[1],
        side=images.shape[2],
        num_features=num_features,
        seed=seed,
    ).to(images.device)
    last = encoder[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        features = encoder(images)
        scale = features.var(0).mean().sqrt()
        last.bias.sub_(features.mean(0)).div_(scale)
        last.weight.div_(scale)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    return Joint(encoder.eval(), nn.Identity())
