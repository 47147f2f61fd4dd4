import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.spatial.distance import pdist

from geomlib.mgm.polytopes import affinity, polytopes
from geomlib.nnk.neighbourhoods import Neighbourhoods, neighbourhoods


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def test_affinity_against_principal_angles():
    A, B = draw(9, 3), draw(9, 7)[:, 3:]
    cosines = np.cos(subspace_angles(A.numpy(), B.numpy()))
    expected = np.sqrt((cosines**2).sum() / 3)
    bases = torch.linalg.qr(A).Q, torch.linalg.qr(B).Q
    assert affinity(*bases).item() == pytest.approx(expected, rel=1e-12)
    padded = torch.cat([bases[0], torch.zeros(9, 2)], 1)
    assert affinity(padded, bases[1]).item() == pytest.approx(expected, rel=1e-12)


def test_affinity_of_a_plane_with_a_line_in_it():
    basis = torch.linalg.qr(draw(5, 2)).Q
    assert affinity(basis, basis[:, :1]).item() == pytest.approx(1)


@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_against_numpy_sample_by_sample(kernel):
    h = draw(40, 6)
    found = neighbourhoods(h, num_candidates=8, kernel=kernel)
    shapes = polytopes(h, found, kernel)
    x = (h / h.norm(dim=1, keepdim=True) if kernel == "cosine" else h).numpy()
    near = [
        c[used].tolist() for c, used in zip(found.candidates, found.chosen, strict=True)
    ]
    for i in range(40):
        edges = (x[near[i]] - x[i]).T
        assert shapes.num_neighbours[i] == len(near[i])
        assert shapes.dimension[i] == np.linalg.matrix_rank(edges)
        widest = pdist(x[near[i]]).max() if len(near[i]) > 1 else 0.0
        assert float(shapes.diameter[i]) == pytest.approx(widest, abs=1e-7)
        each = []
        for j in near[i]:
            others = (x[near[j]] - x[j]).T
            smaller = min(np.linalg.matrix_rank(edges), np.linalg.matrix_rank(others))
            cosines = np.cos(subspace_angles(edges, others))[-smaller:]
            each.append(np.sqrt((cosines**2).sum() / smaller))
        assert float(shapes.affinity[i]) == pytest.approx(np.mean(each), abs=1e-6)


def test_a_plane_has_affinity_one_and_a_bent_line_less():
    plane = torch.cat([draw(80, 2), torch.zeros(80, 2).double()], 1)
    t = torch.arange(1, 6) * torch.linspace(0, 6, 80).double()[:, None]
    found = []
    for x in (plane, torch.cat([t.cos(), t.sin()], 1)):
        near = neighbourhoods(x, num_candidates=12, kernel="gaussian", width=0.5)
        found.append(polytopes(x, near, "gaussian").affinity)
    # Both subspaces are the plane or lie in it, except where there is one edge only.
    assert found[0].median() > 1 - 1e-9
    assert found[1].median() < 0.999


def test_a_common_offset_turns_no_angle_of_the_gaussian_kernel():
    h = draw(50, 4)
    shapes = [
        polytopes(x, neighbourhoods(x, num_candidates=9, kernel="gaussian"), "gaussian")
        for x in (h, h + 3)
    ]
    torch.testing.assert_close(shapes[0].affinity, shapes[1].affinity)


def test_no_neighbours():
    chosen = torch.zeros(3, 2)
    none = Neighbourhoods(torch.zeros(3, 2).long(), chosen, torch.zeros(3), 1.0, 0)
    shapes = polytopes(draw(3, 2), none)
    assert shapes.diameter.tolist() == [0, 0, 0]
    assert shapes.num_neighbours.tolist() == [0, 0, 0]
    assert shapes.affinity.isnan().all()
