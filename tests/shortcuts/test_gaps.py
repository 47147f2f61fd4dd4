"""Gaps against accuracies written down by hand."""

from math import log

import pytest
import torch

from geomlib.shortcuts.gaps import shortcut_gaps, vote_gaps


def answers(right: dict[tuple[int, int, int], int], num: int = 100):
    """Predictions with so many right ones of each class, background and object."""
    groups = torch.tensor(list(right)).repeat_interleave(num, dim=0)
    correct = torch.cat([torch.arange(num) < k for k in right.values()])
    labels = groups[:, 0]
    return torch.where(correct, labels, 1 - labels), labels, groups[:, 1:].bool()


def test_gaps_by_hand():
    right = {(c, b, o): 0 for c in (0, 1) for b in (0, 1) for o in (0, 1)}
    # Class 0 and 1: both common 100 and 90, background alone 80 and 70 ...
    right |= {(0, 1, 1): 100, (1, 1, 1): 90, (0, 1, 0): 80, (1, 1, 0): 70}
    right |= {(0, 0, 1): 60, (1, 0, 1): 50, (0, 0, 0): 30, (1, 0, 0): 10}
    found = shortcut_gaps(*answers(right))
    inside = 0.9025 * 95 + 0.0475 * (75 + 55) + 0.0025 * 20
    assert found.in_distribution == pytest.approx(inside)
    assert found.background == pytest.approx(55 - inside)
    assert found.co_object == pytest.approx(75 - inside)
    assert found.both == pytest.approx(20 - inside)
    assert found.worst == 10


def test_classes_count_alike_though_their_images_do_not():
    predicted, labels, common = answers(
        {(c, b, o): 60 for c in (0, 1) for b in (0, 1) for o in (0, 1)}
    )
    whole = torch.cat([torch.arange(800), torch.arange(400)])  # class 0 twice
    predicted = torch.where(labels == 0, labels, predicted)
    found = shortcut_gaps(predicted[whole], labels[whole], common[whole])
    assert found.in_distribution == pytest.approx(80)
    assert found.worst == 60


def test_a_classifier_of_the_core_has_no_gap():
    _, labels, common = answers(
        {(c, b, o): 0 for c in (0, 1) for b in (0, 1) for o in (0, 1)}
    )
    found = shortcut_gaps(labels, labels, common)
    assert [round(x, 9) for x in vars(found).values()] == [100, 0, 0, 0, 100]


def test_share_moves_the_reference():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    common = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]] * 2).bool()
    by_object = torch.where(common[:, 1], labels, 1 - labels)
    assert shortcut_gaps(by_object, labels, common, share=0.5).co_object == pytest.approx(
        -50
    )
    assert shortcut_gaps(by_object, labels, common).co_object == pytest.approx(-95)


def test_bad_arguments_are_refused():
    labels = torch.zeros(4).long()
    common = torch.ones(4, 2).bool()
    with pytest.raises(ValueError, match=r"share must be between 0 and 1, got 1\.2"):
        vote_gaps(lambda b, o: 0.0, core=0.9, share=1.2)
    with pytest.raises(ValueError, match="none of class 0, background uncommon"):
        shortcut_gaps(labels, labels, common)


def test_votes_by_hand():
    cue = log(19)
    # Core 2.2, cues 2.9 each: one uncommon cue is outvoted by the other, two are not.
    found = vote_gaps(lambda b, o: cue * (b + o), core=0.9)
    inside = 0.9025 * 100 + 0.0475 * (90 + 90)
    assert found.in_distribution == pytest.approx(inside)
    assert found.background == pytest.approx(90 - inside)
    assert found.co_object == pytest.approx(90 - inside)
    assert found.both == pytest.approx(-inside)
    assert found.worst == 0


def test_votes_agree_with_a_simulation_of_bayes_rule():
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (40_000,), generator=draw)
    common = torch.rand(40_000, 2, generator=draw) < 0.7
    seen = torch.rand(40_000, generator=draw) < 0.8
    # Likelihood ratios multiply where core and cues are independent given the class.
    ratio = torch.where(seen, 4.0, 0.25) * torch.where(common, 7 / 3, 3 / 7).prod(1)
    predicted = torch.where(ratio > 1, labels, 1 - labels)
    drawn = shortcut_gaps(predicted, labels, common, share=0.7)
    exact = vote_gaps(lambda b, o: log(7 / 3) * (b + o), core=0.8, share=0.7)
    for name, value in vars(exact).items():
        assert getattr(drawn, name) == pytest.approx(value, abs=2), name


def test_ties_count_half():
    tied = vote_gaps(lambda b, o: 0.0 if o == 1 else -log(4), core=0.8)
    assert tied.co_object + tied.in_distribution == pytest.approx(40)


def test_votes_out_of_range_are_refused():
    for core in (0.5, 1.0):
        with pytest.raises(ValueError, match=r"core must be above 0\.5 and below 1"):
            vote_gaps(lambda b, o: 0.0, core=core)
