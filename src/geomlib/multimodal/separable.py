"""A small video network whose kernels see space or time, never both."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from geomlib.checks import at_least, one_of

Padding = Literal["zeros", "replicate", "none"]


def separable_network(
    *,
    widths: tuple[int, ...] = (12, 24, 48),
    in_channels: int = 1,
    padding: Padding = "zeros",
    time_stride: int = 1,
    seed: int,
) -> nn.Sequential:
    """Encoder of videos ``n c t h w`` into the last width's features, seeded.

    A block for each width: a 1x3x3 convolution of stride 2 in space, then a 3x1x1
    convolution, each with batch norm and ReLU and without bias. The mean over time and
    space comes last. The global random state is left as it was.

    Args:
        widths: Channels of the blocks.
        in_channels: Channels of the videos.
        padding: What lies before the first frame and after the last: black frames,
            repeats of them, or nothing, so that each block takes two frames off.
        time_stride: Of the last block's 3x1x1 convolution.
        seed: Seed of the initial weights (PyTorch's default initialisation).

    Raises:
        ValueError: If there is no width, ``padding`` is unknown or ``time_stride`` is
            below 1.

    Source: Xie et al. 2018 (arXiv:1712.04851) for separable blocks, without their
    branches.
    """
    at_least("number of widths", len(widths), 1)
    one_of("padding", padding, ("zeros", "replicate", "none"))
    at_least("time_stride", time_stride, 1)
    mode = "replicate" if padding == "replicate" else "zeros"
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for number, (narrow, wide) in enumerate(pairwise((in_channels, *widths)), 1):
            over_space = nn.Conv3d(
                narrow, wide, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False
            )
            over_time = nn.Conv3d(
                wide,
                wide,
                (3, 1, 1),
                (time_stride if number == len(widths) else 1, 1, 1),
                (0 if padding == "none" else 1, 0, 0),
                bias=False,
                padding_mode=mode,
            )
            for convolution in (over_space, over_time):
                layers += [convolution, nn.BatchNorm3d(wide), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten())


class TemporalShift(nn.Module):
    """Some channels come from the frame before, as many from the frame after.

    Args:
        share: Of the channels, for each of the two ways.
        padding: What lies beyond the first and the last frame.

    Raises:
        ValueError: If ``share`` is outside [0, 1/2] or ``padding`` is unknown.

    Source: Lin et al. 2019 (arXiv:1811.08383), which pads with zeros.
    """

    def __init__(
        self, *, share: float = 0.125, padding: Literal["zeros", "replicate"] = "zeros"
    ) -> None:
        super().__init__()
        if not 0 <= share <= 0.5:
            raise ValueError(f"share must be between 0 and 1/2, got {share}.")
        one_of("padding", padding, ("zeros", "replicate"))
        self.share = share
        self.padding = padding

    def forward(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c t h w"]:
        """The video with the two parts of its channels shifted."""
        num = int(self.share * x.shape[1])
        mode = "constant" if self.padding == "zeros" else "replicate"
        around = F.pad(x, (0, 0, 0, 0, 1, 1), mode=mode)
        before, after = around[:, :num, :-2], around[:, num : 2 * num, 2:]
        return torch.cat([before, after, x[:, 2 * num :]], dim=1)
