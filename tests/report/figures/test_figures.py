"""Tests of the figures: they show what was measured, and people can read them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fmbench import runners
from fmbench.analysis import evaluation, predictions
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, load_labels
from fmbench.records.store import Store
from fmbench.report.figures.dot_plot import (
    MIN_SHIFT,
    SOURCE_PROTOCOL_MARKER,
    draw_dot_plot,
    sort_by_claim,
)
from fmbench.report.figures.speed import draw_speed
from fmbench.report.figures.style import PAPER, WIDTH, MissingData, NotApplicable
from fmbench.report.figures.subject import draw_confusion_matrix, draw_loss_by_epoch
from fmbench.report.figures.write import FIGURES, write_figures
from fmbench.suites import reader
from fmbench.suites.bundled import CHECKOUT
from fmbench.suites.claims import Row

pytestmark = pytest.mark.slow

SUITE = reader.read_suite()
SHARES = {"lenet5": (0.9, 0.91, 0.95), "sgd": (0.82,), "gaussian-nb": (0.5,)}


@pytest.fixture(scope="module")
def toy(tmp_path_factory, record_of, source) -> predictions.SuitePredictions:
    """Records of three models that predict the next class for the last images."""
    store, known = Store(tmp_path_factory.mktemp("figures")), runners.load_runners()
    y_true = load_labels(FULL, source)
    for name, shares in SHARES.items():
        for seed, share in enumerate(shares):
            right = np.arange(len(y_true)) < share * len(y_true)
            y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
            history = [
                {"epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": 0.1 * epoch + share / 2,
                 "heldout_loss": 2 / epoch, "heldout_accuracy": share - 0.1 / epoch}
                for epoch in (1, 2, 3)
            ]  # fmt: skip
            cell = Cell(known[name], FULL, seed)
            changes = {"history": history if name == "lenet5" else [], "fit_seconds": 3.0 + seed}
            store.save(record_of(cell, **changes), {"y_pred": y_pred})
    return predictions.load_predictions(
        evaluation.read_results(store.folder, SUITE, data=source.folder)
    )


@pytest.mark.parametrize("name", FIGURES)
def test_a_committed_figure_states_n_and_its_text_is_large_enough_in_print(name):
    figures = SUITE.folder_in(CHECKOUT / "results" / "reference") / "figures"
    svg = (figures / f"{name}.svg").read_text("utf-8")
    assert re.search(r"n\s*=\s*\d", svg)
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) / 72 < WIDTH + 0.6
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert sizes and min(sizes) >= 7


def test_epochs_that_fmbench_does_not_bring_come_with_the_command_that_measures_them(
    tmp_path, source
):
    results = evaluation.read_results(tmp_path, SUITE, data=source.folder)
    with pytest.raises(MissingData, match=rf"`fmbench run lenet5 --results {tmp_path}` measures"):
        draw_loss_by_epoch(predictions.load_predictions(results))


def test_a_figure_can_be_written_as_png(toy, tmp_path):
    draw_loss_by_epoch(toy).save(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_records_give_the_same_bytes_with_any_matplotlib_settings_of_the_user(
    toy, tmp_path
):
    import matplotlib

    first, again = tmp_path / "a.svg", tmp_path / "b.svg"
    draw_dot_plot(toy).save(first)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        draw_dot_plot(toy).save(again)
    assert first.read_bytes() == again.read_bytes()


def test_the_dot_plot_shows_claim_and_measurement_at_their_values(toy):
    rows = sort_by_claim(toy.rows)
    y = next(i for i, row in enumerate(rows) if row.runner == "lenet5")
    axes = draw_dot_plot(toy).figure.axes[0]
    at = {
        tuple(float(x) for x in line.get_xdata())
        for line in axes.lines
        if set(np.atleast_1d(line.get_ydata())) == {y} and line.get_zorder() > 0
    }
    summary = toy.results.summaries["lenet5"]
    interval = (100 * summary.low, 100 * summary.high)
    assert any(np.allclose(ends, (98.8,)) for ends in at if len(ends) == 1)
    assert any(np.allclose(ends, (92.0,)) for ends in at if len(ends) == 1)
    assert any(np.allclose(ends, interval) for ends in at if len(ends) == 2)
    low, high = axes.get_xlim()
    assert low <= 50 and high >= 100


def test_the_sources_protocol_is_a_second_hollow_mark_where_it_can_be_seen_apart(reference):
    rows = sort_by_claim(reference.rows)
    drawing = draw_dot_plot(reference)
    marks = {
        float(line.get_ydata()[0]): (float(line.get_xdata()[0]), line.get_markerfacecolor())
        for line in drawing.figure.axes[0].lines
        if line.get_marker() == SOURCE_PROTOCOL_MARKER
    }
    expected = {
        y: (100 * row.source_protocol.mean, "none")
        for y, row in enumerate(rows)
        if row.source_protocol and abs(row.source_protocol.flatters or 0) >= MIN_SHIFT
    }
    assert marks == expected and len(expected) >= 3
    assert f"hollow diamond ({len(expected)} rows)" in drawing.caption
    legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert legend[-1] == "by the source's protocol"


def test_no_text_of_the_legend_leaves_the_figure(reference):
    figure = draw_dot_plot(reference).figure
    figure.draw_without_rendering()
    for text in figure.legends[0].get_texts():
        assert text.get_window_extent().x1 <= figure.bbox.x1


def test_rows_are_sorted_by_their_claims(toy):
    claims = [row.claimed for row in sort_by_claim(toy.rows)]
    known = [claim for claim in claims if claim is not None]
    assert known == sorted(known, reverse=True)
    assert claims == known + [None] * (len(claims) - len(known))


def test_a_curve_holds_the_mean_the_lowest_and_the_highest_of_the_seeds(toy):
    curve = toy.by_name["lenet5"].curve("heldout_accuracy")
    assert curve.n == 3 and list(curve.epochs) == [1, 2, 3]
    expected = np.array(
        [[share - 0.1 / epoch for epoch in (1, 2, 3)] for share in (0.9, 0.91, 0.95)]
    )
    np.testing.assert_allclose(curve.mean, expected.mean(0))
    np.testing.assert_allclose(curve.low, expected[0])
    np.testing.assert_allclose(curve.high, expected[2])
    assert toy.by_name["sgd"].curve("heldout_accuracy") is None


def test_the_hardest_images_are_those_that_every_model_gets_wrong(toy):
    hard = toy.hardest_images(5)
    assert toy.n_always_wrong == 500  # beyond the best seed's 95 %
    assert all(image.wrong == pytest.approx(1) for image in hard)
    assert all(image.predicted == (image.label + 1) % 10 for image in hard)
    assert [image.index for image in hard] == list(range(9500, 9505))
    # A model counts once. Two of its three seeds are wrong about image 9200.
    assert 1 - toy.shares[9200, toy.y_true[9200]] == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_names_in_the_speed_figure_do_not_overlap(toy, source):
    rows = tuple(row for row in SUITE.rows if row.runner in SHARES)
    suite = replace(SUITE, rows=rows, other_runners=False)
    folder = toy.results.store.folder
    results = evaluation.read_results(folder, suite, data=source.folder)
    drawing = draw_speed(predictions.load_predictions(results))
    texts = [t for t in drawing.figure.axes[0].texts if t.get_text()]
    assert sorted(t.get_text() for t in texts) == sorted(SHARES)
    boxes = [t.get_window_extent() for t in texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_rows_that_fmbench_measured_are_hollow_points_of_the_speed_figure(tmp_path):
    rows = tuple(row for row in SUITE.rows if row.runner in ("sgd", "lenet5"))
    suite = replace(SUITE, rows=rows, other_runners=False, path=tmp_path / "own.toml")
    found = predictions.load_predictions(evaluation.read_results(tmp_path / "none", suite))
    drawing = draw_speed(found)
    [points] = drawing.figure.axes[0].collections
    assert points.get_facecolor().tolist() == [[*to_rgb(PAPER), 1.0]] * 2
    assert "n = 2 models, 10 runs" in drawing.caption
    assert "Hollow points (2): fmbench's own measurement" in drawing.caption
    assert "AMD EPYC" in drawing.caption


def test_special_characters_of_a_label_are_drawn_unchanged(tmp_path):
    label = "$x^2$ & <b> “衣服”"
    suite = replace(SUITE, rows=(Row("Table 1", label, "sgd"),), other_runners=False)
    results = evaluation.read_results(tmp_path / "none", suite)
    draw_dot_plot(predictions.load_predictions(results)).save(tmp_path / "dots.svg")
    assert "$x^2$ &amp; &lt;b&gt; “衣服”" in (tmp_path / "dots.svg").read_text("utf-8")


def test_without_records_the_figures_show_fmbenchs_own_measurement(tmp_path):
    empty = predictions.load_predictions(evaluation.read_results(tmp_path / "none", SUITE))
    written, missing = write_figures(empty, tmp_path / "figures", "svg")
    # Fmbench's own measurement travels with its matrices and its times, and without the rest.
    names = ["confusion-matrix.svg", "dot-plot.svg", "speed.svg"]
    assert sorted(path.name for path in written) == names
    assert set(missing) == {"accuracy-by-epoch", "loss-by-epoch", "hard-images"}
    assert all("fmbench's own measurement" in why for why in missing.values())


def test_a_suite_without_a_subject_has_no_figure_of_one(tmp_path):
    suite = replace(SUITE, reported=(), statements=())
    empty = predictions.load_predictions(evaluation.read_results(tmp_path / "none", suite))
    with pytest.raises(NotApplicable):
        draw_confusion_matrix(empty)


def test_titles_are_those_of_the_suite_or_say_what_is_shown(toy):
    titled = draw_loss_by_epoch(toy).title
    assert titled == "Figure 6, measured: loss of CNN-LeNet-5 after each epoch"
    results = replace(toy.results, suite=replace(SUITE, figure_titles={}))
    for draw in FIGURES.values():
        assert "Figure" not in draw(replace(toy, results=results)).title
