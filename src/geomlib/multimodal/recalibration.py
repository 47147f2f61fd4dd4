"""Batch norms of a deflated network, fitted to the network that it came from."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from geomlib.checks import at_least, same_shape
from geomlib.multimodal.deflation import repeated
from geomlib.training import minimise


def l1_retrained(
    network: nn.Module,
    inflated: nn.Module,
    frames: Float[Tensor, "n c 1 h w"],
    *,
    num_frames: int,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> nn.Module:
    """Copy of a deflated network whose batch norms' scales and shifts are trained.

    The loss is the mean absolute difference from what the video network gives for still
    videos. Kernels and running statistics stay. No label is used.

    Args:
        network: Deflated.
        inflated: The video network, put in evaluation mode.
        frames: Training frames, on the networks' device.
        num_frames: Length of the still videos.
        num_steps: Steps of Adam.
        batch_size: Frames in a batch, drawn with replacement.
        learning_rate: Of the first step.
        seed: Of the batches.

    Raises:
        ValueError: If the network has no batch norm with a scale and a shift, or a number
            is out of range.
        FloatingPointError: If the loss is not finite.

    Source: Alayrac et al. 2020 (arXiv:2006.16228).
    """
    at_least("batch_size", batch_size, 1)
    student = copy.deepcopy(network).eval().requires_grad_(False)
    trained = [p for norm in _norms(student) for p in norm.parameters(recurse=False)]
    at_least("number of scales and shifts", len(trained), 1)
    for parameter in trained:
        parameter.requires_grad_(True)
    with torch.no_grad():
        targets = inflated.eval()(repeated(frames, num_frames=num_frames))
        same_shape("network(frames)", student(frames[:1]), "inflated's", targets[:1])
    generator = torch.Generator(frames.device).manual_seed(seed)

    def loss() -> Tensor:
        picks = torch.randint(
            len(frames), (batch_size,), generator=generator, device=frames.device
        )
        return (student(frames[picks]) - targets[picks]).abs().mean()

    minimise(loss, trained, num_steps=num_steps, learning_rate=learning_rate)
    return student


@torch.no_grad()
def re_estimated(network: nn.Module, inputs: Float[Tensor, "n ..."]) -> nn.Module:
    """Copy of a network whose batch norms' statistics are those of given inputs.

    All inputs go through once, as one batch, so that every layer's statistics are what it
    sees once those below have theirs.

    Args:
        network: With batch norms of any kind; put in evaluation mode.
        inputs: Frames for a deflated network, embeddings for a head.

    Raises:
        ValueError: If there are fewer than two inputs.
    """
    at_least("number of inputs", len(inputs), 2)
    copied = copy.deepcopy(network).eval()
    norms = _norms(copied)
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches, of which there is one
        norm.train()
    copied(inputs)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return copied.eval()


def batch_norm_parameters(network: nn.Module) -> int:
    """How many scales and shifts the batch norms of a network have."""
    return sum(p.numel() for norm in _norms(network) for p in norm.parameters())


def _norms(network: nn.Module) -> list[_BatchNorm]:
    """Batch norms of a network, in its order."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
