"""An operator averaged over the processes of ``torch.distributed``."""

from collections.abc import Callable
from dataclasses import replace

import torch.distributed as dist
from torch import Tensor

from geomlib.checks import at_least
from geomlib.hessian.operator import SymmetricOperator, layout

_Description = tuple[str, bool, int | None]


def all_reduced(
    operator: SymmetricOperator,
    *,
    num_samples: int | None = None,
    group: dist.ProcessGroup | None = None,
) -> SymmetricOperator:
    """Mean of the processes' operators, each weighed by its number of samples.

    It is what one process would have on all the data, and every process gets the same
    numbers. Each product is a collective call: every process must ask for the same
    products, of the same vectors (one seed), in the same order. A solver does, because
    what it decides by comes out of the products.

    Args:
        operator: This process's, of a loss that is a mean over its samples.
        num_samples: Samples it is a mean over; None in every process weighs all alike.
        group: Processes to average over, by default all; gloo reduces on the CPU, nccl
            on GPUs.

    Raises:
        RuntimeError: If ``torch.distributed`` is not initialised.
        ValueError: In every process alike, if a loss was declared to couple samples, the
            operators act on different tensors, or the counts are below 1 or given in
            some processes only.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "torch.distributed must be initialised, got no process group. Start the "
            "processes with torchrun and call "
            "torch.distributed.init_process_group('gloo') in each ('nccl' on GPUs)."
        )
    at_least("rank of this process in group", dist.get_rank(group), 0)
    mine: _Description = (layout(operator), operator.couples_samples, num_samples)
    # Compared in every process: a refusal in one alone would leave the others waiting.
    everyone = [mine] * dist.get_world_size(group)
    dist.all_gather_object(everyone, mine, group=group)
    share = _share(everyone, num_samples)

    def reduced(product: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def apply(v: Tensor) -> Tensor:
            result = (share * product(v)).contiguous()
            _ = dist.all_reduce(result, group=group)
            return result

        return apply

    return replace(
        operator, matvec=reduced(operator.matvec), matmat=reduced(operator.matmat)
    )


def _share(everyone: list[_Description], num_samples: int | None) -> float:
    """This process's weight, once all are known to fit together."""
    layouts, couplings, counts = zip(*everyone, strict=True)
    for rank, other in enumerate(layouts):
        if other != layouts[0]:
            raise ValueError(
                "operators must act on the same tensors in the same order in every "
                f"process, got {layouts[0]} in rank 0 and {other} in rank {rank}."
            )
    if any(couplings):
        raise ValueError(
            "operators must belong to a loss that is a mean over samples, got one "
            f"declared to couple them in rank {couplings.index(True)}. Gather the whole "
            "data in one process, or pass couples_samples=False if the loss is a mean."
        )
    given = [count for count in counts if count is not None]
    if num_samples is None and not given:
        return 1 / len(everyone)
    if num_samples is None or len(given) < len(everyone) or min(given) < 1:
        raise ValueError(
            "num_samples must be at least 1 in every process or None in every process, "
            f"got {', '.join(map(str, counts))}."
        )
    return num_samples / sum(given)
