"""DINO's checkpoints: names, the transformer written out by hand, and the heads."""

import argparse
import os

import pytest
import small
import torch
from torch.nn import functional as F

from geomlib.models.checkpoints import dino, layers


def save(content, tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    return path


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdim=True)
    deviation = ((x - mean).square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return (x - mean) / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def attention(x, weights, name, num_heads):
    """One token after another and one head after another."""
    dim = x.shape[-1]
    width = dim // num_heads
    stacked = linear(x, weights, f"{name}.qkv")
    query, key, value = (
        stacked[..., :dim],
        stacked[..., dim : 2 * dim],
        stacked[..., 2 * dim :],
    )
    found = torch.zeros_like(x)
    for head in range(num_heads):
        part = slice(head * width, (head + 1) * width)
        for image in range(len(x)):
            for token in range(x.shape[1]):
                scores = key[image, :, part] @ query[image, token, part] / width**0.5
                shares = (scores - scores.max()).exp()
                shares = shares / shares.sum()
                found[image, token, part] = shares @ value[image, :, part]
    return linear(found, weights, f"{name}.proj")


def by_hand(images, weights, num_heads, blocks):
    """DINO's transformer from the numbers under DINO's names."""
    patch = weights["patch_embed.proj.weight"].shape[-1]
    rows = [
        images[:, :, i : i + patch, j : j + patch].flatten(1)
        for i in range(0, images.shape[2], patch)
        for j in range(0, images.shape[3], patch)
    ]
    kernel = weights["patch_embed.proj.weight"].flatten(1)
    tokens = torch.stack(rows, 1) @ kernel.T + weights["patch_embed.proj.bias"]
    first = weights["cls_token"].expand(len(images), -1, -1)
    x = torch.cat([first, tokens], 1) + weights["pos_embed"]
    for i in range(blocks):
        name = f"blocks.{i}"
        normed = layer_norm(x, weights, f"{name}.norm1")
        x = x + attention(normed, weights, f"{name}.attn", num_heads)
        hidden = linear(layer_norm(x, weights, f"{name}.norm2"), weights, f"{name}.mlp.fc1")
        gelu = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        x = x + linear(gelu, weights, f"{name}.mlp.fc2")
    return layer_norm(x, weights, "norm")[:, 0]


@pytest.mark.parametrize("num_heads", [1, 3])
def test_the_transformer_is_dinos_written_out_by_hand(num_heads):
    weights = {k: 2 * v.double() for k, v in small.vit_weights("").items()}
    network = dino.transformer(weights, num_heads=num_heads).double().eval()
    network.load_state_dict(
        {dino._renamed(k): v for k, v in weights.items()}  # float64, not rounded
    )
    images = torch.randn(2, 3, 12, 12, generator=small.seeded(), dtype=torch.float64)
    expected = by_hand(images, weights, num_heads, blocks=2)
    torch.testing.assert_close(network(images), expected, atol=1e-12, rtol=0)
    # The numbers of heads do give different results, so the test can tell them apart.
    assert (by_hand(images, weights, 6, blocks=2) - expected).abs().max() > 1e-4


def test_vit_and_its_head_are_the_teachers(tmp_path):
    content = small.dino_vit()
    model = dino.dino_vit(save(content, tmp_path), num_heads=3)
    teacher = content["teacher"]
    assert model.name == "DINO ViT-S/16"
    assert not model.backbone.training
    images = torch.randn(2, 3, 12, 12, generator=small.seeded())
    weights = {k.removeprefix("backbone."): v for k, v in teacher.items()}
    h = model.backbone(images)
    torch.testing.assert_close(h, by_hand(images, weights, 3, 2), atol=1e-5, rtol=1e-4)
    x = h
    for position in (0, 2, 4):
        x = linear(x if position == 0 else F.gelu(x), teacher, f"head.mlp.{position}")
    x = x / x.norm(dim=1, keepdim=True)
    v, g = teacher["head.last_layer.weight_v"], teacher["head.last_layer.weight_g"]
    expected = x @ (g * v / v.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(model.head(h), expected, atol=1e-5, rtol=1e-4)


def test_weight_norm_is_pytorchs():
    reference = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 3))
    parts = reference.parametrizations.weight
    with torch.no_grad():
        parts.original0.mul_(3)
    found = layers.weight_normed(parts.original1, parts.original0)
    torch.testing.assert_close(found, reference.weight)


def test_resnet_head_of_the_file_has_batch_norm_and_no_weight_norm(tmp_path):
    content = small.dino_resnet()
    model = dino.dino_resnet(save(content, tmp_path), backbone=small.resnet)
    t = content["teacher"]
    h = torch.randn(5, small.WIDTH, generator=small.seeded())
    x = linear(h, t, "head.mlp.0")
    norm = {k.removeprefix("head.mlp.1."): v for k, v in t.items() if ".mlp.1." in k}
    x = (x - norm["running_mean"]) / (norm["running_var"] + 1e-5).sqrt()
    x = linear(F.gelu(x * norm["weight"] + norm["bias"]), t, "head.mlp.3")
    expected = (x / x.norm(dim=1, keepdim=True)) @ t["head.last_layer.weight"].T
    torch.testing.assert_close(model.head(h), expected, atol=1e-5, rtol=1e-4)
    assert model.backbone(torch.zeros(1, 3, 64, 64)).shape == (1, small.WIDTH)


class Payload(argparse.Namespace):
    """Looks like the one class that is allowed, and runs a command."""

    def __reduce__(self):
        return os.system, (f"touch '{self.proof}'",)


def test_only_the_namespace_itself_is_allowed(tmp_path):
    proof = tmp_path / "it-ran"
    path = save(small.dino_vit() | {"args": Payload(proof=str(proof))}, tmp_path)
    with pytest.raises(ValueError, match="without running code from it"):
        dino.dino_vit(path, num_heads=3)
    assert not proof.exists()


def test_the_permission_ends_with_the_reading(tmp_path):
    path = save(small.dino_vit(), tmp_path)
    dino.dino_vit(path, num_heads=3)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def refused(content, tmp_path, match, **options):
    with pytest.raises(ValueError, match=match):
        dino.dino_vit(save(content, tmp_path), **{"num_heads": 3} | options)


def test_files_without_a_head_or_of_another_model_are_refused(tmp_path):
    refused(small.dino(small.vit_weights()), tmp_path, r"must hold weights head\.\*")
    refused(small.vit_weights(""), tmp_path, "must hold 'teacher', as a full checkpoint")
    refused(small.dino_resnet(), tmp_path, "must be a vision transformer's under DINO's")
    teacher = small.vit_weights() | small.perceptron(12)
    refused(small.dino(teacher), tmp_path, r"must hold weights last_layer\.\*")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    vit = small.vit_weights()
    wide = vit | small.perceptron(14) | small.weight_normed()
    refused(small.dino(wide), tmp_path, "layer 0 must take 12 numbers, got one that takes")
    long = vit | small.perceptron(12) | small.weight_normed(bottleneck=5)
    refused(
        small.dino(long), tmp_path, "the last layer must take 4 numbers, got weights of"
    )
    odd = vit | small.perceptron(12) | {"head.last_layer.bias": torch.zeros(8)}
    refused(small.dino(odd), tmp_path, "must end in last_layer.weight, or in weight_g and")
    refused(small.dino_vit(), tmp_path, "num_heads must divide the width 12", num_heads=5)
    del vit["backbone.blocks.1.norm1.weight"]
    missing = vit | small.perceptron(12) | small.weight_normed()
    refused(small.dino(missing), tmp_path, "got differences: Missing key")
