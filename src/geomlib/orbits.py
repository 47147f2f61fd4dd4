"""Augmentation orbits: what an encoder makes of the views of one image.

Random views, views whose parameters are recorded, the orbit's tangents, and how much of
all variance lies within orbits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least
from geomlib.data.augment import views
from geomlib.data.poses import Padding, Strength, drawn_parameters, posed


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


@dataclass(frozen=True)
class Recorded:
    """Features of views whose parameters are known.

    Attributes:
        features: One row a view; the views of one image stand ``num_images`` apart.
        parameters: What made each view, columns as in ``geomlib.data.poses.NAMES``.
        images: Position of the image that each row is a view of.
    """

    features: Float[Tensor, "m d"]
    parameters: Float[Tensor, "m 4"]
    images: Int64[Tensor, " m"]


@torch.no_grad()
def recorded_orbit(
    encoder: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n c h w"],
    *,
    num_views: int,
    strength: Strength,
    seed: int,
    padding: Padding = "zeros",
) -> Recorded:
    """Features of ``num_views`` views of each image, with the parameters of every view.

    Args:
        encoder: Map of images to features, in evaluation mode if it has one.
        images: Square images.
        num_views: Views of each image.
        strength: Of rotation, shift and brightness.
        seed: Of the parameters.
        padding: What lies beyond the image.

    Raises:
        ValueError: If ``num_views`` is below 1.
    """
    at_least("num_views", num_views, 1)
    generator = torch.Generator(images.device).manual_seed(seed)
    num = len(images)
    parameters = [
        drawn_parameters(num, strength=strength, generator=generator)
        for _ in range(num_views)
    ]
    features = [encoder(posed(images, p, padding=padding)) for p in parameters]
    return Recorded(
        torch.cat(features),
        torch.cat(parameters),
        torch.arange(num, device=images.device).repeat(num_views),
    )


@torch.no_grad()
def tangents(
    along: Callable[[Float[Tensor, "n p"]], Float[Tensor, "n d"]],
    parameters: Float[Tensor, "n p"],
    *,
    steps: Float[Tensor, " _p"],
) -> Float[Tensor, "n p d"]:
    r"""Derivatives of a point on each orbit by each of its parameters.

    Central differences, :math:`(h(\theta + \epsilon e_p) - h(\theta - \epsilon e_p)) /
    2 \epsilon`. A picture that is resampled has kinks wherever a pixel passes another, and
    so has a ReLU encoder; over a step of a tenth of a pixel they average out.

    Args:
        along: Features of all samples at given parameters, one row a sample.
        parameters: Where the tangents are taken.
        steps: :math:`\epsilon` for each parameter, in its unit.

    Raises:
        ValueError: If there is another number of steps than of parameters, or a step is
            not positive.

    Source: for central differences, any text on numerical analysis; the error is of order
    :math:`\epsilon^2` where the orbit is smooth.

    >>> here = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    >>> tangents(torch.square, here, steps=torch.tensor([0.5])).flatten()
    tensor([2., 4.], dtype=torch.float64)
    """
    if len(steps) != parameters.shape[1] or not bool((steps > 0).all()):
        raise ValueError(
            f"steps must be {parameters.shape[1]} numbers above 0, one a parameter, "
            f"got {steps.tolist()}."
        )
    columns: list[Tensor] = []
    for shift in torch.diag(steps).to(parameters):
        change = along(parameters + shift) - along(parameters - shift)
        columns.append(change / (2 * shift.sum()))
    return torch.stack(columns, dim=1)


def coherence(tangents: Float[Tensor, "n p d"]) -> Float[Tensor, " p"]:
    """How far the orbits of all samples run the same way, for each parameter, 0 to 1.

    Length of the mean of the unit tangents: 1 where they all point one way, so that one
    linear function reads the parameter of every sample; of the order of one over the root
    of n where each points its own way. A sample with a zero tangent is left out.

    Args:
        tangents: As ``tangents`` gives them.

    Raises:
        ValueError: If all tangents of a parameter are zero.

    >>> coherence(torch.tensor([[[2.0, 0.0]], [[0.0, 5.0]]]))
    tensor([0.7071])
    """
    lengths = tangents.norm(dim=2, keepdim=True)
    moves = (lengths > 0).sum(0)  # [p 1]
    at_least("least number of tangents other than zero", int(moves.min()), 1)
    units = tangents / lengths.where(lengths > 0, torch.ones_like(lengths))
    return (units.sum(0) / moves).norm(dim=1)


def orbit_share(features: Float[Tensor, "v n d"]) -> Float[Tensor, ""]:
    """Share of the variance of all features that lies within orbits, from 0 to 1.

    Squared distances from the orbit's mean over squared distances from the mean of all.
    Other than the variance within orbits alone, it does not change where all features are
    multiplied by a number.

    Args:
        features: Of v views of each of n images.

    Raises:
        ValueError: If there are fewer than two views, or all features are equal.

    >>> round(orbit_share(torch.tensor([[[1.0], [4.0]], [[2.0], [5.0]]])).item(), 4)
    0.1
    """
    at_least("number of views", len(features), 2)
    within = (features - features.mean(0)).square().sum()
    total = (features - features.mean((0, 1))).square().sum()
    if not total > 0:
        raise ValueError(
            f"features must vary, got {features.shape[0] * features.shape[1]} equal ones. "
            "Collapsed features have no share."
        )
    return within / total
