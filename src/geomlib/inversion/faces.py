"""A generator of faces that the reader has, and its styles that have a known meaning."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from geomlib.checks import one_of
from geomlib.models.stylegan2.generator import Generator
from geomlib.models.stylegan2.official import official
from geomlib.models.stylegan2.rosinality import rosinality
from geomlib.models.stylegan2.synthesis import Synthesis

# Under the names of the releases: as converted by rosinality's code, and NVIDIA's own.
NAMES = ("stylegan2-ffhq-config-f.pt", "ffhq.pkl")

_LOADERS: dict[str, Callable[[Path], Generator]] = {".pt": rosinality, ".pkl": official}

# Layer and channel of each, layers in the order in which they run.
_NAMED = (
    (2, 97), (2, 175), (3, 120), (3, 259), (3, 288), (5, 92), (5, 200), (5, 414),
    (6, 128), (6, 223), (6, 285), (6, 322), (6, 323), (6, 394), (6, 487), (6, 497),
    (6, 500), (6, 501), (6, 504), (8, 81), (8, 128), (8, 292), (9, 6), (9, 132),
    (9, 295), (9, 421), (9, 441), (11, 286), (11, 358), (12, 237), (12, 266), (12, 479),
    (15, 45),
)  # fmt: skip


def weights_in(folder: Path | None, *, given: str = "") -> Path | None:
    """File with a generator's weights, or None where the reader has none.

    Args:
        folder: Where a file of one of ``NAMES`` may lie; None is nowhere.
        given: Path of a file to take instead; empty for none.

    Raises:
        FileNotFoundError: If ``given`` names no file.

    >>> weights_in(None) is None
    True
    """
    if given:
        if not Path(given).is_file():
            raise FileNotFoundError(
                f"given must name a file of weights, got {given!r}. Correct the path."
            )
        return Path(given)
    places = [folder / name for name in NAMES] if folder else []
    return next((path for path in places if path.is_file()), None)


def generator_of(path: Path) -> Generator:
    """Generator in evaluation mode, read without running code from the file.

    Args:
        path: Ends in ``.pt`` for rosinality's layout, in ``.pkl`` for an official file.

    Raises:
        ValueError: If the ending is another one, or the file is not what it says.
    """
    one_of("ending of path", path.suffix, _LOADERS)
    return _LOADERS[path.suffix](path)


def named_styles(synthesis: Synthesis) -> Int64[Tensor, "33"]:
    """Positions of 33 styles of the FFHQ model that each change one thing in a face.

    Args:
        synthesis: Of the model for 1024 pixels.

    Raises:
        ValueError: If it has another number of styles.

    Source: Wu et al. 2021 (arXiv:2011.12799) for the method; the 33 are those that the
    code of Sankaranarayanan et al. 2022 (arXiv:2207.10074) calibrates.
    """
    if synthesis.num_styles != 9088:
        raise ValueError(
            f"synthesis must have 9088 styles, got {synthesis.num_styles}. The list is of "
            "the FFHQ model for 1024 pixels."
        )
    starts = torch.tensor([0, *synthesis.widths]).cumsum(0)
    return torch.stack([starts[layer] + channel for layer, channel in _NAMED])
