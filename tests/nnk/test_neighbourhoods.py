import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from geomlib.data.photographs import photographs
from geomlib.nnk.neighbourhoods import neighbourhoods, problems, usual_width
from geomlib.nnk.pruning import pruned
from geomlib.nnk.solver import kkt_violation


def patches(num_per_class: int) -> torch.Tensor:
    """Different patches of photographs, averaged to 8x8 pixels, none of them black."""
    images = photographs("train", num_per_class=num_per_class, seed=0, size=8).images
    different = images.flatten(1).unique(dim=0)
    return different[different.norm(dim=1) > 0]


def scipy_support(K: np.ndarray, q: np.ndarray) -> np.ndarray:
    root = np.linalg.cholesky(K)  # K = L L^T, so |L^T x - L^-1 q|^2 is the problem
    return nnls(root.T, np.linalg.solve(root, q))[0] > 1e-7


def compared(x: torch.Tensor, kernel: str) -> tuple[float, float, float]:
    """Largest violation, share of supports equal to SciPy's, share that pruning breaks."""
    width = usual_width(x, num_candidates=50) if kernel == "gaussian" else 1.0
    found = neighbourhoods(x, num_candidates=50, kernel=kernel, width=width)  # pyright: ignore
    same, broken, start = 0, 0, 0
    for part in problems(x, num_candidates=50, kernel=kernel, width=width):  # pyright: ignore
        rows = found.chosen[start : start + len(part.q)].numpy()
        K, q = part.K.numpy(), part.q.numpy()
        same += sum((scipy_support(K[i], q[i]) == rows[i]).all() for i in range(len(q)))
        violation = kkt_violation(part.K, part.q, pruned(part.K, part.q))
        broken += int((violation > 1e-6).sum())
        start += len(part.q)
    return float(found.violation.max()), same / len(x), broken / len(x)


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
def test_real_samples(kernel):
    violation, same, broken = compared(patches(40), kernel)
    assert violation < 1e-9
    assert same == 1
    assert broken > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
def test_ten_thousand_real_samples(kernel):
    x = patches(1050)[:10_000]
    assert len(x) == 10_000
    violation, same, broken = compared(x, kernel)
    assert violation < 1e-9
    assert same == 1
    assert broken > 0.1


def test_a_candidate_behind_another_is_none():
    line = torch.tensor([[0.0], [1.0], [2.0], [4.0]])
    found = neighbourhoods(line, num_candidates=3, kernel="gaussian", width=1.0)
    neighbours = [
        sorted(c[used].tolist())
        for c, used in zip(found.candidates, found.chosen, strict=True)
    ]
    assert neighbours[0] == [1]
    assert neighbours[1] == [0, 2]


def test_more_candidates_than_samples():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = neighbourhoods(x, num_candidates=50)
    assert found.candidates.shape == (5, 4)
    assert found.violation.max() < 1e-9
    assert (found.candidates != torch.arange(5)[:, None]).all()


@pytest.mark.parametrize("kernel", ["gaussian", "cosine"])
def test_duplicates(kernel):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=draw)
    twice = torch.cat([x, x[:1], x[:1]])
    found = neighbourhoods(twice, num_candidates=20, kernel=kernel, width=2.0)
    # A sample with duplicates is its duplicate: one neighbour, weight 1.
    for row in (0, 30, 31):
        used = found.chosen[row]
        assert used.sum() == 1
        assert found.candidates[row][used].item() in {0, 30, 31}
        assert found.weights[row][used].item() == pytest.approx(1)
    # For the others, a point that is there three times counts once.
    plain = neighbourhoods(x, num_candidates=18, kernel=kernel, width=2.0)
    assert found.violation.max() < 1e-9
    assert (found.chosen[1:30].sum(1) <= 18).all()
    together = (found.candidates == 0) | (found.candidates >= 30)
    assert ((found.chosen & together).sum(1) <= 1).all()
    assert plain.violation.max() < 1e-9


def test_isolated_point_has_no_neighbours():
    x = torch.cat([torch.randn(20, 2, generator=torch.Generator().manual_seed(0)),
                   torch.tensor([[1e4, 0.0]])])  # fmt: skip
    found = neighbourhoods(x, num_candidates=5, kernel="gaussian", width=1.0)
    assert found.chosen[-1].sum() == 0
    assert found.chosen[:-1].any(1).all()
    assert found.violation.max() < 1e-9


def test_fewer_dimensions_than_candidates():
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    found = neighbourhoods(x, num_candidates=30)
    assert found.violation.max() < 1e-9
    # Caratheodory: in 4 dimensions of the kernel, 4 candidates can carry a sample.
    assert found.chosen.sum(1).max() <= 30


def test_groups_stay_among_themselves():
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    groups = torch.arange(40) % 4
    found = neighbourhoods(x, num_candidates=9, groups=groups)
    used = groups[found.candidates][found.chosen]
    assert (used == groups[:, None].expand(-1, 9)[found.chosen]).all()
    alone = neighbourhoods(x[groups == 2], num_candidates=9)
    torch.testing.assert_close(found.weights[groups == 2], alone.weights)
    # A group of one has nobody.
    lonely = neighbourhoods(x, num_candidates=3, groups=torch.arange(40))
    assert not lonely.chosen.any()


def test_scale_of_features():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    one, other = (neighbourhoods(s * x, num_candidates=10).chosen for s in (1, 100))
    assert (one == other).all()
    gaussian = [
        neighbourhoods(s * x, num_candidates=10, kernel="gaussian") for s in (1, 100)
    ]
    assert gaussian[1].width == pytest.approx(100 * gaussian[0].width)
    assert (gaussian[0].chosen == gaussian[1].chosen).all()


def test_bad_inputs():
    x = torch.ones(4, 2) + torch.eye(4, 2)
    with pytest.raises(ValueError, match="number of samples must be at least 2"):
        neighbourhoods(x[:1], num_candidates=3)
    with pytest.raises(ValueError, match="num_candidates must be at least 1"):
        neighbourhoods(x, num_candidates=0)
    with pytest.raises(ValueError, match="features must differ"):
        neighbourhoods(torch.ones(4, 2), num_candidates=2, kernel="gaussian")
    with pytest.raises(ValueError, match="no row of zeros"):
        neighbourhoods(0 * x, num_candidates=2)
