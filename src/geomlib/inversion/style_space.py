"""Styles in units of their own spread, and the images they make."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.models.stylegan2.generator import Generator


@dataclass(frozen=True)
class StyleSpace:
    """A generator seen from its standardised styles.

    With w of mean m and covariance C, styles s = A w + b have the mean A m + b, and
    divided by their standard deviations D they are s' = Q u for whitened u, where
    Q = A C^(1/2) / D has as many columns as w and rows of length 1.

    Attributes:
        generator: In evaluation mode; noise is left out.
        mean: Of each style.
        deviation: Standard deviation of each style.
        basis: Q, one row a style.
    """

    generator: Generator
    mean: Float[Tensor, " s"]
    deviation: Float[Tensor, " s"]
    basis: Float[Tensor, "s d"]

    @torch.no_grad()
    def draw(
        self, n: int, random: torch.Generator
    ) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n c h w"]]:
        """Standardised styles of random latents, and their images.

        Args:
            n: How many.
            random: On the generator's device.
        """
        d = self.basis.shape[1]
        z = torch.randn(n, d, generator=random, device=self.mean.device).to(self.mean)
        styles = self.generator.synthesis.styles(self.generator.mapping(z))
        images = self.generator.synthesis(styles, noise="none")
        return (styles - self.mean) / self.deviation, images

    def images(self, standard: Float[Tensor, "n s"]) -> Float[Tensor, "n c h w"]:
        """Images of standardised styles, on the subspace of real ones or off it."""
        return self.generator.synthesis(self.mean + self.deviation * standard, noise="none")


@torch.no_grad()
def style_space(
    generator: Generator, *, num_samples: int = 10_000, seed: int
) -> StyleSpace:
    """Style space with the moments of many latents.

    Args:
        generator: Trained.
        num_samples: Latents whose mean and covariance are taken.
        seed: Of the latents.

    Raises:
        ValueError: If there are not more samples than latent dimensions, or a style does
            not vary.
    """
    A, b = generator.synthesis.affine()
    at_least("num_samples", num_samples, A.shape[1] + 1)
    random = torch.Generator(A.device).manual_seed(seed)
    z = torch.randn(num_samples, A.shape[1], generator=random, device=A.device).to(A)
    w = generator.mapping(z).double()
    # The square root by the eigenvectors: any other differs by a rotation of u.
    values, vectors = torch.linalg.eigh(w.T.cov())
    root = vectors * values.clamp_min(0).sqrt()
    spread = A.double() @ root  # [s d]
    deviation = spread.norm(dim=1)
    if not (deviation > 0).all():
        raise ValueError(
            f"generator must have styles that vary, got {int((deviation == 0).sum())} of "
            f"{len(deviation)} that do not. Train it."
        )
    return StyleSpace(
        generator,
        (A.double() @ w.mean(0) + b.double()).to(A),
        deviation.to(A),
        (spread / deviation[:, None]).to(A),
    )
