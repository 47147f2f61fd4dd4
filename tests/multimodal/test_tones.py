"""Pitch and formants of what is synthesised, order, jitter, noise, refusals."""

import pytest
import scipy.signal
import torch

from geomlib.multimodal.tones import tones


def spectrum(wave: torch.Tensor) -> torch.Tensor:
    """Power at whole hertz, 0 to 4000, of one wave."""
    return torch.fft.rfft(wave.double(), n=8000).abs().square()


def test_pitch_is_the_speakers_up_to_the_fall():
    quiet = tones(num_each=1, noise=0.0, jitter=0.0, seed=0)
    for speaker, pitch in enumerate((100, 115, 135, 165, 190, 220)):
        wave = quiet.waves[(quiet.speakers == speaker) & (quiet.digits == 0)][0]
        voiced = wave[500:1500]  # begins at 480, and has hardly fallen
        found = scipy.signal.correlate(voiced, voiced)[len(voiced) - 1 :]
        period = 30 + int(found[30:120].argmax())
        assert 8000 / period == pytest.approx(pitch, rel=0.09)


def test_power_lies_around_the_first_formant():
    quiet = tones(num_each=1, noise=0.0, jitter=0.0, seed=0)
    # Digit 0 glides from 270 to 530 hertz, digit 2 from 730 to 570, times 0.9.
    for digit, low, high in ((0, 180, 560), (2, 430, 780)):
        wave = quiet.waves[(quiet.speakers == 0) & (quiet.digits == digit)][0]
        power = spectrum(wave)
        assert float(power[low:high].sum() / power.sum()) > 0.6


def test_ten_digits_six_speakers_and_no_two_alike():
    found = tones(num_each=2, seed=3)
    assert len(found) == 120
    pairs = torch.stack([found.digits, found.speakers], 1)
    assert (pairs.unique(dim=0, return_counts=True)[1] == 2).all()
    assert len(found.waves.unique(dim=0)) == 120
    assert found.waves.abs().amax(1).tolist() == pytest.approx([1.0] * 120)
    assert torch.equal(found.waves, tones(num_each=2, seed=3).waves)
    assert not torch.equal(found.waves, tones(num_each=2, seed=4).waves)


def test_another_digit_has_the_same_vowels_in_the_other_order():
    quiet = tones(num_each=1, noise=0.0, jitter=0.0, seed=0)
    there, back = (
        quiet.waves[(quiet.speakers == 1) & (quiet.digits == digit)][0] for digit in (0, 5)
    )
    # The parts lie between 480 and 1600, and between 1600 and 2720.
    early, late = slice(600, 1400), slice(1800, 2600)
    for one, other in ((early, late), (late, early)):
        a, b = spectrum(there[one]), spectrum(back[other])
        c = spectrum(back[one])
        assert float((a - b).abs().sum()) < float((a - c).abs().sum())


def test_noise_lies_within_an_octave_of_what_is_asked_for():
    for wave in tones(num_each=1, noise=0.1, jitter=0.0, seed=1).waves[:20]:
        silence, whole = (float(part.square().mean()) for part in (wave[:400], wave))
        assert 0.04 < (silence / (whole - silence)) ** 0.5 < 0.22


def test_refusals():
    with pytest.raises(ValueError, match="num_each must be at least 1"):
        tones(num_each=0, seed=0)
    with pytest.raises(ValueError, match="noise must be at least 0"):
        tones(num_each=1, noise=-0.1, seed=0)
    with pytest.raises(ValueError, match="jitter must be at least 0"):
        tones(num_each=1, jitter=-1.0, seed=0)
