"""Weights in the layout of rosinality/stylegan2-pytorch, whose files are plain tensors.

The same network under other names: modulated convolutions have their affine map as
``modulation``, and the weights a leading axis of 1; the filters are stored times 4.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from geomlib.models.checkpoints.reading import contents, part
from geomlib.models.stylegan2.filters import binomial_filter
from geomlib.models.stylegan2.generator import Generator
from geomlib.models.stylegan2.official import from_official


def rosinality(path: Path, *, resolution: int | None = None) -> Generator:
    """Generator of a checkpoint such as ``stylegan2-ffhq-config-f.pt``.

    Args:
        path: A file with the parts ``g_ema`` and, for truncation, ``latent_avg``.
        resolution: Side that its images must have, in pixels; None takes any.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, asks for code, has another resolution, or is no
            such checkpoint.
    """
    content = contents(path)
    weights = part(content, "g_ema", path)
    mean = content.get("latent_avg")
    if not isinstance(mean, Tensor):
        raise ValueError(f"{path.name} must hold the tensor 'latent_avg', got none.")
    return from_rosinality(weights, mean, resolution=resolution)


def from_rosinality(
    weights: Mapping[str, Tensor], latent_mean: Tensor, *, resolution: int | None = None
) -> Generator:
    """Generator with the weights of a state dict in rosinality's layout, all of them.

    Args:
        weights: Of the generator.
        latent_mean: Mean of w, for truncation.
        resolution: Side that its images must have, in pixels; None takes any.

    Raises:
        ValueError: If a name is missing or left over, a shape does not fit, or the images
            have another resolution.

    That code scales the weights before it demodulates them, the official one after, which
    differs by what 1e-8 does beside a squared length of about 1.
    """
    left = dict(weights)
    found: dict[str, Tensor] = {"mapping.w_avg": latent_mean.flatten()}

    def move(source: str, target: str, shape: tuple[int, ...] | None = None) -> Tensor:
        if source not in left:
            raise ValueError(
                f"weights must hold {source!r}, as rosinality's generator does, got "
                f"{', '.join(list(weights)[:4]) or 'none'}. Is it another model's file?"
            )
        tensor = left.pop(source)
        found[target] = tensor if shape is None else tensor.reshape(shape)
        return found[target]

    def move_affine(source: str, target: str) -> None:
        for kind in ("weight", "bias"):
            move(f"{source}.conv.modulation.{kind}", f"{target}.affine.{kind}")
        weight = move(f"{source}.conv.weight", f"{target}.weight")
        found[f"{target}.weight"] = weight.flatten(0, 1)  # [1 o i k k] to [o i k k]

    def move_convolution(source: str, target: str, noise: str, *, up: bool) -> None:
        move_affine(source, target)
        move(f"{source}.activate.bias", f"{target}.bias")
        move(f"{source}.noise.weight", f"{target}.noise_strength", ())
        stored = move(noise, f"{target}.noise_const")
        found[f"{target}.noise_const"] = stored.flatten(0, 2)
        found[f"{target}.resample_filter"] = binomial_filter()
        if up:
            kernel = move(f"{source}.conv.blur.kernel", f"{target}.resample_filter")
            found[f"{target}.resample_filter"] = kernel / 4

    def move_colours(source: str, target: str) -> None:
        move_affine(source, target)
        move(f"{source}.bias", f"{target}.bias", (-1,))

    i = 0
    while f"style.{i + 1}.weight" in left:
        for kind in ("weight", "bias"):
            move(f"style.{i + 1}.{kind}", f"mapping.fc{i}.{kind}")
        i += 1
    constant = move("input.input", "synthesis.b4.const")
    found["synthesis.b4.const"] = constant.flatten(0, 1)
    found["synthesis.b4.resample_filter"] = binomial_filter()
    move_convolution("conv1", "synthesis.b4.conv1", "noises.noise_0", up=False)
    move_colours("to_rgb1", "synthesis.b4.torgb")
    i = 0
    while f"to_rgbs.{i}.bias" in left:
        block = f"synthesis.b{8 * 2**i}"
        for j in range(2):
            k = 2 * i + j
            noise = f"noises.noise_{k + 1}"
            move_convolution(f"convs.{k}", f"{block}.conv{j}", noise, up=j == 0)
        move_colours(f"to_rgbs.{i}", f"{block}.torgb")
        kernel = move(f"to_rgbs.{i}.upsample.kernel", f"{block}.resample_filter")
        found[f"{block}.resample_filter"] = kernel / 4
        i += 1
    if left:
        raise ValueError(
            f"weights must be of a generator alone, got also {list(left)[:4]}."
        )
    return from_official(found, resolution=resolution)
