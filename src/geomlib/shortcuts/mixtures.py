"""Batches in which one cue of an image is exchanged for that of another."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.data.two_cues import TwoCueImages

ORIGINAL, BACKGROUND, CO_OBJECT = 0, 1, 2
SHIFTS = ("original", "background", "co-object")


@dataclass(frozen=True)
class Mixture:
    """Shares of a batch whose background or object is exchanged; the rest is as it was.

    Attributes:
        background: Share of images with another background.
        co_object: Share of images with another object.
        donors: Where the new cue comes from: a training image of the ``opposite`` class,
            or a ``random`` one. Nineteen in twenty of an opposite image's cues are
            uncommon in the class they come to.

    Raises:
        ValueError: If a share is negative or they add up to more than 1.
    """

    background: float = 0.0
    co_object: float = 0.0
    donors: Literal["opposite", "random"] = "opposite"

    def __post_init__(self) -> None:
        total = self.background + self.co_object
        if min(self.background, self.co_object) < 0 or total > 1 + 1e-9:
            raise ValueError(
                "shares must not be negative and at most 1 together, got "
                f"background={self.background} and co_object={self.co_object}."
            )


class Batch(NamedTuple):
    """Images, their classes, and which of ``SHIFTS`` each has."""

    images: Float[Tensor, "n 3 h w"]
    labels: Int64[Tensor, " n"]
    shifts: Int64[Tensor, " n"]


def drawn_batch(
    data: TwoCueImages,
    size: int,
    mixture: Mixture,
    *,
    generator: torch.Generator,
    weights: Float[Tensor, " n"] | None = None,
) -> Batch:
    """Random images, with replacement, some with a cue of another training image.

    Args:
        data: Training images.
        size: Images in the batch.
        mixture: Which cues are exchanged.
        generator: On the device of the images.
        weights: Chance of each image to be drawn, up to a factor; None for equal ones.

    Raises:
        ValueError: If the cues come from opposite classes and there is only one.
    """
    device = data.labels.device
    if weights is None:
        picks = torch.randint(len(data), (size,), generator=generator, device=device)
    else:
        picks = torch.multinomial(weights, size, replacement=True, generator=generator)
    chosen = data[picks]
    u, v = torch.rand(2, size, generator=generator, device=device)
    swap = torch.stack(
        [
            u < mixture.background,
            (u >= mixture.background) & (u < mixture.background + mixture.co_object),
        ],
        dim=1,
    )
    if swap.any():
        donors = _donors(data, chosen.labels, v, mixture.donors)
        chosen = chosen.with_cues_of(data[donors], swap)
    return Batch(chosen.images, chosen.labels, swap[:, 0] + 2 * swap[:, 1].long())


def balancing_weights(
    data: TwoCueImages, *, background: bool, co_object: bool
) -> Float[Tensor, " n"]:
    """Chances that draw every group as often as any other.

    Args:
        data: Training images.
        background: Whether the background is part of what makes a group, beside the class.
        co_object: Whether the object is.

    Returns:
        One over the number of images in the group.
    """
    group = data.labels
    for used, cue in ((background, data.cues[:, 0]), (co_object, data.cues[:, 1])):
        group = 2 * group + cue if used else group
    return 1.0 / torch.bincount(group)[group]


def _donors(
    data: TwoCueImages, labels: Int64[Tensor, " n"], u: Float[Tensor, " n"], kind: str
) -> Int64[Tensor, " n"]:
    """Position of an image to take a cue from, by a uniform draw each."""
    if kind == "random":
        return (u * len(data)).long()
    order = data.labels.argsort(stable=True)
    first = int((data.labels == 0).sum())
    if not 0 < first < len(data):
        raise ValueError("data must hold both classes for opposite donors, got one.")
    # Class 0 takes from the back of the order, class 1 from its front.
    place = torch.where(labels == 0, first + u * (len(data) - first), u * first)
    return order[place.long().clamp(max=len(data) - 1)]
