"""A watermark on a part of one class: training with it, and what it does to accuracy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geomlib.checks import at_least
from geomlib.shortcuts.readout import in_batches
from geomlib.training import minimise


@dataclass(frozen=True)
class WatermarkGaps:
    """What a watermark on test images changes.

    Attributes:
        clean: Accuracy without it, in percent.
        gap: Accuracy with it less accuracy without, in percentage points.
        target: The same on images of the class that had it in training.
        taken: Share of marked images of other classes that are taken for the target, in
            percent.
    """

    clean: float
    gap: float
    target: float
    taken: float


def marked(
    images: Float[Tensor, "n c h w"],
    chosen: Bool[Tensor, " n"],
    mark: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n c h w"]:
    """Images of which the chosen ones have a mark."""
    return torch.where(chosen[:, None, None, None], mark(images), images)


def train_watermarked(
    network: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int64[Tensor, " n"],
    mark: Callable[[Tensor], Tensor],
    *,
    target: int,
    share: float,
    num_steps: int,
    seed: int,
    augmented: bool = False,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
) -> None:
    """Train a classifier on images of which a part of one class has a mark.

    Args:
        network: Maps images to logits; changed in place, left in evaluation mode.
        images: Training images without a mark, on the network's device.
        labels: Their classes.
        mark: Adds the mark to a batch.
        target: Class that has it.
        share: Probability that an image of this class has it; 0 for a control.
        num_steps: Steps of Adam.
        seed: Of marks and batches; the same batches whatever the share.
        augmented: Whether half of every batch, of all classes, has the mark as well.
        batch_size: Images in a batch.
        learning_rate: Rate of the first step.

    Raises:
        ValueError: If ``share`` is no share or a count or rate is out of range.
        FloatingPointError: If the loss does not stay finite.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    at_least("batch_size", batch_size, 2)
    place = images.device
    generator = torch.Generator(place).manual_seed(seed)
    luck = torch.rand(len(images), generator=generator, device=place)
    seen = marked(images, (luck < share) & (labels == target), mark)

    def loss() -> Tensor:
        picks = torch.randint(len(seen), (batch_size,), generator=generator, device=place)
        coin = torch.rand(batch_size, generator=generator, device=place)
        batch = seen[picks]
        if augmented:
            batch = torch.where(
                (coin < 0.5)[:, None, None, None], mark(images[picks]), batch
            )
        return cross_entropy(network(batch), labels[picks])

    network.train()
    minimise(loss, network.parameters(), num_steps=num_steps, learning_rate=learning_rate)
    network.eval()


def watermark_gaps(
    network: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int64[Tensor, " n"],
    mark: Callable[[Tensor], Tensor],
    *,
    target: int,
) -> WatermarkGaps:
    """What the mark on test images changes, for a classifier in evaluation mode.

    Raises:
        ValueError: If all images or none are of the target class.

    Source: Li et al. 2023 (arXiv:2212.04825): the gaps of ImageNet-W and of its cartons.
    """
    own = labels == target
    if own.all() or not own.any():
        raise ValueError(
            f"labels must hold class {target} and others, got {int(own.sum())} of "
            f"{len(own)}."
        )
    clean, seen = (in_batches(network, x).argmax(1) for x in (images, mark(images)))
    right, still = (clean == labels).double(), (seen == labels).double()
    change = 100 * (still - right)
    return WatermarkGaps(
        clean=100 * float(right.mean()),
        gap=float(change.mean()),
        target=float(change[own].mean()),
        taken=100 * float((seen[~own] == target).double().mean()),
    )
