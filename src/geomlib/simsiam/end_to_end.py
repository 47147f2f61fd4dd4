"""Training backbone, projector and predictor together, from random views of images."""

import os
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from geomlib.checks import at_least, positive
from geomlib.data.augment import views
from geomlib.simsiam.escape import iso
from geomlib.simsiam.heads import Head, head_outputs, initial_heads
from geomlib.simsiam.objective import negative_cosine

CROP = (0.2, 1.0)


@dataclass(frozen=True)
class Training:
    """What was recorded of one run.

    Attributes:
        steps: Steps at which the rest was recorded, from 0.
        spread: ``iso`` of the embeddings of the evaluated images.
        backbone_spread: ``iso`` of their representations.
        losses: SimSiam's loss on them.
        heads: Named tensors of projector and predictor at the end, one run stacked.
    """

    steps: Int[Tensor, " t"]
    spread: Float[Tensor, " t"]
    backbone_spread: Float[Tensor, " t"]
    losses: Float[Tensor, " t"]
    heads: dict[str, Tensor]


def train_end_to_end(
    backbone: nn.Module,
    head: Head,
    images: Float[Tensor, "n c h w"],
    *,
    width: int,
    bottleneck: int,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    every: int,
    scale: float = 1.0,
    momentum: float = 0.9,
    num_evaluated: int = 256,
    seed: int,
) -> Training:
    """Records of SimSiam trained by SGD at a constant rate, without decay.

    Views are crops of 0.2 to 1 of the area and mirror images. The two views of a batch go
    through the backbone one after the other, so that a batch norm sees one at a time.
    Records are in training mode, a batch norm with the statistics of the evaluated images,
    so that they are of the function that is trained.

    Args:
        backbone: Map of images to representations; changed in place, left in training
            mode.
        head: What stands between the linear maps of projector and predictor.
        images: Values in [0, 1], on the backbone's device.
        width: Of the projector's hidden layer and of the embeddings.
        bottleneck: Of the predictor's hidden layer.
        num_steps: Steps.
        batch_size: Images in a batch, drawn with replacement.
        learning_rate: Of all parameters.
        every: Steps from one record to the next; the last step is always recorded.
        scale: Factor on the projector's first weights; the published collapsed start is
            0.1.
        momentum: Of SGD.
        num_evaluated: Images recorded, drawn once (all, if there are fewer), two views
            each.
        seed: Of heads, batches and views; not of the backbone.

    Raises:
        ValueError: If a number is out of range.
        FloatingPointError: If the loss is not finite when it is recorded.

    Source: the protocol of Chaudhry 2026, without its epochs.
    """
    for name, value in (("num_steps", num_steps), ("every", every)):
        at_least(name, value, 1)
    at_least("batch_size", batch_size, 2)
    at_least("num_evaluated", num_evaluated, 2)
    positive("learning_rate", learning_rate)
    at_least("momentum", momentum, 0)
    draws = torch.Generator(images.device).manual_seed(seed)

    def drawn(picks: Int[Tensor, " b"]) -> Float[Tensor, "2 b c h w"]:
        chosen = images[picks]
        pair = [
            views(chosen, generator=draws, crop=CROP, jitter=0, grey=0) for _ in range(2)
        ]
        return torch.stack(pair)

    order = torch.randperm(len(images), generator=draws, device=images.device)
    evaluated = drawn(order[:num_evaluated])
    backbone.train()
    with torch.no_grad():
        num_features = backbone(evaluated[0]).shape[1]
    first = initial_heads(
        num_features,
        width=width,
        bottleneck=bottleneck,
        generators=[torch.Generator().manual_seed(seed)],
        scale=scale,
        batch_norm=head.batch_norm,
    )
    heads = {name: t.to(images.device).requires_grad_() for name, t in first.items()}
    leaves = [*backbone.parameters(), *heads.values()]
    optimiser = torch.optim.SGD(leaves, lr=learning_rate, momentum=momentum)

    def outputs(pair: Float[Tensor, "2 b c h w"]) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.stack([backbone(view) for view in pair])[None]  # [1 2 b d]
        return h, *head_outputs(heads, h, head)

    marks: list[int] = []
    records: list[Tensor] = []
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    for step in tqdm(range(num_steps + 1), delay=5, leave=False, disable=quiet):
        if step % every == 0 or step == num_steps:
            with torch.no_grad():
                h, p, z = outputs(evaluated)
                record = [iso(z[0, 0]), iso(h[0, 0]), negative_cosine(p, z)[0]]
            if not bool(record[-1].isfinite()):
                raise FloatingPointError(
                    f"loss must stay finite, got {record[-1].item()} at step {step} of "
                    f"{num_steps}. Lower learning_rate ({learning_rate:g})."
                )
            marks.append(step)
            records.append(torch.stack(record))
        if step == num_steps:
            break
        picks = torch.randint(
            len(images), (batch_size,), generator=draws, device=images.device
        )
        _, p, z = outputs(drawn(picks))
        optimiser.zero_grad()
        negative_cosine(p, z.detach()).sum().backward()
        optimiser.step()
    spread, backbone_spread, losses = torch.stack(records).T.cpu()
    end = {name: leaf.detach() for name, leaf in heads.items()}
    return Training(torch.tensor(marks), spread, backbone_spread, losses, end)
