"""The cover and the small picture on a browser's tab, drawn from the rings' results.

Both show what the chapter on local metrics measured: around points on four rings, the steps
that look equally long to a head.
"""

import math
from typing import Any

import matplotlib.pyplot as plt

from geomlib import figures

# Interactive figure whose data are drawn.
SOURCE = "rings"
DEPTHS = (1, 2, 3)
WIDE = 2.3  # half a panel, in units of the plane


def colours() -> list[str]:
    """The book's palette."""
    with plt.rc_context():
        figures.use_style()
        return plt.rcParams["axes.prop_cycle"].by_key()["color"]


def ellipse(
    data: dict[str, Any],
    metric: list[float],
    site: list[float],
    fill: str,
    scale: float = 1,
) -> str:
    """All v with v'(G + ridge I) v = length, as the chapter draws it, with y upwards."""
    a, b, c = metric
    middle, half = (a + c) / 2 + data["ridge"], math.hypot((a - c) / 2, b)
    # Entries are rounded: the smaller eigenvalue of G may come out below zero.
    ends = middle + half, max(middle - half, data["ridge"])
    short, long = (scale * math.sqrt(data["length"] / end) for end in ends)
    angle = -math.degrees(math.atan2(2 * b, a - c) / 2)
    x, y = site[0], 0 - site[1]
    return (
        f'<ellipse rx="{short:.3f}" ry="{long:.3f}" fill="#{fill.lstrip("#")}" '
        f'transform="translate({x:.3f} {y:.3f}) rotate({angle:.1f})"/>'
    )


def ring_of(site: list[float], radii: list[float]) -> int:
    """Number of the ring that a point lies on."""
    return min(range(len(radii)), key=lambda i: abs(math.hypot(*site) - radii[i]))


def cover(data: dict[str, Any]) -> str:
    """SVG of the ellipses of heads of depth 1, 2 and 3 after training, side by side.

    Args:
        data: Of the interactive figure ``SOURCE``.
    """
    palette, parts = colours(), []
    for at, depth in enumerate(DEPTHS):
        metrics = data["metrics"][depth - 1][-1]
        drawn = [
            ellipse(data, metric, site, palette[ring_of(site, data["radii"])])
            for metric, site in zip(metrics, data["sites"], strict=True)
        ]
        parts.append(f'<g transform="translate({2 * WIDE * at} 0)">{"".join(drawn)}</g>')
    width = 2 * WIDE * len(DEPTHS)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'width="1200" height="{1200 / len(DEPTHS):.0f}" '
        f'viewBox="{-WIDE} {-WIDE} {width:.1f} {2 * WIDE}">{"".join(parts)}</svg>\n'
    )


def favicon(data: dict[str, Any]) -> str:
    """SVG of the innermost ring at depth 2, legible at sixteen pixels."""
    palette, radii = colours(), data["radii"]
    inner = [
        (metric, site)
        for metric, site in zip(data["metrics"][1][-1], data["sites"], strict=True)
        if ring_of(site, radii) == 0
    ]
    drawn = [
        ellipse(data, metric, site, palette[i % len(radii)], scale=1.25)
        for i, (metric, site) in enumerate(inner)
    ]
    edge = 1.4 * radii[0]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="{-edge} {-edge} {2 * edge} {2 * edge}">{"".join(drawn)}</svg>\n'
    )
