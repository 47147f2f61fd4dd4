"""A transparent word over an image, and fonts that cannot write it."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as v2f

# Drawn this large, then averaged down: letters of three pixels have no own outline.
_POINTS = 120
_MARGIN = 60
# Noncharacter: no font may have a glyph for it, so what is drawn is the font's "missing".
_UNASSIGNED = "\U0010fffe"


class WatermarkOverlay(v2.Transform):
    """White text across an image, blended with it.

    Takes PIL images, ``tv_tensors.Image`` and plain tensors, grey, grey with opacity, in
    colour or with opacity, one or a batch (``[..., c, h, w]``), of whole numbers or reals
    in [0, 1]; gives back the same kind. A channel of opacity stays as it is.

    Args:
        text: What is written, in one line.
        font: File of a TrueType or OpenType font; by default matplotlib's DejaVu Sans.
        opacity: Share of white in what is seen under a stroke, in [0, 1].
        width: Share of the image's width that the text takes, in (0, 1].
        top: Where it begins, as a share of the image's height, in [0, 1).

    Raises:
        ValueError: If a share is out of range, the text has nothing to draw, the file is
            no font, or the font lacks a letter; names font and letters. On use, if the
            image is too small for the text, or its channels are not 1 to 4.

    Source: ImageNet-W of Li et al. 2023 (arXiv:2212.04825), whose text is Chinese; the
    default here is what any machine can write.

    >>> marked = WatermarkOverlay("HI", opacity=1.0, width=0.5)(torch.zeros(1, 32, 32))
    >>> marked.max().item() > 0.9, marked[0, 0].max().item()
    (True, 0.0)
    """

    def __init__(
        self,
        text: str = "SHORTCUT",
        *,
        font: Path | None = None,
        opacity: float = 0.5,
        width: float = 0.96,
        top: float = 0.4,
    ) -> None:
        super().__init__()
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity must be between 0 and 1, got {opacity}.")
        if not 0 < width <= 1:
            raise ValueError(f"width must be a share above 0 and at most 1, got {width}.")
        if not 0 <= top < 1:
            raise ValueError(f"top must be a share from 0 to below 1, got {top}.")
        self.text, self.opacity, self.width, self.top = text, opacity, width, top
        self.font = Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
        if font is not None:
            self.font = font
        # Read once and at once: an error belongs to the line that names the font.
        self._strokes = _strokes(text, self.font)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What the transform makes of one input; other kinds than images pass."""
        if isinstance(inpt, Image.Image):
            if inpt.mode not in ("L", "LA", "RGB", "RGBA"):
                raise ValueError(
                    f"images must be of mode L, LA, RGB or RGBA, got {inpt.mode}. "
                    "Use image.convert('RGB')."
                )
            marked = self._marked(v2f.pil_to_tensor(inpt))
            return v2f.to_pil_image(marked, mode=inpt.mode)
        if isinstance(inpt, tv_tensors.Image):
            return tv_tensors.Image(self._marked(inpt.as_subclass(Tensor)))
        return self._marked(inpt) if type(inpt) is Tensor else inpt

    def strokes(self, height: int, width: int) -> Float32[Tensor, "{height} {width}"]:
        """How much of each pixel of an image of this size is under a stroke, in [0, 1].

        Raises:
            ValueError: If there are fewer than two pixels a letter, or the text would
                leave the image.
        """
        wide = round(self.width * width)
        if wide < 2 * len(self.text):
            raise ValueError(
                f"images must have at least two pixels a letter, {2 * len(self.text)} for "
                f"{self.text!r}, got {wide} of a width of {width}. Write a shorter text or "
                "enlarge the image."
            )
        high = max(1, round(wide * self._strokes.shape[0] / self._strokes.shape[1]))
        row, column = int(self.top * height), (width - wide) // 2
        if row + high > height:
            raise ValueError(
                f"the text must end within the image, got rows {row} to {row + high} of "
                f"{height}. Lower top ({self.top}) or width ({self.width})."
            )
        small = F.interpolate(
            self._strokes[None, None],
            size=(high, wide),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        page = torch.zeros(height, width)
        page[row : row + high, column : column + wide] = small[0, 0].clamp(0, 1)
        return page

    def _marked(self, images: Tensor) -> Tensor:
        """A tensor with the text on it."""
        if images.ndim < 3 or images.shape[-3] not in (1, 2, 3, 4):
            raise ValueError(
                "images must have 1 to 4 channels in their third dimension from the end, "
                f"got shape {tuple(images.shape)}."
            )
        real = images.is_floating_point()
        white = 1.0 if real else float(torch.iinfo(images.dtype).max)
        share = self.opacity * self.strokes(*images.shape[-2:]).to(images.device)
        channels = images.shape[-3]
        painted = channels - (channels in (2, 4))  # the last of 2 or 4 is opacity
        out = images.clone()
        under = images[..., :painted, :, :].to(images.dtype if real else torch.float64)
        mixed = under + share.to(under.dtype) * (white - under)
        out[..., :painted, :, :] = (mixed if real else mixed.round()).to(images.dtype)
        return out


def missing_letters(text: str, font: Path) -> tuple[str, ...]:
    """Letters of a text that a font cannot draw, in order, each once.

    A font draws one and the same sign for whatever it lacks, a box as a rule; a letter is
    missing if it is drawn as a code point that no font has.

    Args:
        text: Any; spaces and characters without a shape count as drawn.
        font: File of a TrueType or OpenType font.

    Raises:
        ValueError: If the file is no font.
    """
    face = _face(font)
    box = _bitmap(face, _UNASSIGNED)
    shaped = (c for c in dict.fromkeys(text) if unicodedata.category(c)[0] not in "ZC")
    return tuple(c for c in shaped if _bitmap(face, c) == box)


@cache
def _strokes(text: str, font: Path) -> Float32[Tensor, "h w"]:
    """The text drawn large, cut to its ink."""
    if missing := missing_letters(text, font):
        raise ValueError(
            f"font must have every letter of the text, got {font.name} without "
            f"{' '.join(missing)}. Give another font or another text."
        )
    face = _face(font)
    page = Image.new("L", _page(face, text))
    ImageDraw.Draw(page).text((_MARGIN, _MARGIN), text, fill=255, font=face)
    ink = page.getbbox()
    if ink is None:
        raise ValueError(f"text must hold something to draw, got {text!r}.")
    return torch.from_numpy(np.array(page.crop(ink))).float() / 255


@cache
def _face(font: Path) -> ImageFont.FreeTypeFont:
    """The font, at the size in which it is drawn."""
    try:
        # Basic layout: the drawing must not depend on whether Raqm is installed.
        return ImageFont.truetype(str(font), _POINTS, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ValueError(
            f"font must name a TrueType or OpenType file, got {str(font)!r} ({error})."
        ) from error


def _bitmap(face: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    """Size and pixels of what is drawn for a letter."""
    page = Image.new("L", _page(face, letter))
    ImageDraw.Draw(page).text((_MARGIN, _MARGIN), letter, fill=255, font=face)
    return page.size, page.tobytes()


def _page(face: ImageFont.FreeTypeFont, text: str) -> tuple[int, int]:
    """Width and height of a page that the text fits on."""
    _, _, right, bottom = face.getbbox(text)
    return int(right) + 2 * _MARGIN, int(bottom) + 2 * _MARGIN
