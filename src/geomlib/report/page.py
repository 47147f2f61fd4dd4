"""A measured head as one HTML file: a figure, a table, and what each line means."""

from base64 import b64encode
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from geomlib import figures, places
from geomlib.report.measure import HeadReport

ALT = (
    "Four panels: spectra of the covariance of representation and embedding, weights of "
    "the canonical directions as found and as predicted, the orbit share of variance "
    "before and after the head, and both ends of the Hessian's spectrum with bounds."
)
STYLE = (
    "body{font-family:sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}img{max-width:100%}"
)


def rows(report: HeadReport) -> list[tuple[str, str, str]]:
    """Lines of the table: quantity, value, what it means."""
    h, z, ends = report.representation, report.embedding, report.curvature
    count = len(ends.values) // 2
    low, high = float(ends.values[0]), float(ends.values[-1])
    return [
        (
            "dimensions of h, of z",
            f"{len(h.spectrum)}, {len(z.spectrum)}",
            "before and after the head",
        ),
        (
            "condition of h, of z",
            f"{h.condition:.4g} ({h.num_kept} directions), "
            f"{z.condition:.4g} ({z.num_kept} directions)",
            "largest over smallest variance, of directions above 1e-4 of the largest; a "
            "head that whitens lowers it",
        ),
        (
            "effective rank of h, of z",
            f"{h.effective_rank:.3g}, {z.effective_rank:.3g}",
            "directions in use",
        ),
        (
            "orbit share of h, of z",
            f"{h.orbit_share:.3g}, {z.orbit_share:.3g}",
            "variance between views of one image over all variance; an invariant head "
            "lowers it",
        ),
        (
            "linear share of z",
            f"{report.whitening.linear_share:.3g}",
            "variance of z that is linear in h; the whitening weights speak of this part",
        ),
        (
            "spread of the metric",
            f"{report.spread.frobenius:.3g} (Frobenius), "
            f"{report.spread.log_euclidean:.3g} (log-Euclidean)",
            "how much the head's metric differs from sample to sample; 0 if it is linear",
        ),
        (
            "smallest eigenvalue of the Hessian",
            f"{low:.4g} ± {float(ends.bounds[0]):.1g}",
            "in the head's weights; below zero there is a direction of descent, which is "
            "no diagnosis of collapse by itself",
        ),
        (
            "largest eigenvalue of the Hessian",
            f"{high:.4g} ± {float(ends.bounds[-1]):.1g}",
            f"{count} of each end are drawn; 2 / {high:.3g} = {2 / high:.3g} is the "
            "largest stable rate of plain descent"
            if high > 0
            else f"{count} of each end are drawn",
        ),
        ("weights of the head", f"{report.num_weights:,}", "size of that Hessian"),
        ("images", f"{report.num_images:,}", "that all of this rests on"),
    ]


def draw(report: HeadReport) -> Figure:
    """Four panels: spectra, whitening weights, ranks and orbits, curvature."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.6), layout="constrained")
    spaces = {"h": report.representation, "z": report.embedding}
    for name, space in spaces.items():
        shares = space.spectrum / space.spectrum.sum()
        axes[0, 0].semilogy(range(1, len(shares) + 1), shares.clamp(min=1e-12), label=name)
    axes[0, 0].set(xlabel="principal direction", ylabel="share of variance")
    axes[0, 0].legend()

    rank = range(1, len(report.whitening.found) + 1)
    for name, predicted in report.whitening.predicted.items():
        axes[0, 1].plot(rank, predicted, "-", linewidth=1, label=name)
    axes[0, 1].plot(rank, report.whitening.found, "k.", label="found")
    axes[0, 1].set(xlabel="canonical direction", ylabel="weight, sum 1")
    axes[0, 1].legend(fontsize="x-small")

    axes[1, 0].bar(list(spaces), [space.orbit_share for space in spaces.values()])
    axes[1, 0].set(ylabel="orbit share of variance", ylim=(0, 1))

    ends = report.curvature
    axes[1, 1].errorbar(
        range(1, len(ends.values) + 1), ends.values, ends.bounds, fmt="o", markersize=4
    )
    axes[1, 1].axhline(0, color="0.5", linewidth=1)
    scale = float(ends.values.abs().median()) or 1.0
    axes[1, 1].set_yscale("symlog", linthresh=scale)
    axes[1, 1].set(xlabel="smallest, then largest", ylabel="eigenvalue")
    return figure


def html(report: HeadReport, *, title: str) -> str:
    """One page that needs no other file and no network.

    Args:
        report: What was measured.
        title: Heading, as plain text.
    """
    picture = b64encode(figures.png(draw(report))).decode()
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td>"
        f"<td>{escape(meaning)}</td></tr>"
        for name, value, meaning in rows(report)
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1><img alt='{escape(ALT)}' "
        f"src='data:image/png;base64,{picture}'>"
        f"<table><tr><th>quantity</th><th>value</th><th>meaning</th></tr>{lines}</table>"
        f"<p>geomlib, torch {escape(torch.__version__)}</p></html>"
    )


def write(report: HeadReport, path: Path, *, title: str) -> None:
    """Write the page, whole or not at all."""
    places.write_text(path, html(report, title=title))
