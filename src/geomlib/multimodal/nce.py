"""Losses over two modalities of a batch: tensors in, one scalar out.

Row i of each argument comes from clip i. Guards look at shapes and numbers, never at what
a tensor holds.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least, positive, same_shape


def nce(
    z1: Float[Tensor, "n k"], z2: Float[Tensor, "_n _k"], *, temperature: float
) -> Float[Tensor, ""]:
    r"""Cross-entropy of a clip's pair among all pairs that share one of its members.

    With :math:`S_{ij}` the cosine of row i and row j, over :math:`\tau`, it is the mean
    over i of :math:`\log(\sum_j e^{S_{ij}} + \sum_{j \ne i} e^{S_{ji}}) - S_{ii}`, in
    nats. It is never negative, and :math:`\log(2n - 1)` at complete collapse.

    Args:
        z1: First modality.
        z2: Second modality.
        temperature: :math:`\tau`.

    Raises:
        ValueError: If the shapes differ, there are fewer than two rows, or
            ``temperature`` is not positive and finite.

    Source: Alayrac et al. 2020 (arXiv:2006.16228), with all other pairs that the
    batch has of one of the two as the negatives. ``geomlib.losses.info_nce`` has a
    denominator for each direction instead of one for both.

    >>> z = torch.ones(4, 3)
    >>> round(nce(z, z, temperature=0.07).exp().item(), 3)
    7.0
    """
    same_shape("z1", z1, "z2", z2)
    return mil_nce(z1, z2[:, None], temperature=temperature)


def mil_nce(
    z: Float[Tensor, "n k"],
    candidates: Float[Tensor, "_n c _k"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    r"""Cross-entropy of all of a clip's candidates together, right and wrong ones alike.

    With :math:`S_{ijm}` the cosine of clip i and candidate m of clip j, over
    :math:`\tau`, it is the mean over i of

    .. math::

        \log\Big(\sum_{j, m} e^{S_{ijm}} + \sum_{j \ne i, m} e^{S_{jim}}\Big)
        - \log \sum_m e^{S_{iim}}.

    One good candidate is enough to make it small. It is :math:`\log(2n - 1)` at complete
    collapse, for any number of candidates.

    Args:
        z: Embeddings of clips.
        candidates: Embeddings of texts that may go with each clip.
        temperature: :math:`\tau`.

    Raises:
        ValueError: If the number of clips or the widths differ, there are fewer than two
            clips or no candidate, or ``temperature`` is not positive and finite.

    Source: Miech et al. 2020 (arXiv:1912.06430); in Alayrac et al. 2020
    (arXiv:2006.16228). Each pair counts once in the denominator; the code of Miech
    et al. has a clip's own candidates there twice.

    >>> round(mil_nce(torch.ones(4, 3), torch.ones(4, 5, 3), temperature=1.0).exp().item())
    7
    """
    n, num_candidates = candidates.shape[:2]
    positive("temperature", temperature)
    at_least("number of rows in z", len(z), 2)
    at_least("number of candidates", num_candidates, 1)
    same_shape("z", z, "candidates of one number", candidates[:, 0])
    texts = F.normalize(candidates, dim=-1).flatten(0, 1)
    S = (F.normalize(z, dim=-1) @ texts.T / temperature).view(n, n, -1)  # [i j m]
    own = S.diagonal().T  # [i m]
    itself = torch.eye(n, dtype=torch.bool, device=z.device)[..., None]
    others = S.transpose(0, 1).masked_fill(itself, -torch.inf)
    every = torch.cat([S, others], dim=1).flatten(1)
    return (every.logsumexp(1) - own.logsumexp(1)).mean()
