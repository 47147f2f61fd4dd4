"""Pictures put together from others, so that one image carries more than one label."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least
from geomlib.data.augment import views
from geomlib.data.images import LabelledImages


def pasted(
    images: Float[Tensor, "n c h w"],
    patches: Float[Tensor, "#n #c #s #t"],
    *,
    top: int,
    left: int,
    opacity: float | Float[Tensor, "#n 1 s t"] = 1.0,
) -> Float[Tensor, "n c h w"]:
    """Images with a patch laid over each, as new tensors.

    Args:
        images: Values in [0, 1].
        patches: One a picture, or one for all; ``torch.ones(1, 1, 1, 1)`` is white.
        top: Row of the images where the patch begins.
        left: Column.
        opacity: Share of the patch in what is seen: one number, or one a pixel. The grey
            values of a digit as opacity of a white patch write it in white ink.

    Raises:
        ValueError: If the patch leaves the images.

    >>> grey, white = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
    >>> pasted(grey, white, top=0, left=1, opacity=0.5)[0, 0]
    tensor([[0.0000, 0.5000],
            [0.0000, 0.0000]])
    """
    alpha = torch.as_tensor(opacity, dtype=images.dtype, device=images.device)
    high, wide = torch.broadcast_shapes(patches.shape[2:], alpha.shape[-2:])
    bottom, right = top + high, left + wide
    if min(top, left) < 0 or bottom > images.shape[2] or right > images.shape[3]:
        raise ValueError(
            f"patches must lie within the images of {images.shape[2]}x{images.shape[3]}, "
            f"got rows {top} to {bottom} and columns {left} to {right}."
        )
    whole = images.clone()
    under = whole[:, :, top:bottom, left:right]
    whole[:, :, top:bottom, left:right] = under + alpha * (patches - under)
    return whole


@dataclass(frozen=True)
class InkedImages:
    """Pictures with something written on each, kept apart until a view is drawn.

    Attributes:
        layers: The picture's channels, and as the last one the opacity of white ink.
        labels: Class of each picture.
        ink_labels: Class of what is written on it.
        classes: Names of the pictures' classes.
        ink_classes: Names of the classes of what is written.
    """

    layers: Float32[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    ink_labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    ink_classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Float32[Tensor, "n _c h w"]:
        """The pictures with their ink."""
        return inked(self.layers)


def inked_images(
    pictures: LabelledImages, glyphs: LabelledImages, *, scale: int, seed: int
) -> InkedImages:
    """Each picture with a random glyph written in its middle.

    Which glyph is drawn without regard to the picture, so that neither label tells of the
    other.

    Args:
        pictures: What is written on.
        glyphs: Grey images, such as digits, whose values become the opacity of the ink.
        scale: Each pixel of a glyph becomes so many, bilinear.
        seed: Of the draw of the glyphs, with replacement.

    Raises:
        ValueError: If the glyphs are not grey, ``scale`` is below 1, or a scaled glyph is
            larger than a picture.
    """
    at_least("scale", scale, 1)
    if glyphs.images.shape[1] != 1:
        raise ValueError(f"glyphs must be grey, got {glyphs.images.shape[1]} channels.")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(glyphs), (len(pictures),), generator=generator)
    ink = F.interpolate(glyphs.images[drawn], scale_factor=float(scale), mode="bilinear")
    high, wide = pictures.images.shape[2:]
    blank = pictures.images.new_zeros(len(pictures), 1, high, wide)
    middle = (high - ink.shape[2]) // 2, (wide - ink.shape[3]) // 2
    layer = pasted(blank, ink.to(blank), top=middle[0], left=middle[1])
    return InkedImages(
        torch.cat([pictures.images, layer], dim=1),
        pictures.labels,
        glyphs.labels[drawn],
        pictures.classes,
        glyphs.classes,
    )


def inked(layers: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
    """Pictures with white ink on them.

    Args:
        layers: The picture's channels, and as the last one the opacity of the ink.
    """
    pictures, opacity = layers[:, :-1], layers[:, -1:]
    return pictures + opacity * (1 - pictures)


def inked_views(
    layers: Float[Tensor, "n c h w"],
    *,
    generator: torch.Generator,
    dropped: float,
    crop: tuple[float, float] = (0.2, 1.0),
) -> Float[Tensor, "n _c h w"]:
    """One random view of each picture, the ink on top or left out.

    The picture is cropped, mirrored and recoloured; the ink is not, so that it is what two
    views share most plainly, unless it is dropped.

    Args:
        layers: As in ``InkedImages``.
        generator: On the device of the layers.
        dropped: Probability that a view has no ink.
        crop: Least and greatest share of the picture's area in a crop.

    Raises:
        ValueError: If ``dropped`` is outside [0, 1], or a crop or the channels are not
            what ``geomlib.data.augment.views`` takes.
    """
    if not 0 <= dropped <= 1:
        raise ValueError(f"dropped must be between 0 and 1, got {dropped}.")
    draws = torch.rand(len(layers), generator=generator, device=layers.device)
    kept = (draws >= dropped)[:, None, None, None]
    pictures = views(layers[:, :-1], generator=generator, crop=crop)
    return inked(torch.cat([pictures, layers[:, -1:] * kept], dim=1))
