"""Inputs of independent features, and the weights that the spectral loss gives them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive


@dataclass(frozen=True)
class Features:
    r"""Features :math:`x_i = \phi_i u_i + \sigma \epsilon_i`, one an input coordinate.

    :math:`u_i = \pm 1` is what the feature says and :math:`\epsilon_i` is Gaussian. A view
    has noise of its own, and a share of the signs is drawn anew, so that two views have
    :math:`E[x_i x_i'] = a_i \phi_i^2`. A label, if there is one, is a sign.

    Attributes:
        signal: :math:`\phi`, in units of the input.
        kept: :math:`a`, the share of each feature's signal that two views share.
        noise: :math:`\sigma`, in units of the input.

    Raises:
        ValueError: If the lengths differ, a signal or the noise is negative, both are
            zero, or a share is outside [0, 1].

    Source: Xue et al. 2024 (arXiv:2403.11391), section 3, with one noise for all.
    """

    signal: Float[Tensor, " n"]
    kept: Float[Tensor, " _n"]
    noise: float

    def __post_init__(self) -> None:
        if self.signal.shape != self.kept.shape:
            raise ValueError(
                f"signal and kept must have one length, got {len(self.signal)} and "
                f"{len(self.kept)}."
            )
        at_least("noise", self.noise, 0)
        at_least("smallest signal", float(self.signal.min()), 0)
        positive("smallest variance", float(self.variance.min()))
        low, high = float(self.kept.min()), float(self.kept.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(f"kept must be between 0 and 1, got {low:g} to {high:g}.")

    @property
    def variance(self) -> Float[Tensor, " n"]:
        r"""Variance of each input coordinate, :math:`\phi^2 + \sigma^2`."""
        return self.signal.square() + self.noise**2

    @property
    def shared(self) -> Float[Tensor, " n"]:
        r"""Covariance of each coordinate between two views, :math:`a \phi^2`."""
        return self.kept * self.signal.square()

    @property
    def weights(self) -> Float[Tensor, " n"]:
        r"""Weights at the minimum of the spectral contrastive loss.

        :math:`w = \sqrt{a}\, \phi / (\phi^2 + \sigma^2)`: the loss of a linear map W is
        :math:`-2 \operatorname{tr} M C + \operatorname{tr} M \Sigma M \Sigma` with
        :math:`M = W^\top W`, so at its minimum :math:`M = \Sigma^{-1} C \Sigma^{-1}`.
        """
        return self.shared.sqrt() / self.variance

    def samples(
        self, num: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "{num} n"], Float[Tensor, "{num} n"]]:
        """Inputs without augmentation, and the signs of their features.

        >>> features = Features(torch.ones(3), torch.ones(3), noise=0.0)
        >>> x, signs = features.samples(4, generator=torch.Generator().manual_seed(0))
        >>> bool((x == signs).all())
        True
        """
        signs = self._signs(num, generator)
        return self._noisy(signs, generator), signs

    def views(
        self, num: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "{num} n"], Float[Tensor, "{num} n"]]:
        """Two views of each of ``num`` inputs."""
        signs = self._signs(num, generator)
        # One view keeps a sign with probability sqrt(a), so both do with probability a.
        first, second = (
            torch.where(
                torch.rand(signs.shape, generator=generator) < self.kept.sqrt(),
                signs,
                self._signs(num, generator),
            )
            for _ in range(2)
        )
        return self._noisy(first, generator), self._noisy(second, generator)

    def _signs(self, num: int, generator: torch.Generator) -> Float[Tensor, "{num} n"]:
        """Signs of all features of ``num`` inputs."""
        bits = torch.randint(2, (num, len(self.signal)), generator=generator)
        return (2 * bits - 1).to(self.signal)

    def _noisy(
        self, signs: Float[Tensor, "m n"], generator: torch.Generator
    ) -> Float[Tensor, "m n"]:
        """Inputs with the given signs."""
        noise = torch.randn(signs.shape, generator=generator, dtype=signs.dtype)
        return signs * self.signal + self.noise * noise
