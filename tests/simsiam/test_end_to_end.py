"""End-to-end training against SimSiam's loss and steps written out with modules."""

import copy

import pytest
import torch
from torch import nn

from geomlib import losses
from geomlib.data.augment import views
from geomlib.models.encoders import small_cnn
from geomlib.simsiam.end_to_end import CROP, train_end_to_end
from geomlib.simsiam.heads import Head, initial_heads


def some_images(num=12):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num, 3, 8, 8, generator=generator)


def backbone(norm=nn.BatchNorm2d):
    return small_cnn(in_channels=3, num_features=8, seed=0, norm=norm)


def trained(net, head=Head("relu"), **changed):  # noqa: B008
    settings = {
        "width": 6,
        "bottleneck": 3,
        "num_steps": 2,
        "batch_size": 5,
        "learning_rate": 0.1,
        "every": 2,
        "seed": 3,
    }
    return train_end_to_end(net, head, some_images(), **{**settings, **changed})


def test_two_steps_are_those_of_the_loss_with_detached_targets():
    net = backbone()
    reference = copy.deepcopy(net)
    done = trained(net, scale=0.5)

    draws = torch.Generator().manual_seed(3)
    images = some_images()

    def pair(picks):
        return [
            views(images[picks], generator=draws, crop=CROP, jitter=0, grey=0)
            for _ in range(2)
        ]

    pair(torch.randperm(12, generator=draws))  # what is evaluated
    weights = {
        name: tensor[0].requires_grad_()
        for name, tensor in initial_heads(
            8,
            width=6,
            bottleneck=3,
            generators=[torch.Generator().manual_seed(3)],
            scale=0.5,
        ).items()
    }
    leaves = [*reference.parameters(), *weights.values()]
    moving = [torch.zeros_like(leaf) for leaf in leaves]
    for _ in range(2):
        z = [
            (reference(view) @ weights["projector_in"].T).relu()
            @ weights["projector_out"].T
            for view in pair(torch.randint(12, (5,), generator=draws))
        ]
        p = [
            (each @ weights["predictor_in"].T).relu() @ weights["predictor_out"].T
            for each in z
        ]
        value = losses.simsiam(p[0], z[0], p[1], z[1])
        gradients = torch.autograd.grad(value, leaves)
        with torch.no_grad():
            for leaf, old, gradient in zip(leaves, moving, gradients, strict=True):
                leaf.sub_(0.1 * old.mul_(0.9).add_(gradient))
    for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    for name, tensor in done.heads.items():
        torch.testing.assert_close(tensor[0], weights[name], rtol=1e-4, atol=1e-6)


def test_records_are_at_the_steps_asked_for_and_at_the_last():
    done = trained(backbone(), num_steps=5, every=2)
    assert done.steps.tolist() == [0, 2, 4, 5]
    for record in (done.spread, done.backbone_spread, done.losses):
        assert record.shape == (4,)
    assert bool((done.spread > 0).all() and (done.spread < 1).all())
    assert bool((done.losses.abs() <= 1).all())


def test_seed_decides_and_the_global_state_does_not():
    first = trained(backbone())
    torch.rand(7)
    assert torch.equal(trained(backbone()).spread, first.spread)
    assert not torch.equal(trained(backbone(), seed=4).spread, first.spread)


def test_heads_with_batch_norm_train_their_gains():
    done = trained(backbone(), Head("swish", batch_norm=True))
    assert not torch.equal(done.heads["projector_in_gain"], torch.ones(1, 6))
    assert not any(tensor.requires_grad for tensor in done.heads.values())


def test_refuses_bad_numbers():
    for name, bad in [
        ("num_steps", 0),
        ("every", 0),
        ("batch_size", 1),
        ("num_evaluated", 1),
        ("learning_rate", 0.0),
        ("momentum", -0.1),
        ("scale", 0.0),
    ]:
        with pytest.raises(ValueError, match=f"{name} must be"):
            trained(backbone(), **{name: bad})


def test_a_run_that_diverges_is_an_error():
    with pytest.raises(FloatingPointError, match="got nan at step"):
        trained(backbone(None), learning_rate=1e30, num_steps=6, every=1)
