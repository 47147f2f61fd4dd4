"""What the page shows of a head, as numbers.

Everything is measured on random views of the reader's images, with backbone and head in
evaluation mode, so that no sample's embedding depends on another's.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib import losses, rank
from geomlib.checks import at_least, finite
from geomlib.hessian.lanczos import Eigenpairs, extreme_eigenpairs
from geomlib.hessian.model import module_loss
from geomlib.hessian.operator import hessian
from geomlib.metric.pullback import jacobians
from geomlib.metric.spread import frobenius_spread, log_euclidean_spread
from geomlib.orbits import orbit_features
from geomlib.whitening import weights
from geomlib.whitening.agreement import found_weights
from geomlib.whitening.moments import (
    canonical,
    moments_of_views,
    principal_subspace,
    project,
)

Loss = Callable[[Tensor, Tensor], Tensor]
NUM_DIRECTIONS = 32  # principal directions of h along which the metric is looked at
TEMPERATURE = 0.2


@dataclass(frozen=True)
class Space:
    """A space of representations or embeddings, with the views of some images in it.

    Attributes:
        spectrum: Eigenvalues of the covariance, descending, in squared units.
        condition: Largest over smallest of those above 1e-4 of the largest.
        num_kept: How many these are.
        effective_rank: Exponential of the entropy of the singular values.
        orbit_share: Variance between views of one image, as a share of the total.
    """

    spectrum: Float[Tensor, " d"]
    condition: float
    num_kept: int
    effective_rank: float
    orbit_share: float


@dataclass(frozen=True)
class Whitening:
    """Weights of the canonical directions of h, each list of sum 1.

    Attributes:
        correlations: Canonical correlations of two views of h, descending, as many as
            the embedding has dimensions, at most.
        found: Weight of each of these directions in the head's linear part.
        predicted: The same by loss, from the closed forms of a linear head, with the
            published weights of Barlow Twins (0.0051) and VICReg (25, 25, 1).
        linear_share: Share of the variance of z that is linear in h.
    """

    correlations: Float[Tensor, " k"]
    found: Float[Tensor, " k"]
    predicted: dict[str, Float[Tensor, " k"]]
    linear_share: float


@dataclass(frozen=True)
class Spread:
    """How much the head's metric differs from sample to sample; 0 for a linear head.

    Attributes:
        frobenius: Relative spread along the leading principal directions of h.
        log_euclidean: The same by the logarithms of the metrics.
    """

    frobenius: float
    log_euclidean: float


@dataclass(frozen=True)
class HeadReport:
    """A head, measured.

    Attributes:
        representation: The space before the head.
        embedding: The space after it.
        whitening: What it makes of the canonical directions.
        spread: Of its metric over samples.
        curvature: Both ends of the spectrum of the loss's Hessian in its weights.
        num_weights: How many these are.
        num_images: Images that all of this rests on.
    """

    representation: Space
    embedding: Space
    whitening: Whitening
    spread: Spread
    curvature: Eigenpairs
    num_weights: int
    num_images: int


def measure(
    backbone: nn.Module,
    head: nn.Module,
    images: Float[Tensor, "n c h w"],
    *,
    loss: Loss | None = None,
    num_views: int = 4,
    num_metrics: int = 64,
    num_eigenvalues: int = 3,
    seed: int = 0,
) -> HeadReport:
    """Geometry of a head on images: spectra, whitening, metric, orbits, curvature.

    Both modules come back in the mode that they were in, with their parameters, buffers
    and gradients untouched.

    Args:
        backbone: Map of images to representations ``[n d]``.
        head: Map of representations to embeddings ``[n k]``.
        images: Values in [0, 1], on the modules' device.
        loss: Scalar function of the embeddings of two views, whose curvature is
            measured; InfoNCE with temperature 0.2 if not given.
        num_views: Random views of each image.
        num_metrics: Samples whose metric is looked at.
        num_eigenvalues: From each end of the Hessian's spectrum.
        seed: Of views and samples.

    Raises:
        ValueError: If there are fewer than 8 images, a module does not give one finite
            row an image, or the head does not take the backbone's rows.
    """
    at_least("number of images", len(images), 8)
    at_least("num_views", num_views, 2)
    at_least("num_metrics", num_metrics, 2)
    loss = loss or partial(losses.info_nce, temperature=TEMPERATURE)
    with _evaluating(backbone, head):
        with torch.no_grad():
            _refuse_other_than_rows("backbone", backbone(images[:2]))
        h = orbit_features(backbone, images, num_views=num_views, seed=seed)
        finite("outputs of the backbone", h)
        z = _embeddings(head, h)
        return HeadReport(
            representation=_space(h),
            embedding=_space(z),
            whitening=_whitening(h, z),
            spread=_spread(head, h, num_metrics, seed),
            curvature=_curvature(head, h[:2], loss, num_eigenvalues, seed),
            num_weights=sum(p.numel() for p in head.parameters()),
            num_images=len(images),
        )


@contextmanager
def _evaluating(*modules: nn.Module) -> Generator[None]:
    """Evaluation mode, and every part's own mode again afterwards."""
    parts = [part for module in modules for part in module.modules()]
    modes = [part.training for part in parts]
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def _refuse_other_than_rows(name: str, x: Tensor) -> None:
    if x.dim() != 2:
        raise ValueError(
            f"{name} must give one row an image, got a batch of the shape "
            f"{tuple(x.shape)}. Flatten its output."
        )


