"""Figures: the ellipse solves its equation, the style is the published palette."""

import json
from base64 import b64encode

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from geomlib import figures


@pytest.mark.parametrize("correlation", [-0.99, 0.0, 0.7])
def test_ellipse_lies_one_standard_deviation_from_the_mean(correlation):
    cross = correlation * 3 * 0.5
    covariance = torch.tensor([[9.0, cross], [cross, 0.25]], dtype=torch.float64)
    points = figures.covariance_ellipse(covariance).numpy()
    distance = (points * np.linalg.solve(covariance.numpy(), points)).sum(axis=0)
    np.testing.assert_allclose(distance, 1, rtol=1e-9)
    # It goes all round: both axes' extremes are the standard deviations.
    np.testing.assert_allclose(points.max(axis=1), [3, 0.5], rtol=1e-3)
    np.testing.assert_allclose(points.min(axis=1), [-3, -0.5], rtol=1e-3)


def test_ellipse_is_closed_and_as_fine_as_asked():
    points = figures.covariance_ellipse(torch.eye(2, dtype=torch.float64), num_points=9)
    assert points.shape == (2, 9)
    assert torch.allclose(points[:, 0], points[:, -1], atol=1e-12)


def test_ellipse_refuses_fewer_than_three_points():
    with pytest.raises(ValueError, match="num_points must be at least 3, got 2"):
        figures.covariance_ellipse(torch.eye(2), num_points=2)


def test_style_draws_in_colours_that_the_colour_blind_tell_apart():
    # Okabe & Ito's table, in per cent of red, green and blue, black left to the end.
    blue, vermillion, green, purple, orange, sky, yellow = (
        (0, 114, 178),
        (213, 94, 0),
        (0, 158, 115),
        (204, 121, 167),
        (230, 159, 0),
        (86, 180, 233),
        (240, 228, 66),
    )
    with mpl.rc_context():
        figures.use_style()
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        found = [tuple(round(255 * c) for c in mpl.colors.to_rgb(name)) for name in colours]
    expected = [blue, vermillion, green, purple, orange, sky, (0, 0, 0), yellow]
    assert found == expected


def test_film_holds_every_frame_and_asks_no_host():
    frames = []
    for height in (1, 2, 3):
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, height])
        frames.append(figures.png(figure))
    film = figures.film(frames, description='A line <rises> "twice".')._repr_html_()
    assert all(b64encode(frame).decode() in film for frame in frames)
    assert 'alt="A line &lt;rises&gt; &quot;twice&quot;."' in film
    assert "http" not in film
    assert plt.get_fignums() == []


def test_film_refuses_a_single_frame():
    with pytest.raises(ValueError, match="number of frames must be at least 2, got 1"):
        figures.film([b""], description="Nothing moves.")


def test_data_are_written_as_short_as_a_picture_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("GEOMLIB_ARTEFACTS", str(tmp_path))
    data = {
        "metric": torch.tensor([[1 / 3, -1e-9], [2.0, -0.0]], dtype=torch.float64),
        3: (1, None, "swish", range(2)),
        "deep": [{"value": 123456.7}],
    }
    figures.save_data("two-rings", data, digits=3)
    text = (tmp_path / "two-rings.json").read_text()
    assert text == (
        '{"metric":[[0.333,-1e-09],[2,0]],"3":[1,null,"swish",[0,1]],'
        '"deep":[{"value":123000}]}\n'
    )
    assert json.loads(text)["deep"] == [{"value": 123000}]


@pytest.mark.parametrize("value", [float("nan"), torch.tensor([1.0, float("inf")])])
def test_data_must_be_finite(value, monkeypatch, tmp_path):
    monkeypatch.setenv("GEOMLIB_ARTEFACTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"rings: every number must be finite, got"):
        figures.save_data("rings", {"a": [value]})
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_kind_and_wrong_names_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("GEOMLIB_ARTEFACTS", str(tmp_path))
    with pytest.raises(TypeError, match=r"rings: data must hold numbers, .* got set"):
        figures.save_data("rings", {"a": {1}})
    with pytest.raises(ValueError, match=r"lower-case words .*, got '\.\./rings'"):
        figures.save_data("../rings", {})
    with pytest.raises(ValueError, match="digits must be at least 1, got 0"):
        figures.save_data("rings", {}, digits=0)
