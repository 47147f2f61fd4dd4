import hashlib
import io
import pickle
import tarfile
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from geomlib.data.cifar10 import cifar10

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@pytest.fixture(autouse=True)
def own_places(monkeypatch, tmp_path):
    """No data, an empty cache, and no network."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.delenv("GEOMLIB_DATA", raising=False)
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)


# --- the reader's own image files


def write_folder(folder, *, num=3, suffix=".png"):
    """Images of one colour that says class and number, in ImageFolder's layout."""
    for split in ("train", "test"):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for i in range(num):
                image = Image.new("RGB", (32, 32), (20 * label, 50 * i, 0))
                image.save(folder / split / name / f"{i:04d}{suffix}")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    write_folder(folder)
    monkeypatch.setenv("GEOMLIB_DATA", str(folder))
    return folder


def test_pixels_are_those_of_the_files(folder):
    data = cifar10("train")
    assert data.classes == CLASSES
    assert data.images.shape == (30, 3, 32, 32)
    red, green, blue = data.images.unbind(1)
    label, number = 20 * data.labels / 255, green[:, 0, 0]
    torch.testing.assert_close(red, label[:, None, None].expand_as(red))
    assert (
        sorted((number * 255).round().int().tolist()) == [0] * 10 + [50] * 10 + [100] * 10
    )
    assert blue.max() == 0


def test_jpeg_files_are_read_too(monkeypatch, tmp_path):
    write_folder(tmp_path / "jpeg", num=1, suffix=".JPG")
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path / "jpeg"))
    data = cifar10("test")
    red = (data.images[:, 0] * 255).mean((1, 2))
    assert (red - 20 * data.labels).abs().max() < 2  # what JPEG may lose on one colour


def test_sub_folder_cifar10_is_found(monkeypatch, tmp_path):
    write_folder(tmp_path / "mine" / "cifar10", num=1)
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path / "mine"))
    assert len(cifar10("test")) == 10


def test_hidden_files_and_folders_are_not_data(folder):
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "cat" / "._0000.png").write_bytes(b"not an image")
    (folder / "train" / "cat" / "README.txt").write_text("not an image")
    assert len(cifar10("train")) == 30


def test_seed_decides_the_subset_and_smaller_ones_are_parts(folder):
    first, again, other = (cifar10("train", num_images=20, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, other.labels)
    fewer = cifar10("train", num_images=5, seed=3)
    assert torch.equal(fewer.images, first.images[:5])


def test_a_subset_of_grouped_files_holds_all_classes(monkeypatch, tmp_path):
    write_folder(tmp_path / "many", num=10)
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path / "many"))
    for seed in range(3):
        assert len(cifar10("train", num_images=50, seed=seed).labels.unique()) == 10


def test_only_the_chosen_files_are_decoded(folder):
    before = cifar10("train", num_images=1)
    number = round(before.images[0, 1, 0, 0].item() * 255 / 50)
    chosen = folder / "train" / CLASSES[int(before.labels)] / f"{number:04d}.png"
    for path in folder.glob("train/*/*.png"):
        if path != chosen:
            path.write_bytes(b"not an image")
    assert torch.equal(cifar10("train", num_images=1).images, before.images)


@pytest.mark.parametrize("num", [0, -1, 31])
def test_refuses_a_number_that_is_not_there(folder, num):
    with pytest.raises(ValueError, match=f"num_images must be between 1 and 30, .* {num}"):
        cifar10("train", num_images=num)


def test_refuses_an_unknown_split(folder):
    with pytest.raises(ValueError, match="split must be one of train, test, got 'val'"):
        cifar10("val")


def test_refuses_nine_classes(folder):
    for path in (folder / "train" / "truck").iterdir():
        path.unlink()
    (folder / "train" / "truck").rmdir()
    with pytest.raises(ValueError, match=r"train must hold ten folders.*got 9: airplane, "):
        cifar10("train")


def test_refuses_an_empty_class(folder):
    for path in (folder / "train" / "truck").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"truck must hold \.jpg or \.png files, got none"):
        cifar10("train")


def test_refuses_a_missing_split(folder):
    (folder / "test").rename(folder / "validation")
    with pytest.raises(FileNotFoundError, match="GEOMLIB_DATA must hold both splits"):
        cifar10("test")


