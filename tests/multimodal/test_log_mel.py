"""Against SciPy's spectrogram, partition of unity, pure tones, refusals."""

import math

import numpy as np
import pytest
import scipy.signal
import torch

from geomlib.multimodal.log_mel import log_mel, mel, mel_filters


def test_power_is_that_of_scipys_spectrogram():
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(3, 2000, generator=generator, dtype=torch.float64)
    waves /= waves.abs().amax(1, keepdim=True)
    found = log_mel(waves, rate=8000, num_bands=12, floor=1e-9).exp() - 1e-9
    _, _, power = scipy.signal.spectrogram(
        waves.numpy(),
        fs=1.0,
        window=scipy.signal.get_window("hann", 256),
        nperseg=256,
        noverlap=128,
        detrend=False,
        scaling="density",
        mode="psd",
    )
    # Density is one-sided, 2 |X|^2 / sum w^2, the two ends apart, which bands leave out.
    weights = mel_filters(12, num_bins=129, rate=8000).numpy()
    np.testing.assert_allclose(
        found[:, 0].numpy(), weights @ power / 256, rtol=1e-10, atol=1e-14
    )


def test_tone_of_a_bands_centre_fills_that_band_with_half_its_squared_amplitude():
    time = torch.arange(8000, dtype=torch.float64) / 8000
    top = float(mel(torch.tensor([4000.0], dtype=torch.float64)))
    for band in (3, 9, 12):
        frequency = 700 * (10 ** ((band + 1) * top / 14 / 2595) - 1)
        wave = 0.3 * (2 * math.pi * frequency * time).sin()
        found = log_mel(wave[None], rate=8000, num_bands=13).exp()
        assert int(found[0, 0].mean(1).argmax()) == band
        # Amplitude drops out: the wave is divided by its largest value.
        assert float(found.sum(2).mean()) == pytest.approx(0.5, abs=0.01)


def test_filters_sum_to_one_between_the_outer_centres():
    filters = mel_filters(20, num_bins=400, rate=8000)
    inside = slice(int(filters[0].argmax()) + 1, int(filters[-1].argmax()))
    torch.testing.assert_close(filters.sum(0)[inside], torch.ones_like(filters[0, inside]))
    assert filters.min() == 0
    assert filters[:, 0].max() == 0
    assert filters[:, -1].max() < 1e-12


def test_loudness_drops_out_and_silence_stays():
    wave = torch.randn(1, 600, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(log_mel(wave, rate=8000), log_mel(wave / 50, rate=8000))
    silence = log_mel(torch.zeros(1, 600), rate=8000)
    torch.testing.assert_close(silence, torch.full_like(silence, math.log(1e-6)))


def test_refusals():
    with pytest.raises(ValueError, match="samples of a wave must be at least 256, got 100"):
        log_mel(torch.zeros(1, 100), rate=8000)
    with pytest.raises(ValueError, match="floor must be a finite number above 0"):
        log_mel(torch.zeros(1, 300), rate=8000, floor=0.0)
    with pytest.raises(ValueError, match="hop must be at least 1"):
        log_mel(torch.zeros(1, 300), rate=8000, hop=0)
    with pytest.raises(ValueError, match="num_bands must be at least 1"):
        mel_filters(0, num_bins=4, rate=8000)
    with pytest.raises(ValueError, match="rate must be a finite number above 0"):
        mel_filters(2, num_bins=4, rate=-1.0)
