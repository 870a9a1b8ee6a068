"""Tests of the charts that the page draws itself."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from fmbench.analysis import evaluation, predictions
from fmbench.analysis.predictions import Curve
from fmbench.report.figures.speed import SpeedPoint
from fmbench.report.html import charts
from fmbench.suites import reader

SUITE = reader.read_suite()


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> predictions.SuitePredictions:
    """A folder without records: every row that fmbench has measured shows its own measurement."""
    results = evaluation.read_results(tmp_path_factory.mktemp("charts") / "none", SUITE)
    return predictions.load_predictions(results)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (79.4, 99.2, [80, 85, 90, 95]),
        (1, 10, [2, 4, 6, 8, 10]),
        (0.26, 0.54, [0.3, 0.35, 0.4, 0.45, 0.5]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(low, high, expected):
    assert charts.choose_ticks(low, high) == pytest.approx(expected)


def test_marks_of_the_main_chart_stand_at_their_accuracies(empty):
    chart = charts.build_dot_chart(empty)
    [subject] = [dot for dot in chart.rows if dot.is_subject]
    (first, first_place), (last, last_place) = chart.ticks[0], chart.ticks[-1]

    def read(place: float) -> float:
        return first + (last - first) * (place - first_place) / (last_place - first_place)

    row = subject.row
    assert subject.label == f"{row.label} *"
    assert read(subject.claimed) == pytest.approx(98.8, abs=0.01)
    for place, share in ((subject.measured, row.mean), (subject.low, row.low),
                         (subject.high, row.high)):  # fmt: skip
        assert read(place) == pytest.approx(100 * share, abs=0.01)
    assert subject.gap == (subject.measured, subject.claimed)
    claims = [dot.row.claimed or 0 for dot in chart.rows]
    assert claims == sorted(claims, reverse=True)
    unmeasured = [dot for dot in chart.rows if dot.row.mean is None]
    assert unmeasured and all(dot.measured is None and dot.gap is None for dot in unmeasured)


def test_the_speed_chart_has_a_hollow_point_with_its_name_for_each_row_of_fmbenchs_own(empty):
    chart = charts.draw_speed_chart(empty)
    names = re.findall(r'<text class="name"[^>]*>([^<]*)</text>', chart.svg)
    measured = {row.runner for row in empty.rows if row.mean is not None}
    assert sorted(names) == sorted(measured) and len(measured) > 20
    assert chart.svg.count('class="point own') == len(measured)
    assert f"Hollow points ({len(measured)}): fmbench's own measurement" in chart.caption


def test_names_of_the_speed_chart_cover_no_other_name_and_stay_within_it():
    points = [
        SpeedPoint(f"model-{i}", 10.0 * 1.4**i, 0.8 + 0.01 * (i % 3), 1, "", False)
        for i in range(8)
    ]
    places = [(100.0 + 55 * i, 200.0 + 11 * (i % 3)) for i in range(8)]
    boxes = []
    for text in charts._place_names(points, places):
        x, y, anchor, name = re.search(
            r'x="([\d.]+)" y="([\d.]+)".*anchor="(\w+)">(.*)</text>', text
        ).groups()
        boxes.append(charts._compute_box(float(x), float(y), anchor, len(name)))
    assert not any(charts._compute_overlap(a, b) for a, b in combinations(boxes, 2))
    assert all(box[0] >= 0 and box[2] <= charts.SPEED_WIDTH for box in boxes)


def test_a_learning_curve_shows_the_claim_and_the_band_of_the_seeds():
    epochs = np.arange(1, 11)
    mean = np.linspace(0.8, 0.9, 10)
    curve = Curve(epochs, mean, mean - 0.01, mean + 0.01, 5)
    svg = charts._draw_curves(curve, curve, "accuracy", "accuracy <of> a model", 0.988)
    assert "claimed: 98.80" in svg and "&lt;of&gt;" in svg
    assert svg.count("<polygon") == 2 and svg.count("<polyline") == 2
    points = re.search(r'<polyline class="test" points="([^"]*)"', svg)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert len(heights) == 10 and heights == sorted(heights, reverse=True), "it rises"
    one = replace(curve, n=1)
    assert "<polygon" not in charts._draw_curves(one, one, "loss", "loss of a model")


def test_a_curve_with_values_that_are_no_numbers_shows_the_others():
    values = np.array([0.5, np.nan, np.inf, 0.25])
    curve = Curve(np.arange(1, 5), values, values, values, 1)
    svg = charts._draw_curves(curve, curve, "loss", "loss of a model")
    points = re.search(r'<polyline class="test" points="([^"]*)"', svg)[1].split()
    assert len(points) == 2 and "nan" not in svg and "inf" not in svg
