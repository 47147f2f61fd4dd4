"""Whether metrics of encoders predict their scores: leave-one-out, and permutations."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomlib.checks import at_least, finite, same_shape


def leave_one_out_r2(
    predictors: Float[Tensor, "*b n p"], scores: Float[Tensor, "*b n"]
) -> Float[Tensor, "*b"]:
    r"""R2 of least squares with intercept, each encoder predicted from the others.

    :math:`1 - \sum_i (y_i - \hat y_{-i})^2 / \sum_i (y_i - \bar y_{-i})^2`, where both the
    fit and the mean leave encoder i out: 0 is no better than the others' mean, below 0 is
    worse. With the hat matrix H the errors are :math:`e_i / (1 - H_{ii})`, so one fit
    serves for all.

    Args:
        predictors: One row an encoder.
        scores: What is predicted.

    Raises:
        ValueError: If there are not at least two encoders more than predictors, or a
            value is not finite.

    Source: for the hat matrix, any text on regression.

    >>> x = torch.arange(5.0)
    >>> round(leave_one_out_r2(x[:, None], 2 * x + 1).item(), 6)
    1.0
    """
    num, width = predictors.shape[-2:]
    at_least("number of encoders", num, width + 3)
    finite("predictors", predictors)
    finite("scores", scores)
    x, y = predictors.double(), scores.double()
    ones = torch.ones_like(x[..., :1])
    Q = torch.linalg.qr(torch.cat([ones, x - x.mean(-2, keepdim=True)], -1)).Q
    error = y - (Q @ (Q.mT @ y[..., None]))[..., 0]
    left_out = error / (1 - Q.square().sum(-1))
    # The same with the intercept alone: H_ii = 1 / n.
    plain = (y - y.mean(-1, keepdim=True)) * num / (num - 1)
    return 1 - left_out.square().sum(-1) / plain.square().sum(-1)


def improved(
    in_domain: Float[Tensor, " n"],
    metrics: Float[Tensor, "*b n t"],
    scores: Float[Tensor, "n t"],
) -> Bool[Tensor, "*b t"]:
    """On which tasks a metric beside the in-domain score predicts better than that alone.

    Better is a higher leave-one-out R2 that is above zero.

    Args:
        in_domain: Score of each encoder on the task it was trained on.
        metrics: Of each task, the metric that was named for it.
        scores: Of each encoder on each task.

    Raises:
        ValueError: If the shapes do not fit each other or a value is not finite.
    """
    same_shape("metrics' last two axes", metrics.flatten(0, -3)[0], "scores", scores)
    base = in_domain.double()[:, None].expand_as(scores).T[..., None]  # [t n 1]
    alone = leave_one_out_r2(base, scores.T)
    both = torch.cat([base.expand(*metrics.shape[:-2], -1, -1, -1),
                      metrics.double().mT[..., None]], -1)  # fmt: skip
    joint = leave_one_out_r2(both, scores.T.expand(both.shape[:-1]))
    return (joint > alone) & (joint > 0)


def permutation_share(
    in_domain: Float[Tensor, " n"],
    metrics: Float[Tensor, "n t"],
    scores: Float[Tensor, "n t"],
    *,
    num_draws: int,
    seed: int,
) -> float:
    """Share of draws in which metrics of shuffled encoders improve as many tasks or more.

    The metrics of an encoder stay together; which encoder they belong to is drawn anew.
    The true order counts as one draw, so that the share is a valid p-value.

    Args:
        in_domain: See ``improved``.
        metrics: See ``improved``.
        scores: See ``improved``.
        num_draws: Random orders.
        seed: Of the draws.

    Raises:
        ValueError: If there is no draw, or the shapes do not fit each other.

    Source: Phipson & Smyth 2010 for counting the true order.
    """
    at_least("num_draws", num_draws, 1)
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack(
        [torch.randperm(len(metrics), generator=generator) for _ in range(num_draws)]
    )
    true = int(improved(in_domain, metrics[None], scores).sum())
    drawn = improved(in_domain, metrics[orders], scores).sum(1)
    return (int((drawn >= true).sum()) + 1) / (num_draws + 1)


def rank_correlation(first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> float:
    """Spearman's rank correlation, mean ranks for ties; 0 where one side is constant.

    Raises:
        ValueError: If the lengths differ or there are fewer than three values.

    >>> round(rank_correlation(torch.tensor([1.0, 2, 9]), torch.tensor([3.0, 5, 6])), 6)
    1.0
    """
    same_shape("first", first, "second", second)
    at_least("number of values", len(first), 3)
    a, b = _ranks(first), _ranks(second)
    length = float(a.norm() * b.norm())
    return float(a @ b) / length if length else 0.0


def _ranks(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Ranks less their mean: how many are below, plus half of those that tie."""
    v = values.double()
    ranks = (v > v[:, None]).double().sum(0) + (v == v[:, None]).double().sum(0) / 2
    return ranks - ranks.mean()