@torch.no_grad()
def _embeddings(head: nn.Module, h: Float[Tensor, "v n d"]) -> Float[Tensor, "v n k"]:
    try:
        z = head(h.flatten(0, 1))
    except RuntimeError as error:
        raise ValueError(
            f"head must take the backbone's rows of width {h.shape[-1]}, got an error: "
            f"{str(error).splitlines()[0]}. Give the head that the backbone had."
        ) from error
    _refuse_other_than_rows("head", z)
    finite("outputs of the head", z)
    return z.unflatten(0, h.shape[:2])


def _space(x: Float[Tensor, "v n d"]) -> Space:
    x = x.double()
    flat = x.flatten(0, 1)
    # One-way analysis of variance: what remains around the mean of each image's views.
    within = x.var(dim=0).sum(-1).mean()
    spectrum = torch.linalg.eigvalsh(flat.mT.cov()).flip(0).clamp(min=0)
    kept = spectrum[spectrum > 1e-4 * spectrum[0]]
    return Space(
        spectrum=spectrum,
        condition=float(kept[0] / kept[-1]),
        num_kept=len(kept),
        effective_rank=float(rank.effective_rank(flat)),
        orbit_share=float(within / flat.var(dim=0).sum()),
    )


def _whitening(h: Float[Tensor, "v n d"], z: Float[Tensor, "v n k"]) -> Whitening:
    """Weights of the canonical directions: in the head's linear part, and predicted."""
    h, z = h.double(), z.double()
    moments = moments_of_views(h)
    x = (h - h.mean((0, 1))).flatten(0, 1)
    y = (z - z.mean((0, 1))).flatten(0, 1)
    # Least squares; what a dead unit leaves in the covariance is rounding.
    inverse = torch.linalg.pinv(moments.covariance, rtol=1e-10, hermitian=True)
    linear = y.mT @ x @ inverse / len(x)  # [k d]
    basis = principal_subspace(moments)
    form = canonical(project(moments, basis))
    # The weights need A'A alone; its root has no more rows than there are directions.
    found = found_weights(torch.linalg.qr(linear @ basis, mode="r").R, form)
    rho = form.correlations[: len(found)]
    predicted = {
        "hard whitening": weights.hard_whitening(rho),
        "spectral contrastive": weights.spectral_contrastive(rho),
        "Barlow Twins": weights.barlow_twins(rho, redundancy=0.0051),
        "VICReg": weights.vicreg(rho, invariance=25.0, variance=25.0, covariance=1.0),
    }
    return Whitening(
        correlations=rho,
        found=found / found.sum(),
        predicted={name: t / t.sum() for name, t in predicted.items()},
        linear_share=float((x @ linear.mT).square().sum() / y.square().sum()),
    )


def _spread(
    head: nn.Module, h: Float[Tensor, "v n d"], num_metrics: int, seed: int
) -> Spread:
    """Spread of the metric over samples, along the leading directions of h."""
    flat = h.flatten(0, 1)
    basis = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh
    basis = basis[:NUM_DIRECTIONS].mT  # [d p]
    draw = torch.Generator().manual_seed(seed)
    chosen = flat[torch.randperm(len(flat), generator=draw)[:num_metrics].to(flat.device)]

    J = jacobians(head, chosen).detach() @ basis  # [m k p]
    metrics = J.mT @ J
    return Spread(frobenius_spread(metrics), float(log_euclidean_spread(metrics)))


def _curvature(
    head: nn.Module, h: Float[Tensor, "2 n d"], loss: Loss, count: int, seed: int
) -> Eigenpairs:
    """Both ends of the Hessian of the loss in the head's weights."""

    def of_views(model: Callable[..., Tensor], batch: Tensor) -> Tensor:
        return loss(model(batch[0]), model(batch[1]))

    operator = hessian(*module_loss(head, h.detach(), of_views))
    count = min(count, operator.size // 2)
    return extreme_eigenpairs(operator, num_largest=count, num_smallest=count, seed=seed)
