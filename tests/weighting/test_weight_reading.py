"""Reading: what a scale does to a probe, and shares of variance by analysis of variance."""

import numpy as np
import pytest
import torch

from geomlib.models.heads import ReweightingHead
from geomlib.probes import Examples
from geomlib.weighting.reading import class_share, linear_accuracy


def task(num: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (num,), generator=draw)
    h = torch.randn(num, 6, generator=draw)
    h[torch.arange(num), 3 + labels] += 3.0  # in the last three dimensions
    return h, labels


def accuracy(h: torch.Tensor, labels: torch.Tensor, **options: object) -> float:
    half = len(h) // 2
    seen, held_out = Examples(h[:half], labels[:half]), Examples(h[half:], labels[half:])
    return linear_accuracy(seen, held_out, **options)  # pyright: ignore


def test_a_standardised_probe_undoes_a_diagonal_head():
    h, labels = task()
    z = ReweightingHead(30.0, 6)(h)
    assert accuracy(h, labels, standardised=True) == accuracy(z, labels, standardised=True)
    assert accuracy(h, labels, standardised=False) > 0.85
    assert accuracy(z, labels, standardised=False) < 0.6


def test_a_common_scale_and_a_shift_change_nothing():
    h, labels = task()
    for standardised in (True, False):
        values = {accuracy(x, labels, standardised=standardised) for x in (h, 1e-3 * h + 5)}
        assert len(values) == 1


def test_constant_dimensions_are_passed_over():
    h, labels = task()
    h = torch.cat([h, torch.full((len(h), 2), 7.0)], dim=1)
    assert accuracy(h, labels, standardised=True) > 0.85


def test_share_is_one_less_what_is_within_classes():
    h, labels = task()
    within = sum(
        float(((h[labels == c] - h[labels == c].mean(0)) ** 2).sum()) for c in range(3)
    )
    total = float(((h - h.mean(0)) ** 2).sum())
    assert float(class_share(h, labels)) == pytest.approx(1 - within / total, rel=1e-5)
    assert float(class_share(h, 10 * labels - 4)) == pytest.approx(
        float(class_share(h, labels))
    )


def test_share_of_two_classes_is_the_energy_of_their_direction():
    draw = np.random.default_rng(0)
    sign = np.repeat([-1.0, 1.0], 50)
    rest = draw.normal(size=(100, 3))
    rest -= np.outer(sign, sign @ rest / 100)  # uncorrelated with the sign
    h = rest - rest.mean(0) + np.outer(sign, [1.0, 2.0, 0.0])
    expected = 5 / (5 + (rest - rest.mean(0)).var(0).sum())
    found = class_share(torch.tensor(h), torch.tensor(sign > 0).long())
    assert float(found) == pytest.approx(expected)


def test_bad_arguments_are_refused():
    h, labels = task(20)
    examples = Examples(h, labels)
    with pytest.raises(ValueError, match="one width, got 6 and 5"):
        linear_accuracy(examples, Examples(h[:, :5], labels), standardised=True)
    with pytest.raises(ValueError, match="penalty must be a finite number above 0"):
        linear_accuracy(examples, examples, standardised=True, penalty=0.0)
    still = Examples(torch.ones(20, 2), labels)
    with pytest.raises(ValueError, match="variance of the features must be a finite"):
        linear_accuracy(still, still, standardised=True)
    with pytest.raises(ValueError, match="variance of the representations must be"):
        class_share(torch.ones(4, 2), labels[:4])
    with pytest.raises(ValueError, match="number of representations must be at least 2"):
        class_share(h[:1], labels[:1])
