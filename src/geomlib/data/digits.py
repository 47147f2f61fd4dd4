"""Handwritten digits, small enough to train on in seconds."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from geomlib import checks
from geomlib.data.images import LabelledImages


def digits(split: str) -> LabelledImages:
    """Handwritten digits of 8x8 grey pixels.

    The 1797 digits fall into ``train`` (1077), ``validation`` (360) and ``test`` (360),
    with the same shares of the ten classes in each; the split is fixed. scikit-learn does
    not say who wrote which digit, so one writer may be in all three.

    Raises:
        ValueError: If ``split`` is none of the three.

    Source: Alpaydin and Kaynak 1998, UCI optical recognition of handwritten digits (its
    test set), as packaged by scikit-learn.

    >>> digits("test").images.shape
    torch.Size([360, 1, 8, 8])
    """
    checks.one_of("split", split, ("train", "validation", "test"))
    pixels, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0
    )
    train, validation = train_test_split(
        rest, test_size=0.25, stratify=labels[rest], random_state=0
    )
    chosen = {"train": train, "validation": validation, "test": test}[split]
    images = torch.from_numpy(pixels[chosen]).float().reshape(-1, 1, 8, 8) / 16
    return LabelledImages(
        images, torch.from_numpy(labels[chosen]).long(), tuple("0123456789")
    )
