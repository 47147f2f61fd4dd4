"""UrbanCars: the reader's own copy, since a part of its sources is no longer served."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from PIL import Image
from torch import Tensor

from geomlib import places
from geomlib.checks import at_least, one_of

SIDES = ("urban", "country")
_FOLDERS = {"train": "bg-0.95_co_occur_obj-0.95"} | dict.fromkeys(
    ("val", "test"), "bg-0.5_co_occur_obj-0.5"
)


@dataclass(frozen=True)
class UrbanCars:
    """Files of one split and what they show; images are read when asked for.

    Attributes:
        files: Pictures, group by group, in the order of their names.
        labels: Body of the car: 0 urban, 1 country.
        cues: Side of the background and of the co-occurring object.
    """

    files: tuple[Path, ...]
    labels: Int64[Tensor, " n"]
    cues: Int64[Tensor, "n 2"]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def common(self) -> Bool[Tensor, "n 2"]:
        """Whether each cue is the one that is common with the image's car."""
        return self.cues == self.labels[:, None]

    def images(self, picks: slice, *, size: int) -> Float32[Tensor, "_n 3 s s"]:
        """Pictures at these positions, resized, with values in [0, 1].

        Raises:
            ValueError: If ``size`` is below 1 or a file cannot be decoded.
        """
        return self._stack([_pixels(path, size, "RGB") for path in self.files[picks]])

    def backgrounds(self, picks: slice, *, size: int) -> Float32[Tensor, "_n 3 s s"]:
        """The same pictures without car and object: the files ``*_bg_only.png``.

        Raises:
            ValueError: As ``images``; also if a file is missing.
        """
        files = [self._beside(path, "_bg_only") for path in self.files[picks]]
        return self._stack([_pixels(path, size, "RGB") for path in files])

    def masks(self, picks: slice, *, of: str, size: int) -> Float32[Tensor, "_n 1 s s"]:
        """Where the car or the co-occurring object is, from 0 to 1.

        Args:
            picks: Positions.
            of: ``car`` (files ``*_mask.png``) or ``co_object``
                (``*_co_occur_obj_mask.png``).
            size: Pixels of each side.

        Raises:
            ValueError: As ``backgrounds``; also if ``of`` is neither.
        """
        one_of("of", of, ("car", "co_object"))
        ending = "_mask" if of == "car" else "_co_occur_obj_mask"
        files = [self._beside(path, ending) for path in self.files[picks]]
        return self._stack([_pixels(path, size, "L")[:, :, None] for path in files])

    def with_backgrounds_of(
        self, picks: slice, donors: slice, *, size: int
    ) -> Float32[Tensor, "_n 3 s s"]:
        """Pictures whose background is that of others; car and object stay.

        Args:
            picks: Positions of the pictures.
            donors: Positions of as many others, which give the background.
            size: Pixels of each side.

        Raises:
            ValueError: As ``masks``; also if the donors are more or fewer.
        """
        images = self.images(picks, size=size)
        below = self.backgrounds(donors, size=size)
        at_least("number of donors", len(below), len(images))
        at_least("number of pictures", len(images), len(below))
        kept = torch.maximum(
            self.masks(picks, of="car", size=size),
            self.masks(picks, of="co_object", size=size),
        )
        return torch.lerp(below, images, kept)

    @staticmethod
    def _beside(path: Path, ending: str) -> Path:
        """File of the same picture with another ending, as a PNG."""
        found = path.with_name(path.stem + ending + ".png")
        if not found.is_file():
            raise ValueError(
                f"{path.name} must have {found.name} beside it, got no such file in "
                f"{path.parent}. Make it with the data set's own scripts."
            )
        return found

    @staticmethod
    def _stack(pixels: list[np.ndarray]) -> Float32[Tensor, "n c h w"]:
        """Arrays of one size as a tensor of values in [0, 1]."""
        at_least("number of pictures", len(pixels), 1)
        return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255


def urban_cars(folder: Path, split: str) -> UrbanCars:
    """A split of UrbanCars from a folder in its authors' layout.

    That is ``bg-0.95_co_occur_obj-0.95/train/GROUP/*.jpg`` and
    ``bg-0.5_co_occur_obj-0.5/val`` and ``test``, where ``GROUP`` is
    ``obj-A_bg-B_co_occur_obj-C`` with ``urban`` or ``country`` for each letter.

    Args:
        folder: Holds the two folders, one of them or both.
        split: ``train``, ``val`` or ``test``.

    Raises:
        ValueError: If ``split`` is none of these, or a group has no picture or no folder.

    Source: Li et al. 2023 (arXiv:2212.04825).
    """
    one_of("split", split, tuple(_FOLDERS))
    files: list[Path] = []
    groups: list[tuple[int, int, int]] = []
    for car, background, co_object in np.ndindex(2, 2, 2):
        group = (
            folder
            / _FOLDERS[split]
            / split
            / (f"obj-{SIDES[car]}_bg-{SIDES[background]}_co_occur_obj-{SIDES[co_object]}")
        )
        found = sorted(p for p in group.glob("*.jpg") if not p.name.startswith("."))
        if not found:
            raise ValueError(
                f"folder must hold .jpg pictures of all eight groups, got none in {group}. "
                "Correct the folder, or make the data set with its authors' scripts."
            )
        files += found
        groups += [(car, background, co_object)] * len(found)
    table = torch.tensor(groups)
    return UrbanCars(tuple(files), table[:, 0], table[:, 1:])


def urban_cars_folder() -> Path | None:
    """Folder ``urbancars`` in the one that ``GEOMLIB_DATA`` names, or None without one."""
    data = places.data()
    folder = None if data is None else data / "urbancars"
    return folder if folder is not None and folder.is_dir() else None


def _pixels(path: Path, size: int, mode: str) -> np.ndarray:
    """One image file, decoded and resized to a square."""
    at_least("size", size, 1)
    try:
        # Two formats only: a file that somebody else made gets no other decoder.
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return np.array(
                image.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
            )
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} must be a JPEG or PNG image, got a file that cannot be decoded "
            f"({error}). Replace or remove it."
        ) from error
