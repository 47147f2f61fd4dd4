"""The book's look, and the few shapes that more than one figure draws."""

from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least


def use_style() -> None:
    """Draw every later figure in the book's style (colour-blind-safe, for both themes)."""
    plt.style.use(str(files("geomlib") / "book.mplstyle"))


def covariance_ellipse(
    covariance: Float[Tensor, "2 2"], *, num_points: int = 181
) -> Float[Tensor, "2 n"]:
    """Closed curve one standard deviation from the mean, as x and y coordinates.

    >>> covariance_ellipse(torch.diag(torch.tensor([4.0, 1.0])), num_points=3)[0]
    tensor([ 2., -2.,  2.])
    """
    at_least("num_points", num_points, 3)
    angle = torch.linspace(0, 2 * torch.pi, num_points, dtype=covariance.dtype)
    circle = torch.stack([angle.cos(), angle.sin()])
    return torch.linalg.cholesky(covariance) @ circle
