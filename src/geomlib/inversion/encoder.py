"""Training of an encoder with quantile heads on generated pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from geomlib.checks import at_least, positive
from geomlib.conformal.pinball import pinball
from geomlib.inversion.corruption import corrupted
from geomlib.inversion.resumable import seeded, train
from geomlib.models.quantile_heads import QuantileEncoder, Quantiles

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


def quantile_loss(
    predicted: Quantiles, target: Float[Tensor, "n d"], *, miss: float
) -> Float[Tensor, ""]:
    """Pinball loss of both ends plus the mean squared error of the point.

    Args:
        predicted: By the three heads.
        target: Standardised styles.
        miss: Share that the interval may miss, half on each side.

    Raises:
        ValueError: If the shapes differ or ``miss`` is not between 0 and 1.
    """
    return (
        pinball(predicted.lower, target, miss / 2)
        + pinball(predicted.upper, target, 1 - miss / 2)
        + (predicted.point - target).square().mean()
    )


def train_encoder(
    encoder: QuantileEncoder,
    draw: Draw,
    *,
    factors: Sequence[int],
    noise: float,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    miss: float = 0.1,
    decode: Callable[[Tensor], Tensor] | None = None,
    image_weight: float = 0.0,
    half: bool = False,
    device: torch.device | str = "cpu",
    path: Path | None = None,
) -> QuantileEncoder:
    """The encoder, trained on corrupted images to predict the styles that made them.

    Each image of a batch is corrupted by one of the factors, drawn at random.

    Args:
        encoder: Changed in place, left in evaluation mode.
        draw: Standardised styles and clean images, given their number and a generator.
        factors: See ``geomlib.inversion.corruption.averaged``.
        noise: Standard deviation on the averaged pixels.
        num_steps: Number of steps.
        batch_size: Images in a batch.
        learning_rate: Largest rate of Adam: it rises from a 25th of that for three tenths
            of the steps, and falls to almost nothing.
        seed: Of batches and corruptions.
        miss: See ``quantile_loss``.
        decode: Images of standardised styles; for the image loss.
        image_weight: Weight of the mean squared error of the images that all three heads'
            predictions make, as in the published code. 0 leaves it out.
        half: Run the encoder in half precision where that is safe: float16 with a scaled
            loss on CUDA, bfloat16 elsewhere. The scale is not kept, so that a training
            which was stopped goes on from its file, but not bit by bit.
        device: Where the encoder is.
        path: Where the training is kept, so that it can go on; None keeps nothing.

    Raises:
        ValueError: If a count or a rate is out of range, there is no factor, or an image
            loss has nothing to decode with.

    Source: Sankaranarayanan et al. 2022 (arXiv:2207.10074); the schedule of the rate is
    that of Smith & Topin 2017 (arXiv:1708.07120).
    """
    at_least("batch_size", batch_size, 1)
    at_least("number of factors", len(factors), 1)
    positive("learning_rate", learning_rate)
    if image_weight and decode is None:
        raise ValueError(
            f"decode must be given for an image loss of weight {image_weight}, got None."
        )
    optimiser = torch.optim.Adam(encoder.parameters(), lr=learning_rate, fused=True)
    # Adam's momentum stays as it is; the schedule would move it too.
    schedule = OneCycleLR(
        optimiser, learning_rate, total_steps=num_steps, cycle_momentum=False
    )
    kind = torch.device(device).type
    dtype = torch.float16 if kind == "cuda" else torch.bfloat16
    scaler = torch.amp.GradScaler(kind, enabled=half and dtype == torch.float16)

    def step(i: int) -> None:
        random = seeded(seed, i, device)
        target, images = draw(batch_size, random)
        which = torch.randint(len(factors), (batch_size,), generator=random, device=device)
        seen = torch.stack(
            [corrupted(images, f, noise=noise, generator=random) for f in factors]
        )[which, torch.arange(batch_size, device=device)]
        with torch.autocast(kind, dtype, enabled=half):
            predicted = encoder(seen)
        predicted = Quantiles(*(part.to(target.dtype) for part in predicted))
        loss = quantile_loss(predicted, target, miss=miss)
        if image_weight and decode is not None:
            apart = [F.mse_loss(decode(part), images) for part in predicted]
            loss = loss + image_weight * torch.stack(apart).sum()
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        schedule.step()

    encoder.train()
    parts = {"encoder": encoder, "optimiser": optimiser, "schedule": schedule}
    train(step, parts, num_steps=num_steps, path=path)
    return encoder.eval()
