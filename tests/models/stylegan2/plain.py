"""The generator again, slowly and from a state dict in rosinality's layout.

Zeros are put between pixels one by one and every image is convolved by itself, so that
nothing is shared with the library but the formulas of the paper.
"""

from itertools import pairwise

import torch
from torch.nn import functional as F


def spread(x):
    """Zeros between pixels, and after the last one."""
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, 2 * h, 2 * w)
    y[:, :, ::2, ::2] = x
    return y


def filtered(x, kernel, before, after):
    """Every channel convolved by a filter, with zeros around."""
    n, c, h, w = x.shape
    flat = F.pad(x.reshape(n * c, 1, h, w), (before, after, before, after))
    return F.conv2d(flat, kernel.flip(0, 1)[None, None]).reshape(
        n, c, *_sides(flat, kernel)
    )


def _sides(x, kernel):
    return tuple(side - kernel.shape[0] + 1 for side in x.shape[2:])


def linear(weights, name, x, rate=1.0):
    weight = weights[f"{name}.weight"]
    return x @ weight.T * (rate / weight.shape[1] ** 0.5) + weights[f"{name}.bias"] * rate


def active(x):
    return torch.where(x > 0, x, 0.2 * x) * 2**0.5


def latents(weights, z):
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    i = 1
    while f"style.{i}.weight" in weights:
        x = active(linear(weights, f"style.{i}", x, rate=0.01))
        i += 1
    return x


def modulated(weights, name, x, w, demodulate, up):
    style = linear(weights, f"{name}.conv.modulation", w)
    weight = weights[f"{name}.conv.weight"][0]
    weight = weight / weight[0].numel() ** 0.5
    images = []
    for image, scale in zip(x, style, strict=True):
        own = weight * scale[:, None, None]
        if demodulate:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            # A transposed convolution scatters: zeros between, then the flipped kernel.
            wide = F.pad(spread(image[None]), (2, 1, 2, 1))
            y = F.conv2d(wide, own.flip(2, 3))
            images.append(filtered(y, weights[f"{name}.conv.blur.kernel"], 1, 1)[0])
        else:
            images.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2)[0])
    return torch.stack(images)


def styled(weights, name, x, w, noise, up=False):
    y = modulated(weights, name, x, w, True, up)
    y = y + weights[f"{name}.noise.weight"] * weights[noise]
    return active(y + weights[f"{name}.activate.bias"][:, None, None])


def colours(weights, name, x, w):
    return modulated(weights, name, x, w, False, False) + weights[f"{name}.bias"]


def images(weights, z):
    w = latents(weights, z)
    x = weights["input.input"].repeat(len(z), 1, 1, 1)
    x = styled(weights, "conv1", x, w, "noises.noise_0")
    image = colours(weights, "to_rgb1", x, w)
    i = 0
    while f"to_rgbs.{i}.bias" in weights:
        first, second = 2 * i, 2 * i + 1
        x = styled(weights, f"convs.{first}", x, w, f"noises.noise_{first + 1}", up=True)
        x = styled(weights, f"convs.{second}", x, w, f"noises.noise_{second + 1}")
        kernel = weights[f"to_rgbs.{i}.upsample.kernel"]
        image = colours(weights, f"to_rgbs.{i}", x, w) + filtered(
            spread(image), kernel, 2, 1
        )
        i += 1
    return image


def random_weights(seed=0, widths=(6, 5, 4), latent=3, num_mapping=2):
    """A small state dict in rosinality's layout, of float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    kernel = torch.outer(taps, taps) / 16
    weights = {"input.input": draw(1, widths[0], 4, 4)}
    for i in range(num_mapping):
        weights[f"style.{i + 1}.weight"] = 100 * draw(latent, latent)
        weights[f"style.{i + 1}.bias"] = draw(latent)

    def convolution(name, i, o, k):
        weights[f"{name}.conv.weight"] = draw(1, o, i, k, k)
        weights[f"{name}.conv.modulation.weight"] = draw(i, latent)
        weights[f"{name}.conv.modulation.bias"] = draw(i)

    def styled_convolution(name, i, o, up):
        convolution(name, i, o, 3)
        weights[f"{name}.noise.weight"] = draw(1)
        weights[f"{name}.activate.bias"] = draw(o)
        if up:
            weights[f"{name}.conv.blur.kernel"] = kernel

    def to_colours(name, i):
        convolution(name, i, 3, 1)
        weights[f"{name}.bias"] = draw(1, 3, 1, 1)

    styled_convolution("conv1", widths[0], widths[0], False)
    to_colours("to_rgb1", widths[0])
    weights["noises.noise_0"] = draw(1, 1, 4, 4)
    for i, (narrow, wide) in enumerate(pairwise(widths)):
        styled_convolution(f"convs.{2 * i}", narrow, wide, True)
        styled_convolution(f"convs.{2 * i + 1}", wide, wide, False)
        to_colours(f"to_rgbs.{i}", wide)
        weights[f"to_rgbs.{i}.upsample.kernel"] = kernel
        for j in range(2):
            side = 8 * 2**i
            weights[f"noises.noise_{2 * i + j + 1}"] = draw(1, 1, side, side)
    return weights
