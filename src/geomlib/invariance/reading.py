"""Parameters of the views and classes, read from one space by probes."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from geomlib.data.images import LabelledImages
from geomlib.data.poses import Padding, Strength
from geomlib.orbits import recorded_orbit
from geomlib.probes import Examples, Score, logistic_probe, ridge_probe

_NUM_SEEN, _NUM_HELD_OUT = 2, 4  # views of each image


@dataclass(frozen=True)
class Reading:
    """What probes read from one space on held-out images.

    Attributes:
        pose: R2 of the parameters of the views.
        label: Accuracy of the class.
    """

    pose: Score
    label: Score


def read(
    encoder: Callable[[Tensor], Tensor],
    seen: LabelledImages,
    held_out: LabelledImages,
    *,
    strength: Strength,
    seed: int,
    padding: Padding = "zeros",
) -> Reading:
    """Ridge probe of the parameters and logistic probe of the class.

    Fitted on two views of each seen image, scored on four views of each held-out image;
    their intervals resample held-out images, not views.

    Args:
        encoder: From images into the space.
        seen: Images that the probes are fitted on, on the encoder's device.
        held_out: Images that they are scored on.
        strength: Of the views.
        seed: Of the views.
        padding: What lies beyond an image.

    Raises:
        ValueError: If a feature is not finite.
    """
    first, second = (
        examples(
            encoder, images, num_views=num, strength=strength, seed=seed, padding=padding
        )
        for images, num in ((seen, _NUM_SEEN), (held_out, _NUM_HELD_OUT))
    )
    return Reading(ridge_probe(first[0], second[0]), logistic_probe(first[1], second[1]))


def examples(
    encoder: Callable[[Tensor], Tensor],
    images: LabelledImages,
    *,
    num_views: int,
    strength: Strength,
    seed: int,
    padding: Padding = "zeros",
) -> tuple[Examples, Examples]:
    """Features of recorded views, with their parameters and with their classes.

    Args:
        encoder: From images into the space.
        images: On the encoder's device.
        num_views: Views of each image; another number gives other views.
        strength: Of the views.
        seed: Of the views.
        padding: What lies beyond an image.

    Raises:
        ValueError: If there is no view or a feature is not finite.
    """
    orbit = recorded_orbit(
        encoder,
        images.images,
        num_views=num_views,
        strength=strength,
        # Seen and held-out views differ in number, and must not share their parameters.
        seed=10 * seed + num_views,
        padding=padding,
    )
    labels = images.labels.to(orbit.images.device)[orbit.images]
    return (
        Examples(orbit.features, orbit.parameters, orbit.images),
        Examples(orbit.features, labels, orbit.images),
    )
