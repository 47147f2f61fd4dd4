"""The book's look, and the few shapes that more than one figure draws."""

import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from importlib.resources import files
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from geomlib import places
from geomlib.checks import at_least, positive


def use_style() -> None:
    """Draw every later figure in the book's style (colour-blind-safe, for both themes)."""
    plt.style.use(str(files("geomlib") / "book.mplstyle"))


def covariance_ellipse(
    covariance: Float[Tensor, "2 2"], *, num_points: int = 181
) -> Float[Tensor, "2 n"]:
    """Closed curve one standard deviation from the mean, as x and y coordinates.

    >>> covariance_ellipse(torch.diag(torch.tensor([4.0, 1.0])), num_points=3)[0]
    tensor([ 2., -2.,  2.])
    """
    at_least("num_points", num_points, 3)
    angle = torch.linspace(0, 2 * torch.pi, num_points, dtype=covariance.dtype)
    circle = torch.stack([angle.cos(), angle.sin()])
    return torch.linalg.cholesky(covariance) @ circle


@dataclass(frozen=True)
class Film:
    """A film as a notebook shows it, where Jupyter is installed or not.

    Attributes:
        description: What is seen.
        html: One piece of HTML with frames, button, slider and script.
    """

    description: str
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def film(frames: Sequence[bytes], *, description: str, interval: float = 0.12) -> Film:
    """Frames with a button and a slider, in one piece of HTML that needs no network.

    It starts still, on its last frame, so that a page at rest shows where it ends.

    Args:
        frames: PNG files in order, of one size.
        description: What is seen, for readers who do not see it.
        interval: Seconds from frame to frame.

    Raises:
        ValueError: If there are fewer than two frames.
    """
    at_least("number of frames", len(frames), 2)
    positive("interval", interval)
    sources = [f"data:image/png;base64,{b64encode(frame).decode()}" for frame in frames]
    # Named for what it shows, so that two films on a page stay apart.
    name = f"film-{sha256(''.join(sources).encode()).hexdigest()[:12]}"
    last = len(frames) - 1
    return Film(
        description,
        f'<div id="{name}"><img alt="{escape(description, quote=True)}" '
        f'src="{sources[-1]}" style="max-width: 100%"><div style="display: flex">'
        f'<button type="button" aria-label="Play or pause">Play</button>'
        f'<input type="range" aria-label="Frame" min="0" max="{last}" value="{last}" '
        'style="flex: 1"></div></div><script>(() => {'
        f"const frames = {json.dumps(sources)};"
        f'const film = document.getElementById("{name}");'
        'const [image, button, slider] = ["img", "button", "input"].map('
        "(tag) => film.querySelector(tag));"
        "let timer = null;"
        "const show = () => { image.src = frames[slider.value]; };"
        "const stop = () => { clearInterval(timer); timer = null;"
        ' button.textContent = "Play"; };'
        "const step = () => { if (+slider.value === frames.length - 1) { stop(); return; }"
        " slider.value = +slider.value + 1; show(); };"
        'slider.addEventListener("input", () => { stop(); show(); });'
        'button.addEventListener("click", () => { if (timer) { stop(); return; }'
        " if (+slider.value === frames.length - 1) { slider.value = 0; show(); }"
        ' button.textContent = "Pause";'
        f" timer = setInterval(step, {1000 * interval:g}); }});"
        "})();</script>",
    )


def png(figure: Figure) -> bytes:
    """PNG file of a figure, which is closed: a frame of a film, in 64 colours."""
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    # A film holds dozens of frames; a palette makes each a third of its size.
    Image.open(drawn).convert("RGB").quantize(64).save(small, "png", optimize=True)
    return small.getvalue()


def save_data(name: str, data: Mapping[str, object], *, digits: int = 4) -> None:
    """Write what an interactive figure of the book shows, as one file of JSON.

    It goes to the folder of ``places.artefacts``, from where the book takes it.

    Args:
        name: Of the figure: lower-case words joined by hyphens.
        data: Numbers, tensors, texts and None, in lists and mappings of any depth.
        digits: Significant digits kept of each real number: what a picture needs.

    Raises:
        ValueError: If the name breaks its rule, or a number is not finite.
        TypeError: If a value is of another kind.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be lower-case words joined by hyphens, got {name!r}.")
    at_least("digits", digits, 1)
    text = json.dumps(_rounded(name, data, digits), separators=(",", ":"))
    places.write_text(places.artefacts() / f"{name}.json", text + "\n")


def _rounded(name: str, value: Any, digits: int) -> Any:
    """The same as plain lists and mappings, its real numbers with so many digits."""
    match value:
        case Tensor():
            return _rounded(name, value.tolist(), digits)
        case Mapping():
            return {str(key): _rounded(name, part, digits) for key, part in value.items()}
        case list() | tuple() | range():
            return [_rounded(name, part, digits) for part in value]
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{name}: every number must be finite, got {value}.")
            short = float(f"{value:.{digits}g}")
            # A whole number is shorter without its point, and -0 is 0.
            return int(short) if short.is_integer() and abs(short) < 2**53 else short
        case None | int() | str():
            return value
        case _:
            raise TypeError(
                f"{name}: data must hold numbers, tensors, texts, None, lists and "
                f"mappings, got {type(value).__name__}."
            )
