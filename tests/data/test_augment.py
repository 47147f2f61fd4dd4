import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import functional as TF
from torchvision.transforms import v2

from geomlib.data.augment import (
    brightened,
    contrasted,
    cropped,
    luminance,
    saturated,
    views,
)

OFF = {"crop": (1.0, 1.0), "flip": False, "jitter": 0.0, "grey": 0.0}


def noise(num, channels, height, width, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num, channels, height, width, generator=generator, dtype=dtype)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def ramps(num, height, width):
    """Images whose channels hold the pixel's place: x, y (in shares) and zero."""
    x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    grid = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)])
    return torch.cat([grid, torch.zeros(1, height, width)]).expand(num, -1, -1, -1)


def boxes_of(crops):
    """Left, top, width and height of the boxes that crops of ramps come from."""
    *_, height, width = crops.shape
    x, y = crops[:, 0, height // 2], crops[:, 1, :, width // 2]
    # Between the outermost pixels, whose neighbours may be missing, a ramp stays linear.
    step_x = (x[:, -2] - x[:, 1]) / (width - 3)
    step_y = (y[:, -2] - y[:, 1]) / (height - 3)
    return torch.stack(
        [x[:, 1] - 1.5 * step_x, y[:, 1] - 1.5 * step_y, width * step_x, height * step_y],
        dim=1,
    )


# --- against torchvision


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("box", [(3, 5, 20, 16), (0, 0, 9, 31), (12, 4, 20, 28)])
def test_crop_against_torchvision(channels, box):
    left, top, width, height = box
    images = noise(2, channels, 40, 32)
    theirs = TF.resized_crop(images, top, left, height, width, [40, 32], antialias=False)
    shares = torch.tensor([left / 32, top / 40, width / 32, height / 40])
    ours = cropped(images, shares.double().expand(2, 4))
    # torchvision cannot see past the box, so the outermost half pixel of it differs.
    edge_x, edge_y = -(-32 // (2 * width)), -(-40 // (2 * height))
    inner = (..., slice(edge_y, -edge_y), slice(edge_x, -edge_x))
    torch.testing.assert_close(ours[inner], theirs[inner], atol=1e-6, rtol=0)
    if left == 0 and top == 0:
        # Nothing lies past the border of the image: equal up to the edge.
        near = (..., slice(None, -edge_y), slice(None, -edge_x))
        torch.testing.assert_close(ours[near], theirs[near], atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (brightened, TF.adjust_brightness),
        (contrasted, TF.adjust_contrast),
        (saturated, TF.adjust_saturation),
    ],
)
def test_jitter_against_torchvision(ours, theirs, factor, channels):
    images = noise(4, channels, 8, 6)
    expected = torch.stack([theirs(image, factor) for image in images])
    changed = ours(images, torch.full((4,), factor, dtype=torch.float64))
    torch.testing.assert_close(changed, expected)


def test_luminance_against_torchvision():
    images = noise(4, 3, 8, 6)
    torch.testing.assert_close(luminance(images), TF.rgb_to_grayscale(images))


def test_torchvision_draws_once_a_batch_and_views_once_an_image():
    images = noise(1, 3, 16, 16).expand(8, -1, -1, -1)
    theirs = v2.Compose(
        [
            v2.RandomResizedCrop(16, (0.4, 1.0), antialias=False),
            v2.ColorJitter(0.4, 0.4, 0.4),
        ]
    )(images)
    assert all(torch.equal(theirs[0], other) for other in theirs[1:])
    ours = views(images, generator=seeded())
    assert len(torch.unique(ours, dim=0)) == 8


# --- against what each step means


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 32, 32), (1, 8, 8), (3, 25, 17)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_off_is_the_identity(channels, height, width, dtype):
    images = noise(5, channels, height, width, dtype)
    unchanged = views(images, generator=seeded(), **OFF)
    torch.testing.assert_close(unchanged, images, atol=1e-5, rtol=0)


def test_flip_mirrors_half_of_the_images_exactly():
    images = noise(400, 1, 4, 6)
    plain = views(images, generator=seeded(), **OFF)
    flipped = views(images, generator=seeded(), **{**OFF, "flip": True})
    mirrored = (flipped == plain.flip(-1)).all(-1).all(-1).all(-1)
    kept = (flipped == plain).all(-1).all(-1).all(-1)
    assert (mirrored ^ kept).all()
    assert 160 <= mirrored.sum() <= 240  # four standard deviations


