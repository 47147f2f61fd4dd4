"""Which of the published checkpoints a folder holds."""

import pytest
import small
import torch

from geomlib.models.checkpoints import found

VIT = "dino_deitsmall16_pretrain_full_checkpoint.pth"


def test_files_are_found_by_name_the_sub_folder_first(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    inner, outer = tmp_path / "checkpoints" / VIT, tmp_path / VIT
    for path in (outer, inner, tmp_path / "checkpoint.pth", tmp_path / "other.pth"):
        path.write_bytes(b"")
    assert found.found(tmp_path) == [inner, tmp_path / "checkpoint.pth"]
    assert found.found(None) == []


def test_a_file_is_loaded_by_the_loader_of_its_name(tmp_path):
    content = small.dino(
        small.vit_weights(patch=16) | small.perceptron(12) | small.weight_normed()
    )
    torch.save(content, tmp_path / VIT)
    model = found.load(tmp_path / VIT)
    assert model.head(torch.zeros(2, 12)).shape == (2, small.LAST)


def test_other_names_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"path must end in one of dino_.*, got 'model.pth'"
    ):
        found.load(tmp_path / "model.pth")
