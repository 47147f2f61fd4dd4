"""What is read from the encoders of a zoo: five tasks that none was trained on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.data.digits import digits
from geomlib.data.faces import faces
from geomlib.data.images import LabelledImages
from geomlib.data.photographs import photographs
from geomlib.probes import Examples, logistic_probe

_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "centre", "right")


@dataclass(frozen=True)
class Task:
    """Labelled images in two parts.

    Attributes:
        name: Name of the task.
        seen: To learn from.
        held_out: To classify.
    """

    name: str
    seen: LabelledImages
    held_out: LabelledImages


def transfer_tasks(*, side: int, num_seen: int, num_held_out: int, seed: int) -> list[Task]:
    """Five tasks, from data that comes with the packages.

    - ``digits``: which digit it is, of ten.
    - ``rotation``: by which multiple of a quarter turn a digit was turned.
    - ``position``: at which of nine places of the image a digit stands, at half its size.
    - ``colour``: in which of four bins, equally full, the mean red less the mean blue of a
      patch of a photograph lies.
    - ``faces``: face or not.

    Args:
        side: Of the images in pixels, a divisor of 32 that is at least 16.
        num_seen: Images to learn from, at least 10; of faces at most 100.
        num_held_out: Images to classify, likewise; of digits at most 360.
        seed: Of draws, turns and places.

    Raises:
        ValueError: If ``side`` is neither 16 nor 32 or a number is below 10.
    """
    if side not in (16, 32):
        raise ValueError(f"side must be 16 or 32, got {side}.")
    at_least("num_seen", num_seen, 10)
    at_least("num_held_out", num_held_out, 10)
    random = torch.Generator().manual_seed(seed)
    seen = _some(digits("train"), num_seen)
    held_out = _some(digits("validation"), num_held_out)

    def of_digits(name: str, change: Callable[[LabelledImages], LabelledImages]) -> Task:
        return Task(name, change(seen), change(held_out))

    return [
        of_digits("digits", lambda data: _coloured(data, side)),
        of_digits("rotation", lambda data: _turned(_coloured(data, side), random)),
        of_digits("position", lambda data: _placed(_coloured(data, side // 2), random)),
        _colour_task(side, num_seen, num_held_out, seed),
        _faces_task(side, num_seen, num_held_out, random),
    ]


def accuracy(encoder: Callable[[Tensor], Tensor], task: Task) -> float:
    """Held-out accuracy of logistic regression on an encoder's features.

    Args:
        encoder: Map of images to features, in evaluation mode if it has one.
        task: What is read; its images go to the encoder as they are.
    """
    with torch.no_grad():
        seen, held_out = (
            Examples(encoder(part.images).cpu(), part.labels)
            for part in (task.seen, task.held_out)
        )
    return logistic_probe(seen, held_out, num_resamples=1).value


def _some(data: LabelledImages, num: int) -> LabelledImages:
    return LabelledImages(data.images[:num], data.labels[:num], data.classes)


def _coloured(data: LabelledImages, side: int) -> LabelledImages:
    """Grey images at another size, with three equal channels."""
    images = F.interpolate(
        data.images, size=side, mode="bilinear", align_corners=False
    ).expand(-1, 3, -1, -1)
    return LabelledImages(images.contiguous(), data.labels, data.classes)


def _turned(data: LabelledImages, random: torch.Generator) -> LabelledImages:
    """Each image turned by a multiple of a quarter, which becomes its label."""
    turns = torch.randint(4, (len(data),), generator=random)
    images = torch.stack(
        [torch.rot90(x, int(k), (1, 2)) for x, k in zip(data.images, turns, strict=True)]
    )
    return LabelledImages(images, turns, ("0", "90", "180", "270"))


def _placed(data: LabelledImages, random: torch.Generator) -> LabelledImages:
    """Each image at one of nine places in a black one twice as large, and which it is."""
    side = data.images.shape[-1]
    places = torch.randint(9, (len(data),), generator=random)
    images = data.images.new_zeros(len(data), 3, 2 * side, 2 * side)
    for row, (image, place) in enumerate(zip(data.images, places, strict=True)):
        top, left = (side * step // 2 for step in divmod(int(place), 3))
        images[row, :, top : top + side, left : left + side] = image
    names = [f"{down} {across}" for down in _DOWN for across in _ACROSS]
    return LabelledImages(images, places, tuple(names))


def _redness(images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, " n"]:
    """Mean red less mean blue of each image."""
    return (images[:, 0] - images[:, 2]).mean((1, 2))


def _colour_task(side: int, num_seen: int, num_held_out: int, seed: int) -> Task:
    """Patches and the quarter of the training patches' rednesses that theirs is in."""
    seen = photographs("train", num_per_class=num_seen // 10, seed=seed, size=side)
    held_out = photographs(
        "validation", num_per_class=num_held_out // 10, seed=seed, size=side
    )
    edges = _redness(seen.images).quantile(torch.tensor([0.25, 0.5, 0.75]))
    names = ("bluest", "bluish", "reddish", "reddest")
    binned = [
        LabelledImages(part.images, torch.bucketize(_redness(part.images), edges), names)
        for part in (seen, held_out)
    ]
    return Task("colour", *binned)


def _faces_task(
    side: int, num_seen: int, num_held_out: int, random: torch.Generator
) -> Task:
    """Faces and others, mixed, half of them to learn from."""
    data = _coloured(faces(), side)
    order = torch.randperm(len(data), generator=random)
    seen, held_out = (
        LabelledImages(data.images[half], data.labels[half], data.classes)
        for half in order.chunk(2)
    )
    return Task("faces", _some(seen, num_seen), _some(held_out, num_held_out))
