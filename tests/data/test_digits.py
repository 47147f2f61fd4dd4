import pytest
import torch
from sklearn.datasets import load_digits

from geomlib.data.digits import digits

SPLITS = ("train", "validation", "test")


def test_splits_together_are_scikit_learns_digits():
    parts = [digits(split) for split in SPLITS]
    ours = torch.cat([part.images for part in parts]).flatten(1) * 16
    theirs = torch.from_numpy(load_digits().data).float()
    # No digit occurs twice in the set, so equal counts of equal rows mean disjoint splits.
    assert len(torch.unique(theirs, dim=0)) == 1797
    assert len(ours) == 1797
    assert torch.equal(torch.unique(ours, dim=0), torch.unique(theirs, dim=0))


def test_labels_belong_to_their_images():
    whole = load_digits()
    label_of = {
        tuple(row): label for row, label in zip(whole.data, whole.target, strict=True)
    }
    part = digits("validation")
    rows = (part.images.flatten(1) * 16).double().tolist()
    assert [label_of[tuple(row)] for row in rows] == part.labels.tolist()


def test_sixty_twenty_twenty_in_every_class():
    counts = torch.stack([digits(split).labels.bincount() for split in SPLITS])
    shares = counts / counts.sum(0)
    assert (shares - torch.tensor([[0.6], [0.2], [0.2]])).abs().max() < 0.01


def test_split_is_fixed():
    assert torch.equal(digits("test").images, digits("test").images)
    # As scikit-learn 1.9 draws it: results change where another version moves it.
    assert digits("test").labels[:5].tolist() == [7, 6, 3, 7, 7]


def test_refuses_an_unknown_split():
    with pytest.raises(ValueError, match=r"split must be one of train, .*, got 'dev'"):
        digits("dev")
