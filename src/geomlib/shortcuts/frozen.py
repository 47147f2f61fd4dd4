"""Features of the reader's UrbanCars under a frozen network of torchvision."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize

from geomlib.checks import at_least
from geomlib.data.urban_cars import UrbanCars

# What torchvision's ImageNet networks were trained with.
_MEAN, _SPREAD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@torch.no_grad()
def car_features(
    cars: UrbanCars,
    network: nn.Module,
    *,
    device: torch.device,
    size: int = 224,
    batch_size: int = 64,
) -> Float[Tensor, "n d"]:
    """Features of all pictures of a split, read a batch at a time.

    Args:
        cars: Pictures.
        network: Maps images, normalised as torchvision's ImageNet networks ask, to one
            row each; in evaluation mode.
        device: Where the network is.
        size: Pixels of each side.
        batch_size: Pictures in memory at once.

    Returns:
        Features on the CPU, in the order of ``cars.files``.

    Raises:
        ValueError: If ``batch_size`` is below 1 or a file cannot be decoded.
    """
    at_least("batch_size", batch_size, 1)
    rows: list[Tensor] = []
    for start in range(0, len(cars), batch_size):
        images = cars.images(slice(start, start + batch_size), size=size)
        rows.append(network(normalize(images, _MEAN, _SPREAD).to(device)).cpu())
    return torch.cat(rows)
