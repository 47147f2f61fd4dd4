"""Two processes on parts of the data against one process on all of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from scipy.sparse.linalg import eigsh
from torch import Tensor
from torch.nn import functional as F

from geomlib.hessian import operator
from geomlib.hessian.distributed import all_reduced
from geomlib.hessian.operator import SymmetricOperator

# Samples of each process: counts differ, so that a mean that forgets them is wrong.
PARTS = [slice(0, 6), slice(6, 8)]
COUNTS = [6, 2]


def curvature(rows: slice, *, hidden: int = 4) -> SymmetricOperator:
    """Hessian of a small classifier's mean cross-entropy over some of the samples."""
    generator = torch.Generator().manual_seed(0)
    x, W1, W2 = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in [(8, 6), (6, hidden), (hidden, 3)]
    )
    labels = torch.arange(8) % 3

    def loss(t: operator.Tensors) -> Tensor:
        return F.cross_entropy(F.silu(x[rows] @ t["W1"]) @ t["W2"], labels[rows])

    return operator.hessian(loss, {"W1": W1, "W2": W2}, couples_samples=False)


def dense(of: SymmetricOperator) -> Tensor:
    return of.matmat(torch.eye(of.size, dtype=of.dtype))


def extremes(of: SymmetricOperator) -> Tensor:
    start = torch.ones(of.size, dtype=of.dtype).numpy()
    return torch.tensor(eigsh(of.to_scipy(), k=6, which="BE", v0=start)[0])


def refusal(of: SymmetricOperator, **options) -> str:
    try:
        all_reduced(of, **options)
    except ValueError as error:
        return str(error)
    return "accepted"


def process(rank: int, folder: Path) -> None:
    """What each of the two processes does; its findings go to a file."""
    dist.init_process_group(
        "gloo",
        init_method=(folder / "rendezvous").as_uri(),
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    mine = curvature(PARTS[rank])
    mean = all_reduced(mine, num_samples=COUNTS[rank])
    groups = [dist.new_group([0]), dist.new_group([1])]
    reordered = dict(reversed(mine.shapes.items()))
    found = {
        "extremes": extremes(mean),
        "dense": dense(mean),
        "matvec": mean.matvec(torch.ones(mean.size, dtype=torch.float64)),
        "unweighted": dense(all_reduced(mine)),
        "own group": dense(all_reduced(mine, num_samples=7, group=groups[rank])),
        "description": (mean.size, mean.dtype, mean.shapes, mean.couples_samples),
        "refusals": {
            "size": refusal(curvature(PARTS[rank], hidden=4 + rank)),
            "order": refusal(replace(mine, shapes=reordered) if rank else mine),
            "dtype": refusal(replace(mine, dtype=torch.float32) if rank else mine),
            "coupled": refusal(replace(mine, couples_samples=rank == 1)),
            "one count": refusal(mine, num_samples=None if rank else 5),
            "no sample": refusal(mine, num_samples=rank),
        },
        "other group": refusal(mine, group=groups[1 - rank]),
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def findings(tmp_path_factory) -> list[dict]:
    """What two processes found; they are started once for all tests."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(process, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def test_two_processes_give_the_extreme_eigenvalues_of_one(findings):
    spectrum = torch.linalg.eigvalsh(dense(curvature(slice(0, 8))))
    expected = torch.cat([spectrum[:3], spectrum[-3:]])
    for found in findings:
        torch.testing.assert_close(found["extremes"], expected, rtol=0, atol=1e-6)


def test_two_processes_give_the_matrix_of_one(findings):
    expected = dense(curvature(slice(0, 8)))
    for found in findings:
        torch.testing.assert_close(found["dense"], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(found["matvec"], expected.sum(1), rtol=0, atol=1e-12)


def test_every_process_gets_the_same_numbers_to_the_last_bit(findings):
    for name in ("extremes", "dense", "matvec"):
        assert torch.equal(findings[0][name], findings[1][name])


def test_mean_describes_itself_as_its_parts(findings):
    whole = curvature(slice(0, 8))
    expected = (whole.size, whole.dtype, whole.shapes, False)
    assert [found["description"] for found in findings] == [expected, expected]


def test_without_counts_all_processes_weigh_alike(findings):
    expected = (dense(curvature(PARTS[0])) + dense(curvature(PARTS[1]))) / 2
    for found in findings:
        torch.testing.assert_close(found["unweighted"], expected, rtol=0, atol=1e-12)


def test_group_averages_over_its_processes_only(findings):
    for part, found in zip(PARTS, findings, strict=True):
        expected = dense(curvature(part))
        torch.testing.assert_close(found["own group"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("size", "got W1[6, 4], W2[4, 3] (torch.float64) in rank 0 and W1[6, 5], "),
        ("order", "same order in every process, got W1[6, 4], W2[4, 3] (torch.float64)"),
        ("dtype", "W2[4, 3] (torch.float32) in rank 1."),
        ("coupled", "got one declared to couple them in rank 1. Gather the whole data"),
        ("one count", "or None in every process, got 5, None."),
        ("no sample", "num_samples must be at least 1 in every process"),
    ],
)
def test_mistake_of_one_process_is_refused_in_both(findings, mistake, message):
    # In one alone, the other would wait for it.
    first, second = (found["refusals"][mistake] for found in findings)
    assert message in first
    assert first == second


def test_process_outside_the_group_is_refused(findings):
    for found in findings:
        assert found["other group"] == (
            "rank of this process in group must be at least 0, got -1."
        )


def test_missing_process_group_is_refused_with_the_cure():
    with pytest.raises(RuntimeError, match=r"got no process group\. Start .* torchrun .*"):
        all_reduced(curvature(PARTS[0]), num_samples=6)
