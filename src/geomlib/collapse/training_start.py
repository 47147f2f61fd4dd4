"""Where training starts: a representation of few directions, a mirrored or generic head.

A mirrored head has its units in pairs that differ in the signs of their weights on the
collapsed directions, as in ``mirrored``.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.collapse.stacked import representations
from geomlib.data.augment import views as augmented


def image_views(
    images: Float[Tensor, "m c h w"], *, num_images: int, seed: int
) -> Float[Tensor, "2 n d"]:
    """Two fixed random views of some of the images, flat.

    Args:
        images: Values in [0, 1].
        num_images: Images to draw, without replacement.
        seed: Of draw and views.

    Raises:
        ValueError: If there are not so many images.
    """
    at_least("number of images", len(images), num_images)
    generator = torch.Generator().manual_seed(seed)
    chosen = images[torch.randperm(len(images), generator=generator)[:num_images]]
    first, second = (augmented(chosen, generator=generator) for _ in range(2))
    return torch.stack([first.flatten(1), second.flatten(1)])


def collapsed_start(
    views: Float[Tensor, "q 2 n d"],
    *,
    num_features: int = 64,
    width: int = 16,
    num_live: int = 3,
    num_units: int = 64,
    num_outputs: int = 16,
    mirrored: bool,
    noise: float = 1e-3,
    seeds: Sequence[int],
) -> dict[str, Tensor]:
    r"""Networks whose representation has ``num_live`` white directions and little else.

    The encoder's last layer is scaled so that the live coordinates of h are white on
    the views; the others have Gaussian weights that make a standard deviation of about
    ``noise``. The head is Gaussian, of variance 1 / fan-in, and mirrored or not.

    Args:
        views: Inputs of each network, one view after the other.
        num_features: Hidden units of the encoder, ReLU.
        width: Dimension of the representation.
        num_live: Directions that it uses.
        num_units: Hidden units of the head, even.
        num_outputs: Dimension of the embedding.
        mirrored: Whether the head's units come in mirrored pairs.
        noise: Standard deviation of what is left of the other directions.
        seeds: One a network.

    Raises:
        ValueError: If a number is out of range or there is not one seed a network.
    """
    at_least("num_live", num_live, 1)
    at_least("width less num_live", width - num_live, 1)
    positive("noise", noise)
    if num_units < 2 or num_units % 2:
        raise ValueError(f"num_units must be even and at least 2, got {num_units}.")
    if len(seeds) != len(views):
        raise ValueError(
            f"seeds must be one for each of {len(views)} networks, got {seeds}."
        )
    starts = []
    for own, seed in zip(views, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)

        def gaussian(
            rows: int, columns: int, generator: torch.Generator = generator
        ) -> Tensor:
            drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
            return (drawn / columns**0.5).to(views)

        start = {
            "features": 2**0.5 * gaussian(num_features, views.shape[-1]),
            "thresholds": views.new_zeros(num_features),
            "backbone": gaussian(width, num_features),
            "weights": gaussian(num_units, width),
            "biases": gaussian(num_units, 1)[:, 0] / 2,
            "gains": views.new_ones(num_units),
            "outputs": gaussian(num_outputs, num_units),
            "offset": views.new_zeros(num_outputs),
        }
        stacked = {name: p[None] for name, p in start.items()}
        h = representations(stacked, own[None]).flatten(0, 2)  # [2n p]
        W, live = start["backbone"], slice(None, num_live)
        W[num_live:] *= noise / h[:, num_live:].std(dim=0)[:, None]
        W[live] = torch.linalg.solve(torch.linalg.cholesky(h[:, live].T.cov()), W[live])
        if mirrored:
            half = num_units // 2
            start["biases"] = start["biases"][:half].repeat(2)
            start["outputs"] = start["outputs"][:, :half].repeat(1, 2)
            start["weights"] = start["weights"][:half].repeat(2, 1)
            start["weights"][half:, num_live:] *= -1
        starts.append(start)
    return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
