"""The Last Layer Ensemble: a head for each exchange of a cue, and a judge of exchanges."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geomlib.models.heads import head_of_depth
from geomlib.shortcuts.mixtures import SHIFTS, Batch


class LastLayerEnsemble(nn.Module):
    r"""Encoder with one linear head a shift, and a linear classifier of the shift.

    An image's logits are :math:`\sum_k p_k(x)\, g_k(f(x))`, with p the probabilities of
    the classifier of shifts.

    Args:
        encoder: Maps images to ``num_features`` numbers each.
        num_features: Width of its output.
        seed: Of the heads' weights.
        num_classes: Number of classes.

    Source: Li et al. 2023 (arXiv:2212.04825), with the three shifts of UrbanCars.
    """

    def __init__(
        self, encoder: nn.Module, num_features: int, *, seed: int, num_classes: int = 2
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = head_of_depth(
            1,
            num_inputs=num_features,
            width=1,
            num_outputs=len(SHIFTS) * num_classes,
            seed=seed,
        )
        self.judge = head_of_depth(
            1, num_inputs=num_features, width=1, num_outputs=len(SHIFTS), seed=seed + 1
        )

    def each(
        self, images: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n shifts classes"], Float[Tensor, "n shifts"]]:
        """Logits of every head, and logits of the shifts."""
        features = self.encoder(images)
        return self.heads(features).unflatten(1, (len(SHIFTS), -1)), self.judge(features)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Logits of the classes, heads weighed by the probabilities of their shifts."""
        logits, shifts = self.each(images)
        return (shifts.softmax(1)[:, :, None] * logits).sum(1)


def ensemble_loss(network: LastLayerEnsemble, batch: Batch) -> Float[Tensor, ""]:
    """Cross-entropy of the class under the image's own head, and of the shift, in nats."""
    logits, shifts = network.each(batch.images)
    rows = torch.arange(len(batch.labels), device=logits.device)
    own = logits[rows, batch.shifts]
    return cross_entropy(own, batch.labels) + cross_entropy(shifts, batch.shifts)


def classifier_loss(network: nn.Module, batch: Batch) -> Float[Tensor, ""]:
    """Cross-entropy of the class under the only head, in nats."""
    return cross_entropy(network(batch.images), batch.labels)
