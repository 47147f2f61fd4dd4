"""SimSiam's loss as a function of two copies of the parameters, online and target."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, same_shape

Tensors = Mapping[str, Tensor]
Objective = Callable[[Tensors, Tensors], Tensor]
Outputs = Callable[[Tensors], tuple[Tensor, Tensor]]


def negative_cosine(
    predictions: Float[Tensor, "*r 2 n k"], targets: Float[Tensor, "*r 2 n k"]
) -> Float[Tensor, "*r"]:
    """Negative cosine of each view's prediction with the other view's target, a mean.

    From -1 to 1, one for each run that is stacked in front. Other than
    ``geomlib.losses.simsiam``, whose values and gradients it has, it lets derivatives
    into the targets: the Jacobian of the stop-gradient field needs them.

    Args:
        predictions: Predictor's outputs, both views.
        targets: Projector's outputs, both views in the same order.

    Raises:
        ValueError: If the shapes differ or there is no row.

    Source: Chen & He 2021 (arXiv:2011.10566), algorithm 1.

    >>> z = torch.tensor([[[3.0, 4.0]], [[4.0, -3.0]]])
    >>> round(negative_cosine(z, z.flip(0)).item(), 6)
    -1.0
    """
    same_shape("predictions", predictions, "targets", targets)
    at_least("number of rows in predictions and targets", predictions.shape[-2], 1)
    lengths = _inverse_length(predictions) * _inverse_length(targets).flip(-2)  # [*r 2 n]
    pairs = zip(predictions.unbind(-3), reversed(targets.unbind(-3)), strict=True)
    inner = torch.stack([(p * t).sum(-1) for p, t in pairs], dim=-2)  # [*r 2 n]
    return -(inner * lengths).mean((-2, -1))


def unit_rows(z: Float[Tensor, "*s k"]) -> Float[Tensor, "*s k"]:
    """Rows divided by their length, or by 1e-6 where they are shorter."""
    return z * _inverse_length(z).unsqueeze(-1)


def _inverse_length(z: Float[Tensor, "*s k"]) -> Float[Tensor, "*s"]:
    # As in geomlib.losses: the floor stands under the square, so that a row of zeros has
    # a second derivative.
    return z.square().sum(-1).clamp_min(1e-12).rsqrt()


def simsiam_objective(outputs: Outputs) -> Objective:
    """SimSiam's loss of a network whose online and target parameters are told apart.

    Args:
        outputs: Predictions and targets of both views, ``[2 n k]`` each, as a function
            of the parameters (of a batch that stays the same).
    """

    def objective(online: Tensors, target: Tensors) -> Tensor:
        return negative_cosine(outputs(online)[0], outputs(target)[1])

    return objective
