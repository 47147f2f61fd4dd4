"""Which property of the encoders of a zoo groups their metrics."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite


def standardised(metrics: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Each metric less its mean over the encoders, over its deviation, in float64.

    Raises:
        ValueError: If there are fewer than two encoders, or a metric is constant or not
            finite.

    >>> standardised(torch.tensor([[1.0], [3.0]])).flatten().tolist()
    [-1.0, 1.0]
    """
    at_least("number of encoders", len(metrics), 2)
    finite("metrics", metrics)
    centred = metrics.double() - metrics.double().mean(0)
    deviation = centred.square().mean(0).sqrt()
    constant = (deviation <= 1e-12).nonzero().flatten().tolist()
    if constant:
        raise ValueError(f"metrics must vary, got constant columns {constant}. Drop them.")
    return centred / deviation


def explained_share(metrics: Float[Tensor, "n m"], labels: Sequence[str]) -> float:
    r"""Share of the variance of standardised metrics that lies between groups, 0 to 1.

    :math:`R^2 = 1 - \sum_i |m_i - \bar m_{g(i)}|^2 / \sum_i |m_i - \bar m|^2`. Labels that
    say nothing explain (groups - 1) / (encoders - 1) of it on average.

    Args:
        metrics: One row an encoder.
        labels: Group of each.

    Raises:
        ValueError: If there is not one label an encoder, or a metric is constant.

    >>> metrics = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    >>> explained_share(metrics, "aabb"), explained_share(metrics, "abab")
    (1.0, 0.0)
    """
    _refuse_other_length(metrics, labels)
    z = standardised(metrics)
    within = z.new_zeros(())
    for label in set(labels):
        group = z[torch.tensor([name == label for name in labels], device=z.device)]
        within = within + (group - group.mean(0)).square().sum()
    return float(1 - within / z.square().sum())


def nearest_shares(metrics: Float[Tensor, "n m"], labels: Sequence[str]) -> float:
    """Share of the encoders whose nearest other one, by metrics, has the same label.

    Args:
        metrics: One row an encoder; standardised here.
        labels: Group of each.

    Raises:
        ValueError: If there is not one label an encoder, or a metric is constant.

    >>> nearest_shares(torch.tensor([[0.0], [0.1], [1.0], [1.1]]), "aabb")
    1.0
    """
    _refuse_other_length(metrics, labels)
    z = standardised(metrics)
    apart = torch.cdist(z, z).fill_diagonal_(torch.inf)
    pairs = zip(labels, apart.argmin(1).tolist(), strict=True)
    return sum(own == labels[other] for own, other in pairs) / len(labels)


def mean_distance(
    metrics: Float[Tensor, "n m"], same: Sequence[str], different: Sequence[str]
) -> float:
    """Mean distance of the pairs that share one label and differ in another.

    Args:
        metrics: One row an encoder; standardised here.
        same: Labels that a pair must share.
        different: Labels that a pair must not share.

    Raises:
        ValueError: If there is not one label of each kind an encoder, a metric is
            constant, or there is no such pair.
    """
    _refuse_other_length(metrics, same)
    _refuse_other_length(metrics, different)
    z = standardised(metrics)
    pairs = [
        (i, j)
        for i in range(len(z))
        for j in range(i)
        if same[i] == same[j] and different[i] != different[j]
    ]
    at_least("number of such pairs", len(pairs), 1)
    i, j = torch.tensor(pairs, device=z.device).T
    return float((z[i] - z[j]).norm(dim=1).mean())


def _refuse_other_length(metrics: Float[Tensor, "n m"], labels: Sequence[str]) -> None:
    if len(labels) != len(metrics):
        raise ValueError(
            f"labels must be one an encoder ({len(metrics)}), got {len(labels)}."
        )
