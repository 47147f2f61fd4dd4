"""Sentences of Python's help texts, and views of them with words left out."""

import sys
import types
from itertools import pairwise

import pytest
import torch

from geomlib.data.pydoc_text import dropout_orbit, pydoc_sentences, word_dropout

TEXT = {
    "one": (
        'The "one" topic\n***************\n\n'
        "A sentence that runs over two lines has eight\nwords, at least. Too few.\n\n"
        "   An indented paragraph of more than eight words is left out here.\n\n"
        "* A list of things that has more than eight words is left out too.\n\n"
        "A second sentence of the topic has eight words, too.\n"
    ),
    "two": (
        "A second sentence of the topic has eight words, too.  "
        "Is a question with its mark a sentence, like this one?\n"
    ),
}


@pytest.fixture
def topics(monkeypatch):
    module = types.ModuleType("pydoc_data.topics")
    module.topics = TEXT
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)


def test_running_text_becomes_sentences_and_each_comes_once(topics):
    found = pydoc_sentences()
    assert found.sentences == (
        "A sentence that runs over two lines has eight words, at least.",
        "A second sentence of the topic has eight words, too.",
        "Is a question with its mark a sentence, like this one?",
    )
    assert [found.topics[i] for i in found.labels] == ["one", "one", "two"]


def test_small_topics_are_left_out(topics):
    found = pydoc_sentences(fewest=2)
    assert found.topics == ("one",)
    assert len(found) == 2


@pytest.mark.parametrize("fewest", [0, 3])
def test_impossible_numbers_of_sentences_are_refused(topics, fewest):
    with pytest.raises(ValueError, match=f"fewest must be at .*, got {fewest}"):
        pydoc_sentences(fewest=fewest)


def test_pythons_own_texts_give_hundreds_of_sentences():
    found = pydoc_sentences(fewest=8)
    assert len(found) == len(set(found.sentences)) > 400
    assert len(found.topics) > 15
    assert found.labels.bincount().min() >= 8


def test_recorded_share_is_what_is_missing():
    sentences = [" ".join(f"w{i}" for i in range(n)) for n in range(1, 200)]
    dropped = word_dropout(sentences, highest=0.6, seed=3)
    for before, after, share in zip(
        sentences, dropped.sentences, dropped.shares.tolist(), strict=True
    ):
        words = before.split()
        left = after.split()
        assert share == pytest.approx(1 - len(left) / len(words))
        assert left == [word for word in words if word in set(left)]  # the order stays


def test_rates_are_uniform_up_to_the_highest():
    # U(0, 0.6) has mean 0.3 and deviation 0.173; long sentences show their rate.
    shares = word_dropout([" ".join("x" * 2000)] * 400, highest=0.6, seed=0).shares
    assert shares.mean() == pytest.approx(0.3, abs=0.03)
    assert shares.std() == pytest.approx(0.6 / 12**0.5, abs=0.01)
    assert shares.max() < 0.65


def test_one_word_always_stays():
    dropped = word_dropout(["a b c d"] * 200, highest=1.0, seed=0)
    assert all(dropped.sentences)
    assert dropped.shares.max() == 0.75


def test_seed_decides_what_is_dropped():
    sentences = ["one two three four five six seven eight"] * 20
    same, again = (word_dropout(sentences, seed=1).sentences for _ in range(2))
    assert same == again != word_dropout(sentences, seed=2).sentences


def test_orbit_drops_more_and_more_of_the_same_words():
    sentence = " ".join(f"w{i}" for i in range(10))
    steps = dropout_orbit([sentence, "only"], num_steps=4, highest=0.6, seed=0)
    assert steps[0] == (sentence, "only")
    assert [len(step[0].split()) for step in steps] == [10, 8, 6, 4]
    for earlier, later in pairwise(steps):
        assert set(later[0].split()) < set(earlier[0].split())
    assert {step[1] for step in steps} == {"only"}


def test_whole_dropout_leaves_one_word():
    steps = dropout_orbit(["a b c"], num_steps=2, highest=1.0, seed=0)
    assert len(steps[1][0].split()) == 1


@pytest.mark.parametrize("highest", [-0.1, 1.1, float("nan")])
def test_rates_outside_zero_to_one_are_refused(highest):
    with pytest.raises(ValueError, match="highest must be between 0 and 1"):
        word_dropout(["a b"], highest=highest, seed=0)
    with pytest.raises(ValueError, match="highest must be between 0 and 1"):
        dropout_orbit(["a b"], num_steps=3, highest=highest, seed=0)


def test_sentences_without_words_and_orbits_of_one_step_are_refused():
    with pytest.raises(ValueError, match="sentences must have a word each, got none in nu"):
        word_dropout(["a", " "], seed=0)
    with pytest.raises(ValueError, match="num_steps must be at least 2, got 1"):
        dropout_orbit(["a"], num_steps=1, seed=0)


def test_labels_are_whole_numbers(topics):
    assert pydoc_sentences().labels.dtype == torch.int64
