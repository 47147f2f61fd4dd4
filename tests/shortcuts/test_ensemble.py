"""The ensemble's logits and loss, against sums by hand."""

import pytest
import torch
from torch import nn

from geomlib.shortcuts.ensemble import LastLayerEnsemble, classifier_loss, ensemble_loss
from geomlib.shortcuts.mixtures import Batch


@pytest.fixture
def ensemble() -> LastLayerEnsemble:
    return LastLayerEnsemble(nn.Flatten(), 12, seed=3)


def batch() -> Batch:
    images = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.tensor([0, 1, 1, 0, 1]), torch.tensor([0, 1, 2, 2, 0]))


def test_logits_are_the_heads_weighed_by_their_shifts(ensemble: LastLayerEnsemble):
    images = batch().images
    flat = images.flatten(1)
    weights, biases = ensemble.heads[0].weight, ensemble.heads[0].bias
    judge = (flat @ ensemble.judge[0].weight.T + ensemble.judge[0].bias).exp()
    share = judge / judge.sum(1, keepdim=True)
    expected = sum(
        share[:, k, None]
        * (flat @ weights[2 * k : 2 * k + 2].T + biases[2 * k : 2 * k + 2])
        for k in range(3)
    )
    torch.testing.assert_close(ensemble(images), expected)


def test_loss_by_hand(ensemble: LastLayerEnsemble):
    images, labels, shifts = batch()
    logits, judged = ensemble.each(images)
    expected = 0.0
    for i in range(5):
        own = logits[i, shifts[i]].exp()
        shift = judged[i].exp()
        expected -= (own[labels[i]] / own.sum()).log().item() / 5
        expected -= (shift[shifts[i]] / shift.sum()).log().item() / 5
    assert ensemble_loss(ensemble, batch()).item() == pytest.approx(expected, rel=1e-5)


def test_each_head_learns_from_its_own_shift_alone(ensemble: LastLayerEnsemble):
    images, labels, shifts = batch()
    keep = shifts != 1
    ensemble_loss(ensemble, Batch(images[keep], labels[keep], shifts[keep])).backward()
    slope = ensemble.heads[0].weight.grad
    assert slope is not None
    assert (slope[2:4] == 0).all()
    assert (slope[:2] != 0).any()


def test_classifier_loss_by_hand():
    def network(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :2]

    logits = network(batch().images)
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    expected = -p[torch.arange(5), batch().labels].log().mean()
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    with torch.no_grad():
        module[1].weight.copy_(torch.eye(12)[:2])
    torch.testing.assert_close(classifier_loss(module, batch()), expected)
