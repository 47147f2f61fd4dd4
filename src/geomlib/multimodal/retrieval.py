"""Retrieval across modalities by cosine: nearest neighbours and their precision."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least


def nearest(
    queries: Float[Tensor, "n k"], gallery: Float[Tensor, "m _k"], *, num: int = 1
) -> Int64[Tensor, "n c"]:
    """Positions of the gallery's rows with the largest cosines, the largest first.

    Args:
        queries: What to look for.
        gallery: Where to look.
        num: Neighbours c of each query.

    Raises:
        ValueError: If ``num`` is below 1 or more than the gallery has, or the widths
            differ.

    >>> import torch
    >>> nearest(torch.tensor([[1.0, 0.2]]), torch.eye(2), num=2)
    tensor([[0, 1]])
    """
    at_least("num", num, 1)
    at_least("number of rows in gallery", len(gallery), num)
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            "queries and gallery must have one width, "
            f"got {queries.shape[1]} and {gallery.shape[1]}."
        )
    cosines = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T  # [n m]
    return cosines.topk(num, dim=1).indices


def retrieval_precision(
    queries: Float[Tensor, "n k"],
    gallery: Float[Tensor, "m _k"],
    query_labels: Int64[Tensor, " _n"],
    gallery_labels: Int64[Tensor, " _m"],
    *,
    num: int = 10,
) -> float:
    """Share of right labels among each query's neighbours, mean over queries (P@num).

    Args:
        queries: What to look for.
        gallery: Where to look.
        query_labels: Label of each query.
        gallery_labels: Label of each row of the gallery.
        num: Neighbours of each query.

    Raises:
        ValueError: As ``nearest``; also if there is no query or there is another number
            of labels.

    >>> import torch
    >>> labels = torch.tensor([0, 1])
    >>> retrieval_precision(torch.eye(2), torch.eye(2), labels, labels, num=2)
    0.5
    """
    at_least("number of queries", len(queries), 1)
    for name, labels, rows in (
        ("query_labels", query_labels, queries),
        ("gallery_labels", gallery_labels, gallery),
    ):
        if len(labels) != len(rows):
            raise ValueError(f"{name} must be one a row ({len(rows)}), got {len(labels)}.")
    found = gallery_labels[nearest(queries, gallery, num=num)]
    return float((found == query_labels[:, None]).double().mean())
