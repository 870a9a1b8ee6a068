"""The figures: what they show is what was measured, and they can be read."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis import evaluation, predictions
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, labels
from fmbench.records.store import Store
from fmbench.report.figures import confusion, learning_curves, write
from fmbench.report.figures.dot_plot import dot_plot, in_order
from fmbench.report.figures.speed import speed
from fmbench.report.figures.style import WIDTH, Missing
from fmbench.suites import reader
from fmbench.suites.bundled import CHECKOUT

SUITE = reader.read()
SHARES = {"lenet5": (0.9, 0.91, 0.95), "sgd": (0.82,), "gaussian-nb": (0.5,)}


@pytest.fixture(scope="module")
def toy(tmp_path_factory, record_of, source) -> predictions.Details:
    """Three models that are wrong in the last images, whose class they take for the next one."""
    store, known = Store(tmp_path_factory.mktemp("figures")), runners.runners()
    y_true = labels(FULL, source)
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
    return predictions.gather(evaluation.read(store.folder, SUITE, data=source.folder))


@pytest.mark.parametrize("name", write.FIGURES)
def test_a_committed_figure_has_its_n_and_type_that_can_be_read_as_printed(name):
    svg = (CHECKOUT / "results" / "reference" / "figures" / f"{name}.svg").read_text("utf-8")
    assert re.search(r"n\s*=\s*\d", svg)
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) / 72 < WIDTH + 0.6
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert sizes and min(sizes) >= 7


def test_png_too(toy, tmp_path):
    learning_curves.loss_by_epoch(toy).save(tmp_path / "figure-6.png")
    assert (tmp_path / "figure-6.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_records_give_the_same_bytes_whatever_the_users_settings(toy, tmp_path):
    import matplotlib

    first, again = tmp_path / "a.svg", tmp_path / "b.svg"
    dot_plot(toy).save(first)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        dot_plot(toy).save(again)
    assert first.read_bytes() == again.read_bytes()


def test_the_dot_plot_has_the_claim_and_the_measurement_where_they_are(toy):
    lines = in_order(toy.lines)
    y = next(i for i, line in enumerate(lines) if line.row.runner == "lenet5")
    axes = dot_plot(toy).figure.axes[0]
    at = {
        tuple(float(x) for x in line.get_xdata())
        for line in axes.lines
        if set(np.atleast_1d(line.get_ydata())) == {y} and line.get_zorder() > 0
    }
    summary = toy.outcome.summaries["lenet5"]
    interval = (100 * summary.low, 100 * summary.high)
    assert any(np.allclose(ends, (98.8,)) for ends in at if len(ends) == 1)
    assert any(np.allclose(ends, (92.0,)) for ends in at if len(ends) == 1)
    assert any(np.allclose(ends, interval) for ends in at if len(ends) == 2)
    low, high = axes.get_xlim()
    assert low <= 50 and high >= 100


def test_rows_stand_by_their_claims(toy):
    claims = [line.claimed for line in in_order(toy.lines)]
    known = [claim for claim in claims if claim is not None]
    assert known == sorted(known, reverse=True)
    assert claims == known + [None] * (len(claims) - len(known))


def test_a_curve_is_the_mean_of_the_seeds_between_lowest_and_highest(toy):
    curve = toy.measured["lenet5"].curve("heldout_accuracy")
    assert curve.n == 3 and list(curve.epochs) == [1, 2, 3]
    expected = np.array(
        [[share - 0.1 / epoch for epoch in (1, 2, 3)] for share in (0.9, 0.91, 0.95)]
    )
    np.testing.assert_allclose(curve.mean, expected.mean(0))
    np.testing.assert_allclose(curve.low, expected[0])
    np.testing.assert_allclose(curve.high, expected[2])
    assert toy.measured["sgd"].curve("heldout_accuracy") is None


def test_the_hardest_images_are_those_that_every_model_gets_wrong(toy):
    hard = toy.hardest(5)
    assert toy.n_always_wrong == 500  # beyond the best seed's 95 %
    assert all(image.wrong == pytest.approx(1) for image in hard)
    assert all(image.predicted == (image.label + 1) % 10 for image in hard)
    assert [image.index for image in hard] == list(range(9500, 9505))
    # A model of three seeds counts by their share: two thirds of a third are wrong in 91 % to 95 %.
    assert 1 - toy.shares[9200, toy.y_true[9200]] == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_names_in_the_scatter_cover_neither_points_nor_each_other(toy):
    drawing = speed(toy)
    texts = [t for t in drawing.figure.axes[0].texts if t.get_text()]
    assert sorted(t.get_text() for t in texts) == sorted(SHARES)
    boxes = [t.get_window_extent() for t in texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_a_label_is_drawn_as_it_is(toy):
    label = "$x^2$ & <b> “衣服”"
    rows = tuple(replace(row, label=label) for row in SUITE.rows[:1])
    line = replace(toy.lines[0], row=rows[0])
    svg = dot_plot(replace(toy, lines=[line])).inline("x")
    assert "$x^2$ &amp; &lt;b&gt; “衣服”" in svg


def test_the_pages_copy_has_its_colours_and_ids_of_its_own(toy):
    svg = dot_plot(toy).inline("one")
    assert not re.search(r"#[0-9a-f]{6}\b", svg), "every colour is one of the page's"
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids and all(name.startswith("one-") for name in ids)
    assert "font-family" not in svg and "aria-label" in svg


def test_without_records_only_the_claims_can_be_drawn(tmp_path):
    empty = predictions.gather(evaluation.read(tmp_path / "none", SUITE))
    written, missing = write.write(empty, tmp_path / "figures", "svg")
    assert [path.name for path in written] == ["dot-plot.svg"]
    assert missing == dict.fromkeys(set(write.FIGURES) - {"dot-plot"}, "no record")
    with pytest.raises(Missing):
        confusion.confusion(empty)
