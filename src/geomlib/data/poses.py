"""Views with known parameters: rotation, shift and brightness, each a smooth orbit."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import one_of

NAMES = ("rotation", "shift right", "shift down", "brightness")
Padding = Literal["zeros", "border", "reflection"]


@dataclass(frozen=True)
class Strength:
    """Greatest parameter of each kind; what is drawn is uniform between minus and plus it.

    Attributes:
        rotation: Degrees, counter-clockwise as seen.
        shift: Share of the image's side, to the right and down.
        brightness: Natural logarithm of the factor on all values.

    Raises:
        ValueError: If one is negative or not finite.
    """

    rotation: float
    shift: float
    brightness: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and at least 0, got {value}.")

    @property
    def scale(self) -> tuple[float, float, float, float]:
        """Greatest value of each of the four parameters, in the order of ``NAMES``."""
        return self.rotation, self.shift, self.shift, self.brightness

    def times(self, factor: float) -> "Strength":
        """All three multiplied by a factor.

        >>> Strength(rotation=30.0, shift=0.1, brightness=0.4).times(0.5)
        Strength(rotation=15.0, shift=0.05, brightness=0.2)
        """
        return Strength(
            self.rotation * factor, self.shift * factor, self.brightness * factor
        )


def drawn_parameters(
    num: int, *, strength: Strength, generator: torch.Generator
) -> Float[Tensor, "{num} 4"]:
    """Random parameters, one row an image, on the generator's device.

    The columns are those of ``NAMES``: degrees, two shares of the side, a logarithm.
    """
    unit = 2 * torch.rand(num, 4, generator=generator, device=generator.device) - 1
    return unit * unit.new_tensor(strength.scale)


def posed(
    images: Float[Tensor, "n c h w"],
    parameters: Float[Tensor, "n 4"],
    *,
    padding: Padding = "zeros",
) -> Float[Tensor, "n c h w"]:
    """Each image rotated about its centre, then shifted, then brightened (bilinear).

    Brightness is not cut at 1, so that its orbit stays smooth and loses nothing.

    Args:
        images: As high as they are wide.
        parameters: Columns as in ``NAMES``.
        padding: What lies beyond the image.

    Raises:
        ValueError: If the images are not square or ``padding`` is unknown.

    >>> x = torch.eye(3)[None, None]
    >>> posed(x, torch.tensor([[0.0, 1 / 3, 0.0, 0.0]]))[0, 0]
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    one_of("padding", padding, get_args(Padding))
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be square, got {tuple(images.shape[2:])}.")
    angle, right, down, brightness = parameters.unbind(1)
    cos, sin = angle.deg2rad().cos(), angle.deg2rad().sin()
    # Output at u shows the input at R^-1 (u - s); u runs over [-1, 1] and rows run down,
    # so a shift by the whole side is 2, and a turn that looks counter-clockwise has its
    # sines the other way round.
    x, y = 2 * right, 2 * down
    affine = torch.stack(
        [cos, -sin, sin * y - cos * x, sin, cos, -sin * x - cos * y], dim=1
    ).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, padding_mode=padding, align_corners=False)
    return turned * brightness.exp()[:, None, None, None]


def posed_views(
    images: Float[Tensor, "n c h w"],
    *,
    generator: torch.Generator,
    strength: Strength,
    padding: Padding = "zeros",
) -> Float[Tensor, "n c h w"]:
    """One random view of each image; ``drawn_parameters`` and ``posed`` in one call."""
    parameters = drawn_parameters(len(images), strength=strength, generator=generator)
    return posed(images, parameters.to(images), padding=padding)
