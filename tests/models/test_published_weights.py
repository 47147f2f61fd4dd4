"""Weights from PyTorch's folder arrive; a file with code in it runs none of it."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import ResNet50_Weights
from torchvision.models.video import S3D_Weights

from geomlib.models.backbones import backbone
from geomlib.models.published_weights import load_published
from geomlib.multimodal.large_video import large_video_network

WEIGHTS = ResNet50_Weights.IMAGENET1K_V2


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder in which PyTorch looks before it downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def name(weights) -> str:
    return weights.url.rpartition("/")[2]


def test_weights_of_the_layout_arrive(kept: Path):
    given = nn.Linear(2, 3)
    torch.save(given.state_dict(), kept / name(WEIGHTS))
    found = nn.Linear(2, 3)
    load_published(found, WEIGHTS)
    assert torch.equal(found.weight, given.weight)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        load_published(nn.Linear(3, 3), WEIGHTS)


class Trap:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize(
    ("weights", "make"),
    [
        (WEIGHTS, lambda: backbone("resnet50")),
        (S3D_Weights.KINETICS400_V1, large_video_network),
    ],
    ids=["resnet50", "s3d"],
)
def test_a_file_with_code_in_it_runs_none(kept: Path, weights, make):
    mark = kept / "mark"
    torch.save({"fc.weight": Trap(mark)}, kept / name(weights))
    with pytest.raises(pickle.UnpicklingError):
        make()
    assert not mark.exists()
    torch.load(kept / name(weights), weights_only=False)
    assert mark.exists()  # the trap is one
