"""What an encoder's intervals miss, corruption by corruption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least
from geomlib.conformal.intervals import fraction_missed, needed_scale
from geomlib.inversion.corruption import corrupted
from geomlib.inversion.encoder import Draw
from geomlib.models.quantile_heads import Quantiles


@dataclass(frozen=True)
class Predicted:
    """Predictions for the corruptions of fresh images.

    Attributes:
        target: Standardised styles of each image.
        lower: Predicted lower ends, for each image and corruption.
        point: Predicted points.
        upper: Predicted upper ends.
    """

    target: Float[Tensor, "n s"]
    lower: Float[Tensor, "n r s"]
    point: Float[Tensor, "n r s"]
    upper: Float[Tensor, "n r s"]

    @property
    def widths(self) -> Float[Tensor, "n r s"]:
        """Widths of the intervals at scale 1, in standard deviations of the styles."""
        below = (self.point - self.lower).clamp_min(0)
        return below + (self.upper - self.point).clamp_min(0)

    def only(self, styles: Int64[Tensor, " k"]) -> "Predicted":
        """Predictions of some of the styles, by their positions."""
        return Predicted(
            self.target[:, styles],
            self.lower[..., styles],
            self.point[..., styles],
            self.upper[..., styles],
        )

    def explained(self) -> Float[Tensor, " r"]:
        """Share of the styles' variance that the point explains, for each corruption."""
        apart = (self.point - self.target[:, None]).square().mean((0, 2))
        return 1 - apart / self.target.var(0, correction=0).mean()

    def missed(
        self, scales: Float[Tensor, " l"], *, constant: bool = False
    ) -> Float[Tensor, "n r l"]:
        """Share of the styles outside their intervals, at each scale.

        Args:
            scales: In rising order.
            constant: Intervals of half-width 1 around the point instead, all alike.
        """
        n, r, s = self.point.shape
        ends = (self.point - 1, self.point + 1) if constant else (self.lower, self.upper)
        target = self.target[:, None].expand(n, r, s)
        needed = needed_scale(
            *(t.reshape(n * r, s) for t in (ends[0], self.point, ends[1], target))
        )
        return fraction_missed(needed, scales).reshape(n, r, len(scales))


@torch.no_grad()
def predictions(
    encoder: Callable[[Tensor], Quantiles],
    draw: Draw,
    *,
    factors: Sequence[int],
    noise: float,
    num_images: int,
    seed: int,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> Predicted:
    """Predictions for fresh images, each corrupted by every factor; on the CPU.

    Args:
        encoder: Predictions of images, in evaluation mode if it has one.
        draw: Standardised styles and clean images, given their number and a generator.
        factors: See ``geomlib.inversion.corruption.averaged``.
        noise: Standard deviation on the averaged pixels.
        num_images: At least 1.
        seed: Of images and noise.
        device: Where the encoder is.
        batch_size: Images at once.

    Raises:
        ValueError: If there is no image or no factor.
    """
    at_least("num_images", num_images, 1)
    at_least("number of factors", len(factors), 1)
    random = torch.Generator(device).manual_seed(seed)
    targets: list[Tensor] = []
    found: list[Tensor] = []
    for start in range(0, num_images, batch_size):
        target, images = draw(min(batch_size, num_images - start), random)
        targets.append(target.cpu())
        rows = [
            torch.stack(
                _three(encoder(corrupted(images, f, noise=noise, generator=random)))
            )
            for f in factors
        ]
        found.append(torch.stack(rows, 2).cpu())  # [3 n r s]
    lower, point, upper = torch.cat(found, 1)
    return Predicted(torch.cat(targets), lower, point, upper)


def _three(predicted: Quantiles) -> list[Tensor]:
    return [part.float() for part in predicted]
