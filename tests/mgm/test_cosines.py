import pytest
import torch
from torch.nn import functional as F

from geomlib.mgm.cosines import mean_cosine, view_cosine


def test_against_all_pairs():
    h = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)) + 1
    for centred in (False, True):
        x = h - h.mean(0) if centred else h
        pairs = [
            F.cosine_similarity(x[i], x[j], dim=0)
            for i in range(12)
            for j in range(12)
            if i != j
        ]
        expected = torch.stack(pairs).mean().item()
        assert mean_cosine(h, centred=centred).item() == pytest.approx(expected, abs=1e-6)


def test_centring_is_over_both_views():
    a = torch.tensor([[2.0, 1.0], [2.0, -1.0]])
    assert view_cosine(a, a).item() == pytest.approx(1)
    assert view_cosine(a, a.flip(0), centred=True).item() == pytest.approx(-1)


def test_offset():
    h = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    assert mean_cosine(h + 10).item() > 0.95
    assert abs(mean_cosine(h + 10, centred=True).item()) < 0.02


def test_bad_inputs():
    with pytest.raises(ValueError, match="number of rows must be at least 2"):
        mean_cosine(torch.ones(1, 3))
    with pytest.raises(ValueError, match="zeros once centred, got 4 of 4"):
        mean_cosine(torch.ones(4, 3), centred=True)
    with pytest.raises(ValueError, match="zeros, got 1 of 2"):
        mean_cosine(torch.tensor([[0.0], [1.0]]))
    with pytest.raises(ValueError, match="features must be finite"):
        mean_cosine(torch.tensor([[torch.nan], [1.0]]))
