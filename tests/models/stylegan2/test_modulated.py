"""The two ways of a modulated convolution, and each image by itself."""

import pytest
import torch
from torch.nn import functional as F

from geomlib.models.stylegan2.filters import binomial_filter
from geomlib.models.stylegan2.modulated import modulated_convolution, rectified


def inputs(dtype, n=3, i=24, o=16, k=3, side=8):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, i, side, side, generator=generator, dtype=dtype)
    weight = torch.randn(o, i, k, k, generator=generator, dtype=dtype)
    return x, weight, torch.randn(n, i, generator=generator, dtype=dtype)


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-10)]
)
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [None, binomial_filter()])
def test_fused_and_unfused_agree(dtype, bound, demodulate, up):
    x, weight, styles = inputs(dtype)
    if not demodulate:  # lengths of about 15 otherwise, and errors with them
        weight = weight / weight[0].numel() ** 0.5
    both = [
        modulated_convolution(x, weight, styles, demodulate=demodulate, up=up, fused=fused)
        for fused in (True, False)
    ]
    assert (both[0] - both[1]).abs().max() < bound
    assert both[0].shape == (3, 16, 16, 16) if up is not None else (3, 16, 8, 8)


def test_each_image_is_convolved_by_its_own_weights():
    x, weight, styles = inputs(torch.float64)
    found = modulated_convolution(x, weight, styles)
    for image, scale, y in zip(x, styles, found, strict=True):
        own = weight * scale[:, None, None]
        own = own / own.flatten(1).norm(dim=1)[:, None, None, None]
        torch.testing.assert_close(y, F.conv2d(image[None], own, padding=1)[0])


def test_demodulation_forgets_the_length_of_the_styles():
    x, weight, styles = inputs(torch.float64)
    torch.testing.assert_close(
        modulated_convolution(x, weight, styles),
        modulated_convolution(x, weight, 9 * styles),
        rtol=1e-7,
        atol=1e-9,
    )


def test_demodulation_keeps_unit_variance():
    x, weight, styles = inputs(torch.float64, n=8, side=32)
    inner = modulated_convolution(x, weight, styles)[:, :, 1:-1, 1:-1]
    assert abs(inner.std() - 1) < 0.03


def test_rectified_by_hand():
    x = torch.tensor([[-1.0, 1.0, 100.0]])
    torch.testing.assert_close(
        rectified(x, clamp=10.0), torch.tensor([[-0.2 * 2**0.5, 2**0.5, 10.0]])
    )
