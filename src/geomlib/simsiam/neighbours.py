"""What the nearest neighbours of a representation say about its class."""

from jaxtyping import Float, Int
from torch import Tensor

from geomlib.checks import at_least
from geomlib.simsiam.objective import unit_rows


def neighbour_accuracy(
    known: Float[Tensor, "n d"],
    known_labels: Int[Tensor, " n"],
    asked: Float[Tensor, "m d"],
    asked_labels: Int[Tensor, " m"],
    *,
    num_neighbours: int = 5,
) -> float:
    """Share of rows whose nearest known rows, by cosine, name their class.

    The most frequent class decides; among equals the smallest label does.

    Args:
        known: Representations whose labels vote.
        known_labels: Their labels.
        asked: Representations to classify.
        asked_labels: What is right.
        num_neighbours: Voters.

    Raises:
        ValueError: If there is no row to classify, or fewer known rows than voters.

    >>> import torch
    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> labels = torch.tensor([3, 7])
    >>> neighbour_accuracy(z, labels, 2 * z, labels, num_neighbours=1)
    1.0
    """
    at_least("num_neighbours", num_neighbours, 1)
    at_least("number of known rows", len(known), num_neighbours)
    at_least("number of rows to classify", len(asked), 1)
    cosine = unit_rows(asked) @ unit_rows(known).T
    votes = known_labels.to(known.device)[cosine.topk(num_neighbours).indices]
    right = votes.mode(1).values == asked_labels.to(known.device)
    return float(right.double().mean())
