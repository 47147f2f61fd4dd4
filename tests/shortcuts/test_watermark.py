"""The watermark: what is drawn, where, on which kinds of image, and what is refused."""

from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from geomlib.shortcuts.watermark import WatermarkOverlay, missing_letters

FONTS = Path(mpl.get_data_path(), "fonts/ttf")
DEJAVU, MATHS = FONTS / "DejaVuSans.ttf", FONTS / "cmex10.ttf"


def test_blend_is_the_formula_and_leaves_the_rest():
    mark, x = WatermarkOverlay(opacity=0.3), torch.rand(3, 64, 64)
    kept = x.clone()
    share = 0.3 * mark.strokes(64, 64)
    torch.testing.assert_close(mark(x), (1 - share) * x + share)
    assert torch.equal(x, kept)
    assert torch.equal(mark(x)[:, share == 0], x[:, share == 0])


@pytest.mark.parametrize(("width", "top"), [(0.96, 0.4), (0.5, 0.0), (0.7, 0.8)])
def test_text_is_where_it_is_asked_for(width: float, top: float):
    page = WatermarkOverlay(width=width, top=top).strokes(100, 200)
    rows, columns = ((page > 0.01).any(k).nonzero()[:, 0] for k in (1, 0))
    assert int(columns[-1] - columns[0]) + 1 == pytest.approx(200 * width, abs=2)
    assert columns[0] + columns[-1] == pytest.approx(199, abs=2)
    assert int(rows[0]) == pytest.approx(100 * top, abs=1)


def test_letters_are_drawn_in_order():
    for num in (2, 4):
        ink = WatermarkOverlay("I" * num, top=0.0).strokes(512, 256).sum(0) > 0
        starts = ink & ~torch.cat([torch.zeros(1, dtype=torch.bool), ink[:-1]])
        assert starts.sum() == num
    ends = WatermarkOverlay("L.", top=0.0).strokes(128, 64)
    assert ends[:, :32].sum() > ends[:, 32:].sum()


def test_kinds_and_shapes_come_back_as_they_were():
    mark = WatermarkOverlay()
    for shape in ((1, 32, 32), (3, 32, 40), (5, 1, 32, 32), (2, 4, 3, 32, 32)):
        x = torch.rand(shape)
        assert mark(x).shape == x.shape
        torch.testing.assert_close(
            mark(x).flatten(0, -3)[-1], mark(x.flatten(0, -3)[-1:])[-1]
        )
    wrapped = mark(tv_tensors.Image(torch.zeros(3, 32, 32)))
    assert isinstance(wrapped, tv_tensors.Image)
    half = mark(torch.zeros(1, 32, 32, dtype=torch.float16))
    assert half.dtype == torch.float16
    assert v2.Compose([mark, mark])(torch.zeros(1, 32, 32)).max() > half.max()
    assert mark("a label") == "a label"


def test_whole_numbers_agree_with_reals():
    mark = WatermarkOverlay(opacity=0.8)
    x = torch.randint(256, (3, 48, 48), dtype=torch.uint8)
    found = mark(x)
    assert found.dtype == torch.uint8
    torch.testing.assert_close(found / 255, mark(x / 255), atol=0.5 / 255 + 1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_pil_images_keep_their_mode_and_their_opacity(mode: str):
    found = WatermarkOverlay()(Image.new(mode, (40, 32)))
    assert found.mode == mode
    assert found.size == (40, 32)
    assert found.getbands()[-1] != "A" or found.getchannel("A").getextrema() == (0, 0)
    assert found.getchannel(0).getextrema()[1] > 0


def test_opacity_at_its_ends():
    x = torch.rand(3, 32, 32)
    assert torch.equal(WatermarkOverlay(opacity=0.0)(x), x)
    solid = WatermarkOverlay("HI", opacity=1.0, top=0.0)
    assert (solid(x)[:, solid.strokes(32, 32) > 0.999] > 0.999).all()


def test_missing_letters_are_found():
    assert missing_letters("SHORT 捷径捷", DEJAVU) == ("捷", "径")
    assert missing_letters("SHORTCUT\u00a0\u200b", DEJAVU) == ()
    assert missing_letters("", DEJAVU) == ()
    assert set(missing_letters("捷径", MATHS)) == {"捷", "径"}


def test_a_font_without_the_letters_is_named():
    with pytest.raises(ValueError, match=r"got DejaVuSans\.ttf without 捷 径"):
        WatermarkOverlay("捷径")
    # Matplotlib's mono font is another file with Latin letters.
    other = WatermarkOverlay(font=FONTS / "DejaVuSansMono.ttf").strokes(64, 64)
    assert not torch.equal(other, WatermarkOverlay().strokes(64, 64))


def test_no_font_and_nothing_to_draw(tmp_path: Path):
    (tmp_path / "no.ttf").write_text("no font")
    for path in (tmp_path / "no.ttf", tmp_path / "none.ttf"):
        with pytest.raises(ValueError, match="font must name a TrueType or OpenType file"):
            WatermarkOverlay(font=path)
    for text in ("", "  "):
        with pytest.raises(ValueError, match="text must hold something to draw"):
            WatermarkOverlay(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opacity": 1.5}, r"opacity must be between 0 and 1, got 1\.5"),
        ({"opacity": -0.1}, "opacity must be between 0 and 1"),
        ({"opacity": float("nan")}, "opacity must be between 0 and 1, got nan"),
        ({"width": 0.0}, "width must be a share above 0"),
        ({"top": 1.0}, "top must be a share from 0 to below 1"),
    ],
)
def test_shares_out_of_range(settings: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        WatermarkOverlay(**settings)


def test_images_that_are_too_small_or_no_images():
    mark = WatermarkOverlay()
    with pytest.raises(ValueError, match="at least two pixels a letter, 16 for 'SHORTCUT'"):
        mark(torch.zeros(1, 8, 8))
    assert mark(torch.zeros(1, 17, 17)).max() > 0
    with pytest.raises(
        ValueError, match="must end within the image, got rows 3 to 16 of 8"
    ):
        mark(torch.zeros(1, 8, 100))
    with pytest.raises(ValueError, match="must have 1 to 4 channels"):
        mark(torch.zeros(32, 32))
    with pytest.raises(ValueError, match="mode L, LA, RGB or RGBA, got P"):
        mark(Image.new("P", (32, 32)))
