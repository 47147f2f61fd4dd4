"""Patches of ten photographs: a colour task that needs no download."""

from functools import cache
from importlib.resources import files

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from PIL import Image
from torch import Tensor

from geomlib import checks
from geomlib.data.images import LabelledImages

SIDE = 32  # of a patch, in pixels of the photograph
BLOCK = 64  # side of a block, which is the unit that a split owns

# Photograph: package that carries it, file, and how many pixels become one (the retina
# and the sky are so large that a patch of them would show no structure).
_FILES = {
    "astronaut": ("skimage.data", "astronaut.png", 1),
    "coffee": ("skimage.data", "coffee.png", 1),
    "chelsea": ("skimage.data", "chelsea.png", 1),
    "rocket": ("skimage.data", "rocket.jpg", 1),
    "retina": ("skimage.data", "retina.jpg", 2),
    "hubble": ("skimage.data", "hubble_deep_field.jpg", 2),
    "ihc": ("skimage.data", "ihc.png", 1),
    "motorcycle": ("skimage.data", "motorcycle_left.png", 1),
    "china": ("sklearn.datasets.images", "china.jpg", 1),
    "flower": ("sklearn.datasets.images", "flower.jpg", 1),
}

# (column + 2 row) mod 5 of a block: blocks of one residue lie a knight's move apart, so
# validation and test are spread over the whole photograph, and no block of theirs
# shares an edge with another of the same split.
_RESIDUES = {"train": (0, 1, 2), "validation": (3,), "test": (4,)}


def photographs(
    split: str, *, num_per_class: int, seed: int, size: int = SIDE
) -> LabelledImages:
    """Random patches of ten photographs, the class being the photograph.

    Each photograph is cut into blocks of 64x64 pixels from its top left corner; what is
    left at the right and at the bottom is not used. A patch of 32x32 lies wholly inside
    one block, and a block belongs to one split for good (60% ``train``, 20%
    ``validation``, 20% ``test``), so no pixel is in two splits. Patches of one split may
    overlap. They come grouped by class: permute before slicing.

    Args:
        split: ``train``, ``validation`` or ``test``.
        num_per_class: Patches of each photograph.
        seed: Of the draw of blocks and positions.
        size: Side of the images returned; patches are averaged down to it.

    Raises:
        ValueError: If ``split`` is none of the three, ``num_per_class`` is below 1, or
            ``size`` does not divide 32.

    Source: the sample pictures of scikit-image and scikit-learn, read from the installed
    packages (the same bytes in scikit-image 0.24, 0.25 and 0.26).

    >>> photographs("train", num_per_class=2, seed=0, size=16).images.shape
    torch.Size([20, 3, 16, 16])
    """
    checks.one_of("split", split, _RESIDUES)
    checks.at_least("num_per_class", num_per_class, 1)
    if size < 1 or SIDE % size:
        raise ValueError(f"size must divide {SIDE}, got {size}. Use 32, 16, 8, 4, 2 or 1.")
    generator = torch.Generator().manual_seed(seed)
    patches = torch.cat(
        [_patches(picture, split, num_per_class, generator) for picture in _photographs()]
    )
    labels = torch.arange(len(_FILES)).repeat_interleave(num_per_class)
    return LabelledImages(F.avg_pool2d(patches, SIDE // size), labels, tuple(_FILES))


@cache
def _photographs() -> tuple[Float32[Tensor, "3 _h _w"], ...]:
    """All photographs, read where the packages keep them, so that nothing downloads."""
    pictures: list[Tensor] = []
    for package, name, shrink in _FILES.values():
        with files(package).joinpath(name).open("rb") as file, Image.open(file) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB")))
        pictures.append(F.avg_pool2d(pixels.permute(2, 0, 1).float() / 255, shrink))
    return tuple(pictures)


def _patches(
    picture: Float32[Tensor, "3 h w"], split: str, num: int, generator: torch.Generator
) -> Float32[Tensor, "{num} 3 32 32"]:
    """Patches at random places in random blocks of the split."""
    corners = _blocks(picture.shape[1], picture.shape[2], split)
    corners = corners[torch.randint(len(corners), (num,), generator=generator)]
    corners = corners + torch.randint(BLOCK - SIDE + 1, (num, 2), generator=generator)
    steps = torch.arange(SIDE)
    rows = corners[:, 0, None, None] + steps[:, None]
    columns = corners[:, 1, None, None] + steps
    return picture[:, rows, columns].transpose(0, 1)


def _blocks(height: int, width: int, split: str) -> Int64[Tensor, "b 2"]:
    """Top left pixel (row, column) of every block of the split."""
    grid = torch.cartesian_prod(torch.arange(height // BLOCK), torch.arange(width // BLOCK))
    residue = (grid[:, 1] + 2 * grid[:, 0]) % 5
    return BLOCK * grid[torch.isin(residue, torch.tensor(_RESIDUES[split]))]
