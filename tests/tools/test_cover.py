"""The cover shows the metrics that were measured, each as the ellipse that it is."""

import math
import re
import xml.etree.ElementTree as ElementTree

import cover
import pytest

SITES = [[0.5, 0.0], [0.0, 2.0]]
# Blind along the ring at the first site, alike in all directions at the second.
METRICS = [[1.0, 0.0, 0.0], [0.3, 0.0, 0.3]]
DATA = {
    "ridge": 0.045,
    "length": 0.002,
    "radii": [0.5, 1, 1.5, 2],
    "sites": SITES,
    "metrics": [[METRICS, METRICS]] * 4,
}


def drawn(svg: str) -> list[dict[str, str]]:
    name = "{http://www.w3.org/2000/svg}ellipse"
    return [element.attrib for element in ElementTree.fromstring(svg).iter(name)]


def test_cover_draws_every_metric_at_three_depths():
    found = drawn(cover.cover(DATA))
    assert len(found) == len(SITES) * len(cover.DEPTHS)
    blind, even = found[:2]
    # v'(G + 0.045 I) v = 0.002, solved by hand along the axes.
    across = math.sqrt(0.002 / 1.045)
    along = math.sqrt(0.002 / 0.045)
    assert float(blind["rx"]) == pytest.approx(across, abs=1e-3)
    assert float(blind["ry"]) == pytest.approx(along, abs=1e-3)
    assert even["rx"] == even["ry"]
    assert blind["fill"] != even["fill"]
    # y grows downwards on a screen.
    assert "translate(0.000 -2.000)" in even["transform"]


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_short_axis_is_where_the_metric_is_large(degrees: int):
    x, y = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    seen = cover.ellipse(DATA, [x * x, x * y, y * y], [1.0, 0.0], "#000000")
    turn = float(re.search(r"rotate\(([-\d.]+)\)", seen)[1])
    assert (turn + degrees) % 180 == pytest.approx(0, abs=0.1)


def test_rounded_metric_with_an_eigenvalue_below_zero_is_drawn():
    seen = cover.ellipse(DATA, [900.0, 900.0, 899.9], [1.0, 0.0], "#000000")
    assert float(re.search(r'ry="([\d.]+)"', seen)[1]) == pytest.approx(
        math.sqrt(0.002 / 0.045), abs=1e-3
    )


def test_favicon_is_the_innermost_ring():
    (only,) = drawn(cover.favicon(DATA))
    assert "translate(0.500 0.000)" in only["transform"]
