"""Two problems with a known answer: a self-supervised head (A) and ResNet-18 (B).

Both are trained for a few dozen steps on seeded, structured data, so that their spectra
look like those of real training: a few large eigenvalues, a bulk near zero, and a
negative end. Everything is made in float64 on the CPU and rounded to float32 once, so
that a problem in float32 and its float64 reference have the same weights and data.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from geomlib.losses import info_nce
from geomlib.places import write_text

NUM_LARGEST, NUM_SMALLEST = 5, 1
REFERENCES = Path(__file__).parent / "references.json"


class InfoNCE(nn.Module):
    """InfoNCE of two views that lie side by side in the outputs; there is no target."""

    # Libraries that know only losses of outputs and targets ask for this name.
    reduction = "mean"

    def forward(self, outputs: Float[Tensor, "n 2 k"], targets: Tensor) -> Tensor:
        """Loss of the first view against the second."""
        return info_nce(outputs[:, 0], outputs[:, 1], temperature=0.1)


class Swish(nn.Module):
    """``nn.SiLU`` written out, for libraries that need its forward-mode derivative."""

    def forward(self, x: Tensor) -> Tensor:
        """Input times its sigmoid."""
        return x * x.sigmoid()


@dataclass(frozen=True)
class Problem:
    """A trained model, one batch, and a loss of outputs and targets.

    Two views of a sample lie in one input, so that every library sees a model of one
    input and a loss of one output.
    """

    name: str
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    criterion: nn.Module

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    def loss(self, model: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Loss of the problem's own model, or of another in its place."""
        return self.criterion((model or self.model)(self.inputs), self.targets)

    def gradient(self) -> tuple[Tensor, ...]:
        """Gradient by one forward and one backward pass."""
        return torch.autograd.grad(self.loss(), list(self.model.parameters()))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Problem":
        """Copy of the problem elsewhere, sharing nothing."""
        # Class labels are integers and stay so.
        kept = self.targets.dtype if not self.targets.is_floating_point() else dtype
        return replace(
            self,
            model=deepcopy(self.model).to(device, dtype),
            inputs=self.inputs.to(device, dtype, copy=True),
            targets=self.targets.to(device, kept, copy=True),
        )

    def with_written_out_silu(self) -> "Problem":
        """The same function without ``nn.SiLU``."""
        model = deepcopy(self.model)
        for name, module in model.named_children():
            if isinstance(module, nn.SiLU):
                setattr(model, name, Swish())
        return replace(self, model=model)


def head(
    widths: tuple[int, int, int] = (512, 1024, 128),
    *,
    batch: int = 512,
    steps: int = 24,
    seed: int = 0,
) -> Problem:
    """Problem A: a head under InfoNCE over two noisy views of shared content."""
    random = torch.Generator().manual_seed(seed)
    d = widths[0]

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    rotation = torch.linalg.qr(normal(d, d)).Q
    deviation = torch.arange(1, d + 1, dtype=torch.float64) ** -1.0  # [d]

    def views() -> Float[Tensor, "n 2 d"]:
        content = normal(batch, 1, d) + 0.5 * normal(batch, 2, d)
        return (content * deviation) @ rotation + 0.02 * normal(batch, 2, d)

    model = nn.Sequential(
        nn.Linear(widths[0], widths[1]), nn.SiLU(), nn.Linear(widths[1], widths[2])
    )
    problem = Problem("A", model.double(), torch.empty(0), torch.zeros(batch), InfoNCE())
    return _trained(problem, lambda: (views(), problem.targets), random, steps, 1e-3)


