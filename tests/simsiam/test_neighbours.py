"""Nearest neighbours, against scikit-learn's."""

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from geomlib.simsiam.neighbours import neighbour_accuracy


@pytest.mark.parametrize("num_neighbours", [1, 5])
def test_accuracy_is_scikit_learns(num_neighbours):
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 6, generator=draw)
    labels = torch.randint(4, (150,), generator=draw)
    z = centres[labels] + torch.randn(150, 6, generator=draw)
    theirs = KNeighborsClassifier(num_neighbours, metric="cosine")
    theirs.fit(z[:100].numpy(), labels[:100].numpy())
    expected = theirs.score(z[100:].numpy(), labels[100:].numpy())
    ours = neighbour_accuracy(
        z[:100], labels[:100], 3 * z[100:], labels[100:], num_neighbours=num_neighbours
    )
    assert 0.4 < ours < 1
    assert ours == pytest.approx(expected)


def test_bad_inputs_are_refused():
    z, labels = torch.eye(3), torch.arange(3)
    with pytest.raises(ValueError, match="number of known rows must be at least 5, got 3"):
        neighbour_accuracy(z, labels, z, labels)
    with pytest.raises(ValueError, match="number of rows to classify must be at least 1"):
        neighbour_accuracy(z, labels, z[:0], labels[:0], num_neighbours=1)
    with pytest.raises(ValueError, match="num_neighbours must be at least 1"):
        neighbour_accuracy(z, labels, z, labels, num_neighbours=0)
