"""DINO: full checkpoints of a ResNet-50 and of a ViT-S/16 with their heads.

The teacher is loaded: the average of the student over training, which is what the authors
evaluate.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torchvision.models import ResNet, VisionTransformer, resnet50

from geomlib.models.checkpoints import layers, reading
from geomlib.models.checkpoints.pretrained import Pretrained, pretrained
from geomlib.models.checkpoints.resnets import headless


def dino_resnet(path: Path, *, backbone: Callable[[], ResNet] = resnet50) -> Pretrained:
    """ResNet-50 and head of DINO's teacher.

    From ``dino_resnet50_pretrain_full_checkpoint.pth``. Its head differs from that of the
    published code: fewer layers, batch norm, no weight norm. It is built from the file.

    Args:
        path: The file.
        backbone: Makes the network that its weights are of.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds code, is another model's, has no head,
            or a head of another width.

    Source: Caron et al. 2021 (arXiv:2104.14294), checkpoint of
    github.com/facebookresearch/dino; the head: its issue 189.
    """
    weights = _teacher(path)
    network, width = headless(backbone, weights, path)
    return pretrained("DINO ResNet-50", network, _head(weights, width, path))


def dino_vit(path: Path, *, num_heads: int = 6) -> Pretrained:
    """ViT-S/16 and head of DINO's teacher.

    From ``dino_deitsmall16_pretrain_full_checkpoint.pth``. All sizes but one are read off
    the weights.

    Args:
        path: The file.
        num_heads: Attention heads, which no shape tells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds code, is another model's, has no head,
            or a head of another width.

    Source: Caron et al. 2021 (arXiv:2104.14294), checkpoint of
    github.com/facebookresearch/dino.
    """
    weights = _teacher(path)
    network = transformer(
        reading.below(weights, "backbone.", path),
        num_heads=num_heads,
        what=f"backbone of {path}",
    )
    width = network.hidden_dim
    return pretrained("DINO ViT-S/16", network, _head(weights, width, path))


def transformer(
    weights: Mapping[str, Tensor], *, num_heads: int, what: str = "weights"
) -> VisionTransformer:
    """Torchvision's transformer with weights under DINO's names.

    Both stack queries, keys and values in one matrix, in this order and head by head, so
    names change and numbers do not.

    Args:
        weights: Tensors ``cls_token``, ``blocks.0.norm1.weight`` and so on.
        num_heads: Attention heads; must divide the width.
        what: What these weights are, for errors.

    Raises:
        ValueError: If a weight is missing, left over, or of another shape.
    """
    try:
        _, num_tokens, dim = weights["pos_embed"].shape
        patch = weights["patch_embed.proj.weight"].shape[-1]
        mlp_dim = len(weights["blocks.0.mlp.fc1.weight"])
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{what} must be a vision transformer's under DINO's names, got no such "
            f"{error}. Is it another model's file?"
        ) from error
    if dim % num_heads:
        raise ValueError(f"num_heads must divide the width {dim}, got {num_heads}.")
    blocks = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
    network = VisionTransformer(
        image_size=patch * math.isqrt(num_tokens - 1),
        patch_size=patch,
        num_layers=len(blocks),
        num_heads=num_heads,
        hidden_dim=dim,
        mlp_dim=mlp_dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    network.heads = nn.Sequential()
    renamed = {_renamed(name): value for name, value in weights.items()}
    reading.fill(network, renamed, what)
    return network


_NAMES = {
    "cls_token": "class_token",
    "pos_embed": "encoder.pos_embedding",
    "patch_embed.proj.": "conv_proj.",
    "norm.": "encoder.ln.",
}
_BLOCK_NAMES = {
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "attn.qkv.": "self_attention.in_proj_",
    "attn.proj.": "self_attention.out_proj.",
    "mlp.fc1.": "mlp.0.",
    "mlp.fc2.": "mlp.3.",
}


def _renamed(name: str) -> str:
    """Torchvision's name of one of DINO's weights; an unknown name stays."""
    table, prefix, rest = _NAMES, "", name
    if name.startswith("blocks."):
        _, number, rest = name.split(".", 2)
        table, prefix = _BLOCK_NAMES, f"encoder.layers.encoder_layer_{number}."
    for old, new in table.items():
        if rest.startswith(old):
            return prefix + new + rest.removeprefix(old)
    return name


def _teacher(path: Path) -> Mapping[str, Tensor]:
    # The file also keeps the command line of the training run, as a Namespace.
    content = reading.contents(path, allowed=[argparse.Namespace])
    return reading.part(content, "teacher", path)


def _head(weights: Mapping[str, Tensor], width: int, path: Path) -> nn.Sequential:
    """Perceptron, then a linear map of its output divided by its length."""
    what = f"head of {path}"
    head = reading.below(weights, "head.", path)
    perceptron = layers.stacked(
        reading.below(head, "mlp.", path), nn.GELU, num_inputs=width, what=what
    )
    last = reading.below(head, "last_layer.", path)
    if last.keys() == {"weight_g", "weight_v"}:
        matrix = layers.weight_normed(last["weight_v"], last["weight_g"])
    elif last.keys() == {"weight"}:
        matrix = last["weight"]
    else:
        raise ValueError(
            f"{what} must end in last_layer.weight, or in weight_g and weight_v, got "
            f"{', '.join(last)}."
        )
    bottleneck = [layer for layer in perceptron if isinstance(layer, nn.Linear)][-1]
    if matrix.shape[1:] != (bottleneck.out_features,):
        raise ValueError(
            f"{what} must fit: the last layer must take {bottleneck.out_features} "
            f"numbers, got weights of shape {tuple(matrix.shape)}."
        )
    return nn.Sequential(perceptron, layers.NormalisedLinear(matrix))
