import pytest
import torch
from torch import nn

from geomlib.mgm.manifolds import (
    AUGMENTATIONS,
    augmentation_metrics,
    encoder_metrics,
    semantic_metrics,
)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def test_scale_drops_out():
    h = draw(60, 5)
    one, other = semantic_metrics(h), semantic_metrics(100 * h)
    assert one.diameter == pytest.approx(other.diameter)
    assert one.affinity == pytest.approx(other.affinity)
    assert one.violation < 1e-9


def test_tighter_orbits_have_smaller_diameter():
    centre = draw(1, 6, 8) * 5
    found = [augmentation_metrics(centre + s * draw(12, 6, 8)) for s in (0.1, 1.0)]
    assert found[0].diameter < 0.5 * found[1].diameter
    assert found[0].violation < 1e-9


def test_orbits_stay_apart():
    orbits = draw(10, 3, 6)
    alone = [augmentation_metrics(orbits[:, i : i + 1]) for i in range(3)]
    mean = sum(metrics.diameter for metrics in alone) / 3
    assert augmentation_metrics(orbits).diameter == pytest.approx(mean)


def test_more_dimensions_more_neighbours():
    flat = torch.cat([draw(200, 2), torch.ones(200, 1) * 5], 1)
    solid = torch.cat([draw(200, 8), torch.ones(200, 1) * 5], 1)
    assert semantic_metrics(flat).neighbours < semantic_metrics(solid).neighbours


def test_of_an_encoder():
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = encoder_metrics(nn.Flatten(), images, num_orbits=4, num_views=6, seed=1)
    assert len(found) == 3 * (1 + len(AUGMENTATIONS))
    assert all(value >= 0 for value in found.values())
    again = encoder_metrics(nn.Flatten(), images, num_orbits=4, num_views=6, seed=1)
    assert found == again
    # Grey levels averaged over the image do not see a rotation, and colours do.
    assert found["rotation diameter"] > 0


def test_bad_inputs():
    with pytest.raises(ValueError, match="number of views must be at least 3"):
        augmentation_metrics(draw(2, 5, 4))
    with pytest.raises(ValueError, match="no row of zeros"):
        semantic_metrics(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="num_orbits must be at least 1"):
        encoder_metrics(
            nn.Flatten(), torch.rand(4, 3, 8, 8), num_orbits=0, num_views=4, seed=0
        )
    same = torch.ones(5, 3)
    with pytest.raises(ValueError, match="polytopes with a neighbouring one"):
        semantic_metrics(same)
