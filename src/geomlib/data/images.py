"""The one form in which every set of images arrives."""

from dataclasses import dataclass

from jaxtyping import Float32, Int64
from torch import Tensor


@dataclass(frozen=True)
class LabelledImages:
    """Images with values in [0, 1], their labels, and the name of each label.

    >>> import torch
    >>> len(LabelledImages(torch.zeros(5, 1, 8, 8), torch.zeros(5).long(), ("zero",)))
    5
    """

    images: Float32[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)
