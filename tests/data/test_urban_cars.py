"""A small folder in UrbanCars' layout: groups, files beside, exchanges, bad files."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geomlib.data.urban_cars import SIDES, UrbanCars, urban_cars, urban_cars_folder


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype("uint8")).save(path, quality=95)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures a group of training: grey of the group's own, masks left and right."""
    root = tmp_path / "urbancars"
    for number, names in enumerate(product(SIDES, SIDES, SIDES)):
        group = "obj-{}_bg-{}_co_occur_obj-{}".format(*names)
        for i in range(2):
            place = root / "bg-0.95_co_occur_obj-0.95" / "train" / group / f"{i:03d}"
            save(place.with_suffix(".jpg"), np.full((8, 8, 3), 20 * number + 10 * i))
            save(Path(f"{place}_bg_only.png"), np.full((8, 8, 3), 200 + number))
            left, right = np.zeros((8, 8)), np.zeros((8, 8))
            left[:, :2], right[:, 6:] = 255, 255
            save(Path(f"{place}_mask.png"), left)
            save(Path(f"{place}_co_occur_obj_mask.png"), right)
    return root


@pytest.fixture
def cars(folder: Path) -> UrbanCars:
    return urban_cars(folder, "train")


def test_groups_and_labels(cars: UrbanCars):
    assert len(cars) == 16
    assert cars.labels.tolist() == [0] * 8 + [1] * 8
    for path, label, cues in zip(cars.files, cars.labels, cars.cues, strict=True):
        names = [SIDES[i] for i in (label, *cues)]
        assert path.parent.name == "obj-{}_bg-{}_co_occur_obj-{}".format(*names)
    assert cars.common[0].tolist() == [True, True]
    assert cars.common[8].tolist() == [False, False]


def test_pictures_backgrounds_and_masks(cars: UrbanCars):
    images = cars.images(slice(2, 5), size=8)
    assert images.shape == (3, 3, 8, 8)
    torch.testing.assert_close(
        images[0], torch.full((3, 8, 8), 20 / 255), atol=0.01, rtol=0
    )
    assert cars.images(slice(0, 1), size=4).shape == (1, 3, 4, 4)
    assert cars.backgrounds(slice(0, 1), size=8).unique().tolist() == pytest.approx(
        [200 / 255]
    )
    assert cars.masks(slice(0, 1), of="car", size=8)[0, 0, 0].tolist() == [1, 1] + [0] * 6
    assert cars.masks(slice(0, 1), of="co_object", size=8)[0, 0, 3].tolist() == [0] * 6 + [
        1,
        1,
    ]


def test_exchange_keeps_car_and_object(cars: UrbanCars):
    found = cars.with_backgrounds_of(slice(0, 1), slice(15, 16), size=8)[0, 0, 0]
    own, other = cars.images(slice(0, 1), size=8)[0, 0, 0], 207 / 255
    assert found[2:6].tolist() == pytest.approx([other] * 4)
    assert torch.equal(found[[0, 1, 6, 7]], own[[0, 1, 6, 7]])
    with pytest.raises(ValueError, match="number of donors must be at least 2, got 1"):
        cars.with_backgrounds_of(slice(0, 2), slice(15, 16), size=8)


def test_missing_groups_files_and_splits(folder: Path, cars: UrbanCars):
    with pytest.raises(ValueError, match="split must be one of train, val, test"):
        urban_cars(folder, "validation")
    with pytest.raises(
        ValueError, match=r"pictures of all eight groups, got none in .*val"
    ):
        urban_cars(folder, "val")
    Path(f"{cars.files[0].with_suffix('')}_mask.png").unlink()
    with pytest.raises(ValueError, match=r"000.jpg must have 000_mask.png beside it"):
        cars.masks(slice(0, 1), of="car", size=8)
    with pytest.raises(ValueError, match="of must be one of car, co_object"):
        cars.masks(slice(0, 1), of="bike", size=8)
    with pytest.raises(ValueError, match="number of pictures must be at least 1"):
        cars.images(slice(0, 0), size=8)


def test_what_is_no_image_is_refused(cars: UrbanCars):
    cars.files[0].write_bytes(b"no image")
    with pytest.raises(ValueError, match="must be a JPEG or PNG image"):
        cars.images(slice(0, 1), size=8)
    Image.new("RGB", (8, 8)).save(cars.files[1], format="GIF")
    with pytest.raises(ValueError, match="must be a JPEG or PNG image"):
        cars.images(slice(1, 2), size=8)


def test_folder_of_the_readers(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GEOMLIB_DATA", raising=False)
    assert urban_cars_folder() is None
    monkeypatch.setenv("GEOMLIB_DATA", str(folder.parent))
    assert urban_cars_folder() == folder
    monkeypatch.setenv("GEOMLIB_DATA", str(folder))
    assert urban_cars_folder() is None
