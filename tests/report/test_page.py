"""The page and the command that writes it."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn
from torchvision.utils import save_image

from geomlib.report import page
from geomlib.report.__main__ import main
from geomlib.report.measure import HeadReport, measure

FACTORY = """
from torch import nn

def model():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), nn.Linear(12, 4)
"""


@pytest.fixture(scope="module")
def report() -> HeadReport:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 3, 8, 8, generator=generator)
    head = nn.Sequential(nn.Linear(12, 8), nn.SiLU(), nn.Linear(8, 4))
    return measure(nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), head, images)


def test_every_line_holds_its_number(report: HeadReport):
    rows = {name: value for name, value, _ in page.rows(report)}
    assert rows["dimensions of h, of z"] == "12, 4"
    assert rows["images"] == "20"
    assert float(rows["linear share of z"]) == pytest.approx(
        report.whitening.linear_share, rel=1e-2
    )
    lowest, bound = map(float, rows["smallest eigenvalue of the Hessian"].split(" ± "))
    assert lowest == pytest.approx(float(report.curvature.values[0]), rel=1e-3)
    assert bound == pytest.approx(float(report.curvature.bounds[0]), rel=0.6)


def test_the_drawing_shows_what_was_measured(report: HeadReport):
    figure = page.draw(report)
    found = figure.axes[1].get_lines()[-1]
    assert list(found.get_ydata()) == pytest.approx(report.whitening.found.tolist())
    heights = [bar.get_height() for bar in figure.axes[2].patches]
    assert heights == [report.representation.orbit_share, report.embedding.orbit_share]
    plt.close(figure)


def test_one_file_without_a_network(report: HeadReport, tmp_path: Path):
    page.write(report, tmp_path / "deep" / "r.html", title="A <b> & 'quote'")
    text = (tmp_path / "deep" / "r.html").read_text()
    assert "A &lt;b&gt; &amp; &#x27;quote&#x27;" in text
    assert "http" not in text
    assert len(re.findall(r"<img alt='[^']{80,}'", text)) == 1
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["r.html"]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A factory, a checkpoint and images, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as python -m does where it runs
    (tmp_path / "factory_here.py").write_text(FACTORY)
    (tmp_path / "images").mkdir()
    for i in range(9):
        save_image(torch.rand(3, 8, 8), tmp_path / "images" / f"{i}.png")
    torch.save({"head.weight": torch.ones(4, 12), "head.bias": torch.zeros(4)}, "f.pt")
    return ["--model", "factory_here:model", "--images", "images", "--size", "8"]


def test_the_command(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*given, "--checkpoint", "f.pt", "--output", "made/page.html"]) == 0
    assert capsys.readouterr().out == "made/page.html\n"
    assert "The head of factory_here:model" in (tmp_path / "made/page.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--images", "absent"], "folder must name a folder"),
        (["--checkpoint", "absent.pt"], "path must name a file"),
        (["--model", "factory_here:absent"], "model must name a function"),
        (["--num-images", "3"], "number of images must be at least 8"),
        (["--num-images", "99"], "number of images in folder must be at least 99"),
    ],
)
def test_what_the_command_refuses(
    given: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
):
    assert main([*given, *change]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "report.html").exists()
