"""Guards whose errors name the argument, the rule, the value and the cure."""

import math
from collections.abc import Collection

import torch
from torch import Tensor


def at_least(name: str, value: float, minimum: float) -> None:
    """Refuse a number below ``minimum``, NaN included.

    Raises:
        ValueError: If ``value >= minimum`` does not hold.

    >>> at_least("num_steps", 0, 1)
    Traceback (most recent call last):
    ValueError: num_steps must be at least 1, got 0.
    """
    if not value >= minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}.")


def positive(name: str, value: float) -> None:
    """Refuse a number that is not finite and above zero.

    Raises:
        ValueError: If ``value`` is zero, negative, infinite or NaN.

    >>> positive("temperature", 0.0)
    Traceback (most recent call last):
    ValueError: temperature must be a finite number above 0, got 0.0.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number above 0, got {value}.")


def one_of(name: str, value: str, allowed: Collection[str]) -> None:
    """Refuse a word that is not among ``allowed``.

    Raises:
        ValueError: If it is not; the message lists the allowed words.

    >>> one_of("critic", "cos", ["cosine", "dot"])
    Traceback (most recent call last):
    ValueError: critic must be one of cosine, dot, got 'cos'.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")


def finite(name: str, tensor: Tensor) -> None:
    """Refuse a tensor that holds NaN or an infinity.

    Raises:
        ValueError: If it does; the message counts the bad entries.

    >>> finite("z", torch.tensor([1.0, float("nan")]))
    Traceback (most recent call last):
    ValueError: z must be finite, got 1 bad of 2.
    """
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise ValueError(f"{name} must be finite, got {bad} bad of {tensor.numel()}.")


def same_shape(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors of different shapes.

    Raises:
        ValueError: If the shapes differ; the message gives both.

    >>> same_shape("z1", torch.zeros(2, 3), "z2", torch.zeros(3, 2))
    Traceback (most recent call last):
    ValueError: z1 and z2 must have one shape, got (2, 3) and (3, 2).
    """
    if tensor.shape != other.shape:
        raise ValueError(
            f"{name} and {other_name} must have one shape, "
            f"got {tuple(tensor.shape)} and {tuple(other.shape)}."
        )
