"""Against SciPy's distances and by hand."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from geomlib.multimodal.retrieval import nearest, retrieval_precision


def test_neighbours_are_those_of_scipys_cosine_distance():
    generator = torch.Generator().manual_seed(0)
    queries, gallery = (torch.randn(n, 5, generator=generator) for n in (20, 50))
    order = np.argsort(cdist(queries.numpy(), gallery.numpy(), "cosine"), axis=1)
    np.testing.assert_array_equal(nearest(queries, gallery, num=7).numpy(), order[:, :7])
    labels = torch.randint(3, (70,), generator=generator)
    wanted = (labels[20:].numpy()[order[:, :7]] == labels[:20].numpy()[:, None]).mean()
    found = retrieval_precision(queries, gallery, labels[:20], labels[20:], num=7)
    assert found == pytest.approx(wanted)


def test_precision_by_hand():
    gallery = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 0, 1])
    queries, own = torch.tensor([[9.0, 0.0], [0.0, 0.5]]), torch.tensor([0, 1])
    # First query: rows 0, 1, 2. Second: rows 3, 2, 1.
    for num, wanted in ((1, 1.0), (2, 0.5), (3, 2 / 3)):
        found = retrieval_precision(queries, gallery, own, labels, num=num)
        assert found == pytest.approx(wanted)


def test_refusals():
    x, labels = torch.eye(3), torch.arange(3)
    with pytest.raises(ValueError, match="rows in gallery must be at least 4, got 3"):
        nearest(x, x, num=4)
    with pytest.raises(ValueError, match="num must be at least 1"):
        nearest(x, x, num=0)
    with pytest.raises(ValueError, match="must have one width, got 3 and 2"):
        nearest(x, x[:, :2])
    with pytest.raises(ValueError, match=r"gallery_labels must be one a row \(3\), got 2"):
        retrieval_precision(x, x, labels, labels[:2], num=1)
    with pytest.raises(ValueError, match="number of queries must be at least 1"):
        retrieval_precision(x[:0], x, labels[:0], labels, num=1)
