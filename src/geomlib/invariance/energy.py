"""How long a head makes the augmentation's and the classes' directions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least
from geomlib.data.images import LabelledImages
from geomlib.data.poses import Padding, Strength, drawn_parameters, posed
from geomlib.metric.pullback import pullback_metric
from geomlib.metric.tangent import tangent_energy
from geomlib.orbits import tangents


def median_energy(
    metrics: Float[Tensor, "n d d"], directions: Float[Tensor, "n p d"]
) -> float:
    r"""Median of :math:`x^\top G x / (\operatorname{tr} G / d)` over unit directions x.

    1 where the metric treats all directions alike, 0 where it does not see these, d where
    it sees nothing else. A direction of length zero, such as the brightness of a black
    picture, is none and is left out.

    Args:
        metrics: One a sample.
        directions: Any number of them a sample, of any length.

    Raises:
        ValueError: If all directions are zero, or a metric has no trace.

    >>> metrics = torch.diag(torch.tensor([1.0, 3.0]))[None]
    >>> median_energy(metrics, torch.tensor([[[0.0, 2.0]]]))
    1.5
    """
    repeated = metrics.repeat_interleave(directions.shape[1], dim=0)
    flat = directions.flatten(0, 1)
    # In float32 the square of a length underflows before the length itself does.
    moves = flat.square().sum(1) > 0
    at_least("number of directions other than zero", int(moves.sum()), 1)
    energies = tangent_energy(repeated[moves], flat[moves])
    return float(metrics.shape[1] * energies.median())


def class_directions(
    h: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]
) -> Float[Tensor, "n c d"]:
    """From the mean of each sample's class to the means of all the other classes.

    Args:
        h: Representations.
        labels: Classes, of which there must be two at least.

    Raises:
        ValueError: If there is one class only.

    >>> h = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    >>> class_directions(h, torch.tensor([0, 0, 1])).tolist()
    [[[4.0, 0.0]], [[4.0, 0.0]], [[-4.0, 0.0]]]
    """
    classes, member = labels.unique(return_inverse=True)
    at_least("number of classes", len(classes), 2)
    means = torch.stack([h[member == c].mean(0) for c in range(len(classes))])
    ways = means[None] - means[member][:, None]  # [n classes d]
    others = torch.arange(len(classes), device=h.device) != member[:, None]
    return ways[others].view(len(h), len(classes) - 1, h.shape[1])


@dataclass(frozen=True)
class Energies:
    """Median energies of a head, q, along two kinds of directions.

    Attributes:
        augmentation: Along the tangents of the orbits of rotation, shifts, brightness.
        classes: Along the ways from one class mean to another.
    """

    augmentation: float
    classes: float


def head_energies(
    encoder: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    images: LabelledImages,
    *,
    strength: Strength,
    seed: int,
    padding: Padding = "zeros",
) -> Energies:
    """Median energies of a head at one random view of each image.

    Tangents are central differences over a tenth of the strength to either side.

    Args:
        encoder: From images to representations.
        head: From representations to what the loss compares: for a cosine, normalised.
        images: On the encoder's device.
        strength: Of the views, above zero in each parameter.
        seed: Of the views.
        padding: What lies beyond an image.

    Raises:
        ValueError: If a strength is zero, a tangent is zero, or there is one class only.
    """
    pictures = images.images
    generator = torch.Generator(pictures.device).manual_seed(seed)
    here = drawn_parameters(len(pictures), strength=strength, generator=generator)

    @torch.no_grad()
    def along(parameters: Tensor) -> Tensor:
        return encoder(posed(pictures, parameters, padding=padding))

    h = along(here)
    steps = 0.1 * torch.tensor(strength.scale)
    G = pullback_metric(head, h)
    return Energies(
        median_energy(G, tangents(along, here, steps=steps)),
        median_energy(G, class_directions(h, images.labels.to(h.device))),
    )
