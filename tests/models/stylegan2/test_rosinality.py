"""Weights in rosinality's layout, and the whole network against a slow one."""

import plain
import pytest
import torch

from geomlib.models.stylegan2.rosinality import from_rosinality, rosinality

MEAN = torch.zeros(3, dtype=torch.float64)


def test_the_network_is_the_slow_one():
    weights = plain.random_weights()
    generator = from_rosinality(weights, MEAN)
    # Loaded into float32; the comparison is made in float64 from the same rounded weights.
    generator.double()
    rounded = {name: value.float().double() for name, value in weights.items()}
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, expected = generator(z), plain.images(rounded, z)
    assert found.shape == (4, 3, 16, 16)
    # Where the 1e-8 stands, before or after the scale, is all that may differ.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert found.std() > 0.1


def test_a_checkpoint_is_read(tmp_path):
    weights, path = plain.random_weights(), tmp_path / "model.pt"
    torch.save({"g_ema": weights, "latent_avg": MEAN + 2}, path)
    generator = rosinality(path, resolution=16)
    assert generator.mapping.w_avg.tolist() == [2.0, 2.0, 2.0]
    assert not generator.training
    with pytest.raises(ValueError, match="resolution must be that of the file, 16 pixels"):
        rosinality(path, resolution=1024)


def test_every_tensor_counts():
    weights = plain.random_weights()
    for name in list(weights):
        fewer = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(ValueError, match="weights"):
            from_rosinality(fewer, MEAN)
    with pytest.raises(ValueError, match="got also"):
        from_rosinality(weights | {"extra": MEAN}, MEAN)
    wrong = weights | {"conv1.activate.bias": torch.zeros(1, dtype=torch.float64)}
    with pytest.raises(ValueError, match="size mismatch"):
        from_rosinality(wrong, MEAN)


def test_a_file_without_the_mean_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"g_ema": plain.random_weights()}, path)
    with pytest.raises(ValueError, match="must hold the tensor 'latent_avg'"):
        rosinality(path)
