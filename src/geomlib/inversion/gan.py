"""A small StyleGAN2 trained on digits."""

import copy
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from geomlib.checks import at_least, positive
from geomlib.data.digits import digits
from geomlib.inversion.resumable import seeded, train
from geomlib.models.stylegan2.generator import Generator

LATENT = 16


def digit_images() -> Float[Tensor, "1797 1 16 16"]:
    """All digits at twice their side, values from -1 (paper) to 1 (ink)."""
    small = torch.cat([digits(name).images for name in ("train", "validation", "test")])
    return (
        F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False) * 2 - 1
    )


def digit_generator(seed: int) -> Generator:
    """Untrained generator of images of 16 pixels: 128 styles, 15,176 weights."""
    return Generator(
        {4: 16, 8: 16, 16: 16},
        latent=LATENT,
        num_channels=1,
        num_mapping_layers=4,
        seed=seed,
    )


def critic(*, width: int, seed: int) -> nn.Sequential:
    """Untrained discriminator of images of 16 pixels.

    Args:
        width: Channels of the first layer; the others have twice and four times as many.
        seed: Of the initial weights (PyTorch's default initialisation).
    """
    at_least("width", width, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * 16, 1),
        )


def gradient_penalty(
    scores: Float[Tensor, "n 1"], images: Float[Tensor, "n c h w"]
) -> Float[Tensor, ""]:
    """Mean squared length of the score's gradient at each image, which can be minimised.

    Args:
        scores: Of ``images``, which require a gradient.
        images: Real ones.

    Source: Mescheder et al. 2018 (arXiv:1801.04406), R1 without its factor of a half.
    """
    (slope,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def trained_generator(
    images: Float[Tensor, "n 1 16 16"],
    *,
    seed: int,
    num_steps: int,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    penalty: float = 1.0,
    penalty_every: int = 4,
    decay: float = 0.995,
    width: int = 16,
    path: Path | None = None,
) -> Generator:
    """Generator whose weights are a running mean over the training; without noise.

    The non-saturating loss, with a penalty on the discriminator's gradient at real images
    in every ``penalty_every``-th step, times as much.

    Args:
        images: Real ones, values from -1 to 1, on the device of the training.
        seed: Of the weights, batches and latents.
        num_steps: Steps of both networks.
        batch_size: Real and generated images each.
        learning_rate: Of both networks.
        penalty: Weight of the gradient penalty.
        penalty_every: Steps from one penalty to the next.
        decay: Of the running mean of weights.
        width: See ``critic``.
        path: Where the training is kept, so that it can go on; None keeps nothing.

    Raises:
        ValueError: If a count, a rate or a weight is out of range.

    Source: Karras et al. 2020 (arXiv:1912.04958); Goodfellow et al. 2014 (arXiv:1406.2661)
    for the loss. Path-length regularisation and style mixing are left out.
    """
    at_least("batch_size", batch_size, 1)
    at_least("penalty_every", penalty_every, 1)
    positive("learning_rate", learning_rate)
    device = images.device
    generator = digit_generator(seed).to(device)
    discriminator = critic(width=width, seed=seed + 1).to(device)
    mean = copy.deepcopy(generator)
    optimisers = [
        torch.optim.Adam(
            network.parameters(), lr=learning_rate, betas=(0.0, 0.99), fused=True
        )
        for network in (generator, discriminator)
    ]

    def step(i: int) -> None:
        random = seeded(seed, i, device)
        z = torch.randn(batch_size, LATENT, generator=random, device=device)
        picks = torch.randint(len(images), (batch_size,), generator=random, device=device)
        w = generator.mapping(z)
        made = generator.synthesis(generator.synthesis.styles(w), noise="none")
        _descend(optimisers[0], F.softplus(-discriminator(made)).mean())
        generator.mapping.follow(w)

        # The discriminator learns from the same images: to make others costs as much as
        # all the rest of its step.
        penalised = i % penalty_every == 0
        real = images[picks].requires_grad_(penalised)
        scores = discriminator(real)
        loss = F.softplus(discriminator(made.detach())).mean() + F.softplus(-scores).mean()
        if penalised:
            loss = loss + penalty_every * penalty / 2 * gradient_penalty(scores, real)
        _descend(optimisers[1], loss)
        with torch.no_grad():
            # Early on the mean follows fast, so that the initial weights are forgotten.
            rate = max(1 - decay, 1 / (i + 1))
            for slow, fast in zip(mean.parameters(), generator.parameters(), strict=True):
                slow.lerp_(fast, rate)
            mean.mapping.w_avg.copy_(generator.mapping.w_avg)

    parts = {
        "generator": generator,
        "discriminator": discriminator,
        "mean": mean,
        "first": optimisers[0],
        "second": optimisers[1],
    }
    train(step, parts, num_steps=num_steps, path=path)
    return mean.eval().requires_grad_(False)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step; the gradients of the other network, where there are any, go too."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
