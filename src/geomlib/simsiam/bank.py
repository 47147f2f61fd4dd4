"""Banks of features: what a frozen, random backbone makes of several views of images."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.models.encoders import small_cnn

Transform = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n c h w"]]
Backbone = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n d"]]


def random_backbone(*, in_channels: int, num_features: int, seed: int) -> nn.Sequential:
    """Small convolutional encoder as it is drawn, a batch norm before each ReLU.

    The batch norms keep no statistics: features depend on the batch they come in.

    Args:
        in_channels: Channels of the images.
        num_features: Width of the last layer.
        seed: Of the weights.

    Raises:
        ValueError: If ``num_features`` is below 4.
    """
    norm = partial(nn.BatchNorm2d, track_running_stats=False)
    return small_cnn(
        in_channels=in_channels, num_features=num_features, seed=seed, norm=norm
    )


def feature_bank(
    images: Float[Tensor, "n c h w"],
    backbone: Backbone,
    transform: Transform,
    *,
    num_views: int,
    batch_size: int | None = None,
) -> Float[Tensor, "n v d"]:
    """Features of views of images, as a backbone that is never trained gives them.

    Args:
        images: On the backbone's device.
        backbone: Features of a batch; it may look at the whole batch.
        transform: One random view of each image.
        num_views: Views of each image.
        batch_size: Images a pass, an incomplete last one being passed on too; None takes
            all at once.

    Raises:
        ValueError: If a number is below 1.
    """
    at_least("num_views", num_views, 1)
    size = len(images) if batch_size is None else batch_size
    at_least("batch_size", size, 1)
    with torch.no_grad():
        shown = [
            torch.cat([backbone(part) for part in transform(images).split(size)])
            for _ in range(num_views)
        ]
    return torch.stack(shown, dim=1)
