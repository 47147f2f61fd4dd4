"""Quoted numbers, against the released arrays where they are; arrays, never unpickled."""

import io
import pickle
import urllib.error

import numpy as np
import pytest
import torch

from geomlib import downloads, places
from geomlib.simsiam import published
from geomlib.simsiam.escape import escapes

FOLDER = places.data()
HERE = [] if FOLDER is None else [FOLDER / "published", FOLDER]
ARE_HERE = any((folder / "cifar10_resnet18_collapse.npz").is_file() for folder in HERE)
needs_arrays = pytest.mark.skipif(not ARE_HERE, reason="GEOMLIB_DATA has no raw arrays")


class Bomb:
    """An object that tells when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.fixture
def packed(monkeypatch, tmp_path):
    """Arrays in the place of a released set, known by their checksum."""
    arrays = {"min_eigenvalues": np.array([0.0, -1e-8]), "epochs": np.arange(2)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    data = dict(published._package_data())
    row = {"name": "raw_data_x", "public": "x.npz", "sha256": published.checksum(arrays)}
    data["arrays"] = [row, row | {"name": "y_collapse", "public": "y.npy"}]
    monkeypatch.setattr(published, "_package_data", lambda: data)
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path))
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "urlopen", refuse)
    return buffer.getvalue()


def refuse(*_, **__):
    raise urllib.error.URLError("no network")


def test_there_are_27_runs_of_3_seeds():
    runs = published.released_runs()
    assert [len(run.extremes) for run in runs] == [3] * 27
    assert len({(run.arrays, run.name) for run in runs}) == 27
    relu = [run for run in runs if run.head == published.Head("relu")]
    assert sum(len(run.extremes) for run in relu) == 21


def test_extremes_are_in_order():
    for run in published.released_runs():
        first, least, most, last = run.extremes.T
        assert bool((least <= torch.minimum(first, last)).all())
        assert bool((torch.maximum(first, last) <= most).all())
        assert bool((most < 1).all())


def test_source_names_the_repository_and_every_figure_its_setting():
    assert "farischaudhry/projection-head-geometry, MIT" in published.source()
    assert all(len(figure.setting) > 15 for figure in published.quoted().values())


@needs_arrays
def test_quoted_extremes_are_those_of_the_released_curves():
    for run in published.released_runs():
        curves = published.iso_curves(published.released(run.arrays))[run.name]
        assert curves.shape == (run.epochs, 3)
        torch.testing.assert_close(
            published.extremes(curves), run.extremes, rtol=1e-5, atol=0
        )


@needs_arrays
def test_without_batch_norm_the_extremes_decide_who_escaped():
    for run in published.released_runs():
        if run.head.batch_norm:
            continue
        curves = published.iso_curves(published.released(run.arrays))[run.name]
        _, least, most, _ = run.extremes.T
        by_extremes = (most >= 0.05) & (most >= 3 * least)
        assert torch.equal(by_extremes, escapes(curves).escaped)


@needs_arrays
def test_quoted_timescale_ratios_are_recomputed():
    arrays = published.released("cifar10_resnet18_collapse")
    head, backbone = (
        arrays[f"linear_bn_False_lr_base/{part}_update_rel_raw"].mean(0)
        for part in ("proj", "backbone")
    )
    figures = published.quoted()
    for window, epochs in (("10", slice(10)), ("50", slice(50)), ("49", slice(1, 50))):
        ratio = head[epochs].mean() / backbone[epochs].mean()
        quoted = figures[f"timescale ratio {window} epochs"].value
        assert quoted == pytest.approx(ratio, rel=2e-3)
    # The published figure divides by the mean plus 1e-8.
    floored = head[:10].mean() / (backbone[:10].mean() + 1e-8)
    assert figures["timescale ratio published"].value == pytest.approx(floored, rel=1e-4)


@needs_arrays
@pytest.mark.parametrize("name", ["collapsed_relu", "collapsed_swish", "normal_swish"])
def test_quoted_tracker_values_are_those_of_the_arrays(name):
    values = published.released(f"raw_data_{name}")["min_eigenvalues"]
    figures, key = published.quoted(), f"tracker {name.replace('_', ' ')}"
    for what, expected in (
        ("zeros", (values == 0).sum()),
        ("positive", (values > 0).sum()),
        ("first", values[0]),
        ("smallest", values.min()),
        ("largest", values.max()),
        ("last", values[-1]),
        ("median size", np.median(np.abs(values))),
    ):
        assert figures[f"{key} {what}"].value == pytest.approx(expected, rel=1e-3)


@needs_arrays
def test_escapes_are_one_dimensional_and_some_conditions_below_one():
    arrays, ratios = published.released("cifar10_resnet18_collapse"), []
    for name, curves in published.iso_curves(arrays).items():
        if "bn_False" in name:
            largest = 1e-7 * arrays[f"{name}/condition_number_clamped"][:, -1]
            escaped = escapes(curves).escaped.numpy()
            ratios += list((curves[-1].numpy() ** 2 / largest)[escaped])
    figures = published.quoted()
    assert len(ratios) == 10
    assert figures["one direction smallest"].value == pytest.approx(min(ratios), abs=1e-3)
    assert figures["one direction largest"].value == pytest.approx(max(ratios), abs=1e-3)
    conditions = arrays["relu_bn_False_lr_large/condition_number_clamped"]
    assert figures["conditions below 1"].value == (conditions < 1).sum()


def test_folder_comes_first_then_the_download_once(packed, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"Put it as raw_data_x\.npz"):
        published.released("raw_data_x")
    monkeypatch.setattr(downloads, "urlopen", lambda *_, **__: io.BytesIO(packed))
    assert published.released("raw_data_x")["epochs"].tolist() == [0, 1]
    (kept,) = (tmp_path / "cache" / "published").iterdir()
    assert kept.name == "raw_data_x.npz"
    monkeypatch.setattr(downloads, "urlopen", refuse)
    assert len(published.released("raw_data_x")) == 2
    kept.unlink()
    (tmp_path / "raw_data_x.npz").write_bytes(packed)
    assert len(published.released("raw_data_x")) == 2


def test_what_is_pickled_in_public_is_not_downloaded(packed):
    with pytest.raises(FileNotFoundError, match="holds pickled objects"):
        published.released("y_collapse")


def test_wrong_downloads_are_refused_and_not_kept(packed, tmp_path, monkeypatch):
    other = io.BytesIO()
    np.savez(other, epochs=np.arange(3))
    for content, message in (
        (other.getvalue(), "must hold arrays with the checksum"),
        (b"<html>", "must hold plain arrays"),
        (b"0" * (published.LARGEST + 1), "must have at most"),
    ):
        response = io.BytesIO(content)
        monkeypatch.setattr(downloads, "urlopen", lambda *_, r=response, **__: r)
        with pytest.raises(ValueError, match=message):
            published.released("raw_data_x")
    assert not (tmp_path / "cache").exists()


def test_a_download_that_stops_half_way_leaves_no_file(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "urlopen", lambda *_, **__: io.BytesIO(packed[:-40]))
    with pytest.raises(ValueError, match="must hold plain arrays"):
        published.released("raw_data_x")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("ending", ["npz", "npy", "pickle"])
def test_objects_are_never_unpickled(ending, tmp_path):
    path, objects = tmp_path / f"file.{ending}", np.array([Bomb()], dtype=object)
    if ending == "npz":
        np.savez(path, x=objects)
    elif ending == "npy":
        np.save(path, objects)
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="must hold plain arrays"):
        published.read_arrays(path)


def test_plain_arrays_are_read_and_checked(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(3.0))
    assert published.read_arrays(path)[""].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="with the checksum 00, got"):
        published.read_arrays(path, sha256="00")
    with pytest.raises(FileNotFoundError, match="path must name a file"):
        published.read_arrays(tmp_path / "nothing.npz")


def test_checksum_is_of_the_numbers():
    a = {"x": np.arange(3.0)}
    assert published.checksum(a) == published.checksum({"x": np.arange(3.0).astype(">f8")})
    for other in ({"y": a["x"]}, {"x": a["x"][:, None]}, {"x": np.arange(3)}):
        assert published.checksum(a) != published.checksum(other)


def test_unknown_sets_are_refused():
    with pytest.raises(ValueError, match="name must be one of cifar100_resnet18_collapse"):
        published.released("cifar")
    with pytest.raises(ValueError, match=r"number of arrays <run>/std.* at least 1, got 0"):
        published.iso_curves({"x": np.zeros(3)})
