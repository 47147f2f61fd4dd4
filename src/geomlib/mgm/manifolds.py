"""Means of the metrics over the semantic manifold and over augmentation manifolds."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.data.augment import views
from geomlib.data.poses import Strength, posed_views
from geomlib.mgm.polytopes import polytopes
from geomlib.nnk.neighbourhoods import neighbourhoods

View = Callable[..., Tensor]
BATCH = 512


def _crop(images: Tensor, *, generator: torch.Generator) -> Tensor:
    return views(images, generator=generator, flip=False, jitter=0.0, grey=0.0)


def _colour(images: Tensor, *, generator: torch.Generator) -> Tensor:
    return views(
        images, generator=generator, crop=(1.0, 1.0), flip=False, jitter=0.8, grey=0.0
    )


def _rotation(images: Tensor, *, generator: torch.Generator) -> Tensor:
    strength = Strength(rotation=30.0, shift=0.0, brightness=0.0)
    return posed_views(images, generator=generator, strength=strength, padding="reflection")


# Crops of 40 to 100 % of the area; brightness, contrast and saturation by factors of 0.2
# to 1.8; rotation by up to 30 degrees.
AUGMENTATIONS: dict[str, View] = {"crop": _crop, "colour": _colour, "rotation": _rotation}


@dataclass(frozen=True)
class ManifoldMetrics:
    """Means over all samples of a manifold.

    Attributes:
        diameter: Of the polytopes, for features of unit length.
        neighbours: Number of neighbours.
        affinity: Of neighbouring polytopes, over the samples that have one.
        violation: Largest one of the optimality conditions.
    """

    diameter: float
    neighbours: float
    affinity: float
    violation: float


def semantic_metrics(
    features: Float[Tensor, "n d"], *, num_candidates: int = 50
) -> ManifoldMetrics:
    """Metrics where the neighbours are other images.

    Args:
        features: Of one view of each image, none of them zero.
        num_candidates: Most similar images that may be neighbours.

    Raises:
        ValueError: If there are fewer than two images, a row is zero or not finite, or no
            polytope has a neighbour with one.

    Source: Cosentino et al. 2022, with the cosine kernel of the authors' code.
    """
    return _metrics(features, None, num_candidates)


def augmentation_metrics(
    features: Float[Tensor, "v n d"], *, num_candidates: int = 50
) -> ManifoldMetrics:
    """Metrics where the neighbours are other views of the same image.

    Args:
        features: Of v views of each of n images, none of them zero.
        num_candidates: Most similar views that may be neighbours.

    Raises:
        ValueError: If there are fewer than three views, a row is zero or not finite, or no
            polytope has a neighbour with one.

    Source: Cosentino et al. 2022, with the cosine kernel of the authors' code.
    """
    num_views, num_images = features.shape[:2]
    at_least("number of views", num_views, 3)
    groups = torch.arange(num_images, device=features.device).repeat(num_views)
    return _metrics(features.flatten(0, 1), groups, min(num_candidates, num_views - 1))


@torch.no_grad()
def _features(encoder: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Features some images at a time, so that memory stays small."""
    return torch.cat([encoder(part) for part in images.split(BATCH)])


def encoder_metrics(
    encoder: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n c h w"],
    *,
    num_orbits: int,
    num_views: int,
    seed: int,
    num_candidates: int = 50,
) -> dict[str, float]:
    """All metrics of an encoder: three of each of the four manifolds, by name.

    Args:
        encoder: Map of images to features, in evaluation mode if it has one.
        images: All of them make the semantic manifold.
        num_orbits: The first so many have an augmentation manifold each.
        num_views: Views on each.
        seed: Of the views; the same views for every encoder.
        num_candidates: See ``neighbourhoods``.

    Raises:
        ValueError: If a count is out of range or a feature row is zero or not finite.
    """
    at_least("num_orbits", num_orbits, 1)
    semantic = _features(encoder, images)
    manifolds = {"semantic": semantic_metrics(semantic, num_candidates=num_candidates)}
    for name, view in AUGMENTATIONS.items():
        generator = torch.Generator(images.device).manual_seed(seed)
        drawn = [view(images[:num_orbits], generator=generator) for _ in range(num_views)]
        orbit = torch.stack([_features(encoder, batch) for batch in drawn])
        manifolds[name] = augmentation_metrics(orbit, num_candidates=num_candidates)
    return {
        f"{name} {metric}": getattr(metrics, metric)
        for name, metrics in manifolds.items()
        for metric in ("diameter", "neighbours", "affinity")
    }


def _metrics(
    features: Float[Tensor, "n d"], groups: Tensor | None, num_candidates: int
) -> ManifoldMetrics:
    """Means over all rows."""
    found = neighbourhoods(features, num_candidates=num_candidates, groups=groups)
    shapes = polytopes(features, found)
    with_one = shapes.affinity.isfinite()
    at_least("number of polytopes with a neighbouring one", int(with_one.sum()), 1)
    return ManifoldMetrics(
        float(shapes.diameter.mean()),
        float(shapes.num_neighbours.double().mean()),
        float(shapes.affinity[with_one].mean()),
        float(found.violation.max()),
    )
