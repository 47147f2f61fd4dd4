"""Written-out sums, a case by hand, collapse, a bag's best candidate, refusals."""

import math

import numpy as np
import pytest
import torch

from geomlib.multimodal.nce import mil_nce, nce


def by_loops(z: np.ndarray, texts: np.ndarray, temperature: float) -> float:
    def e(i: int, j: int, m: int) -> float:
        a, b = z[i], texts[j, m]
        return math.exp(a @ b / np.linalg.norm(a) / np.linalg.norm(b) / temperature)

    n, c = texts.shape[:2]
    total = 0.0
    for i in range(n):
        own = sum(e(i, i, m) for m in range(c))
        others = sum(e(i, j, m) + e(j, i, m) for j in range(n) if j != i for m in range(c))
        total -= math.log(own / (own + others))
    return total / n


def drawn(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_against_the_sums_written_out(temperature: float):
    z, texts = drawn(5, 4, seed=0), drawn(5, 3, 4, seed=1)
    found = mil_nce(z, texts, temperature=temperature).item()
    assert found == pytest.approx(
        by_loops(z.numpy(), texts.numpy(), temperature), rel=1e-12
    )
    found = nce(z, texts[:, 0], temperature=temperature).item()
    wanted = by_loops(z.numpy(), texts[:, :1].numpy(), temperature)
    assert found == pytest.approx(wanted, rel=1e-12)


def test_two_orthogonal_pairs_by_hand():
    # Own cosine 1, the four mixed ones 0: log(e + 2) - 1 for each clip.
    z = torch.eye(2, dtype=torch.float64)
    assert nce(z, z, temperature=1.0).item() == pytest.approx(math.log(math.e + 2) - 1)
    # One right candidate and one opposite to it: log(e + 1/e + 4) - log(e + 1/e).
    bag = torch.stack([z, -z], dim=1)
    own = math.e + 1 / math.e
    assert mil_nce(z, bag, temperature=1.0).item() == pytest.approx(
        math.log(own + 4) - math.log(own)
    )


@pytest.mark.parametrize("num_candidates", [1, 4])
def test_collapse_gives_the_logarithm_of_2n_less_1(num_candidates: int):
    z = torch.ones(6, 3, dtype=torch.float64)
    bag = torch.ones(6, num_candidates, 3, dtype=torch.float64)
    assert mil_nce(z, bag, temperature=0.07).item() == pytest.approx(math.log(11))


def test_one_good_candidate_is_enough_and_lengths_do_not_matter():
    z = torch.eye(6, dtype=torch.float64)
    useless = -torch.ones(6, 6, dtype=torch.float64)
    bag = torch.stack([3 * z, useless], dim=1)
    assert mil_nce(z, bag, temperature=0.05).item() < 1e-6
    other = drawn(6, 2, 6, seed=2)
    torch.testing.assert_close(
        mil_nce(z, other, temperature=0.3), mil_nce(7 * z, other / 5, temperature=0.3)
    )


def test_nce_does_not_care_which_modality_comes_first():
    a, b = drawn(5, 3, seed=3), drawn(5, 3, seed=4)
    torch.testing.assert_close(nce(a, b, temperature=0.2), nce(b, a, temperature=0.2))


def test_gradient_against_finite_differences():
    z, texts = drawn(3, 2, seed=5).requires_grad_(), drawn(3, 2, 2, seed=6).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: mil_nce(a, b, temperature=0.5), (z, texts))


def test_refusals():
    z = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="z1 and z2 must have one shape"):
        nce(z, torch.zeros(4, 2), temperature=1.0)
    with pytest.raises(ValueError, match="z and candidates of one number must have one"):
        mil_nce(z, torch.zeros(4, 1, 2), temperature=1.0)
    with pytest.raises(ValueError, match="rows in z must be at least 2, got 1"):
        nce(z[:1], z[:1], temperature=1.0)
    with pytest.raises(ValueError, match="number of candidates must be at least 1"):
        mil_nce(z, torch.zeros(3, 0, 2), temperature=1.0)
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        nce(z, z, temperature=0.0)
