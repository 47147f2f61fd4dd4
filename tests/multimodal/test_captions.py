"""Shares of right names, errors spread evenly, counts against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from geomlib.multimodal.captions import NUMBERS, WORDS, captions, word_counts


def named(sentence: str) -> int:
    (found,) = (NUMBERS.index(word) for word in sentence.split() if word in NUMBERS)
    return found


def test_half_of_the_captions_are_right_and_errors_are_even():
    digits = torch.arange(10).repeat(400)
    generator = torch.Generator().manual_seed(0)
    lines = captions(digits, num_each=3, share_right=0.5, generator=generator)
    found = torch.tensor([[named(line) for line in own] for own in lines])
    assert found.shape == (4000, 3)
    shares = (found - digits[:, None]).remainder(10).flatten().bincount() / 12000
    assert float(shares[0]) == pytest.approx(0.5, abs=0.02)
    assert shares[1:].tolist() == pytest.approx([1 / 18] * 9, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_extremes(share: float):
    digits = torch.arange(10)
    generator = torch.Generator().manual_seed(1)
    lines = captions(digits, num_each=5, share_right=share, generator=generator)
    right = [named(line) == digit for digit, own in enumerate(lines) for line in own]
    assert right == [share == 1.0] * 50


def test_counts_are_scikit_learns():
    generator = torch.Generator().manual_seed(2)
    digits = torch.arange(10)
    lines = captions(digits, num_each=4, share_right=0.5, generator=generator)
    flat = [line for own in lines for line in own]
    counter = CountVectorizer(vocabulary=list(WORDS), token_pattern=r"\S+")
    wanted = counter.fit_transform(flat).toarray()
    np.testing.assert_array_equal(word_counts(flat).numpy(), wanted)
    assert len(set(WORDS)) == len(WORDS)


def test_refusals():
    digits, generator = torch.arange(3), torch.Generator()
    with pytest.raises(ValueError, match="num_each must be at least 1"):
        captions(digits, num_each=0, share_right=0.5, generator=generator)
    for share in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="share_right must be between 0 and 1"):
            captions(digits, num_each=1, share_right=share, generator=generator)
    with pytest.raises(ValueError, match="captions' words, got 'ten'"):
        word_counts(["a ten on black"])
