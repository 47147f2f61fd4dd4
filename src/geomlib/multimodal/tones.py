"""Synthesised spoken digits, for a machine that has no recordings.

A digit is two vowels, one gliding into the other. The same two in the other order are
another digit, so that no moment of it is enough.
"""

import math

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least
from geomlib.multimodal.recordings import NUM_SAMPLES, NUM_SPEAKERS, RATE, Recordings

# First and second formant in hertz of the vowels in heed, head, hod, hawed, who'd.
_FORMANTS = (
    (270.0, 2290.0),
    (530.0, 1840.0),
    (730.0, 1090.0),
    (570.0, 840.0),
    (300.0, 870.0),
)
_VOWELS = tuple((i, (i + 1) % 5) for i in range(5)) + tuple(
    ((i + 1) % 5, i) for i in range(5)
)
# Pitch in hertz, length of the vocal tract (a factor on formants), and how fast harmonics
# fade: the six timbres.
_SPEAKERS = (
    (100.0, 0.90, 0.6),
    (115.0, 1.02, 1.2),
    (135.0, 0.95, 0.9),
    (165.0, 1.10, 0.6),
    (190.0, 1.00, 1.2),
    (220.0, 1.14, 0.9),
)
_STEP = 64  # samples between two values of an envelope


def tones(
    *, num_each: int, noise: float = 0.1, jitter: float = 1.0, seed: int
) -> Recordings:
    """Two-vowel sounds for ten digits in six timbres, no two alike.

    Of every recording pitch (by up to 8 % either way), both formants of both vowels (6 %),
    the length of each vowel (80 to 200 ms), the start (0 to 120 ms), the fall of the
    pitch (to 85 % at most) and the level of the white noise (from a half of ``noise`` to
    its double) are drawn.

    Args:
        num_each: Recordings of each digit by each speaker.
        noise: Root mean square of white noise, in units of that of the voice.
        jitter: Factor on how far pitch, formants, lengths and starts stray.
        seed: Of everything that is drawn.

    Raises:
        ValueError: If ``num_each`` is below 1, or ``noise`` or ``jitter`` is negative.

    Source: formants of men's vowels as Peterson and Barney 1952 have measured them.
    """
    at_least("num_each", num_each, 1)
    at_least("noise", noise, 0)
    at_least("jitter", jitter, 0)
    generator = torch.Generator().manual_seed(seed)
    own = torch.arange(10 * NUM_SPEAKERS).repeat_interleave(num_each)
    digits, speakers = own // NUM_SPEAKERS, own % NUM_SPEAKERS
    waves = [
        _said(digit, speaker, noise, jitter, generator)
        for digit, speaker in zip(digits.tolist(), speakers.tolist(), strict=True)
    ]
    return Recordings(torch.stack(waves), digits, speakers)


def _said(
    digit: int, speaker: int, noise: float, jitter: float, generator: torch.Generator
) -> Float32[Tensor, " s"]:
    """One recording."""
    pitch, tract, fade = _SPEAKERS[speaker]
    u = torch.rand(10, generator=generator)
    stray = jitter * (2 * u - 1)
    pitch *= float((0.08 * stray[0]).exp())
    formants = torch.tensor([_FORMANTS[vowel] for vowel in _VOWELS[digit]])
    formants = tract * formants * (0.06 * stray[1:5].view(2, 2)).exp()  # [vowel formant]
    first, second = ((0.14 + 0.06 * stray[5:7]).clamp_min(0.02) * RATE).tolist()
    start = max(0.0, float(0.06 + 0.06 * stray[7])) * RATE
    time = torch.arange(NUM_SAMPLES, dtype=torch.float32) - start
    progress = (time / (first + second)).clamp(0, 1)
    # The phase is the integral of the pitch, which falls in a straight line.
    fall = 0.15 * float(u[8])
    cycles = pitch / RATE * (time - fall / 2 * progress * time)
    orders = torch.arange(1, 1 + int(0.45 * RATE / pitch))[:, None]
    loud = _loudness(orders * pitch, orders, formants, fade, time[::_STEP], first, second)
    loud = F.interpolate(loud[None], size=NUM_SAMPLES, mode="linear")[0]
    voice = (loud * (2 * math.pi * orders * cycles).sin()).sum(0)
    level = noise * 2 ** float(2 * u[9] - 1)
    hiss = torch.randn(NUM_SAMPLES, generator=generator)
    wave = voice / voice.square().mean().sqrt() + level * hiss
    return wave / wave.abs().max()


def _loudness(
    frequencies: Tensor,
    orders: Tensor,
    formants: Tensor,
    fade: float,
    time: Tensor,
    first: float,
    second: float,
) -> Float32[Tensor, "h e"]:
    """Amplitude of each harmonic over time, zero before the start and after the end."""
    # From the first vowel to the second within about 40 ms, around the seam.
    mixed = ((time - first) / (0.01 * RATE)).sigmoid()
    loud = torch.zeros(len(frequencies), len(time))
    for start, end in formants.T.tolist():
        centre = start + (end - start) * mixed
        width = 50 + 0.06 * centre
        loud = loud + 1 / (1 + ((frequencies - centre) / width).square())
    rise = (time / (0.02 * RATE)).clamp(0, 1)
    end = ((first + second - time) / (0.04 * RATE)).clamp(0, 1)
    return loud * rise * end * orders.float() ** -fade
