"""Faces and non-faces, a task of two classes."""

from importlib.resources import files

import numpy as np
import torch

from geomlib.data.images import LabelledImages


def faces() -> LabelledImages:
    """100 faces, then 100 pictures of something else, of 25x25 grey pixels.

    Source: Huang et al. 2007, Labeled Faces in the Wild, as cut out by scikit-image
    (``skimage.data.lfw_subset``).

    >>> len(faces())
    200
    """
    # The file is read where scikit-image packages it: its own loader may ask for pooch.
    with files("skimage.data").joinpath("lfw_subset.npy").open("rb") as file:
        pixels = np.load(file, allow_pickle=False)
    labels = torch.arange(2).repeat_interleave(100)
    return LabelledImages(
        torch.from_numpy(pixels).float().unsqueeze(1), labels, ("face", "not face")
    )
