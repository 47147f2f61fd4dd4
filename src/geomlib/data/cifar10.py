"""CIFAR-10: the reader's own copy where there is one, else a download."""

import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torchvision.datasets import CIFAR10

from geomlib import checks, places
from geomlib.data.images import LabelledImages


def cifar10(split: str, *, num_images: int | None = None, seed: int = 0) -> LabelledImages:
    """Colour images of 32x32 pixels in ten classes, in a seeded random order.

    Looked for in this order: JPEG or PNG files ``train/<class>/*`` and
    ``test/<class>/*`` in the folder that ``GEOMLIB_DATA`` names or in its sub-folder
    ``cifar10``; torchvision's copy in the cache folder; the download, into that folder.

    Args:
        split: ``train`` or ``test``.
        num_images: Take only the first so many of the random order; None takes all. A
            smaller number gives a part of what a greater one gives.
        seed: Of the order.

    Raises:
        FileNotFoundError: If there is no copy and the download fails.
        ValueError: If ``split`` is neither of the two, ``num_images`` is below 1 or more
            than there are, or a copy of the reader's is not CIFAR-10 in form.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """
    checks.one_of("split", split, ("train", "test"))
    folder = _image_folder()
    if folder is None:
        archive = _archive(split)
        chosen = _chosen(len(archive.targets), num_images, seed)
        pixels = archive.data[chosen]
        labels, classes = archive.targets, tuple(archive.classes)
    else:
        files, labels, classes = _listed(folder / split)
        # Only the files that are wanted are decoded: 40,000 of them take seconds.
        chosen = _chosen(len(files), num_images, seed)
        pixels = np.stack([_pixels(files[i]) for i in chosen])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float().div_(255)
    return LabelledImages(images, torch.tensor(labels)[chosen], classes)


def _chosen(num_found: int, num_images: int | None, seed: int) -> list[int]:
    """Positions of the images to take, in random order, since files come class by class."""
    if num_images is not None and not 1 <= num_images <= num_found:
        raise ValueError(
            f"num_images must be between 1 and {num_found}, the images found, "
            f"got {num_images}."
        )
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(num_found, generator=generator)[:num_images].tolist()


def _image_folder() -> Path | None:
    """Folder of the reader's image files, or None where there is none."""
    data = places.data()
    if data is None:
        return None
    for folder in (data / "cifar10", data):
        if (folder / "train").is_dir() or (folder / "test").is_dir():
            return folder
    return None


def _listed(folder: Path) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """Image files, their labels and the classes; sorted, as CIFAR-10's own classes are."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"GEOMLIB_DATA must hold both splits of CIFAR-10, got no folder {folder}. "
            "Add it, or unset the variable to download CIFAR-10 instead."
        )
    classes = sorted(
        p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")
    )
    if len(classes) != 10:
        raise ValueError(
            f"{folder} must hold ten folders, one a class of CIFAR-10, got {len(classes)}: "
            f"{', '.join(classes[:12])}. Correct the copy, or unset GEOMLIB_DATA."
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            p
            for p in (folder / name).iterdir()
            if p.suffix.lower() in (".jpg", ".jpeg", ".png") and not p.name.startswith(".")
        )
        if not found:
            raise ValueError(
                f"{folder / name} must hold .jpg or .png files, got none. "
                "Correct the copy, or unset GEOMLIB_DATA."
            )
        files += found
        labels += [label] * len(found)
    return files, labels, tuple(classes)


def _pixels(path: Path) -> UInt8[np.ndarray, "32 32 3"]:
    """One image file, decoded."""
    try:
        # Two formats only, and the size is read before anything is decoded: a file that
        # somebody else made gets no other decoder of Pillow's, and no memory to fill.
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.size != (32, 32):
                raise ValueError(
                    f"{path} must be 32 pixels wide and 32 high, "
                    f"got {image.width} and {image.height}. Resize the images."
                )
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} must be a JPEG or PNG image, got a file that cannot be decoded "
            f"({error}). Replace it."
        ) from error


def _archive(split: str) -> CIFAR10:
    """CIFAR-10 as torchvision reads it from the cache folder, downloaded if need be.

    The batches are pickles, and to unpickle runs what is in them. torchvision compares the
    MD5 of the archive before it unpacks it, and of every batch before it unpickles the
    first, with the sums in its own source; a file that differs is never unpickled.
    """
    try:
        with warnings.catch_warnings():
            # NumPy 2.4.0 to 2.4.4 warn of how Python 2 pickled the batches' dtype.
            warnings.filterwarnings("ignore", r"dtype\(\): align should be passed")
            # torchvision 0.26 unpacks with no filter, of which Python 3.12 and 3.13 warn.
            warnings.filterwarnings("ignore", "Python 3.14 will, by default, filter")
            return CIFAR10(places.cache(), train=split == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            "CIFAR-10 must be in the folder that GEOMLIB_DATA names or in the cache "
            f"folder, got neither, and the download failed ({error}). Either set "
            "GEOMLIB_DATA to a folder with image files train/<class>/*.png and "
            "test/<class>/*.png (or with a sub-folder cifar10 that holds them), or put "
            f"{CIFAR10.filename} (MD5 {CIFAR10.tgz_md5}) from {CIFAR10.url} into "
            f"{places.cache()}. A file with another MD5 counts as missing."
        ) from error
