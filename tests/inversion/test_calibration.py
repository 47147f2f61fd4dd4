"""What is measured of an encoder, on encoders that answer by rule."""

import pytest
import torch

from geomlib.inversion.calibration import Predicted, predictions
from geomlib.models.quantile_heads import Quantiles


def draw(n, random):
    style = torch.rand(n, 2, generator=random)
    return style, style[:, :1, None, None].expand(n, 1, 4, 4).contiguous()


class Rule(torch.nn.Module):
    """The mean brightness for every style, between 0.1 below and 0.3 above."""

    def forward(self, images):
        point = images.mean((2, 3)).expand(-1, 2)
        return Quantiles(point - 0.1, point, point + 0.3)


def found(num_images=50, batch_size=256):
    return predictions(
        Rule(), draw, factors=(1, 2, 4), noise=0.0, num_images=num_images, seed=0,
        batch_size=batch_size,
    )  # fmt: skip


def test_rows_are_images_then_factors():
    predicted = found()
    assert predicted.point.shape == (50, 3, 2)
    assert predicted.target.shape == (50, 2)
    # No noise, constant images: every factor shows the first style.
    for r in range(3):
        torch.testing.assert_close(predicted.point[:, r, 0], predicted.target[:, 0])
    torch.testing.assert_close(predicted.widths, torch.full((50, 3, 2), 0.4))


def test_missed_is_counted_one_by_one():
    predicted = found()
    scales = torch.tensor([0.0, 1.0, 2.5])
    missed = predicted.missed(scales)
    above = predicted.target[:, 1] - predicted.point[:, 0, 1]
    for position, scale in enumerate(scales):
        outside = (above > 0.3 * scale) | (above < -0.1 * scale)
        # The first style is met exactly up to rounding, so leave scale 0 aside.
        if scale > 0:
            torch.testing.assert_close(missed[:, 1, position], outside.float() / 2)
    constant = predicted.missed(scales, constant=True)
    assert constant[:, :, 1].max() == 0  # nothing is off by 1


def test_some_of_the_styles():
    predicted = found().only(torch.tensor([1]))
    assert torch.equal(predicted.target, found().target[:, 1:])
    assert torch.equal(predicted.widths, found().widths[..., 1:])
    assert predicted.missed(torch.ones(1)).unique().tolist() == [0, 1]


def test_explained_variance_by_hand():
    target = torch.tensor([[0.0], [2.0]])
    point = torch.stack([target, torch.ones(2, 1), -target], 1)
    predicted = Predicted(target, point, point, point)
    # The point itself, the mean, and the mirror image with errors 0 and 4.
    assert predicted.explained().tolist() == [1.0, 0.0, -7.0]


def test_the_last_batch_may_be_smaller():
    assert found(num_images=10, batch_size=4).point.shape == (10, 3, 2)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="num_images must be at least 1"):
        found(num_images=0)
