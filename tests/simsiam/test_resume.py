"""Kept results: made once, read after, never unpickled."""

import pickle

import numpy as np
import pytest
import torch

from geomlib.simsiam import resume
from geomlib.simsiam.resume import resumed


class Work:
    """Counts how often it is done."""

    count = 0

    def __call__(self):
        self.count += 1
        return {"x": torch.arange(3.0), "flag": torch.tensor(True)}


def test_a_result_is_made_once_for_each_key(tmp_path):
    work = Work()
    first = resumed(tmp_path, ("grid", 1), work)
    again = resumed(tmp_path, ("grid", 1), work)
    assert work.count == 1
    assert torch.equal(first["x"], again["x"])
    assert again["flag"].dtype == torch.bool
    resumed(tmp_path, ("grid", 2), work)
    assert work.count == 2
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz", ".npz"]


def test_other_code_makes_it_anew(tmp_path, monkeypatch):
    work = Work()
    resumed(tmp_path, 1, work)
    monkeypatch.setattr(resume, "CODE", ("heads.py",))
    resumed(tmp_path, 1, work)
    assert work.count == 2


def test_without_a_folder_nothing_is_kept(tmp_path):
    work = Work()
    for _ in range(2):
        resumed(None, 1, work)
    assert work.count == 2
    assert not list(tmp_path.iterdir())


def test_work_that_fails_leaves_no_file(tmp_path):
    def fail():
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        resumed(tmp_path, 1, fail)
    assert not list(tmp_path.iterdir())


def test_a_file_of_objects_is_refused(tmp_path):
    resumed(tmp_path, 1, Work())
    (path,) = tmp_path.iterdir()
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="must hold plain arrays"):
        resumed(tmp_path, 1, Work())
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="must hold plain arrays"):
        resumed(tmp_path, 1, Work())
