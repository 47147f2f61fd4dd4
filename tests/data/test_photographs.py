import socket

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_images

from geomlib.data import photographs as module
from geomlib.data.photographs import photographs

SPLITS = ("train", "validation", "test")
CLASSES = (
    *("astronaut", "coffee", "chelsea", "rocket", "retina"),
    *("hubble", "ihc", "motorcycle", "china", "flower"),
)


def coordinates(height, width):
    """A picture whose pixels hold their own row, column and zero."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns, torch.zeros_like(rows)]).float()


@pytest.fixture
def maps(monkeypatch):
    """Each photograph replaced by its map of coordinates, of the same size."""
    pictures = tuple(coordinates(*p.shape[1:]) for p in module._photographs())
    monkeypatch.setattr(module, "_photographs", lambda: pictures)
    return pictures


def test_pictures_are_those_of_the_packages_own_loaders():
    china, flower = load_sample_images().images
    loaders = {
        "astronaut": skimage.data.astronaut,
        "coffee": skimage.data.coffee,
        "chelsea": skimage.data.chelsea,
        "rocket": skimage.data.rocket,
        "ihc": skimage.data.immunohistochemistry,
        "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
        "china": lambda: china,
        "flower": lambda: flower,
    }
    ours = dict(zip(CLASSES, module._photographs(), strict=True))
    for name, loader in loaders.items():
        theirs = torch.tensor(loader()).permute(2, 0, 1)
        assert torch.equal((ours[name] * 255).round().byte(), theirs), name


def test_large_pictures_are_halved_by_area():
    ours = dict(zip(CLASSES, module._photographs(), strict=True))
    for name, loader in (
        ("retina", skimage.data.retina),
        ("hubble", skimage.data.hubble_deep_field),
    ):
        full = torch.tensor(loader()).permute(2, 0, 1).double() / 255
        height, width = full.shape[1] // 2, full.shape[2] // 2
        quarters = [
            full[:, i : 2 * height : 2, j : 2 * width : 2] for i in (0, 1) for j in (0, 1)
        ]
        torch.testing.assert_close(ours[name].double(), sum(quarters) / 4)


def test_nothing_is_asked_of_the_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    module._photographs.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    assert len(module._photographs()) == 10


def test_no_pixel_is_in_two_splits(maps):
    owned = [torch.zeros(3, *picture.shape[1:], dtype=torch.bool) for picture in maps]
    for number, split in enumerate(SPLITS):
        data = photographs(split, num_per_class=100, seed=0)
        rows, columns = data.images[:, 0].long(), data.images[:, 1].long()
        for label, masks in enumerate(owned):
            chosen = data.labels == label
            masks[number, rows[chosen], columns[chosen]] = True
    for masks in owned:
        assert masks.flatten(1).any(1).all()
        assert masks.sum(0).max() == 1
        # 100 patches cover a third of what the blocks hold: the claim is not empty.
        height, width = (64 * (side // 64) for side in masks.shape[1:])
        assert masks.sum() > 0.3 * height * width


def test_a_patch_is_a_square_of_pixels_inside_one_block(maps):
    del maps
    patches = photographs("train", num_per_class=300, seed=1).images[:, :2].long()
    corners = patches[:, :, :1, :1]
    expected = corners + coordinates(32, 32)[:2].long()
    assert torch.equal(patches, expected)
    assert torch.equal(patches[:, :, 0, 0] // 64, patches[:, :, -1, -1] // 64)
    # Positions fill the whole range that a block allows.
    assert (patches[:, :, 0, 0] % 64).unique().tolist() == list(range(33))


def test_blocks_are_split_sixty_twenty_twenty(maps):
    for picture in maps:
        height, width = picture.shape[1:]
        blocks = [module._blocks(height, width, split) for split in SPLITS]
        counts = torch.tensor([len(b) for b in blocks])
        assert counts.sum() == (height // 64) * (width // 64)
        shares = counts / counts.sum()
        assert (shares - torch.tensor([0.6, 0.2, 0.2])).abs().max() < 0.05
        assert len(torch.unique(torch.cat(blocks), dim=0)) == counts.sum()


def test_seed_decides_the_draw():
    first, again, other = (
        photographs("test", num_per_class=3, seed=seed).images for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_classes_come_in_order_and_in_equal_number():
    data = photographs("validation", num_per_class=2, seed=0)
    assert data.classes == CLASSES
    assert data.labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert 0 <= data.images.min() < data.images.max() <= 1


@pytest.mark.parametrize("size", [16, 8, 1])
def test_smaller_patches_are_area_averages(size):
    full = photographs("train", num_per_class=2, seed=0).images
    small = photographs("train", num_per_class=2, seed=0, size=size).images
    torch.testing.assert_close(small, F.interpolate(full, size=(size, size), mode="area"))


@pytest.mark.parametrize("size", [-16, 0, 24, 64])
def test_refuses_a_size_that_does_not_divide_the_patch(size):
    with pytest.raises(ValueError, match=f"size must divide 32, got {size}"):
        photographs("train", num_per_class=1, seed=0, size=size)


def test_refuses_no_patches_and_unknown_splits():
    with pytest.raises(ValueError, match="num_per_class must be at least 1, got 0"):
        photographs("train", num_per_class=0, seed=0)
    with pytest.raises(ValueError, match=r"split must be one of train, .*, got 'all'"):
        photographs("all", num_per_class=1, seed=0)
