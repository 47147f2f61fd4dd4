"""Features of a small folder in UrbanCars' layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from geomlib.data.urban_cars import SIDES, urban_cars
from geomlib.shortcuts.frozen import car_features


def test_rows_are_means_in_the_order_of_the_files(tmp_path: Path):
    for number, group in enumerate(np.ndindex(2, 2, 2)):
        names = [SIDES[i] for i in group]
        folder = tmp_path / "bg-0.5_co_occur_obj-0.5" / "test"
        folder /= "obj-{}_bg-{}_co_occur_obj-{}".format(*names)
        folder.mkdir(parents=True)
        pixels = np.full((6, 6, 3), 30 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "000.jpg")
    cars = urban_cars(tmp_path, "test")
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    place = torch.device("cpu")
    rows = car_features(cars, network, device=place, size=4, batch_size=3)
    grey = torch.arange(8)[:, None] * 30 / 255
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(rows, (grey - mean) / spread, atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        car_features(cars, network, device=place, batch_size=0)
