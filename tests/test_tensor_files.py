"""Tensor files: what was saved comes back, and objects are never unpickled."""

import pickle

import numpy as np
import pytest
import torch

from geomlib.tensor_files import load_tensors, save_tensors


class Bomb:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_types_and_shapes_come_back(dtype, tmp_path):
    saved = {"a/b.0": torch.arange(6).view(2, 3).to(dtype), "scalar": torch.tensor(1.5)}
    path = tmp_path / "new" / "kept.npz"
    save_tensors(path, saved)
    found = load_tensors(path)
    assert found.keys() == saved.keys()
    for name, tensor in saved.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
    assert [p.name for p in path.parent.iterdir()] == ["kept.npz"]  # no part file is left


def test_a_tensor_in_a_graph_is_saved_as_its_numbers(tmp_path):
    x = torch.ones(2, requires_grad=True)
    save_tensors(tmp_path / "kept.npz", {"twice": 2 * x})
    assert load_tensors(tmp_path / "kept.npz")["twice"].tolist() == [2, 2]


def test_names_that_numpy_would_take_for_its_own_are_refused(tmp_path):
    for name in ("file", "allow_pickle"):
        with pytest.raises(ValueError, match=rf"must not be named .*got \['{name}'\]"):
            save_tensors(tmp_path / "kept.npz", {name: torch.ones(2), "a": torch.ones(1)})
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_of_plain_arrays_is_refused(tmp_path):
    path = tmp_path / "kept.npz"
    np.savez(path, x=np.array([Bomb()], dtype=object))
    objects = path.read_bytes()
    save_tensors(path, {"x": torch.arange(1000)})
    short = path.read_bytes()[:-40]
    for content in (objects, short, pickle.dumps(Bomb()), b"", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="must hold plain arrays"):
            load_tensors(path)
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "absent.npz")
