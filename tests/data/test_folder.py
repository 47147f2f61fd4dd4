"""Images of a folder: cut, resized, ordered, drawn; and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomlib.data.folder import images_in


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype("uint8")).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of one colour each, one grey, one deeper down, and other files."""
    for name, colour in {"b.png": (0, 255, 0), "a.png": (255, 0, 0)}.items():
        save(tmp_path / name, np.full((6, 9, 3), colour))
    save(tmp_path / "deep" / "c.png", np.full((4, 4), 51))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    return tmp_path


def test_order_values_and_shape(folder: Path):
    images = images_in(folder, size=5)
    assert images.shape == (3, 3, 5, 5)
    assert images[:, :, 2, 2].tolist() == [[1, 0, 0], [0, 1, 0], pytest.approx([0.2] * 3)]


def test_the_middle_square_is_kept(tmp_path: Path):
    pixels = np.zeros((4, 12, 3))
    pixels[:, 4:8] = 255
    save(tmp_path / "wide.png", pixels)
    assert images_in(tmp_path, size=4).min() == 1


def test_a_draw_is_seeded_and_without_replacement(folder: Path):
    everything = images_in(folder, size=2)
    draws = [images_in(folder, size=2, num_images=2, seed=s) for s in range(8)]
    again = images_in(folder, size=2, num_images=2, seed=3)
    assert torch.equal(draws[3], again)
    places = {
        tuple(int((everything == x).flatten(1).all(1).nonzero()) for x in draw)
        for draw in draws
    }
    assert len(places) > 1
    assert all(first < second for first, second in places)


def test_what_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"folder must name a folder, got .*absent"):
        images_in(tmp_path / "absent", size=4)
    with pytest.raises(ValueError, match=r"folder must hold \.jpg.* got none"):
        images_in(tmp_path / "empty", size=4)
    with pytest.raises(ValueError, match="number of images in folder must be at least 4"):
        images_in(folder, size=4, num_images=4)
    with pytest.raises(ValueError, match="size must be at least 1"):
        images_in(folder, size=0)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n cut"])
def test_a_file_that_is_no_image_is_named(folder: Path, content: bytes):
    (folder / "z.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"z\.png must be a JPEG or PNG image"):
        images_in(folder, size=4)
