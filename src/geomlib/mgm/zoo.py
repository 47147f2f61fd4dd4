"""Encoders trained by several losses under several augmentations, kept in files."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geomlib import losses
from geomlib import training as training_module
from geomlib.checks import at_least, one_of
from geomlib.data import augment
from geomlib.data.images import LabelledImages
from geomlib.tensor_files import load_tensors, save_tensors
from geomlib.training import minimise, train_on_views

LABELS = "labels"
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "InfoNCE": partial(losses.info_nce, temperature=0.2),
    "VICReg": partial(losses.vicreg, invariance=25.0, variance=25.0, covariance=1.0),
    "Barlow Twins": partial(losses.barlow_twins, redundancy=0.0051),
}
# What the views of a training differ in, as settings of ``geomlib.data.augment.views``.
TRAINING_VIEWS: dict[str, dict[str, object]] = {
    "crop": {"jitter": 0.0, "grey": 0.0},
    "colour": {"crop": (1.0, 1.0), "flip": False, "jitter": 0.8},
    "both": {"jitter": 0.8},
}


@dataclass(frozen=True)
class Recipe:
    """How one encoder of a zoo is trained.

    Attributes:
        loss: One of ``LOSSES``, or ``labels`` for cross-entropy with the images' labels.
        augmentation: One of ``TRAINING_VIEWS``.
        replica: Number that tells encoders of the same recipe apart.

    Raises:
        ValueError: If the loss or the augmentation is unknown.
    """

    loss: str
    augmentation: str
    replica: int = 0

    def __post_init__(self) -> None:
        one_of("loss", self.loss, (*LOSSES, LABELS))
        one_of("augmentation", self.augmentation, TRAINING_VIEWS)

    def __str__(self) -> str:
        number = f" {self.replica}" if self.replica else ""
        return f"{self.loss}, {self.augmentation}{number}"


def recipes(*, num_replicas: int = 1) -> list[Recipe]:
    """Every loss with every augmentation: twelve recipes, or a multiple of them.

    Raises:
        ValueError: If ``num_replicas`` is below 1.

    >>> len(recipes())
    12
    """
    at_least("num_replicas", num_replicas, 1)
    kinds = product(range(num_replicas), (*LOSSES, LABELS), TRAINING_VIEWS)
    return [Recipe(loss, augmentation, replica) for replica, loss, augmentation in kinds]


def train(
    recipe: Recipe,
    encoder: nn.Module,
    head: nn.Module,
    data: LabelledImages,
    *,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> nn.Module:
    """The encoder, trained in place by a recipe, in evaluation mode.

    Args:
        recipe: Loss and views.
        encoder: Map of images to representations.
        head: Map of representations to embeddings, trained with it; for labels, to at
            least as many numbers as there are classes.
        data: Images on the encoder's device, and their labels.
        num_steps: Number of steps.
        batch_size: Images in a batch, at least 2.
        learning_rate: Rate of Adam's first step.
        seed: Of batches and views.

    Raises:
        ValueError: If a count or rate is out of range.
        FloatingPointError: If the loss is not finite.
    """
    network = nn.Sequential(encoder, head)
    view = partial(augment.views, **TRAINING_VIEWS[recipe.augmentation])  # pyright: ignore[reportArgumentType]
    if recipe.loss != LABELS:
        train_on_views(
            network,
            data.images,
            LOSSES[recipe.loss],
            num_steps=num_steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            view=view,
        )
        return encoder.eval()
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(data.images.device).manual_seed(seed)
    network.train()

    def batch_loss() -> Tensor:
        images = data.images
        picks = torch.randint(
            len(images), (batch_size,), generator=generator, device=images.device
        )
        scores = network(view(images[picks], generator=generator))
        return F.cross_entropy(scores, data.labels[picks].to(scores.device))

    minimise(
        batch_loss, network.parameters(), num_steps=num_steps, learning_rate=learning_rate
    )
    return encoder.eval()


def kept(
    encoder: nn.Module, folder: Path | None, key: object, train: Callable[[], object]
) -> nn.Module:
    """The encoder with the weights that training gave it, now or in an earlier run.

    Args:
        encoder: What ``train`` changes; filled from the file if there is one.
        folder: Where weights are kept, each file written whole or not at all; None keeps
            and reads nothing.
        key: Everything that the weights depend on, as its ``repr`` tells it; the code of
            zoo, training, losses and views counts by itself.
        train: The work.

    Returns:
        The encoder, in evaluation mode.

    Raises:
        ValueError: If a file that is found is damaged.
        RuntimeError: If it is of another network.
    """
    if folder is None:
        train()
        return encoder.eval()
    path = folder / f"{_digest(key)}.npz"
    if not path.is_file():
        train()
        save_tensors(path, encoder.state_dict())
    encoder.load_state_dict(load_tensors(path))
    return encoder.eval()


def _digest(key: object) -> str:
    modules = (augment, losses, training_module)
    places = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    code = b"".join(place.read_bytes() for place in places)
    return hashlib.sha256(repr(key).encode() + code).hexdigest()[:24]