def test_refuses_a_file_that_is_no_image(folder):
    (folder / "train" / "cat" / "0001.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"0001\.png must be a JPEG or PNG image"):
        cifar10("train")


def test_refuses_a_truncated_image(folder):
    path = folder / "train" / "cat" / "0001.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"0001\.png must be a JPEG or PNG image"):
        cifar10("train")


def test_refuses_another_format_under_the_name_png(folder):
    path = folder / "train" / "cat" / "0001.png"
    Image.new("RGB", (32, 32)).save(path, format="BMP")
    with pytest.raises(ValueError, match=r"0001\.png must be a JPEG or PNG image"):
        cifar10("train")


def test_refuses_another_size(folder):
    Image.new("RGB", (28, 32)).save(folder / "train" / "cat" / "0001.png")
    with pytest.raises(ValueError, match=r"0001\.png must be 32 pixels.*got 28 and 32"):
        cifar10("train")


# --- torchvision's archive


class Python2Pickler(pickle.Pickler):
    """Pickles an array's dtype as NumPy 1 under Python 2 did: with flags 0 and 1."""

    def reducer_override(self, obj):
        if isinstance(obj, np.dtype):
            return np.dtype, (obj.str[1:], 0, 1), obj.__reduce__()[2]
        return NotImplemented


def pickled(entry):
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(entry)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def batches(monkeypatch, tmp_path):
    """A tiny CIFAR-10 as torchvision keeps it, with the sums of its files in force."""
    random = np.random.default_rng(0)
    arrays, contents = {}, {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data = random.integers(0, 256, (4, 3072), dtype=np.uint8)
        labels = random.integers(0, 10, 4).tolist()
        arrays[name] = data, labels
        contents[name] = pickled({"data": data, "labels": labels})
    contents["batches.meta"] = pickled({"label_names": list(CLASSES)})

    cache = tmp_path / "cache"
    cache.mkdir()
    with tarfile.open(cache / CIFAR10.filename, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    sums = [[name, md5(content)] for name, content in contents.items()]
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5((cache / CIFAR10.filename).read_bytes()))
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:6])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums[6][1]})
    return arrays


@pytest.mark.parametrize(("split", "num"), [("train", 20), ("test", 4)])
def test_archive_in_the_cache_is_read_without_a_network(batches, split, num):
    data = cifar10(split)
    assert data.classes == CLASSES
    assert len(data) == num
    label_of = {
        tuple(row): label
        for name, (rows, labels) in batches.items()
        if name.startswith("test") == (split == "test")
        for row, label in zip(rows.tolist(), labels, strict=True)
    }
    # A row holds 1024 red values, then the green, then the blue.
    rows = (data.images * 255).round().int().flatten(1).tolist()
    assert {tuple(row) for row in rows} == set(label_of)
    assert [label_of[tuple(row)] for row in rows] == data.labels.tolist()


def test_image_files_come_before_the_archive(batches, folder):
    assert len(cifar10("train")) == 30


def test_data_folder_without_cifar10_is_passed_over(batches, monkeypatch, tmp_path):
    (tmp_path / "speech").mkdir()
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path / "speech"))
    assert len(cifar10("test")) == 4


class Trap:
    """Code that runs when it is unpickled."""

    sprung = False

    @staticmethod
    def spring():
        Trap.sprung = True
        return {"data": np.zeros((4, 3072), np.uint8), "labels": [0] * 4}

    def __reduce__(self):
        return Trap.spring, ()


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_tampered_batch_is_never_unpickled(batches, tmp_path, monkeypatch, name):
    monkeypatch.setattr(Trap, "sprung", False)
    cifar10("train")  # unpacks the archive
    cache = tmp_path / "cache"
    (cache / CIFAR10.base_folder / name).write_bytes(pickle.dumps(Trap()))
    (cache / CIFAR10.filename).unlink()
    for split in ("train", "test"):
        with pytest.raises(FileNotFoundError, match="another MD5 counts as missing"):
            cifar10(split)
    assert not Trap.sprung
    # The trap works: the same file, read with no check, runs.
    pickle.loads((cache / CIFAR10.base_folder / name).read_bytes())
    assert Trap.sprung


def test_a_tampered_archive_is_never_unpacked(batches, tmp_path):
    cache = tmp_path / "cache"
    with (cache / CIFAR10.filename).open("ab") as file:
        file.write(b"more")
    with pytest.raises(FileNotFoundError, match="another MD5 counts as missing"):
        cifar10("train")
    assert not (cache / CIFAR10.base_folder).exists()


def test_no_copy_and_no_network_says_what_to_put_where(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        cifar10("train")
    for said in (
        "GEOMLIB_DATA",
        "train/<class>/*.png",
        "sub-folder cifar10",
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        str(tmp_path / "cache"),
        "no network",
    ):
        assert said in str(caught.value)
