"""Heads and metric fields whose geometry is known in closed form."""

import torch
from torch import Tensor, nn

from geomlib.models.heads import head_of_depth


def radius(h: Tensor) -> Tensor:
    return h.norm(dim=1, keepdim=True)


def deep(batch_norm: bool = False, num_inputs: int = 5, num_outputs: int = 3) -> nn.Module:
    """Head of depth 3 in float64 and evaluation mode, with running statistics."""
    head = head_of_depth(
        3,
        num_inputs=num_inputs,
        width=8,
        num_outputs=num_outputs,
        seed=0,
        batch_norm=batch_norm,
    ).double()
    head(draw(50, num_inputs, seed=9))
    return head.eval()


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotation(d: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(draw(d, d, seed=seed))[0]


def circle(num: int, size: float = 1.0) -> tuple[Tensor, Tensor]:
    """Points of a circle and their unit tangents."""
    angle = 2 * torch.pi * torch.arange(num, dtype=torch.float64) / num
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    return size * points, torch.stack([-angle.sin(), angle.cos()], dim=1)


def positive_definite(num: int, d: int, seed: int = 0) -> Tensor:
    A = draw(num, d, d, seed=seed)
    return A @ A.mT + 0.1 * torch.eye(d).double()
