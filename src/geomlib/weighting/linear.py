"""Linear layers that gradient flow or Adam trains on the population's spectral loss."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import solve_ivp
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.training import minimise
from geomlib.weighting.features import Features

Layers = list[Float[Tensor, "n n"]]


def balanced_layers(
    num_features: int,
    *,
    depth: int,
    seed: int,
    smallest: float = 0.4,
    largest: float = 0.8,
) -> Layers:
    r"""Random square layers with :math:`W_l W_l^\top = W_{l+1}^\top W_{l+1}`, in float64.

    The singular values are evenly spaced; their directions have nothing to do with the
    features.

    Args:
        num_features: Width of every layer.
        depth: Number of layers.
        seed: Of the directions.
        smallest: Least singular value of each layer.
        largest: Greatest one.

    Raises:
        ValueError: If a count is below 1 or ``smallest`` is not positive.
    """
    at_least("depth", depth, 1)
    positive("smallest", smallest)
    scales = torch.linspace(smallest, largest, num_features, dtype=torch.float64)
    turns = _rotations(num_features, depth + 1, seed)
    # W_l = Q_l S Q_(l-1)^T, so both products are Q_l S^2 Q_l^T.
    return [turns[l + 1] @ (scales[:, None] * turns[l].T) for l in range(depth)]


def orthogonal_layers(num_features: int, scales: Sequence[float], *, seed: int) -> Layers:
    """Random orthogonal layers, each times its scale, in float64.

    Args:
        num_features: Width of every layer.
        scales: One a layer; where they differ the layers are not balanced.
        seed: Of the rotations.

    Raises:
        ValueError: If a scale is not positive, or there is no feature or no layer.
    """
    at_least("number of scales", len(scales), 1)
    for scale in scales:
        positive("scale", scale)
    turns = _rotations(num_features, len(scales), seed)
    return [scale * turn for scale, turn in zip(scales, turns, strict=True)]


def feature_weights(layers: Sequence[Float[Tensor, "n n"]]) -> Float[Tensor, "l n"]:
    """Weight of each feature after each layer: the length of what a unit of it becomes.

    >>> feature_weights([torch.diag(torch.tensor([1.0, 2.0]))] * 2)
    tensor([[1., 2.],
            [1., 4.]])
    """
    product = torch.eye(layers[0].shape[1], dtype=layers[0].dtype)
    lengths: list[Tensor] = []
    for layer in layers:
        product = layer @ product
        lengths.append(product.norm(dim=0))
    return torch.stack(lengths)


def population_loss(
    layers: Sequence[Float[Tensor, "n n"]], features: Features
) -> Float[Tensor, ""]:
    r"""Spectral contrastive loss of the layers on infinitely many pairs of views.

    :math:`-2 \operatorname{tr} M C + \operatorname{tr} M \Sigma M \Sigma` with
    :math:`M = W^\top W`.

    Source: HaoChen et al. 2021 (arXiv:2106.04156).
    """
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    M = product.T @ product
    # C and Sigma are diagonal: tr M S M S = sum_ij M_ij^2 S_i S_j.
    fit = (M.square() @ features.variance) @ features.variance
    return fit - 2 * (M.diagonal() * features.shared).sum()


def flowed(
    layers: Sequence[Float[Tensor, "n n"]],
    features: Features,
    *,
    horizon: float = 300.0,
    decay: float = 0.0,
    rtol: float = 1e-8,
) -> Layers:
    r"""Layers after gradient flow of the population's loss, by LSODA.

    Args:
        layers: Where it starts, in float64.
        features: The inputs.
        horizon: Time, in units of one over the loss's curvature.
        decay: :math:`\lambda`; half of it times all squared entries is added to the loss.
        rtol: Relative error a step.

    Raises:
        ValueError: If ``horizon`` or ``rtol`` is not positive, or ``decay`` is negative.
        RuntimeError: If the integrator fails.
    """
    positive("horizon", horizon)
    positive("rtol", rtol)
    at_least("decay", decay, 0)
    shape = (len(layers), *layers[0].shape)
    variance, shared = features.variance.double().numpy(), features.shared.double().numpy()

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        stack = state.reshape(shape)
        below = [np.eye(shape[2])]
        for layer in stack:
            below.append(layer @ below[-1])
        W = below[-1]
        # dL/dW = 4 W (S M S - C); a layer's part is what is above times it times below.
        slope = 4 * W @ (variance[:, None] * (W.T @ W) * variance - np.diag(shared))
        gradient = np.empty(shape)
        for l in reversed(range(shape[0])):
            gradient[l] = slope @ below[l].T + decay * stack[l]
            slope = stack[l].T @ slope
        return -gradient.ravel()

    start = np.stack([layer.double().numpy() for layer in layers]).ravel()
    found = solve_ivp(
        velocity, (0.0, horizon), start, method="LSODA", rtol=rtol, atol=rtol / 10
    )
    if found.status < 0:
        raise RuntimeError(
            f"flow must reach time {horizon:g}, got {found.message!r} at "
            f"{found.t[-1]:g}. Raise rtol ({rtol:g})."
        )
    return list(torch.from_numpy(found.y[:, -1].reshape(shape).copy()))


def adapted(
    layers: Sequence[Float[Tensor, "n n"]],
    features: Features,
    *,
    num_steps: int,
    learning_rate: float,
) -> Layers:
    """Layers after Adam on the population's loss, which conserves nothing.

    Args:
        layers: Where it starts; left as they are.
        features: The inputs.
        num_steps: Steps.
        learning_rate: Of the first step; decays along half a cosine.

    Raises:
        ValueError: If a number is out of range.
        FloatingPointError: If the loss is not finite.
    """
    moving = [layer.clone().requires_grad_() for layer in layers]
    minimise(
        lambda: population_loss(moving, features),
        moving,
        num_steps=num_steps,
        learning_rate=learning_rate,
    )
    return [layer.detach() for layer in moving]


def _rotations(size: int, num: int, seed: int) -> Float[Tensor, "{num} {size} {size}"]:
    """Random orthogonal matrices."""
    at_least("num_features", size, 1)
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(num, size, size, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(draws)[0]
