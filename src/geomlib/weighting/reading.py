"""Linear probes with and without a scale, and shares of variance."""

import torch
from jaxtyping import Float, Int64
from sklearn.linear_model import RidgeClassifier
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.probes import Examples


def linear_accuracy(
    seen: Examples, held_out: Examples, *, standardised: bool, penalty: float = 1.0
) -> float:
    """Held-out accuracy of ridge regression onto the classes.

    Args:
        seen: What is fitted; the targets are classes.
        held_out: What is scored.
        standardised: Divide each dimension by its own standard deviation, which undoes
            what a head with a diagonal matrix does; otherwise all of them by one number,
            so that a short dimension stays short and the penalty holds it down.
        penalty: On squared weights, for features whose mean variance is 1.

    Raises:
        ValueError: If ``penalty`` is not positive, the widths differ, or the features
            do not vary.

    Source: Hoerl & Kennard 1970, as scikit-learn has it.

    >>> h = torch.tensor([[0.0], [0.1], [2.0], [2.1]])
    >>> examples = Examples(h, torch.tensor([0, 0, 1, 1]))
    >>> linear_accuracy(examples, examples, standardised=True)
    1.0
    """
    positive("penalty", penalty)
    widths = [part.features.shape[1] for part in (seen, held_out)]
    if widths[0] != widths[1]:
        raise ValueError(
            f"seen and held_out must have one width, got {widths[0]} and {widths[1]}."
        )
    h = seen.features.detach().cpu().double()
    centre, deviation = h.mean(0), h.std(0, correction=0)
    size = deviation.square().mean().sqrt()
    positive("mean variance of the features", float(size))
    # A dimension without variance has nothing to divide by and nothing to say.
    still = deviation <= 1e-12 * size
    scale = torch.where(still, size, deviation) if standardised else size

    def scaled(part: Examples) -> Tensor:
        return (part.features.detach().cpu().double() - centre) / scale

    model = RidgeClassifier(alpha=penalty)
    model.fit(scaled(seen).numpy(), seen.targets.cpu().numpy())
    predicted = torch.from_numpy(model.predict(scaled(held_out).numpy()))
    return float((predicted == held_out.targets.cpu()).double().mean())


def class_share(h: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """Share of the variance of representations that lies between the means of classes.

    For a label with two values this is the energy of the direction that it moves.
    Where one label refines another, the difference of their shares is what the finer one
    says beyond the coarser one.

    Args:
        h: Representations.
        labels: Class of each.

    Raises:
        ValueError: If there are fewer than two rows, or all are equal.

    >>> round(class_share(torch.tensor([[0.0], [1.0], [4.0], [5.0]]),
    ...                   torch.tensor([0, 0, 1, 1])).item(), 4)
    0.9412
    """
    at_least("number of representations", len(h), 2)
    h = h - h.mean(0)
    total = h.square().sum()
    positive("variance of the representations", float(total))
    _, member = labels.to(h.device).unique(return_inverse=True)
    sums = h.new_zeros(int(member.max()) + 1, h.shape[1]).index_add_(0, member, h)
    return (sums.square().sum(1) / member.bincount()).sum() / total
