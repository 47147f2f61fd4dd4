"""Paths of images under one augmentation that grows stronger."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms import functional as TF

from geomlib.checks import at_least, one_of

# Of ImageNet's training images, by channel; what networks trained on it are given.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of a width in pixels; a kernel of 23 holds it up to about 3."""
    return TF.gaussian_blur(images, [23, 23], [sigma, sigma])


# Transform, strength of the first step and of the last one.
_ORBITS: dict[str, tuple[Callable[[Tensor, float], Tensor], float, float]] = {
    "rotation": (TF.rotate, 0.0, 45.0),
    "hue": (TF.adjust_hue, -0.4, 0.4),
    "saturation": (TF.adjust_saturation, 0.0, 2.0),
    "blur": (_blurred, 0.1, 3.0),
}
KINDS = tuple(_ORBITS)


def image_orbit(
    images: Float[Tensor, "n 3 h w"], kind: str, *, num_steps: int = 12
) -> Float[Tensor, "t n 3 h w"]:
    """Each image at evenly spaced strengths of one augmentation.

    Rotation by 0 to 45 degrees, black outside; hue from -0.4 to 0.4 of the circle;
    saturation by a factor of 0 to 2; blur of 0.1 to 3 pixels.

    Args:
        images: Colours in [0, 1]: not normalised, since hue and saturation cut what they
            give to that range.
        kind: ``rotation``, ``hue``, ``saturation`` or ``blur``.
        num_steps: Steps, at least 2.

    Raises:
        ValueError: If ``kind`` is none of the four, there are fewer than two steps, or a
            colour lies outside [0, 1].

    Source: the ranges of Chaudhry 2026 (arXiv:2605.17180), whose code applies them to
    normalised images.
    """
    one_of("kind", kind, KINDS)
    at_least("num_steps", num_steps, 2)
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"images must have colours in [0, 1], got {low:.3g} to {high:.3g}. Normalise "
            "after the augmentation."
        )
    transform, first, last = _ORBITS[kind]
    strengths = torch.linspace(first, last, num_steps, dtype=torch.float64).tolist()
    return torch.stack([transform(images, strength) for strength in strengths])


def normalised(images: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
    """Colours less ImageNet's mean, over its deviation, by channel."""
    return TF.normalize(images, list(MEAN), list(DEVIATION))
