"""Sentences about Python, from Python's own help texts, and views of them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least

FEWEST_WORDS, MOST_WORDS = 8, 40  # of a sentence that is kept
# A sentence ends where a capital, a quotation mark or a bracket follows the blank.
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(])")


@dataclass(frozen=True)
class LabelledSentences:
    """Sentences, the topic of each, and the name of each topic.

    >>> len(LabelledSentences(("One of two.",), torch.zeros(1).long(), ("numbers",)))
    1
    """

    sentences: tuple[str, ...]
    labels: Int64[Tensor, " n"]
    topics: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sentences)


def pydoc_sentences(*, fewest: int = 1) -> LabelledSentences:
    """Sentences of Python's help topics, each once, in the order of the topics' names.

    Only running text: paragraphs that are indented, or look like a heading, a list or a
    table, are left out. The texts differ from one version of Python to the next, and so
    does the count: record it.

    Args:
        fewest: Leave out topics with fewer sentences.

    Raises:
        ValueError: If ``fewest`` is below 1, or no topic has so many sentences.

    Source: ``pydoc_data.topics`` of the running Python (PSF licence), as its ``help()``
    shows it.
    """
    at_least("fewest", fewest, 1)
    texts = cast(dict[str, str], import_module("pydoc_data.topics").topics)
    topic_of: dict[str, str] = {}
    for topic in sorted(texts):
        for sentence in _sentences(texts[topic]):
            topic_of.setdefault(sentence, topic)
    count = Counter(topic_of.values())
    topics = tuple(topic for topic in sorted(count) if count[topic] >= fewest)
    if not topics:
        raise ValueError(
            f"fewest must be at most {max(count.values())}, the sentences of the longest "
            f"topic, got {fewest}."
        )
    kept = {s: topics.index(topic) for s, topic in topic_of.items() if topic in topics}
    return LabelledSentences(tuple(kept), torch.tensor(list(kept.values())), topics)


@dataclass(frozen=True)
class Dropped:
    """Sentences with words left out.

    Attributes:
        sentences: What is left.
        shares: Share of the words that was dropped from each.
    """

    sentences: tuple[str, ...]
    shares: Float[Tensor, " n"]


def word_dropout(sentences: Sequence[str], *, highest: float = 0.6, seed: int) -> Dropped:
    """One random view of each sentence, in which words are missing.

    Each sentence draws a rate, uniform on ``[0, highest]``, and each of its words is
    dropped with that probability; one word always stays. What is recorded is the share
    that was dropped in fact, not the rate.

    Args:
        sentences: Words are what blanks separate.
        highest: Greatest rate, in [0, 1].
        seed: Of rates and words.

    Raises:
        ValueError: If ``highest`` is outside [0, 1], or a sentence has no word.

    >>> word_dropout(["one two three"], highest=0.0, seed=0).sentences
    ('one two three',)
    """
    draw = _generator(highest, seed)
    left: list[str] = []
    shares: list[float] = []
    for words in _words(sentences):
        rate = highest * float(torch.rand((), generator=draw))
        # The largest of the draws marks the word that stays whatever the rate.
        stays = torch.rand(len(words), generator=draw)
        kept = (stays >= rate) | (stays == stays.max())
        left.append(
            " ".join(w for w, keep in zip(words, kept.tolist(), strict=True) if keep)
        )
        shares.append(1 - float(kept.sum()) / len(words))
    return Dropped(tuple(left), torch.tensor(shares, dtype=torch.float64))


def dropout_orbit(
    sentences: Sequence[str], *, num_steps: int, highest: float = 0.6, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Path of each sentence as more and more of its words are dropped.

    Each sentence draws one order of its words; step t leaves out the first of them, a
    share that rises evenly from 0 to ``highest``, rounded. What is missing at one step is
    missing at all later ones.

    Args:
        sentences: Words are what blanks separate.
        num_steps: Steps, the whole sentence among them; at least 2.
        highest: Share that the last step drops, in [0, 1]; one word always stays.
        seed: Of the orders.

    Returns:
        The sentences of each step, in the order given.

    Raises:
        ValueError: If a number is out of range, or a sentence has no word.

    >>> dropout_orbit(["a b"], num_steps=3, highest=1.0, seed=0)[0]
    ('a b',)
    """
    at_least("num_steps", num_steps, 2)
    draw = _generator(highest, seed)
    steps: list[list[str]] = [[] for _ in range(num_steps)]
    for words in _words(sentences):
        order = torch.randperm(len(words), generator=draw)
        for t, step in enumerate(steps):
            share = highest * t / (num_steps - 1)
            gone = set(order[: min(round(share * len(words)), len(words) - 1)].tolist())
            step.append(" ".join(w for i, w in enumerate(words) if i not in gone))
    return tuple(map(tuple, steps))


def _sentences(text: str) -> list[str]:
    """Sentences of the running text in a help text."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        if any(re.match(r"[\s*\-+=|]", line) for line in lines):
            continue
        for sentence in _BREAK.split(" ".join(line.strip() for line in lines)):
            fits = FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS
            if fits and sentence.endswith((".", "!", "?")):
                found.append(sentence)
    return found


def _generator(highest: float, seed: int) -> torch.Generator:
    if not 0 <= highest <= 1:
        raise ValueError(f"highest must be between 0 and 1, got {highest}.")
    return torch.Generator().manual_seed(seed)


def _words(sentences: Sequence[str]) -> list[list[str]]:
    """Words of each sentence."""
    found = [sentence.split() for sentence in sentences]
    if not all(found):
        raise ValueError(
            f"sentences must have a word each, got none in number {found.index([])}. "
            "Drop empty ones."
        )
    return found