def resnet(*, batch: int = 64, steps: int = 20, seed: int = 0) -> Problem:
    """Problem B: ResNet-18 under cross-entropy on ten noisy smooth patterns.

    Three labels in ten are drawn at random, so that the loss cannot fall to zero. The
    model is in evaluation mode, because PyHessian knows no other.
    """
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    patterns = nn.functional.interpolate(normal(10, 3, 4, 4), size=32, mode="bicubic")

    def pictures() -> tuple[Tensor, Tensor]:
        shown, drawn = torch.randint(10, (2, batch), generator=random)
        labels = shown.where(torch.rand(batch, generator=random) > 0.3, drawn)
        return patterns[shown] + 1.5 * normal(batch, 3, 32, 32), labels

    model = torchvision.models.resnet18(num_classes=10).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Running statistics must follow weights that move for a few steps only.
            module.momentum = 0.3
    empty = torch.empty(0)
    problem = Problem("B", model, empty, empty, nn.CrossEntropyLoss())
    return _trained(problem, pictures, random, steps, 1e-3)


PROBLEMS: dict[str, Callable[[], Problem]] = {"A": head, "B": resnet}


def _trained(
    problem: Problem,
    batch: Callable[[], tuple[Tensor, Tensor]],
    random: torch.Generator,
    steps: int,
    rate: float,
) -> Problem:
    """Weights drawn anew, some steps of Adam on fresh batches, and one batch to keep."""
    model = problem.model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                scale = (2 / parameter[0].numel()) ** 0.5
                parameter.normal_(0, scale, generator=random)
            elif name.endswith("bias"):
                parameter.zero_()
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        inputs, targets = batch()
        optimiser.zero_grad()
        replace(problem, inputs=inputs, targets=targets).loss().backward()
        optimiser.step()
    optimiser.zero_grad()
    model.eval()
    inputs, targets = batch()
    for tensor in (*model.state_dict().values(), inputs):
        if tensor.is_floating_point():
            tensor.copy_(tensor.float())
    return replace(problem, inputs=inputs, targets=targets)


def reference(problem: Problem) -> dict[str, Any]:
    """Five largest and the smallest eigenvalue in float64, kept in ``references.json``.

    By ARPACK on products that share no code with geomlib. An eigenvalue of the Hessian
    lies within its residual of each value given.

    Raises:
        ValueError: If the problem is not the one whose reference was kept, or a residual
            is above 1e-8 of its eigenvalue.
    """
    kept = json.loads(REFERENCES.read_text("utf-8")) if REFERENCES.is_file() else {}
    exact = problem.to("cpu", torch.float64)
    loss = float(exact.loss().detach())
    if problem.name in kept:
        found = kept[problem.name]
        if abs(found["loss"] - loss) > 1e-6 * abs(loss):
            raise ValueError(
                f"the problem must have the loss {found['loss']:.9g} of its reference, "
                f"got {loss:.9g}. Delete references.json to make it anew."
            )
        return found
    parameters = list(exact.model.parameters())
    gradient = torch.autograd.grad(exact.loss(), parameters, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in gradient])

    def product(v: Any) -> Any:
        direction = torch.as_tensor(v.reshape(-1))
        parts = torch.autograd.grad(flat, parameters, direction, retain_graph=True)
        return torch.cat([p.reshape(-1) for p in parts]).numpy()

    operator = LinearOperator((exact.size,) * 2, matvec=product, dtype=np.float64)
    values: dict[str, list[float]] = {"residuals": []}
    for which, count in (("LA", NUM_LARGEST), ("SA", NUM_SMALLEST)):
        start = np.random.default_rng(0).standard_normal(exact.size)
        found, vectors = eigsh(operator, count, which=which, tol=5e-9, v0=start, ncv=30)
        values[which] = sorted(found.tolist())
        for value, vector in zip(found, vectors.T, strict=True):
            residual = float(np.linalg.norm(product(vector) - value * vector))
            values["residuals"].append(residual)
            if residual > 1e-8 * abs(value):
                raise ValueError(
                    f"residuals must be at most 1e-8 of their eigenvalue, got "
                    f"{residual:.3g} at {value:.6g}."
                )
    kept[problem.name] = {
        "loss": loss,
        "size": exact.size,
        "largest": values["LA"],
        "smallest": values["SA"],
        "residuals": values["residuals"],
    }
    write_text(REFERENCES, json.dumps(kept, indent=1) + "\n")
    return kept[problem.name]
