"""Videos of handwritten digits that move in six ways."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least

MOTIONS = ("right", "left", "down", "up", "clockwise", "anticlockwise")

_SIDE = 16
_TRAVEL = 6  # pixels from one end of a path to the other


def moving_digits(
    images: Float[Tensor, "n 1 8 8"],
    motions: Int64[Tensor, " _n"],
    *,
    num_frames: int,
    generator: torch.Generator,
) -> Float[Tensor, "n 1 t 16 16"]:
    """Each image on its way over a black field, in whole pixels.

    A path is 6 pixels long, or a circle 6 pixels wide that begins anywhere. Where on the
    field it lies is drawn for each image. Right and left, down and up, and the two
    circles visit the same places in another order, so that no single frame tells a motion
    from its reverse.

    Args:
        images: Digits; any values, black is 0.
        motions: Position in ``MOTIONS`` for each image.
        num_frames: Frames t, at least 2.
        generator: Of places and of where circles begin, on the images' device.

    Raises:
        ValueError: If ``num_frames`` is below 2, or motions are not one an image or are no
            positions in ``MOTIONS``.
    """
    at_least("num_frames", num_frames, 2)
    if len(motions) != len(images):
        raise ValueError(
            f"motions must be one an image ({len(images)}), got {len(motions)}."
        )
    known = (motions >= 0) & (motions < len(MOTIONS))
    if not bool(known.all()):
        raise ValueError(
            f"motions must be between 0 and {len(MOTIONS) - 1}, "
            f"got {int(motions[~known][0])}."
        )
    drawn = torch.rand(3, len(images), generator=generator, device=images.device)
    # A path and the digit take 6 + 8 of 16 pixels: three places are left each way.
    corner = (3 * drawn[:2]).long().T[:, None]  # [n 1 2]
    places = corner + _paths(motions, drawn[2], num_frames)  # [n t 2]
    return _placed(images, places)


def _paths(
    motions: Int64[Tensor, " n"], phases: Float[Tensor, " n"], num_frames: int
) -> Int64[Tensor, "n t 2"]:
    """Row and column of each frame, from 0 to the travel."""
    time = torch.arange(num_frames, device=motions.device)
    way = time * _TRAVEL / (num_frames - 1)  # [t]
    middle = torch.full_like(way, _TRAVEL / 2)
    angles = 2 * math.pi * (time / num_frames + phases[:, None])  # [n t]
    rows, columns = (_TRAVEL / 2 * (1 + wave) for wave in (angles.sin(), angles.cos()))
    straight = torch.stack(
        [
            torch.stack([middle, way], -1),
            torch.stack([middle, _TRAVEL - way], -1),
            torch.stack([way, middle], -1),
            torch.stack([_TRAVEL - way, middle], -1),
        ]
    )  # [4 t 2]
    # Rows grow downwards: a rising angle turns clockwise to the eye.
    back = (motions == 5)[:, None]
    circle = torch.stack([torch.where(back, _TRAVEL - rows, rows), columns], -1)
    line = straight[motions.clamp(max=3)]
    return torch.where((motions < 4)[:, None, None], line, circle).round().long()


def _placed(
    images: Float[Tensor, "n 1 8 8"], places: Int64[Tensor, "n t 2"]
) -> Float[Tensor, "n 1 t 16 16"]:
    """Images pasted into black frames, upper left corners at the places."""
    n, t = places.shape[:2]
    grid = torch.arange(8, device=images.device)
    rows = places[..., 0, None] + grid  # [n t 8]
    columns = places[..., 1, None] + grid
    pixels = rows[..., None] * _SIDE + columns[..., None, :]  # [n t 8 8]
    frames = images.new_zeros(n, t, _SIDE * _SIDE)
    source = images.expand(n, t, 8, 8).flatten(2)
    return frames.scatter(2, pixels.flatten(2), source).view(n, 1, t, _SIDE, _SIDE)
