"""Images of two classes with two shortcuts: a background and an object that goes with it.

A core decides the class; background and object agree with it in most training images.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from geomlib.checks import at_least, one_of
from geomlib.data.cifar10 import cifar10
from geomlib.data.composites import pasted
from geomlib.data.digits import digits
from geomlib.data.images import LabelledImages
from geomlib.data.photographs import photographs

# Of each class: both cues common, background alone common, object alone common, neither.
TRAIN = (1805, 95, 95, 5)  # of 2000: .95 * .95, .95 * .05, .05 * .95, .05 * .05
VALIDATION = (50, 50, 50, 50)
TEST = (300, 300, 300, 300)

# Side 0 and side 1 of the core, of the background and of the digit.
_PHOTOGRAPHS = (
    (("astronaut", "flower"), ("coffee", "chelsea")),
    (("china", "hubble"), ("rocket", "motorcycle")),
)
_CIFAR10 = (
    (("automobile", "truck"), ("dog", "horse")),
    (("airplane", "ship"), ("deer", "frog")),
)
_DIGITS = ((0, 6), (1, 7))

Sides = tuple[Tensor, Tensor]  # parts of side 0 and of side 1, one row a part


@dataclass(frozen=True)
class TwoCueImages:
    """Images in three layers, kept apart so that a cue can be exchanged.

    Attributes:
        cores: What the class is about, in the middle.
        backgrounds: What it lies on.
        objects: Opacity of the white ink at the bottom right.
        labels: Class of each image, 0 or 1.
        cues: Side of the background and of the object; the side that is common in a class
            has its number.
    """

    cores: Float32[Tensor, "n 3 s s"]
    backgrounds: Float32[Tensor, "n 3 h w"]
    objects: Float32[Tensor, "n 1 o o"]
    labels: Int64[Tensor, " n"]
    cues: Int64[Tensor, "n 2"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Float32[Tensor, "n 3 h w"]:
        """The layers, one over the other."""
        side, core, ink = (
            layer.shape[-1] for layer in (self.backgrounds, self.cores, self.objects)
        )
        middle, corner = (side - core) // 2, side - ink - 1
        whole = pasted(self.backgrounds, self.cores, top=middle, left=middle)
        white = whole.new_ones(1, 1, 1, 1)
        return pasted(whole, white, top=corner, left=corner, opacity=self.objects)

    @property
    def common(self) -> Bool[Tensor, "n 2"]:
        """Whether each cue is the one that is common in the image's class."""
        return self.cues == self.labels[:, None]

    def __getitem__(self, picks: Tensor) -> "TwoCueImages":
        """The images at these positions."""
        return TwoCueImages(**{name: layer[picks] for name, layer in vars(self).items()})

    def to(self, device: torch.device) -> "TwoCueImages":
        """The same images on another device."""
        return TwoCueImages(
            **{name: layer.to(device) for name, layer in vars(self).items()}
        )

    def with_cues_of(
        self, donors: "TwoCueImages", swap: Bool[Tensor, "n 2"]
    ) -> "TwoCueImages":
        """Images with the background, the object, or both, of others.

        Args:
            donors: As many images, from which the new cues come.
            swap: Which cues of each image to exchange, in the order of ``cues``.
        """
        background, ink = (swap[:, i, None, None, None] for i in (0, 1))
        return replace(
            self,
            backgrounds=torch.where(background, donors.backgrounds, self.backgrounds),
            objects=torch.where(ink, donors.objects, self.objects),
            cues=torch.where(swap, donors.cues, self.cues),
        )


def two_cue_images(
    cores: Sides, backgrounds: Sides, objects: Sides, *, counts: tuple[int, ...], seed: int
) -> TwoCueImages:
    """Images put together from parts, with exact counts, in random order.

    Args:
        cores: Parts of class 0 and of class 1.
        backgrounds: Parts of side 0 and of side 1.
        objects: Opacities of side 0 and of side 1.
        counts: Images of each class in which both cues are common, the background alone,
            the object alone, and neither.
        seed: Of which parts meet. Cores and backgrounds are used once each where there
            are enough of them, objects again and again.

    Raises:
        ValueError: If there are not four counts, one is negative or all are 0.
    """
    if len(counts) != 4 or min(counts) < 0 or sum(counts) < 1:
        raise ValueError(
            f"counts must be four whole numbers, none negative and not all 0, got {counts}."
        )
    generator = torch.Generator().manual_seed(seed)
    num = torch.tensor(counts)
    uncommon = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).repeat_interleave(num, dim=0)
    labels = torch.tensor([0, 1]).repeat_interleave(len(uncommon))
    cues = labels[:, None] ^ uncommon.repeat(2, 1)
    order = torch.randperm(len(labels), generator=generator)
    labels, cues = labels[order], cues[order]
    return TwoCueImages(
        _dealt(cores, labels, generator),
        _dealt(backgrounds, cues[:, 0], generator),
        _dealt(objects, cues[:, 1], generator),
        labels,
        cues,
    )


