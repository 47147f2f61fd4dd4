"""TorchVision's S3D, a separable video network of the size that is used in practice."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.video import S3D_Weights, s3d

from geomlib.checks import at_least
from geomlib.models.published_weights import load_published

# Of the three colours, over Kinetics-400.
_MEAN, _SPREAD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


def large_video_network(
    *, pretrained: bool = True, num_classes: int = 400, seed: int = 0
) -> nn.Module:
    """S3D in evaluation mode: videos to class scores.

    Videos need at least 13 frames. TorchVision's window of 7 by 7 positions before the
    classifier is left to the mean that comes after it. At 224 pixels that is the same;
    smaller videos then work too.

    Args:
        pretrained: With TorchVision's weights for Kinetics-400, downloaded as
            ``load_published`` says. Else random: kernels of a scale that keeps the signal
            from layer to layer, batch norms away from their start, as those of a trained
            network are.
        num_classes: Scores; 400 where ``pretrained``.
        seed: Of random weights.

    Raises:
        ValueError: If ``num_classes`` is below 1, or not 400 where ``pretrained``.

    Source: Xie et al. 2018 (arXiv:1712.04851).
    """
    at_least("num_classes", num_classes, 1)
    if pretrained and num_classes != 400:
        raise ValueError(f"num_classes must be 400 if pretrained, got {num_classes}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = s3d(weights=None, num_classes=num_classes)
    network.avgpool = nn.AvgPool3d((2, 1, 1), stride=1)
    if pretrained:
        load_published(network, S3D_Weights.KINETICS400_V1)
    else:
        _enliven(network, torch.Generator().manual_seed(seed))
    return network.eval()


def kinetics_units(videos: Float[Tensor, "n 3 t h w"]) -> Float[Tensor, "n 3 t h w"]:
    """Videos with values in [0, 1] as TorchVision's video networks were trained on them.

    >>> kinetics_units(torch.full((1, 3, 1, 1, 1), 0.5)).flatten()[0] > 0
    tensor(True)
    """
    mean, spread = (videos.new_tensor(x).view(3, 1, 1, 1) for x in (_MEAN, _SPREAD))
    return (videos - mean) / spread


@torch.no_grad()
def _enliven(network: nn.Module, generator: torch.Generator) -> None:
    """Kernels of unit gain in place of TorchVision's small ones; batch norms drawn."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            spread = module.weight[0].numel() ** -0.5
            module.weight.normal_(0, spread, generator=generator)
        elif isinstance(module, nn.BatchNorm3d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.2, 1.5),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
            ):
                if tensor is not None:
                    tensor.uniform_(low, high, generator=generator)
