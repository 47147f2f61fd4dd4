"""Captions that name a digit, often the wrong one, and counts of their words."""

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from geomlib.checks import at_least

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"
)  # fmt: skip
_SENTENCES = (
    "here comes a {}",
    "now you see the {}",
    "the {} moves along",
    "this is how a {} is written",
    "a {} on black",
)
WORDS = tuple(
    sorted({word for line in _SENTENCES for word in line.format("").split()} | {*NUMBERS})
)


def captions(
    digits: Int64[Tensor, " n"],
    *,
    num_each: int,
    share_right: float,
    generator: torch.Generator,
) -> list[list[str]]:
    """Sentences for each clip; each names the clip's digit, or else a random other one.

    None says how the digit moves.

    Args:
        digits: Digit of each clip.
        num_each: Captions of a clip.
        share_right: Probability that a caption names the right digit.
        generator: Of sentences and errors, on the CPU.

    Raises:
        ValueError: If ``num_each`` is below 1 or ``share_right`` is outside [0, 1].

    >>> generator = torch.Generator().manual_seed(0)
    >>> digits = torch.tensor([7, 2])
    >>> both = captions(digits, num_each=1, share_right=1.0, generator=generator)
    >>> ["seven" in both[0][0], "two" in both[1][0]]
    [True, True]
    """
    at_least("num_each", num_each, 1)
    if not 0 <= share_right <= 1:
        raise ValueError(f"share_right must be between 0 and 1, got {share_right}.")
    shape = (len(digits), num_each)
    wrong = torch.rand(shape, generator=generator) >= share_right
    error = torch.randint(1, 10, shape, generator=generator)
    named = (digits.cpu()[:, None] + wrong * error) % 10
    lines = torch.randint(len(_SENTENCES), shape, generator=generator)
    return [
        [_SENTENCES[j].format(NUMBERS[i]) for i, j in zip(row, line, strict=True)]
        for row, line in zip(named.tolist(), lines.tolist(), strict=True)
    ]


def word_counts(sentences: list[str]) -> Float32[Tensor, "n w"]:
    """How often each of ``WORDS`` stands in each sentence.

    Raises:
        ValueError: If a word is none of them.

    >>> int(word_counts(["a seven on black"]).sum())
    4
    """
    position = {word: i for i, word in enumerate(WORDS)}
    places = [
        row * len(WORDS) + _known(word, position)
        for row, sentence in enumerate(sentences)
        for word in sentence.split()
    ]
    counts = torch.tensor(places, dtype=torch.int64).bincount(
        minlength=len(sentences) * len(WORDS)
    )
    return counts.view(len(sentences), len(WORDS)).float()


def _known(word: str, position: dict[str, int]) -> int:
    """Position of a word, or an error that shows it."""
    if word not in position:
        raise ValueError(f"sentences must be made of the captions' words, got {word!r}.")
    return position[word]
