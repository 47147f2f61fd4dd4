"""A folder of the reader's own images."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image, ImageOps
from torch import Tensor

from geomlib.checks import at_least

SUFFIXES = (".jpg", ".jpeg", ".png")


def images_in(
    folder: Path, *, size: int, num_images: int | None = None, seed: int = 0
) -> Float32[Tensor, "n 3 s s"]:
    """Images of a folder and its sub-folders, cut to their middle square and resized.

    Args:
        folder: Holds ``.jpg``, ``.jpeg`` or ``.png`` files at any depth; others are
            passed over, and so is what is hidden.
        size: Pixels of each side.
        num_images: Draw so many of them, without replacement; all of them if not given.
        seed: Of the draw.

    Returns:
        Red, green and blue in [0, 1], in the order of the file names.

    Raises:
        ValueError: If there is no such folder, it holds fewer images than ``num_images``
            or none, ``size`` is below 1, or a file cannot be decoded.
    """
    at_least("size", size, 1)
    if not folder.is_dir():
        raise ValueError(f"folder must name a folder, got {str(folder)!r}.")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    if not found:
        raise ValueError(
            f"folder must hold {', '.join(SUFFIXES)} files, got none in {str(folder)!r}."
        )
    if num_images is not None:
        at_least("num_images", num_images, 1)
        at_least("number of images in folder", len(found), num_images)
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(found), generator=generator)[:num_images]
        found = [found[i] for i in sorted(chosen.tolist())]
    pixels = np.stack([_square(path, size) for path in found])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _square(path: Path, size: int) -> np.ndarray:
    """Middle square of one image file, in the wanted size."""
    try:
        # Two formats only: a file that somebody else made gets no other decoder.
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return np.array(ImageOps.fit(image.convert("RGB"), (size, size)))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} must be a JPEG or PNG image, got a file that cannot be decoded "
            f"({error}). Replace or remove it."
        ) from error
