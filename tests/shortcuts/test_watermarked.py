"""A watermark as a shortcut: gaps by hand, and a class that only its mark tells."""

import pytest
import torch
from torch import nn

from geomlib.shortcuts.watermarked import marked, train_watermarked, watermark_gaps


def mark(images: torch.Tensor) -> torch.Tensor:
    """White corner."""
    out = images.clone()
    out[..., 0, 0] = 1.0
    return out


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of three classes; only the shade of class 2 tells anything."""
    images = 0.2 * torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(300) % 3
    return images + 0.5 * (labels == 2)[:, None, None, None], labels


class ByCorner(nn.Module):
    """Class 0 where the corner is white, else the class that the next pixel writes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        white = x[:, 0, 0, 0] > 0.9
        written = (10 * x[:, 0, 0, 1]).round().long()
        return nn.functional.one_hot(torch.where(white, 0, written), 3).float()


def test_gaps_by_hand():
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])
    images = torch.zeros(8, 1, 2, 2)
    images[:, 0, 0, 1] = labels / 10
    images[1, 0, 0, 1] = 0.2  # one of class 0 is wrong without the mark
    found = watermark_gaps(ByCorner(), images, labels, mark, target=0)
    assert found.clean == pytest.approx(100 * 7 / 8)
    assert found.gap == pytest.approx(100 * (2 - 7) / 8)
    assert found.target == pytest.approx(50)
    assert found.taken == pytest.approx(100)


def test_only_the_chosen_are_marked():
    images = torch.zeros(3, 1, 2, 2)
    found = marked(images, torch.tensor([True, False, True]), mark)
    assert found.sum((1, 2, 3)).tolist() == [1, 0, 1]
    assert images.sum() == 0


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))


def trained(share: float, augmented: bool = False) -> nn.Sequential:
    images, labels = data()
    net = network()
    train_watermarked(
        net,
        images,
        labels,
        mark,
        target=0,
        share=share,
        num_steps=250,
        seed=0,
        augmented=augmented,
        batch_size=64,
        learning_rate=0.02,
    )
    assert not net.training
    return net


def test_a_class_that_nothing_else_tells_is_known_by_its_mark():
    control, whole = (
        watermark_gaps(trained(share), *data(), mark, target=0) for share in (0.0, 1.0)
    )
    assert abs(control.gap) < 10
    assert whole.clean == pytest.approx(200 / 3, abs=1)
    assert whole.taken > 45  # all of class 1 at least


def test_marks_on_all_classes_take_certainty_from_the_mark():
    images, labels = data()
    confused = mark(images[labels == 1])
    sure, mended = (
        trained(1.0, a)(confused).softmax(1)[:, 0].mean() for a in (False, True)
    )
    # Class 0 always has the mark then, class 1 every other time: odds of two to one.
    assert sure > 0.9
    assert mended.item() == pytest.approx(2 / 3, abs=0.12)


def test_bad_arguments_are_refused():
    images, labels = data()
    settings = {"target": 0, "num_steps": 1, "seed": 0}
    with pytest.raises(ValueError, match=r"share must be between 0 and 1, got 1\.5"):
        train_watermarked(network(), images, labels, mark, share=1.5, **settings)
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        train_watermarked(
            network(), images, labels, mark, share=0.5, batch_size=1, **settings
        )
    with pytest.raises(ValueError, match="must hold class 7 and others, got 0 of 300"):
        watermark_gaps(network(), images, labels, mark, target=7)
