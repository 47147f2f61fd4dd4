"""Augmentation orbits: what an encoder makes of random views of one image."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.data.augment import views


@torch.no_grad()
def orbit_features(
    encoder: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n c h w"],
    *,
    num_views: int,
    seed: int,
) -> Float[Tensor, "v n d"]:
    """Features of ``num_views`` random views of each image, on the images' device.

    Args:
        encoder: Map of images to features, one row per image; in evaluation mode if it
            has one.
        images: Images with values in [0, 1].
        num_views: Views of each image.
        seed: Seed of the views.

    Raises:
        ValueError: If ``num_views`` is below 1.
    """
    at_least("num_views", num_views, 1)
    generator = torch.Generator(images.device).manual_seed(seed)
    return torch.stack(
        [encoder(views(images, generator=generator)) for _ in range(num_views)]
    )
