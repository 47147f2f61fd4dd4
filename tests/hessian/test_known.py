"""Known operators have the spectrum that they promise."""

import numpy as np
import pytest
import torch

from geomlib.hessian.known import KINDS, from_spectrum, random_spectrum


@pytest.mark.parametrize("num_reflections", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_matrix_has_the_eigenvalues_asked_for(num_reflections, dtype):
    values = torch.tensor([-2.0, -2.0, 0.0, 0.5, 3.0], dtype=dtype)
    operator = from_spectrum(values, num_reflections=num_reflections, seed=1)
    matrix = operator.matmat(torch.eye(5, dtype=dtype))
    eps = torch.finfo(dtype).eps
    np.testing.assert_allclose(matrix, matrix.mT, atol=20 * eps)
    found = np.linalg.eigvalsh(matrix.double().numpy())
    np.testing.assert_allclose(found, values.double(), atol=50 * eps)
    np.testing.assert_allclose(
        operator.matvec(torch.ones(5, dtype=dtype)), matrix.sum(1), rtol=0, atol=100 * eps
    )
    assert (operator.size, operator.dtype) == (5, dtype)
    # Reflections mix: without them it is diagonal.
    off = matrix - matrix.diagonal().diag()
    assert (float(off.abs().max()) > 0.1) == (num_reflections > 0)


def test_repeated_extremes_repeat_at_both_ends():
    for seed in range(20):
        values = random_spectrum("repeated", size=30, seed=seed)
        assert (values[-3:] == values[-1]).all()
        assert values[-4] < values[-1]
        assert values[0] < -1.3
        assert 1 <= int((values == values[0]).sum()) <= 3


def test_kinds_are_what_they_say():
    def draw(kind: str) -> torch.Tensor:
        return random_spectrum(kind, size=300, seed=0)

    assert int((draw("low rank") != 0).sum()) == 6
    clustered = draw("clustered")
    assert float(clustered[99]) <= -1
    assert float(clustered[-100]) >= 1
    assert float(clustered[-1] - clustered[-100]) <= 1e-4
    assert len(draw("levels").unique()) == 5
    assert float(draw("decaying")[0]) == -3
    assert float(draw("decaying").median()) < 1
    assert abs(float(draw("normal").std()) - 1) < 0.15
    assert float(draw("uniform").abs().max()) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_values_ascend(kind):
    one, same, other = (random_spectrum(kind, size=40, seed=s) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert torch.equal(one, one.sort().values)
    if kind not in ("levels",):
        assert not torch.equal(one, other)


def test_refuses_what_is_no_spectrum():
    with pytest.raises(ValueError, match="kind must be one of"):
        random_spectrum("odd", size=10, seed=0)
    with pytest.raises(ValueError, match="size must be at least 8, got 7"):
        random_spectrum("normal", size=7, seed=0)
    with pytest.raises(ValueError, match="values must be finite"):
        from_spectrum(torch.tensor([1.0, float("nan")]))
    with pytest.raises(ValueError, match="num_reflections must be at least 0, got -1"):
        from_spectrum(torch.ones(3), num_reflections=-1)
    with pytest.raises(ValueError, match="number of values must be at least 1"):
        from_spectrum(torch.ones(0))
