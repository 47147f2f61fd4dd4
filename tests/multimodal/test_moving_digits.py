"""Paths by hand, reversal, mass that is kept, refusals."""

import pytest
import torch

from geomlib.data.digits import digits
from geomlib.multimodal.moving_digits import MOTIONS, moving_digits


def videos(motion: str, num_frames: int = 7, seed: int = 0) -> torch.Tensor:
    images = digits("test").images[:20]
    motions = torch.full((20,), MOTIONS.index(motion))
    generator = torch.Generator().manual_seed(seed)
    return moving_digits(images, motions, num_frames=num_frames, generator=generator)


def centres(x: torch.Tensor) -> torch.Tensor:
    """Row and column of the centre of mass of each frame, less those of the first."""
    mass = x[:, 0] / x[:, 0].sum((2, 3), keepdim=True)
    grid = torch.arange(16.0)
    both = torch.stack([mass.sum(3) @ grid, mass.sum(2) @ grid], -1)
    return both - both[:, :1]


def test_straight_paths_by_hand():
    steps = torch.arange(7.0)
    for motion, sign, axis in (("right", 1, 1), ("left", -1, 1), ("down", 1, 0)):
        found = centres(videos(motion))
        torch.testing.assert_close(
            found[..., axis], (sign * steps).expand(20, 7), atol=1e-4, rtol=0
        )
        assert found[..., 1 - axis].abs().max() < 1e-4


@pytest.mark.parametrize("num_frames", [2, 7, 8, 11])
def test_one_way_is_the_other_backwards(num_frames: int):
    # The generator draws the same places whatever the motions are.
    for there, back in (("right", "left"), ("down", "up")):
        assert torch.equal(videos(there, num_frames), videos(back, num_frames).flip(2))


def test_circles_turn_their_own_way_and_visit_the_same_places():
    clockwise, other = centres(videos("clockwise")), centres(videos("anticlockwise"))
    # With rows downwards the signed area of a clockwise turn is positive.
    for path, sign in ((clockwise, 1), (other, -1)):
        rows, columns = path.unbind(-1)
        area = (columns * rows.roll(-1, 1) - columns.roll(-1, 1) * rows).sum(1) / 2
        assert (sign * area > 15).all(), area
    torch.testing.assert_close(clockwise[..., 1], other[..., 1], atol=1e-4, rtol=0)
    torch.testing.assert_close(clockwise[..., 0], -other[..., 0], atol=1e-4, rtol=0)


def test_every_frame_holds_the_whole_digit():
    images = digits("test").images[:20]
    for motion in MOTIONS:
        frames = videos(motion)
        assert frames.shape == (20, 1, 7, 16, 16)
        torch.testing.assert_close(
            frames.sum((3, 4)), images.sum((2, 3))[..., None].expand(20, 1, 7)
        )
    assert not torch.equal(videos("up", seed=0), videos("up", seed=1))


def test_refusals():
    images, generator = torch.zeros(2, 1, 8, 8), torch.Generator()
    for motions, num_frames, message in (
        ([0, 1], 1, "num_frames must be at least 2, got 1"),
        ([0], 2, r"motions must be one an image \(2\), got 1"),
        ([0, 6], 2, "motions must be between 0 and 5, got 6"),
        ([-1, 0], 2, "motions must be between 0 and 5, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            moving_digits(
                images,
                torch.tensor(motions),
                num_frames=num_frames,
                generator=generator,
            )
