"""Deflation: a network of videos turned into one of single frames.

The aim is what the video network gives for a still video, one frame repeated, at the cost
of one frame. A kernel that sees the same frame at all its times is the sum of its times.
That is exact where no black frame is put before the first and after the last.
"""

import copy
from collections.abc import Callable
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torch.utils.flop_counter import FlopCounterMode

from geomlib.checks import at_least, same_shape
from geomlib.multimodal.separable import TemporalShift

_REFUSED = (
    nn.ConvTranspose3d,
    nn.ReplicationPad3d,
    nn.ReflectionPad3d,
    nn.ConstantPad3d,
    nn.CircularPad3d,
    nn.LPPool3d,
    nn.FractionalMaxPool3d,
    nn.AdaptiveMaxPool3d,
    nn.MultiheadAttention,
    nn.RNNBase,
)


def repeated(
    frames: Float[Tensor, "n c 1 h w"], *, num_frames: int
) -> Float[Tensor, "n c t h w"]:
    """Still videos: each frame ``num_frames`` times.

    Raises:
        ValueError: If ``num_frames`` is below 1.
    """
    at_least("num_frames", num_frames, 1)
    return frames.expand(-1, -1, num_frames, -1, -1)


def deflated(network: nn.Module) -> nn.Module:
    """Copy of a video network that takes single frames, as videos of length 1.

    The times of every convolution's kernel are summed; strides, paddings and windows in
    time go; all else stays, batch norms with their statistics. What a network's own
    ``forward`` does to time with functions, not modules, is not seen.

    Args:
        network: Of videos ``n c t h w``; modules may be nested.

    Raises:
        ValueError: If a module is of a kind that mixes times in another way: an average
            over a padded window, an adaptive mean of more than one time, a transposed
            convolution, recurrence, attention.

    Source: Alayrac et al. 2020 (arXiv:2006.16228).
    """
    return _replaced(copy.deepcopy(network), _for_one_frame)


def replicate_padded(network: nn.Module) -> nn.Module:
    """Copy of a video network whose convolutions repeat the first and the last frame.

    What was padded with zeros in time is padded with copies of the ends; padding in space
    stays as it is. The copy's deflation is exact.

    Args:
        network: Its kernels must see space or time, never both.

    Raises:
        ValueError: If a padded kernel sees both.
    """
    return _replaced(copy.deepcopy(network), _with_repeated_ends)


def relative_error(found: Float[Tensor, "n ..."], wanted: Float[Tensor, "_n ..."]) -> float:
    """Length of the difference over the length of what is wanted, over all entries.

    Raises:
        ValueError: If the shapes differ.

    >>> relative_error(torch.tensor([3.0, 3.0]), torch.tensor([3.0, 4.0]))
    0.2
    """
    same_shape("found", found, "wanted", wanted)
    difference = (found.double() - wanted.double()).norm()
    return float(difference / wanted.double().norm())


@torch.no_grad()
def multiply_adds(network: nn.Module, x: Float[Tensor, "n ..."]) -> int:
    """Multiplications that go into a sum, in all convolutions and linear layers.

    Positions that meet padding count like all others, as a machine computes them.

    Args:
        network: In evaluation mode.
        x: Input; the count is for all of it.
    """
    with FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() // 2


def _replaced(
    module: nn.Module, rule: Callable[[nn.Module], nn.Module | None]
) -> nn.Module:
    """The module as the rule has it, or with its children replaced."""
    new = rule(module)
    if new is not None:
        return new
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, rule))
    return module


def _for_one_frame(module: nn.Module) -> nn.Module | None:
    """What stands for a module when there is one frame; None to look inside it."""
    if isinstance(module, nn.Conv3d):
        return _summed(module)
    if isinstance(module, TemporalShift):
        return nn.Identity()
    if isinstance(module, nn.MaxPool3d):
        return _pooled_frame(module)
    if isinstance(module, nn.AvgPool3d):
        if _triple(module.padding)[0]:
            raise ValueError(
                "averages over time must not be padded, got padding "
                f"{module.padding} in {module}."
            )
        return _pooled_frame(module)
    if isinstance(module, nn.AdaptiveAvgPool3d) and _triple(module.output_size)[0] != 1:
        raise ValueError(f"adaptive means must be over all of time, got {module}.")
    if isinstance(module, _REFUSED):
        raise ValueError(f"network must mix times in known ways alone, got {module}.")
    return None


def _summed(old: nn.Conv3d) -> nn.Conv3d:
    """Convolution of one frame: kernels summed over time."""
    new = _like(old, kernel_time=1, stride_time=1, dilation_time=1, padding_time=0)
    with torch.no_grad():
        new.weight.copy_(old.weight.sum(2, keepdim=True))
    return new


def _with_repeated_ends(module: nn.Module) -> nn.Module | None:
    """Convolution over time that repeats its ends; None for all other modules."""
    if not isinstance(module, nn.Conv3d) or module.kernel_size[0] == 1:
        return None
    if module.padding == "valid" or module.padding[0] == 0:
        return None
    if isinstance(module.padding, str) or any(module.padding[1:]):
        raise ValueError(
            "kernels over time must be padded in time alone, got padding "
            f"{module.padding} in {module}. Use a separable network."
        )
    new = _like(module, padding_mode="replicate")
    with torch.no_grad():
        new.weight.copy_(module.weight)
    return new


def _like(
    old: nn.Conv3d,
    *,
    kernel_time: int | None = None,
    stride_time: int | None = None,
    dilation_time: int | None = None,
    padding_time: int | None = None,
    padding_mode: Literal["replicate"] | None = None,
) -> nn.Conv3d:
    """Convolution of the same form and bias but for what is named, weights not yet set."""
    padding = old.padding
    if not isinstance(padding, str):
        padding = _with_time(padding, padding_time)
    # Its own initial weights would be drawn from the global generator, for nothing.
    made = skip_init(
        nn.Conv3d,
        old.in_channels,
        old.out_channels,
        _with_time(old.kernel_size, kernel_time),
        _with_time(old.stride, stride_time),
        padding,
        _with_time(old.dilation, dilation_time),
        old.groups,
        old.bias is not None,
        padding_mode or old.padding_mode,
        device=old.weight.device,
        dtype=old.weight.dtype,
    )
    new = cast(nn.Conv3d, made)
    new.weight.requires_grad_(old.weight.requires_grad)
    new.bias = old.bias
    return new.train(old.training)


def _pooled_frame(pool: nn.MaxPool3d | nn.AvgPool3d) -> nn.Module:
    """The pooling without its window in time."""
    pool.kernel_size = _with_time(_triple(pool.kernel_size), 1)
    pool.stride = _with_time(_triple(pool.stride), 1)
    pool.padding = _with_time(_triple(pool.padding), 0)
    if isinstance(pool, nn.MaxPool3d):
        pool.dilation = _with_time(_triple(pool.dilation), 1)
    return pool


def _triple(size: object) -> tuple[int, int, int]:
    """A size in time, height and width, given as one number or three."""
    return (size, size, size) if isinstance(size, int) else cast(tuple[int, int, int], size)


def _with_time(size: tuple[int, ...], time: int | None) -> tuple[int, int, int]:
    """The size with another first entry, or as it is."""
    first, height, width = size
    return (first if time is None else time, height, width)
