"""Linear classifiers of frozen features: a last layer trained again."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from geomlib.checks import at_least, finite, positive


@torch.no_grad()
def in_batches(
    network: Callable[[Tensor], Tensor], images: Tensor, batch_size: int = 512
) -> Tensor:
    """What a network makes of images, a batch at a time; set it to evaluation before."""
    at_least("batch_size", batch_size, 1)
    return torch.cat([network(part) for part in images.split(batch_size)])


def linear_readout(
    seen: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    features: Float[Tensor, "m d"],
    *,
    penalty: float = 1.0,
    standardised: bool = True,
) -> Int64[Tensor, " m"]:
    """Classes that logistic regression on frozen features predicts.

    On features of balanced held-out images this is Deep Feature Reweighting.

    Args:
        seen: Features that are fitted.
        labels: Their classes.
        features: Features whose class is asked.
        penalty: On half the squared weights, beside the sum of the losses.
        standardised: Whether each feature is brought to mean 0 and variance 1 first. If
            not, the penalty keeps the probe to directions of much variance.

    Raises:
        ValueError: If ``penalty`` is not positive, the widths differ, or a feature is not
            finite.

    Source: Kirichenko et al. 2023 (arXiv:2204.02937). Departures: the penalty is squared,
    not absolute, and one fit is made, not the mean of ten.

    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    >>> linear_readout(x, torch.tensor([0, 0, 1, 1]), torch.tensor([[-3.0], [3.0]]))
    tensor([0, 1])
    """
    positive("penalty", penalty)
    if seen.shape[1] != features.shape[1]:
        raise ValueError(
            f"seen and features must have one width, got {seen.shape[1]} and "
            f"{features.shape[1]}."
        )
    finite("seen", seen)
    finite("features", features)
    model: Any = LogisticRegression(C=1 / penalty, max_iter=3000)
    if standardised:
        model = make_pipeline(StandardScaler(), model)
    model.fit(seen.cpu().double().numpy(), labels.cpu().numpy())
    predicted = model.predict(features.cpu().double().numpy())
    return torch.from_numpy(predicted).to(features.device)
