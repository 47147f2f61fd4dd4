"""The table of a sweep, against numbers worked out by hand and by scipy."""

import csv
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from geomlib.sweep.plan import Task
from geomlib.sweep.table import as_csv, draw, rows


def results(values: dict[tuple[str, int], dict[str, float]]):
    """Runs and records: width and seed to the values of claims."""
    for (width, seed), measured in values.items():
        task = Task("toy", "cpu", seed, {"width": width}, f"{width}-{seed}")
        records = [
            {"claim": c, "low": 1.0, "high": None, "at_least": 1.0, "values": [v]}
            for c, v in measured.items()
        ]
        yield task, records


VALUES = {
    (8, 5): {"toy-b": 0.5, "toy-a": 3.0},
    (8, 7): {"toy-b": 2.0, "toy-a": 4.0},
    (8, 9): {"toy-b": 3.5, "toy-a": 8.0},
    (16, 5): {"toy-b": 1.0},
}


def test_each_claim_and_setting_is_one_row_over_the_seeds():
    found = rows(list(results(VALUES)))
    assert [(r.claim, r.overrides["width"], r.values) for r in found] == [
        ("toy-a", 8, {5: 3.0, 7: 4.0, 9: 8.0}),
        ("toy-b", 8, {5: 0.5, 7: 2.0, 9: 3.5}),
        ("toy-b", 16, {5: 1.0}),
    ]
    assert [row.num_inside for row in found] == [3, 2, 1]


def test_the_interval_of_the_mean_is_students():
    row = rows(list(results(VALUES)))[0]
    theirs = ttest_1samp(list(row.values.values()), 0).confidence_interval(0.95)
    assert row.mean_interval == pytest.approx((theirs.low, theirs.high))


def test_the_table_as_text():
    text = as_csv(rows(list(results(VALUES))))
    first, second, third = csv.DictReader(io.StringIO(text))
    assert first["claim"] == "toy-a"
    assert (second["runs"], second["mean"], second["deviation"]) == ("3", "2", "1.5")
    assert (second["inside"], second["criterion"]) == ("2", "at least 1")
    assert float(second["share_low"]) == pytest.approx(0.2077, abs=1e-4)  # Wilson, 2 of 3
    assert float(second["share_high"]) == pytest.approx(0.9385, abs=1e-4)
    assert (third["width"], third["deviation"], third["mean_low"]) == ("16", "", "")


def test_the_figure_has_a_panel_a_claim_with_every_seed():
    figure = draw(rows(list(results(VALUES))))
    first, second = figure.axes[:2]
    assert [first.get_title(), second.get_title()] == ["toy-a", "toy-b"]
    dots = np.concatenate([line.get_ydata() for line in second.get_lines()])
    assert {0.5, 2.0, 3.5, 1.0} <= {round(float(y), 6) for y in dots}
    labels = [label.get_text() for label in second.get_xticklabels()]
    assert labels == ["width=8", "width=16"]
    plt.close(figure)