def test_boxes_have_the_area_and_aspect_asked_for():
    num = 4000
    crops = views(ramps(num, 16, 24), generator=seeded(), **{**OFF, "crop": (0.3, 0.9)})
    left, top, width, height = boxes_of(crops).unbind(1)
    area, aspect = width * height, width / height
    tiny = 1e-6
    assert left.min() >= -tiny
    assert top.min() >= -tiny
    assert (left + width).max() <= 1 + tiny
    assert (top + height).max() <= 1 + tiny
    assert area.min() >= 0.3 - tiny
    assert area.max() <= 0.9 + tiny
    assert aspect.min() >= 3 / 4 - tiny
    assert aspect.max() <= 4 / 3 + tiny
    # Uniform area: mean 0.6, standard deviation 0.6 / sqrt(12), four standard errors.
    assert abs(area.mean() - 0.6) < 4 * 0.6 / (12 * num) ** 0.5
    assert abs(aspect.log().mean()) < 0.02
    # The place is uniform in what is left over, and no draw depends on another.
    across, down = left / (1 - width), top / (1 - height)
    assert abs(across.mean() - 0.5) < 4 / (12 * num) ** 0.5
    assert abs(down.mean() - 0.5) < 4 / (12 * num) ** 0.5
    draws = torch.corrcoef(torch.stack([area, aspect.log(), across, down]))
    assert (draws - torch.eye(4)).abs().max() < 4 / num**0.5


def test_jitter_factors_are_uniform_and_independent():
    # Grey with a little noise, so that nothing is cut to [0, 1]. Contrast keeps the mean
    # luminance, and saturation keeps every luminance: so the factors can be told apart.
    num = 4000
    images = 0.4 + 0.05 * noise(num, 3, 4, 4)
    changed = views(images, generator=seeded(), **{**OFF, "jitter": 0.4})
    mean, spread, colour = (
        measure(changed) / measure(images)
        for measure in (
            lambda x: luminance(x).mean((1, 2, 3)),
            lambda x: luminance(x).flatten(1).std(1),
            lambda x: (x - luminance(x)).flatten(1).norm(dim=1),
        )
    )
    factors = torch.stack([mean, spread / mean, colour / spread])
    assert factors.min() >= 0.6 - 1e-3  # torchvision's weights of luminance sum to 0.9999
    assert factors.max() <= 1.4 + 1e-3
    assert (factors.mean(1) - 1).abs().max() < 4 * 0.8 / (12 * num) ** 0.5
    assert (factors.std(1) - 0.8 / 12**0.5).abs().max() < 0.01
    assert (torch.corrcoef(factors) - torch.eye(3)).abs().max() < 4 / num**0.5


def test_grey_takes_the_colour_of_the_share_asked_for():
    images = noise(1000, 3, 4, 4)
    changed = views(images, generator=seeded(), **{**OFF, "grey": 0.2})
    grey = (changed == changed[:, :1]).all(-1).all(-1).all(-1)
    assert 150 <= grey.sum() <= 250  # four standard deviations
    expected = TF.rgb_to_grayscale(images[grey], num_output_channels=3)
    torch.testing.assert_close(changed[grey], expected, atol=1e-6, rtol=0)


def test_switching_a_step_off_leaves_the_others():
    images = noise(20, 3, 12, 12)
    crops = views(images, generator=seeded(), jitter=0.0, grey=0.0, flip=False)
    with_grey = views(images, generator=seeded(), jitter=0.0, grey=0.3, flip=False)
    same = (crops == with_grey).all(-1).all(-1).all(-1)
    assert 5 <= same.sum() < 20
    grey = luminance(crops[~same]).expand(-1, 3, -1, -1)
    torch.testing.assert_close(with_grey[~same], grey)


def test_generator_decides_the_views():
    images = noise(8, 3, 12, 12)
    first, again, other = (views(images, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    generator = seeded(1)
    assert torch.equal(views(images, generator=generator), first)
    assert not torch.equal(views(images, generator=generator), first)


@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    jitter=st.floats(0, 1),
    least=st.floats(0.01, 1),
    seed=st.integers(0, 1000),
)
def test_views_keep_shape_dtype_and_range(channels, height, width, jitter, least, seed):
    images = noise(3, channels, height, width, torch.float32)
    changed = views(images, generator=seeded(seed), crop=(least, 1.0), jitter=jitter)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert 0 <= changed.min() <= changed.max() <= 1


# --- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": (0.0, 1.0)}, r"crop must be two rising shares in \(0, 1\], got \(0.0"),
        ({"crop": (0.9, 0.4)}, r"crop must be two rising shares .* got \(0.9, 0.4\)"),
        ({"crop": (0.4, 1.5)}, "crop must be two rising shares"),
        ({"jitter": 1.5}, "jitter must be between 0 and 1, got 1.5"),
        ({"jitter": float("nan")}, "jitter must be between 0 and 1, got nan"),
        ({"grey": -0.1}, "grey must be between 0 and 1, got -0.1"),
    ],
)
def test_refuses_shares_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        views(noise(2, 3, 4, 4), generator=seeded(), **change)


def test_refuses_two_channels():
    with pytest.raises(ValueError, match="images must have 1 or 3 channels, got 2"):
        views(noise(2, 2, 4, 4), generator=seeded())


def test_refuses_a_generator_on_another_device():
    with pytest.raises(ValueError, match="on the images' device meta, got cpu"):
        views(noise(2, 3, 4, 4).to("meta"), generator=seeded())
