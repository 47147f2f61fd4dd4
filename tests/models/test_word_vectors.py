"""Means of random word vectors."""

import pytest
import torch

from geomlib.models.word_vectors import random_word_vectors


def test_rows_have_length_one_and_depend_on_the_words_alone():
    found = random_word_vectors(["a b c", "C b a", "a b", "d"], dim=200)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[3], random_word_vectors(["x", "d"], dim=200)[1])


def test_sentences_are_near_as_far_as_they_share_words():
    # Gaussian vectors of many dimensions are nearly orthogonal: the cosine of two means is
    # the shared words over the root of the product of both counts.
    found = random_word_vectors(["a b c d", "a b", "e f"], dim=20_000)
    cosines = found @ found.T
    assert float(cosines[0, 1]) == pytest.approx(2 / 8**0.5, abs=0.03)
    assert float(cosines[0, 2]) == pytest.approx(0, abs=0.03)


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="number of sentences must be at least 1"):
        random_word_vectors([], dim=4)
    with pytest.raises(ValueError, match="number of words in each sentence must be at l"):
        random_word_vectors(["a", " "], dim=4)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        random_word_vectors(["a"], dim=0)
