"""Random views of images: what two views share is what an embedding may keep."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def views(
    images: Float[Tensor, "n c h w"],
    *,
    generator: torch.Generator,
    crop: tuple[float, float] = (0.4, 1.0),
    flip: bool = True,
    jitter: float = 0.4,
    grey: float = 0.2,
) -> Float[Tensor, "n c h w"]:
    """One random view of each image, every image with a draw of its own.

    In this order: a crop, resized to the image's size; a mirror image for one in two;
    brightness, contrast and saturation; grey for some. torchvision's transforms draw once
    for a whole batch, and calling them image by image takes about seven times as long.

    The same numbers are drawn whatever is switched off, so switching off one step leaves
    the others as they were.

    Args:
        images: Values in [0, 1], of one channel or three.
        generator: On the device of the images.
        crop: Least and greatest share of the image's area in the crop, whose sides are
            to each other as 3:4 to 4:3 times those of the image.
        flip: Mirror left and right with probability 1/2.
        jitter: Brightness, contrast and saturation are multiplied by a factor each,
            uniform on ``[1 - jitter, 1 + jitter]``.
        grey: Probability that the colours go.

    Returns:
        Views with values in [0, 1].

    Raises:
        ValueError: If the channels are neither one nor three, a share is outside [0, 1],
            or the generator is on another device.

    Source: Chen et al. 2020 (arXiv:2002.05709), appendix A, with their strength 0.5 for
    CIFAR-10. Departures: no hue and no blur (they blur CIFAR-10 neither), crops no smaller
    than 0.4 of the area, jitter on every image and always in the one order.

    >>> x = torch.rand(4, 3, 8, 8)
    >>> views(x, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([4, 3, 8, 8])
    """
    num, channels = images.shape[:2]
    if channels not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels, got {channels}.")
    if generator.device.type != images.device.type:
        raise ValueError(
            f"generator must be on the images' device {images.device}, got "
            f"{generator.device}. Make it with torch.Generator(images.device)."
        )
    if not 0 < crop[0] <= crop[1] <= 1:
        raise ValueError(f"crop must be two rising shares in (0, 1], got {crop}.")
    for name, share in (("jitter", jitter), ("grey", grey)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {share}.")

    area, aspect, left, top, mirror, light, contrast, colour, fade = torch.rand(
        9, num, generator=generator, device=images.device, dtype=images.dtype
    )
    x = cropped(images, _boxes(crop[0] + (crop[1] - crop[0]) * area, aspect, left, top))
    if flip:
        x = torch.where(_each(mirror < 0.5), x.flip(-1), x)
    x = brightened(x, 1 + jitter * (2 * light - 1))
    x = contrasted(x, 1 + jitter * (2 * contrast - 1))
    x = saturated(x, 1 + jitter * (2 * colour - 1))
    return torch.where(_each(fade < grey), luminance(x), x)


def cropped(
    images: Float[Tensor, "n c h w"], boxes: Float[Tensor, "n 4"]
) -> Float[Tensor, "n c h w"]:
    """One box of each image, resized to the image's size (bilinear).

    torchvision cuts before it resizes; here the outermost half pixel of a box blends with
    what lies beyond it, and a box may begin between two pixels.

    Args:
        images: Any values.
        boxes: Left, top, width and height, as shares of the image's width and height.
    """
    left, top, width, height = boxes.unbind(1)
    # Coordinates run over [-1, 1]: output u reads input width u + (centre of the box).
    affine = images.new_zeros(len(images), 2, 3)
    affine[:, 0, 0], affine[:, 0, 2] = width, 2 * left + width - 1
    affine[:, 1, 1], affine[:, 1, 2] = height, 2 * top + height - 1
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def brightened(
    images: Float[Tensor, "n c h w"], factors: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Each image between black (factor 0) and itself (1), or beyond."""
    return (images * _each(factors)).clamp(0, 1)


def contrasted(
    images: Float[Tensor, "n c h w"], factors: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Each image between its mean luminance (factor 0) and itself (1), or beyond."""
    return _blend(images, luminance(images).mean((1, 2, 3), keepdim=True), factors)


def saturated(
    images: Float[Tensor, "n c h w"], factors: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Each image between grey (factor 0) and itself (1), or beyond."""
    return _blend(images, luminance(images), factors)


def luminance(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
    """Grey value of each pixel (ITU-R BT.601, with torchvision's digits)."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor([0.2989, 0.587, 0.114])
    return torch.einsum("nchw,c->nhw", images, weights).unsqueeze(1)


def _blend(
    images: Float[Tensor, "n c h w"],
    others: Float[Tensor, "n #c #h #w"],
    factors: Float[Tensor, " n"],
) -> Float[Tensor, "n c h w"]:
    """Mixture with share ``factors`` of the images, cut to [0, 1]."""
    return torch.lerp(others.expand_as(images), images, _each(factors)).clamp(0, 1)


def _boxes(
    area: Float[Tensor, " n"],
    aspect: Float[Tensor, " n"],
    left: Float[Tensor, " n"],
    top: Float[Tensor, " n"],
) -> Float[Tensor, "n 4"]:
    """Boxes of the given areas; the other three are uniform draws from [0, 1]."""
    # With area a and aspect r the sides are sqrt(a r) and sqrt(a / r), so a box fits where
    # a <= r <= 1/a. torchvision draws r from [3/4, 4/3] and draws all anew where it does
    # not fit; here r comes from the part that fits, so the area stays uniform.
    bound = (-area.log()).clamp(max=math.log(4 / 3))
    ratio = ((2 * aspect - 1) * bound).exp()
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
    return torch.stack([left * (1 - width), top * (1 - height), width, height], dim=1)


def _each(values: Tensor) -> Tensor:
    """Values per image, shaped to broadcast over channels and pixels."""
    return values[:, None, None, None]
