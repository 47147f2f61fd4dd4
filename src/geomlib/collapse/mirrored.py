r"""The collapsed direction and the mirrored units that hide it from the loss.

The representation gets one more coordinate u, the last, which is constantly zero. Each
hidden unit becomes two, each with half its output and with weights :math:`+c_j` and
:math:`-c_j` on u. The reflection R flips u and swaps the two: it changes no embedding,
and the network is its own reflection. A change of the parameters splits into an even
part, which R keeps, and an odd one, whose sign it flips. Derived for this book; the
splitting of units is that of Fukumizu & Amari 2000 (Local minima and plateaus in
hierarchical structures of multilayer perceptrons).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.collapse.network import Network, Parameters
from geomlib.params import flatten, unflatten


def mirror(network: Network, c: Float[Tensor, " m"]) -> Network:
    r"""Network with a collapsed direction and every unit doubled; the same embeddings.

    The members of pair j are units j and j + m. A stationary network stays stationary:
    the penalty is taken of the pairs' merged parameters, so it does not act on u or on
    anything odd.

    Args:
        network: The reduced network, of m units.
        c: Weight on u of each unit; minus that of its mirror image.

    Raises:
        ValueError: If ``c`` has not one entry a unit.
    """
    p = network.parameters
    _refuse_length("c", c, p["biases"])
    live, column = p["weights"], c[:, None]
    mirrored = {
        "backbone": torch.cat([p["backbone"], torch.zeros_like(p["backbone"][:1])]),
        "weights": torch.cat([torch.cat([live, column], 1), torch.cat([live, -column], 1)]),
        "biases": p["biases"].repeat(2),
        "outputs": p["outputs"].repeat(1, 2) / 2,
        "offset": p["offset"].clone(),
    }

    def merged(parameters: Parameters) -> dict[str, Tensor]:
        shares = torch.full_like(c, 0.5)
        pairs = _merged(parameters, shares)
        return {
            **pairs,
            "backbone": parameters["backbone"][:-1],
            "weights": pairs["weights"][:, :-1],
        }

    return replace(network, parameters=mirrored, penalty=_composed(network.penalty, merged))


def split(network: Network, shares: Float[Tensor, " m"]) -> Network:
    r"""Network with every unit doubled and the output shared out; the same embeddings.

    Unit j keeps the part :math:`\lambda_j` of its output, its copy j + m takes
    :math:`1 - \lambda_j`. Outside [0, 1] the two have opposite signs, and so, once
    mirrored, has the curvature that they give the collapsed direction.

    Args:
        network: The network before it is mirrored.
        shares: :math:`\lambda`, one a unit.

    Raises:
        ValueError: If ``shares`` has not one entry a unit.

    Source: Fukumizu & Amari 2000.
    """
    p = network.parameters
    _refuse_length("shares", shares, p["biases"])
    doubled = {
        **p,
        "weights": p["weights"].repeat(2, 1),
        "biases": p["biases"].repeat(2),
        "outputs": torch.cat([p["outputs"] * shares, p["outputs"] * (1 - shares)], 1),
    }

    def merged(parameters: Parameters) -> dict[str, Tensor]:
        return _merged(parameters, shares)

    return replace(network, parameters=doubled, penalty=_composed(network.penalty, merged))


def reflected(parameters: Parameters) -> dict[str, Tensor]:
    """Parameters under R: u flipped in backbone and weights, the pairs' members swapped.

    Args:
        parameters: Of a mirrored network, or of several in leading dimensions.
    """
    half = parameters["biases"].shape[-1] // 2
    flip_row, flip_column = (
        torch.ones_like(parameters[n]) for n in ("backbone", "weights")
    )
    flip_row[..., -1, :] = -1
    flip_column[..., -1] = -1
    return {
        "backbone": parameters["backbone"] * flip_row,
        "weights": (parameters["weights"] * flip_column).roll(half, -2),
        "biases": parameters["biases"].roll(half, -1),
        "outputs": parameters["outputs"].roll(half, -1),
        "offset": parameters["offset"],
    }


def odd_part(parameters: Parameters) -> dict[str, Tensor]:
    """Half the difference of parameters and their reflection."""
    image = reflected(parameters)
    return {name: (p - image[name]) / 2 for name, p in parameters.items()}


def odd_norm(parameters: Parameters) -> Float[Tensor, "*q"]:
    """Norm of the odd part: the distance from the nearest self-reflected network."""
    rank = parameters["biases"].ndim - 1
    squares = [p.square().flatten(rank).sum(-1) for p in odd_part(parameters).values()]
    return sum(squares[1:], squares[0]).sqrt()


def sectors(
    parameters: Parameters,
) -> tuple[Float[Tensor, "n odd"], Float[Tensor, "n even"]]:
    """Orthonormal bases, as columns, of odd and of even changes of the flat parameters."""
    n = len(flatten(parameters))
    eye = torch.eye(n, dtype=parameters["offset"].dtype)
    # R is symmetric: a permutation of order two, with signs.
    R = torch.stack([flatten(reflected(unflatten(row, parameters))) for row in eye])
    # Of the two columns that belong to one pair the second says nothing new.
    first = R.abs().argmax(dim=0) >= torch.arange(n)

    def basis(projector: Float[Tensor, "n n"]) -> Float[Tensor, "n k"]:
        lengths = projector.norm(dim=0)
        return (projector / lengths.clamp_min(0.5))[:, first & (lengths > 0)]

    return basis((eye - R) / 2), basis((eye + R) / 2)


def displaced(
    parameters: Parameters, displacement: Float[Tensor, " d"]
) -> dict[str, Tensor]:
    """Parameters with u no longer collapsed: its row of the backbone moved."""
    backbone = parameters["backbone"].clone()
    backbone[-1] += displacement
    return {**parameters, "backbone": backbone}


def refuse_broken_mirror(parameters: Parameters) -> None:
    """Refuse parameters that are not their own reflection.

    Raises:
        ValueError: If they differ from it by more than rounding.
    """
    if parameters["biases"].shape[-1] % 2:
        raise ValueError(
            "number of hidden units must be even, got "
            f"{parameters['biases'].shape[-1]}. Pass the network through mirror."
        )
    gap = max(float(p.abs().max()) for p in odd_part(parameters).values())
    if not gap <= 1e-12:
        raise ValueError(
            "parameters must be their own reflection, got entries that differ by "
            f"{2 * gap:.3g}. Pass a network made by mirror, before it is displaced."
        )


def _merged(parameters: Parameters, shares: Float[Tensor, " m"]) -> dict[str, Tensor]:
    """Units j and j + m as one: inputs averaged with their shares, outputs added."""
    m = len(shares)
    B, b, A = (parameters[name] for name in ("weights", "biases", "outputs"))
    return {
        **parameters,
        "weights": shares[:, None] * B[:m] + (1 - shares[:, None]) * B[m:],
        "biases": shares * b[:m] + (1 - shares) * b[m:],
        "outputs": A[:, :m] + A[:, m:],
    }


def _composed(
    penalty: Callable[[Mapping[str, Tensor]], Tensor] | None,
    merged: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> Callable[[Mapping[str, Tensor]], Tensor] | None:
    return None if penalty is None else lambda parameters: penalty(merged(parameters))


def _refuse_length(name: str, given: Tensor, units: Tensor) -> None:
    """Refuse a vector that has not one entry for each unit."""
    if given.shape != units.shape:
        raise ValueError(
            f"{name} must have one entry for each of {len(units)} hidden units, got shape "
            f"{tuple(given.shape)}."
        )
