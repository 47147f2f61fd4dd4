"""A bank of images whose styles can be read from their brightness."""

import pytest
import torch

from geomlib.inversion.bank import bank_of, shrunk

CPU = torch.device("cpu")


class Counted:
    """Images as bright as their style, and how many of them were asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, n, random):
        self.asked.append(n)
        style = torch.rand(n, 1, generator=random) * 2 - 1
        return style, style[:, :, None, None].expand(n, 1, 4, 4).contiguous()


def bank(folder, draw, num_images, chunk=4):
    return bank_of(
        draw, num_images=num_images, seed=0, device=CPU, chunk=chunk,
        path_of=lambda i: folder / f"{i}.npz",
    )  # fmt: skip


def test_styles_stay_with_their_images(tmp_path):
    found = bank(tmp_path, Counted(), 10)
    assert found.images.shape == (10, 1, 4, 4)
    standard, images = found.draw(50, torch.Generator().manual_seed(1))
    # Half a step of 256 levels, and what half precision rounds.
    assert (images[:, 0, 0, 0] - standard[:, 0]).abs().max() < 0.5 / 127.5 + 1e-3
    assert len(standard.unique()) == 10


def test_values_beyond_black_and_white_are_cut(tmp_path):
    def bright(n, random):
        return torch.zeros(n, 1), 3 * torch.ones(n, 1, 2, 2)

    _, images = bank(tmp_path, bright, 4).draw(4, torch.Generator())
    assert images.min() == images.max() == 1


def test_what_was_made_is_read_and_a_larger_bank_goes_on(tmp_path):
    first = Counted()
    small = bank(tmp_path, first, 6)
    assert first.asked == [4, 4]
    second = Counted()
    large = bank(tmp_path, second, 10)
    assert second.asked == [4]
    assert torch.equal(large.images[:6], small.images)
    whole = bank(tmp_path / "other", Counted(), 10)
    assert torch.equal(whole.images, large.images)


def test_a_shrunken_draw_is_the_average_of_the_same_images():
    plain, draw = Counted(), Counted()
    standard, images = shrunk(draw, factor=2, batch_size=3)(
        7, torch.Generator().manual_seed(0)
    )
    assert draw.asked == [3, 3, 1]
    assert images.shape == (7, 1, 2, 2)
    torch.testing.assert_close(images[:, 0, 1, 1], standard[:, 0])
    expected, _ = plain(3, torch.Generator().manual_seed(0))
    assert torch.equal(standard[:3], expected)


def test_bad_inputs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_images must be at least 1"):
        bank(tmp_path, Counted(), 0)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        shrunk(Counted(), factor=1, batch_size=0)
