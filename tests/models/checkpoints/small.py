"""Small checkpoints in the layouts of the published ones, written by hand."""

import argparse

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

WIDTH = 512  # of the small ResNet's representation
LAST = 8  # outputs of every head here


def exclude_bias_and_norm(p):
    """The function that the published optimisers' states name."""
    return p.ndim == 1


def resnet():
    """ResNet of one block a stage."""
    return ResNet(BasicBlock, [1, 1, 1, 1])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed)) / 4


def backbone_weights(prefix):
    network = resnet()
    network.fc = nn.Identity()
    return {f"{prefix}{key}": value for key, value in network.state_dict().items()}


def batch_norm(prefix, width):
    return {
        f"{prefix}.weight": 1 + numbers(width, seed=1),
        f"{prefix}.bias": numbers(width, seed=2),
        f"{prefix}.running_mean": numbers(width, seed=3),
        f"{prefix}.running_var": 1 + numbers(width, seed=4).abs(),
        f"{prefix}.num_batches_tracked": torch.tensor(7),
    }


def projector(prefix, *, width=WIDTH, hidden=16, bias=True):
    """Two hidden layers with batch norm, and a linear one without bias."""
    weights = {f"{prefix}0.weight": numbers(hidden, width, seed=5)}
    weights |= batch_norm(f"{prefix}1", hidden)
    weights[f"{prefix}3.weight"] = numbers(hidden, hidden, seed=6)
    weights |= batch_norm(f"{prefix}4", hidden)
    weights[f"{prefix}6.weight"] = numbers(LAST, hidden, seed=7)
    if bias:
        weights[f"{prefix}0.bias"] = numbers(hidden, seed=8)
        weights[f"{prefix}3.bias"] = numbers(hidden, seed=9)
    return weights


def joint(*, bias=True, width=WIDTH):
    """VICReg's layout (with bias) or that of Barlow Twins (without)."""
    prefix = "module."
    weights = backbone_weights(f"{prefix}backbone.")
    weights |= projector(f"{prefix}projector.", bias=bias, width=width)
    if not bias:
        for key, value in batch_norm("bn", LAST).items():
            if not key.endswith(("weight", "bias")):
                weights[f"{prefix}{key}"] = value
    groups = [{"lr": 0.1, "weight_decay_filter": exclude_bias_and_norm, "params": [0]}]
    return {
        "epoch": 1000,
        "model": weights,
        "optimizer": {"state": {0: {"mu": torch.zeros(3)}}, "param_groups": groups},
    }


def perceptron(width, *, prefix="head.", hidden=16, bottleneck=4):
    """DINO's three-layer perceptron without batch norm."""
    shapes = {0: (hidden, width), 2: (hidden, hidden), 4: (bottleneck, hidden)}
    weights = {}
    for position, shape in shapes.items():
        weights[f"{prefix}mlp.{position}.weight"] = numbers(*shape, seed=position)
        weights[f"{prefix}mlp.{position}.bias"] = numbers(shape[0], seed=position + 1)
    return weights


def weight_normed(prefix="head.", bottleneck=4):
    return {
        f"{prefix}last_layer.weight_g": 1 + numbers(LAST, 1, seed=11).abs(),
        f"{prefix}last_layer.weight_v": numbers(LAST, bottleneck, seed=12),
    }


def vit_weights(prefix="backbone.", *, dim=12, blocks=2, patch=4, side=3):
    """A transformer under DINO's names."""
    shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + side * side, dim),
        "patch_embed.proj.weight": (dim, 3, patch, patch),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    for i in range(blocks):
        shapes |= {
            f"blocks.{i}.norm1.weight": (dim,),
            f"blocks.{i}.norm1.bias": (dim,),
            f"blocks.{i}.attn.qkv.weight": (3 * dim, dim),
            f"blocks.{i}.attn.qkv.bias": (3 * dim,),
            f"blocks.{i}.attn.proj.weight": (dim, dim),
            f"blocks.{i}.attn.proj.bias": (dim,),
            f"blocks.{i}.norm2.weight": (dim,),
            f"blocks.{i}.norm2.bias": (dim,),
            f"blocks.{i}.mlp.fc1.weight": (4 * dim, dim),
            f"blocks.{i}.mlp.fc1.bias": (4 * dim,),
            f"blocks.{i}.mlp.fc2.weight": (dim, 4 * dim),
            f"blocks.{i}.mlp.fc2.bias": (dim,),
        }
    return {
        f"{prefix}{name}": numbers(*shape, seed=seed)
        for seed, (name, shape) in enumerate(shapes.items())
    }


def dino(teacher):
    """DINO's layout: teacher, student, and the command line of the run."""
    return {
        "student": {f"module.{key}": 2 * value for key, value in teacher.items()},
        "teacher": teacher,
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
        "epoch": 800,
        "args": argparse.Namespace(arch="vit_small", lr=0.0005, use_fp16=False),
        "dino_loss": {"center": torch.zeros(1, LAST)},
    }


def dino_vit():
    return dino(vit_weights() | perceptron(12) | weight_normed())


def dino_resnet():
    """The published file's head: two layers, batch norm, no weight norm."""
    weights = backbone_weights("backbone.")
    weights |= {
        "head.mlp.0.weight": numbers(16, WIDTH, seed=0),
        "head.mlp.0.bias": numbers(16, seed=1),
        "head.mlp.3.weight": numbers(4, 16, seed=2),
        "head.mlp.3.bias": numbers(4, seed=3),
        "head.last_layer.weight": numbers(LAST, 4, seed=4),
    }
    weights |= batch_norm("head.mlp.1", 16)
    return dino(weights)
