"""Weights of the official implementation for PyTorch, stylegan2-ada-pytorch."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from geomlib.models.checkpoints.reading import contents, fill
from geomlib.models.stylegan2.generator import Generator
from geomlib.models.stylegan2.placeholders import Stored, read


def official(
    path: Path, *, resolution: int | None = None, network: str = "G_ema"
) -> Generator:
    """Generator of an official pickle, or of a state dict in its layout.

    Nothing from the file is run: see ``geomlib.models.stylegan2.placeholders``.

    Args:
        path: A pickle such as ``ffhq.pkl``, or what ``torch.save`` made of a state dict.
        resolution: Side that its images must have, in pixels; None takes any.
        network: Which of the pickle's networks; ``G_ema`` has averaged weights.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read without running code, is of the TensorFlow
            version, has another resolution, or is no unconditional generator with skips.
    """
    if zipfile.is_zipfile(path):
        return from_official(contents(path), resolution=resolution)
    found = read(path).get(network)
    if not isinstance(found, Stored):
        raise ValueError(
            f"{path.name} must hold a network {network!r}, got none. "
            "Is it an official StyleGAN2 pickle for PyTorch?"
        )
    clamps = found.values("conv_clamp") or {None}
    if len(clamps) > 1:
        raise ValueError(f"{path.name} must have one conv_clamp, got {clamps}.")
    return from_official(found.weights(), resolution=resolution, clamp=clamps.pop())


def from_official(
    weights: Mapping[str, Tensor],
    *,
    resolution: int | None = None,
    clamp: float | None = None,
) -> Generator:
    """Generator with the weights of a state dict in the official layout, all of them.

    Args:
        weights: 182 tensors at 1024 pixels.
        resolution: Side that its images must have, in pixels; None takes any.
        clamp: The official ``conv_clamp``.

    Raises:
        ValueError: If a name is missing or left over, a shape does not fit, or the images
            have another resolution.
    """
    channels = {
        int(match[1]): tensor.shape[0]
        for name, tensor in weights.items()
        if (match := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", name))
    }
    layers = [name for name in weights if re.fullmatch(r"mapping\.fc\d+\.weight", name)]
    first, image = (
        weights.get("mapping.fc0.weight"),
        weights.get("synthesis.b4.torgb.weight"),
    )
    if not channels or first is None or image is None:
        raise ValueError(
            "weights must be of an official StyleGAN2 generator with skips, got "
            f"{', '.join(list(weights)[:4]) or 'none'}. Is it another model's file?"
        )
    refuse_other_resolution(max(channels), resolution)
    generator = Generator(
        dict(sorted(channels.items())),
        latent=first.shape[0],
        num_channels=image.shape[0],
        num_mapping_layers=len(layers),
        clamp=clamp,
        seed=0,
    )
    fill(generator, weights, "weights of the generator")
    return generator.eval().requires_grad_(False)


def refuse_other_resolution(found: int, expected: int | None) -> None:
    """Refuse a generator of other images than expected."""
    if expected is not None and found != expected:
        raise ValueError(
            f"resolution must be that of the file, {found} pixels, got {expected}. "
            "Ask for that, or take the file of another model."
        )
