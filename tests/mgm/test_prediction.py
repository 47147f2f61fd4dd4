import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from geomlib.mgm.prediction import (
    improved,
    leave_one_out_r2,
    permutation_share,
    rank_correlation,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def test_against_scikit_learn():
    x, y = draw(12, 2), draw(12, seed=1) + draw(12, 2)[:, 0]
    predicted = cross_val_predict(
        LinearRegression(), x.numpy(), y.numpy(), cv=LeaveOneOut()
    )
    others = torch.stack([torch.cat([y[:i], y[i + 1 :]]).mean() for i in range(12)])
    errors = (y - torch.from_numpy(predicted)).square().sum()
    expected = 1 - errors / (y - others).square().sum()
    assert leave_one_out_r2(x, y).item() == pytest.approx(expected.item())
    both = leave_one_out_r2(torch.stack([x, 3 * x]), torch.stack([y, y]))
    assert both.tolist() == pytest.approx([expected.item()] * 2)


def test_improved_task_by_task():
    in_domain, metric, noise = draw(12), draw(12, seed=1), draw(12, seed=2)
    scores = torch.stack([in_domain + metric, in_domain + 0.01 * noise], 1)
    metrics = torch.stack([metric, noise.roll(1)], 1)
    found = improved(in_domain, metrics[None], scores)
    assert found.shape == (1, 2)
    assert found[0, 0]
    for task in range(2):
        alone = leave_one_out_r2(in_domain[:, None], scores[:, task])
        joint = leave_one_out_r2(
            torch.stack([in_domain, metrics[:, task]], 1), scores[:, task]
        )
        assert found[0, task] == ((joint > alone) & (joint > 0))


def test_permutations():
    in_domain, metric = draw(14), draw(14, 3, seed=1)
    told = permutation_share(
        in_domain, metric, metric + 0.1 * draw(14, 3, seed=2), num_draws=199, seed=0
    )
    assert told == pytest.approx(1 / 200)
    shares = [
        permutation_share(
            draw(14, seed=s),
            draw(14, 3, seed=50 + s),
            draw(14, 3, seed=99 + s),
            num_draws=39,
            seed=0,
        )
        for s in range(12)
    ]
    assert sum(shares) / 12 > 0.3


def test_rank_correlation_with_ties():
    a, b = draw(15).mul(2).round(), draw(15, seed=1).mul(2).round()
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, torch.ones(15)) == 0


def test_bad_inputs():
    with pytest.raises(ValueError, match="number of encoders must be at least 5"):
        leave_one_out_r2(draw(4, 2), draw(4))
    with pytest.raises(ValueError, match="predictors must be finite"):
        leave_one_out_r2(draw(6, 1) * torch.nan, draw(6))
    with pytest.raises(ValueError, match="num_draws must be at least 1"):
        permutation_share(draw(6), draw(6, 2), draw(6, 2), num_draws=0, seed=0)
    with pytest.raises(ValueError, match="number of values must be at least 3"):
        rank_correlation(draw(2), draw(2))
