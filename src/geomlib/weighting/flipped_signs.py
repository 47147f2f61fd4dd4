r"""Four inputs on which a head drops what its ReLU encoder holds.

The inputs are :math:`x = (\pm 1, \pm 1)`. A view flips both signs together, so that each
sign is disturbed and their product is not. With four inputs the loss is a sum of sixteen
terms, without sampling, and its minimum is known.
"""

import torch
from jaxtyping import Float
from torch import Tensor

CORNERS = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])


def pair_probabilities(flip: float) -> Float[Tensor, "4 4"]:
    """Probability that two views of one input are these two of the corners.

    Args:
        flip: Probability that a view flips both signs, each view for itself.

    Raises:
        ValueError: If ``flip`` is outside [0, 1].

    >>> pair_probabilities(0.5)[0]
    tensor([0.1250, 0.0000, 0.0000, 0.1250])
    """
    if not 0 <= flip <= 1:
        raise ValueError(f"flip must be between 0 and 1, got {flip}.")
    apart = 2 * flip * (1 - flip)
    # The opposite corner has the opposite place in the list.
    return ((1 - apart) * torch.eye(4) + apart * torch.eye(4).flip(0)) / 4


def pair_loss(z: Float[Tensor, "4 k"], pairs: Float[Tensor, "4 4"]) -> Float[Tensor, ""]:
    """Spectral contrastive loss of the corners' embeddings, without sampling.

    Args:
        z: Embeddings in the order of ``CORNERS``.
        pairs: As ``pair_probabilities`` gives them.

    Source: HaoChen et al. 2021 (arXiv:2106.04156).
    """
    S = z @ z.T
    return S.square().mean() - 2 * (pairs * S).sum()


def embedded_share(flip: float) -> float:
    r"""Share of the embedding's variance that is the first sign's, at the loss's minimum.

    :math:`\rho / (1 + 2 \rho)` with :math:`\rho = (1 - 2 r)^2` at flip rate r. The views'
    co-occurrence has the eigenfunctions 1, :math:`x_1 x_2`, :math:`x_1` and :math:`x_2`
    with eigenvalues 1, 1, :math:`\rho` and :math:`\rho`, and the best embedding weighs
    each eigenfunction by the root of its eigenvalue.

    Args:
        flip: r, the probability that a view flips both signs.

    Source: HaoChen et al. 2021 (arXiv:2106.04156) for the minimum of the loss.

    >>> embedded_share(0.5), round(embedded_share(0.0), 4)
    (0.0, 0.3333)
    """
    kept = (1 - 2 * flip) ** 2
    return kept / (1 + 2 * kept)
