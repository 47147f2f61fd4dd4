"""From styles to an image, and from the latent w to the styles."""

from collections.abc import Iterator, Mapping
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.models.stylegan2.filters import binomial_filter, upsampled
from geomlib.models.stylegan2.linear import ScaledLinear
from geomlib.models.stylegan2.modulated import modulated_convolution, rectified

Noise = Literal["stored", "none"] | torch.Generator


class StyledConvolution(nn.Module):
    """Modulated 3x3 convolution, noise, bias and activation.

    Args:
        num_inputs: Input channels, as many as styles.
        num_outputs: Output channels.
        latent: Width of w.
        side: Of the output in pixels.
        up: Double the resolution.
        clamp: See ``Synthesis``.
    """

    resample_filter: Float[Tensor, "4 4"]
    noise_const: Float[Tensor, "s s"]

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        latent: int,
        side: int,
        *,
        up: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.register_buffer("resample_filter", binomial_filter())
        self.affine = ScaledLinear(latent, num_inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs, 3, 3))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(
        self, x: Float[Tensor, "n i h w"], styles: Float[Tensor, "n i"], noise: Noise
    ) -> Float[Tensor, "n o s s"]:
        """Feature maps of the next layer."""
        up = self.resample_filter if self.up else None
        # Fused, each image needs a copy of the weights, which pays where it is alone.
        fused = len(x) == 1
        y = modulated_convolution(x, self.weight, styles, up=up, fused=fused)
        if noise == "stored":
            y = y + self.noise_const * self.noise_strength
        elif isinstance(noise, torch.Generator):
            shape, like = (len(y), 1, *y.shape[2:]), self.noise_const
            drawn = torch.randn(
                shape, generator=noise, dtype=like.dtype, device=like.device
            )
            y = y + drawn * self.noise_strength
        return rectified(y + self.bias[:, None, None], clamp=self.clamp)


class ToColours(nn.Module):
    """Modulated 1x1 convolution to an image, without demodulation.

    Args:
        num_inputs: Input channels, as many as styles.
        num_channels: Of the image.
        latent: Width of w.
        clamp: See ``Synthesis``.
    """

    def __init__(
        self, num_inputs: int, num_channels: int, latent: int, *, clamp: float | None
    ) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = ScaledLinear(latent, num_inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(num_channels, num_inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(
        self, x: Float[Tensor, "n i s s"], styles: Float[Tensor, "n i"]
    ) -> Float[Tensor, "n c s s"]:
        """What this resolution adds to the image."""
        scaled = styles / self.weight.shape[1] ** 0.5
        y = modulated_convolution(x, self.weight, scaled, demodulate=False, fused=False)
        y = y + self.bias[:, None, None]
        return y if self.clamp is None else torch.clamp(y, -self.clamp, self.clamp)


Layer = StyledConvolution | ToColours


class Block(nn.Module):
    """Layers of one resolution: the first starts from a constant, the others double.

    Args:
        num_inputs: Channels of the resolution before; None for the first block.
        num_outputs: Channels of this one.
        num_channels: Of the image.
        latent: Width of w.
        side: Of the output in pixels.
        clamp: See ``Synthesis``.
    """

    resample_filter: Float[Tensor, "4 4"]

    def __init__(
        self,
        num_inputs: int | None,
        num_outputs: int,
        *,
        num_channels: int,
        latent: int,
        side: int,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.register_buffer("resample_filter", binomial_filter())
        if num_inputs is None:
            self.const = nn.Parameter(torch.randn(num_outputs, side, side))
        else:
            self.conv0 = StyledConvolution(
                num_inputs, num_outputs, latent, side, up=True, clamp=clamp
            )
        self.conv1 = StyledConvolution(
            num_outputs, num_outputs, latent, side, up=False, clamp=clamp
        )
        self.torgb = ToColours(num_outputs, num_channels, latent, clamp=clamp)


class Synthesis(nn.Module):
    """Image from styles: one style for each input channel of each modulated layer.

    The flat vector of styles has the layers in the order in which they run (``layers``).

    Args:
        channels: Feature channels at each side in pixels: 4, 8 and so on.
        latent: Width of w.
        num_channels: Of the image.
        clamp: Largest absolute value that a layer may give; official models trained in
            half precision have 256.

    Source: Karras et al. 2020 (arXiv:1912.04958), skip architecture; the style space is
    that of Wu et al. 2021 (arXiv:2011.12799).
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        *,
        latent: int,
        num_channels: int,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.sides = tuple(channels)
        before = None
        for side, width in channels.items():
            block = Block(
                before,
                width,
                num_channels=num_channels,
                latent=latent,
                side=side,
                clamp=clamp,
            )
            self.add_module(f"b{side}", block)
            before = width

    def forward(
        self, styles: Float[Tensor, "n s"], *, noise: Noise = "stored"
    ) -> Float[Tensor, "n c h w"]:
        """Images, values about -1 to 1.

        Args:
            styles: As of ``styles``, or any others.
            noise: ``"stored"`` is the same in each call, ``"none"`` leaves it out, a
                generator draws it anew for each image.
        """
        parts = iter(styles.split(self.widths, 1))
        x = image = None
        for block in self.blocks():
            if x is None:
                x = block.const.expand(len(styles), -1, -1, -1)
            else:
                x = block.conv0(x, next(parts), noise)
            x = block.conv1(x, next(parts), noise)
            colours = block.torgb(x, next(parts))
            if image is not None:
                colours = colours + upsampled(image, block.resample_filter)
            image = colours
        assert image is not None
        return image

    def styles(self, w: Float[Tensor, "n d"]) -> Float[Tensor, "n s"]:
        """Styles of latents: an affine map, so they fill a subspace of w's width only."""
        return torch.cat([layer.affine(w) for _, layer in self.layers()], 1)

    def affine(self) -> tuple[Float[Tensor, "s d"], Float[Tensor, " s"]]:
        """A and b of styles A w + b."""
        parts = [layer.affine.scaled() for _, layer in self.layers()]
        return torch.cat([A for A, _ in parts]), torch.cat([b for _, b in parts])

    def blocks(self) -> Iterator[Block]:
        """Blocks by rising resolution."""
        for side in self.sides:
            yield cast(Block, self.get_submodule(f"b{side}"))

    def layers(self) -> Iterator[tuple[str, Layer]]:
        """Modulated layers by name, in the order of their styles."""
        for side, block in zip(self.sides, self.blocks(), strict=True):
            if side != self.sides[0]:
                yield f"b{side}.conv0", block.conv0
            yield f"b{side}.conv1", block.conv1
            yield f"b{side}.torgb", block.torgb

    @property
    def widths(self) -> list[int]:
        """Number of styles of each layer."""
        return [layer.weight.shape[1] for _, layer in self.layers()]

    @property
    def num_styles(self) -> int:
        """Number of styles of all layers."""
        return sum(self.widths)
