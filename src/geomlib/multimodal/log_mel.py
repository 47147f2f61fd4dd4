"""Log-mel spectrograms: power in bands of equal width in pitch, over time."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive


def log_mel(
    waves: Float[Tensor, "n s"],
    *,
    rate: float,
    num_bands: int = 32,
    window: int = 256,
    hop: int = 128,
    floor: float = 1e-6,
) -> Float[Tensor, "n 1 b f"]:
    """Logarithm of the power in each band and each window, as one-channel images.

    Windows (periodic Hann, scaled so that their squares have mean 1) begin every ``hop``
    samples and none hangs over an end. Each wave is first divided by its largest
    absolute value, so that loudness drops out; silence stays silence.

    Args:
        waves: Sounds of one length.
        rate: Samples a second, in hertz.
        num_bands: Bands b, from 0 hertz to half the rate.
        window: Samples of a window.
        hop: Samples from one window to the next.
        floor: Added to the power, in squared units of the largest value.

    Raises:
        ValueError: If a wave is shorter than a window or a number is out of range.

    >>> log_mel(torch.zeros(2, 512), rate=8000, floor=1.0).shape
    torch.Size([2, 1, 32, 3])
    """
    at_least("window", window, 2)
    at_least("hop", hop, 1)
    at_least("number of samples of a wave", waves.shape[1], window)
    positive("floor", floor)
    peak = waves.abs().amax(1, keepdim=True)
    level = torch.where(peak > 0, waves / peak.clamp_min(1e-12), waves)
    shape = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    # Mean power of a sine of amplitude 1 is then spread over few bins, and sums to 1/2.
    shape = shape / shape.square().sum().sqrt() * (2 / window) ** 0.5
    frames = level.unfold(1, window, hop) * shape  # [n f s]
    power = torch.fft.rfft(frames).abs().square()  # [n f w]
    bands = mel_filters(num_bands, num_bins=window // 2 + 1, rate=rate).to(power)
    return (power @ bands.T + floor).log().mT[:, None]


def mel_filters(num_bands: int, *, num_bins: int, rate: float) -> Float[Tensor, "b w"]:
    r"""Triangles that overlap by half, of equal width on the mel scale.

    The scale is :math:`m(f) = 2595 \log_{10}(1 + f / 700)`. Between the first centre and
    the last the weights of every frequency sum to 1.

    Args:
        num_bands: Triangles b.
        num_bins: Frequencies w, evenly from 0 to half the rate.
        rate: Samples a second, in hertz.

    Raises:
        ValueError: If a number is out of range.

    Source: O'Shaughnessy 1987 for the scale. Davis and Mermelstein 1980 for the
    triangles, whose centres are spaced otherwise there; none is normalised to unit area.

    >>> mel_filters(2, num_bins=5, rate=8000.0).shape
    torch.Size([2, 5])
    """
    at_least("num_bands", num_bands, 1)
    at_least("num_bins", num_bins, 2)
    positive("rate", rate)
    ends = mel(torch.tensor([0.0, rate / 2], dtype=torch.float64))
    frequencies = torch.linspace(0, rate / 2, num_bins, dtype=torch.float64)
    # In units of half a triangle's width, from 0 to b + 1; centres at 1 to b.
    places = mel(frequencies) / ends[1] * (num_bands + 1)
    centres = torch.arange(1, num_bands + 1, dtype=torch.float64)
    return (1 - (places - centres[:, None]).abs()).relu()


def mel(frequencies: Float[Tensor, " w"]) -> Float[Tensor, " w"]:
    """Mels of frequencies in hertz; 1000 hertz are 1000 mel, very nearly.

    >>> [round(m) for m in mel(torch.tensor([0.0, 1000.0])).tolist()]
    [0, 1000]
    """
    return 2595 * (1 + frequencies / 700).log10()
