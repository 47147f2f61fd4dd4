"""Images of a large generator, made once and kept."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float16, UInt8
from torch import Tensor
from tqdm.auto import tqdm

from geomlib.checks import at_least
from geomlib.inversion.corruption import averaged
from geomlib.inversion.encoder import Draw
from geomlib.inversion.resumable import seeded
from geomlib.tensor_files import load_tensors, save_tensors


@dataclass(frozen=True)
class Bank:
    """Standardised styles and images, to draw from with replacement.

    Attributes:
        standard: In half precision, on the CPU.
        images: In 256 steps from -1 to 1, on the CPU.
        device: Where draws go.
    """

    standard: Float16[Tensor, "n s"]
    images: UInt8[Tensor, "n c h w"]
    device: torch.device

    def draw(
        self, n: int, random: torch.Generator
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n c h w"]]:
        """Styles and images of random entries.

        Args:
            n: How many.
            random: On the bank's device.
        """
        picks = torch.randint(
            len(self.images), (n,), generator=random, device=random.device
        ).cpu()
        images = self.images[picks].to(self.device).float() / 127.5 - 1
        return self.standard[picks].to(self.device).float(), images


def bank_of(
    draw: Draw,
    *,
    num_images: int,
    seed: int,
    path_of: Callable[[int], Path],
    device: torch.device,
    chunk: int = 200,
) -> Bank:
    """Bank of fresh images; what was made before is read, the rest is made.

    Args:
        draw: Standardised styles and images, given their number and a generator.
        num_images: At least 1. A greater number goes on where a smaller one ended.
        seed: Of the images.
        path_of: File of each chunk.
        device: Where ``draw`` works.
        chunk: Images in a file.

    Raises:
        ValueError: If a count is below 1.
    """
    at_least("num_images", num_images, 1)
    at_least("chunk", chunk, 1)
    standard: list[Tensor] = []
    images: list[Tensor] = []
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    for i in tqdm(range(-(-num_images // chunk)), delay=5, leave=False, disable=quiet):
        path = path_of(i)
        if not path.is_file():
            styles, made = draw(chunk, seeded(seed, i, device))
            pixels = ((made.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            save_tensors(path, {"standard": styles.half(), "images": pixels})
        found = load_tensors(path)
        standard.append(found["standard"])
        images.append(found["images"])
    return Bank(torch.cat(standard)[:num_images], torch.cat(images)[:num_images], device)


def shrunk(draw: Draw, *, factor: int, batch_size: int) -> Draw:
    """A draw whose images are averaged down, made a few at a time.

    Args:
        draw: Standardised styles and images, given their number and a generator.
        factor: See ``geomlib.inversion.corruption.averaged``.
        batch_size: Images made at once.

    Raises:
        ValueError: If a count is below 1.
    """
    at_least("factor", factor, 1)
    at_least("batch_size", batch_size, 1)

    def smaller(n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        parts: list[tuple[Tensor, Tensor]] = []
        for start in range(0, n, batch_size):
            standard, images = draw(min(batch_size, n - start), random)
            parts.append((standard, averaged(images, factor)))
        return torch.cat([s for s, _ in parts]), torch.cat([x for _, x in parts])

    return smaller