def photograph_cues(
    split: str, *, seed: int, counts: tuple[int, ...] | None = None
) -> TwoCueImages:
    """Patches of photographs on patches of photographs, with a digit, 32x32.

    Class 0 shows the astronaut or the flower, class 1 the coffee or the cat, averaged to
    16x16, in the middle. Backgrounds are China or the sky against rocket or motorcycle,
    objects the digits 0 and 6 against 1 and 7, 8x8, in white ink at row and column 23.
    No pixel and no digit is in two splits.

    Args:
        split: ``train``, ``validation`` or ``test``.
        seed: Of the draw.
        counts: As in ``two_cue_images``; by default those of UrbanCars for training,
            50 of each for validation and 300 of each for the test.

    Raises:
        ValueError: If ``split`` is none of the three or the counts are not four.
    """
    one_of("split", split, ("train", "validation", "test"))
    counts = _counts(split, counts)
    # Two photographs a side: half of them each, and the sides' counts differ little.
    num = max(1, (sum(counts) + 1) // 2)
    parts = [
        photographs(split, num_per_class=num, seed=2 * seed + i, size=size)
        for i, size in enumerate((16, 32))
    ]
    cores, backgrounds = (
        _sides(part, names) for part, names in zip(parts, _PHOTOGRAPHS, strict=True)
    )
    return two_cue_images(
        cores, backgrounds, _digit_sides(split, 1.0), counts=counts, seed=seed
    )


def cifar10_cues(
    split: str, *, seed: int, counts: tuple[int, ...] | None = None
) -> TwoCueImages:
    """Pictures of CIFAR-10 on pictures of CIFAR-10, with a digit, 32x32.

    Class 0 shows a car or a truck, class 1 a dog or a horse, averaged to 16x16, in the
    middle. Backgrounds are airplane or ship against deer or frog, objects as in
    ``photograph_cues`` with opacity one half. Training and validation images come from
    CIFAR-10's training set and share no picture, test images from its test set.

    Args:
        split: ``train``, ``validation`` or ``test``.
        seed: Of the draw.
        counts: As in ``photograph_cues``.

    Raises:
        ValueError: As ``photograph_cues``.
        FileNotFoundError: If there is no CIFAR-10.
    """
    one_of("split", split, ("train", "validation", "test"))
    source = cifar10("test" if split == "test" else "train")
    if split != "test":
        # A tenth of a seeded order, the same at every call.
        cut = len(source) // 10
        part = slice(None, cut) if split == "validation" else slice(cut, None)
        source = LabelledImages(source.images[part], source.labels[part], source.classes)
    small = LabelledImages(F.avg_pool2d(source.images, 2), source.labels, source.classes)
    return two_cue_images(
        _sides(small, _CIFAR10[0]),
        _sides(source, _CIFAR10[1]),
        _digit_sides(split, 0.5),
        counts=_counts(split, counts),
        seed=seed,
    )


def _counts(split: str, counts: tuple[int, ...] | None) -> tuple[int, ...]:
    """Counts given, or those of the split."""
    by_split = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return by_split[split] if counts is None else counts


def _sides(source: LabelledImages, names: tuple[tuple[str, ...], tuple[str, ...]]) -> Sides:
    """Images of the classes of side 0 and of side 1."""
    first, second = (
        torch.isin(
            source.labels, torch.tensor([source.classes.index(name) for name in side])
        )
        for side in names
    )
    return source.images[first], source.images[second]


def _digit_sides(split: str, opacity: float) -> Sides:
    """Digits of side 0 and of side 1, as opacities."""
    source = digits(split)
    first, second = (torch.isin(source.labels, torch.tensor(side)) for side in _DIGITS)
    return opacity * source.images[first], opacity * source.images[second]


def _dealt(parts: Sides, sides: Int64[Tensor, " n"], generator: torch.Generator) -> Tensor:
    """A part of the wanted side for each image, none twice before all were used."""
    dealt = parts[0].new_empty(len(sides), *parts[0].shape[1:])
    for side, pool in enumerate(parts):
        at_least(f"number of parts of side {side}", len(pool), 1)
        wanted = (sides == side).nonzero()[:, 0]
        rounds = -(-len(wanted) // len(pool))
        order = torch.cat(
            [torch.randperm(len(pool), generator=generator) for _ in range(rounds)]
            or [torch.empty(0, dtype=torch.long)]
        )
        dealt[wanted] = pool[order[: len(wanted)]]
    return dealt
