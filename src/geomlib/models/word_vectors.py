"""A sentence encoder without training: the mean of random word vectors."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least


def random_word_vectors(sentences: Sequence[str], *, dim: int) -> Float32[Tensor, "n d"]:
    """Mean of a Gaussian vector for each word, divided by its length.

    A word's vector depends on the word alone, so that it is the same in every sentence
    and every run. Sentences are near each other as far as they share words.

    Args:
        sentences: Words are what blanks separate; case does not count.
        dim: Width of the embedding.

    Raises:
        ValueError: If there is no sentence, one has no word, or ``dim`` is below 1.

    >>> a, b = random_word_vectors(["one two", "Two one"], dim=4)
    >>> bool((a == b).all())
    True
    """
    at_least("number of sentences", len(sentences), 1)
    at_least("dim", dim, 1)
    vectors: dict[str, np.ndarray] = {}
    found: list[np.ndarray] = []
    for sentence in sentences:
        words = sorted(sentence.lower().split())
        at_least("number of words in each sentence", len(words), 1)
        for word in words:
            if word not in vectors:
                draw = np.random.default_rng(crc32(word.encode()))
                vectors[word] = draw.standard_normal(dim, dtype=np.float32)
        found.append(np.mean([vectors[word] for word in words], axis=0))
    return F.normalize(torch.from_numpy(np.stack(found)), dim=1)
