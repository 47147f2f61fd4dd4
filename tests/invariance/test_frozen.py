"""A head on a bank of views: which pairs it is shown, and a minimum in closed form."""

import pytest
import torch
from torch import Tensor, nn

from geomlib.invariance.frozen import train_head


class Same(nn.Module):
    """Passes its input on, with a parameter that does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, h: Tensor) -> Tensor:
        return h + 0 * self.weight


def test_pairs_are_different_views_of_one_sample_and_all_pairs_come():
    # Feature = (view, sample).
    view, sample = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
    bank = torch.stack([view, sample], dim=2).float()
    seen: set[tuple[int, int, int]] = set()

    def record(first: Tensor, second: Tensor) -> Tensor:
        assert torch.equal(first[:, 1], second[:, 1])
        assert (first[:, 0] != second[:, 0]).all()
        rows = torch.cat([first, second[:, :1]], dim=1).detach().int().tolist()
        seen.update((a, s, b) for a, s, b in rows)
        return first.sum() * 0

    head = Same()
    history = train_head(head, bank, record, num_steps=30, seed=0, batch_size=16)
    assert len(history) == 30
    assert len(seen) == 4 * 3 * 2
    assert not head.training


def test_a_linear_head_forgets_the_direction_in_which_views_differ():
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(200, 1, generator=generator).expand(4, 200, 1)
    nuisance = torch.randn(4, 200, 1, generator=generator)
    bank = torch.cat([content, nuisance], dim=2)
    head = nn.Linear(2, 1, bias=False)

    def loss(first: Tensor, second: Tensor) -> Tensor:
        # Unit variance is asked for strongly, agreement too: the minimum is (+-1, 0).
        return (first - second).square().mean() + (first.var() - 1).square()

    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.7, 0.7]]))
    train_head(head, bank, loss, num_steps=600, seed=0, learning_rate=0.02)
    assert head.weight[0, 0].item() == pytest.approx(1, abs=0.1)
    assert head.weight[0, 1].item() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("shape", "batch_size", "message"),
    [
        ((1, 5, 2), 4, "number of views must be at least 2, got 1"),
        ((2, 5, 2), 1, "batch_size must be at least 2, got 1"),
    ],
)
def test_refuses(shape, batch_size, message):
    with pytest.raises(ValueError, match=message):
        train_head(
            Same(),
            torch.zeros(shape),
            lambda a, b: (a - b).sum(),
            num_steps=1,
            seed=0,
            batch_size=batch_size,
        )
