"""The table that a run fills, and the progress below it, in terminals of several sizes."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from fmbench import runners
from fmbench.analysis.evaluation import read_results
from fmbench.datasets.specs import DATASETS
from fmbench.execution.backend import Limits
from fmbench.execution.estimate import DurationEstimate
from fmbench.execution.session import Verbosity
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, PROTOCOLS, load_labels
from fmbench.records.record import Y_PRED, Y_TRUE
from fmbench.records.store import Store
from fmbench.report import progress as progress_module
from fmbench.report.live_table import LiveTable, choose_rows, fit_table
from fmbench.report.progress import LOADING, Progress, Scorer, show_progress
from fmbench.report.tables import build_table
from fmbench.suites import reader
from tests.helpers.runs import LIMITS

SUITE = reader.read_suite()
SIZES = [(80, 24), (120, 40), (80, 10), (40, 6), (200, 60)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of an empty folder: fmbench's own measurements."""
    return build_table(read_results(tmp_path_factory.mktemp("none") / "none", SUITE))


def make_cell(name, seed=0, protocol=FULL):
    return Cell(runners.load_runners()[name], protocol, seed)


def lines_of(text):
    return text.plain.split("\n")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_title_and_heads_stay_visible_and_nothing_is_too_wide_or_too_high(table, width, height):
    lines = lines_of(fit_table(table, width, height))
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("Table 3")
    assert any("claimed" in line and "verdict" in line for line in lines[1:3])


def test_rows_that_are_not_shown_are_counted(table):
    lines = lines_of(fit_table(table, 80, 20))
    [counted] = [line for line in lines if "not shown" in line]
    shown = [row.label for row in table.judged if any(row.label[:20] in line for line in lines)]
    n_rows = sum("±" in line or "not run" in line or "*" in line[:60] for line in lines[2:-3])
    assert counted == f"({29 - n_rows} of 29 rows are not shown)"
    assert len(shown) >= n_rows and "measured" in lines[1]
    assert "not shown" not in fit_table(table, 80, 60).plain


def test_rows_that_run_or_were_measured_last_are_shown_first(table):
    assert "Perceptron  " not in fit_table(table, 80, 12).plain
    lines = lines_of(fit_table(table, 80, 12, ["perceptron", "lenet5"]))
    places = [i for i, line in enumerate(lines) if line.startswith(("Perceptron ", "CNN-LeNet-5 "))]
    assert len(places) == 2, "in the order of the table"
    assert lines[places[0]].startswith("CNN-LeNet-5 ")


def test_chosen_rows_are_in_the_order_of_the_table():
    assert choose_rows(list("abcdef"), 3, ["e", "b"]) == [0, 1, 4]
    assert choose_rows(list("abcdef"), 1, ["e", "b"]) == [4]
    assert choose_rows(list("aabb"), 2, ["b"]) == [2, 3]
    assert choose_rows(list("ab"), 5, []) == [0, 1]


@pytest.fixture
def filled(tmp_path, record_of, source):
    """A results folder, and a function that adds a record of a runner to it."""
    store = Store(tmp_path / "results")
    y_true = load_labels(FULL, source)

    def add(name, share, seed=0, started="2026-01-01T00:00:00+00:00"):
        right = np.arange(len(y_true)) < share * len(y_true)
        y_pred = np.where(right, y_true, (y_true + 1) % 10).astype(np.uint8)
        record = record_of(make_cell(name, seed), started=started)
        return store.save(record, {Y_PRED: y_pred})

    return store, add


def test_a_row_that_is_measured_here_replaces_fmbenchs_own(filled, source):
    store, add = filled
    shown = LiveTable(lambda: read_results(store.folder, SUITE, data=source.folder, store=store))
    [before] = [line for line in lines_of(shown.render(80, 60)) if "CNN-LeNet-5  " in line]
    assert "90.83 ± 0.19*" in before
    add("lenet5", 0.5)
    shown.update()
    assert "90.83 ± 0.19*" in shown.render(80, 60).plain, "nobody said that it has changed"
    shown.mark_changed()
    shown.update(at_once=True)
    [after] = [line for line in lines_of(shown.render(80, 60)) if "CNN-LeNet-5  " in line]
    assert "50.00 " in after and "*" not in after
    assert "29 rows: " in shown.render(80, 60).plain


def test_the_rows_measured_last_come_first(filled, source):
    store, add = filled
    add("perceptron", 0.5, started="2026-01-02T00:00:00+00:00")
    add("mlp-elu", 0.5, started="2026-01-03T00:00:00+00:00")
    shown = LiveTable(lambda: read_results(store.folder, SUITE, data=source.folder, store=store))
    assert shown.list_newest_first() == ["mlp-elu", "perceptron"]
    text = shown.render(80, 7, [make_cell("lenet5-section4")]).plain
    assert "as Section 4" in text and "ELU" in text and "Perceptron" in text


def test_only_the_rows_that_were_asked_for_are_shown_and_counted(filled, source):
    store, _ = filled
    shown = LiveTable(lambda: read_results(store.folder, SUITE, store=store), ["lenet5"])
    assert shown.n_rows == 1
    lines = lines_of(shown.render(80, 24))
    assert [line for line in lines if line.startswith("CNN-LeNet-5 ")]
    assert not [line for line in lines if line.startswith(("GaussianNB", "SVC"))]
    assert "known already: 1 of 1 row by fmbench's own measurements" in shown.describe_known()


# ---------------------------------------------------------------- progress


def make_console(width=80, height=24):
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True)


def render(progress, console):
    lines = console.render_lines(progress, pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.fixture
def shown(filled, source):
    store, add = filled
    table = LiveTable(lambda: read_results(store.folder, SUITE, data=source.folder, store=store))
    return store, add, table


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
@pytest.mark.parametrize("n_running", [0, 2, 16])
def test_table_and_progress_fit_into_the_terminal(shown, width, height, n_running):
    store, _, table = shown
    cells = [make_cell("lenet5", seed) for seed in range(20)]
    console = make_console(width, height)
    estimate = DurationEstimate(store.read_contents())
    progress = Progress(cells, LIMITS, 20, estimate, console, table=table)
    for cell in cells[:n_running]:
        progress.on_start(cell)
    lines = render(progress, console)
    assert len(lines) < height and max(map(len, lines)) <= width
    assert lines[0].startswith("Table 3") and "claimed" in " ".join(lines[1:3])
    [head] = [i for i, line in enumerate(lines) if line.startswith("0 of 20 cells done")]
    status = lines[head + 1 :]
    if n_running == 0:
        assert status == [LOADING]
    else:
        assert status[0].startswith("  running lenet5 seed 0, ")
        assert (status[-1] == "  and 11 more") is (n_running == 16)
        assert any(line.startswith("CNN-LeNet-5 ") for line in lines), "its row is shown"


def test_the_table_changes_when_a_cell_has_finished(shown, source):
    store, add, table = shown
    cell = make_cell("extra-tree")
    console = make_console()
    scorer = Scorer(store, {source.spec.name: source})
    estimate = DurationEstimate(store.read_contents())
    progress = Progress([cell], LIMITS, 1, estimate, console, scorer=scorer, table=table)
    progress.on_start(cell)
    assert any("77.92 ± 0.84*" in line for line in render(progress, console))
    progress.on_end(cell, add("extra-tree", 0.5))
    assert "[1/1] extra-tree seed 0: accuracy 50.00 %, fit 2.0 s" in console.file.getvalue()
    row = next(line for line in render(progress, console) if line.startswith("ExtraTree"))
    assert "50.00" in row and "*" not in row


def test_a_folder_that_cannot_be_read_any_more_stops_no_progress(shown):
    store, _, table = shown
    console = make_console()
    estimate = DurationEstimate(store.read_contents())
    progress = Progress([], LIMITS, 1, estimate, console, table=table)

    def fail():
        raise OSError("the disk is gone")

    table._read = fail
    table.mark_changed()
    lines = render(progress, console)
    assert lines[-1] == "  the table is not up to date: the disk is gone"
    assert lines[0].startswith("Table 3")


def test_the_time_left_is_the_longer_one_of_the_cpu_and_the_gpu(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(progress_module, "time", clock)
    seconds = {"lenet5": 4.0, "extra-tree": 10.0}
    estimate = SimpleNamespace(expected_seconds=lambda cell: seconds[cell.runner.name])
    networks = [make_cell("lenet5", seed) for seed in range(20)]
    trees = [make_cell("extra-tree", seed) for seed in range(20)]
    on_gpu = Limits(timeout=1, memory=1, jobs=10, device="cuda", together=5, gpu_jobs=2)

    def start(limits=on_gpu):
        return Progress([*networks, *trees], limits, 40, estimate, make_console())

    assert start(replace(on_gpu, device="cpu", together=1)).seconds_left() == (80 + 200) / 10
    assert start(replace(on_gpu, jobs=2)).seconds_left() == 200 / 2
    progress = start()
    assert progress.seconds_left() == 80 / 2, "four launches, two at a time, and 20 s on the CPU"
    for cell in networks[:10]:
        progress.on_start(cell)
    clock.now = 10.0
    assert progress.seconds_left() == (80 - 2 * 10) / 2, "two launches have run for 10 s each"
    clock.now = 18.0
    assert progress.seconds_left() == pytest.approx((40 + 2 * 2) / 2)
    clock.now = 90.0
    assert progress.seconds_left() == pytest.approx((40 + 2 * 10) / 2), "they took too long"


@pytest.mark.parametrize("verbosity", list(Verbosity))
@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_is_known_is_said_once_before_the_first_cell(
    shown, monkeypatch, caplog, is_terminal, verbosity
):
    store, _, table = shown
    console = make_console(80, 24) if is_terminal else Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(progress_module, "Console", lambda stderr: console)
    cells = [make_cell("lenet5")]
    estimate = DurationEstimate(store.read_contents())
    options = {"make_table": lambda: table, "verbosity": verbosity}
    with caplog.at_level("INFO", "fmbench"):
        for _ in range(2):  # a run may have several rounds
            with show_progress(cells, LIMITS, estimate, 1, **options):
                pass
    quiet = verbosity is Verbosity.QUIET
    said = [line for line in caplog.messages if line.startswith("known already: 27 of 29 rows by")]
    assert len(said) == int(not is_terminal and not quiet)
    # The table does not fit into 24 lines, so all of it is printed, too.
    n_whole = console.file.getvalue().count("GradientBoostingClassifier")
    assert n_whole == int(is_terminal and not quiet)


def test_the_accuracy_is_that_on_each_set_of_images_that_is_scored(store, record_of, source):
    seen = PROTOCOLS["quickseen"]
    cell = make_cell("extra-tree", protocol=seen)
    y_true = load_labels(seen, source)
    y_pred = y_true.copy()
    y_pred[-1000:] = (y_pred[-1000:] + 1) % 10  # half of the test images
    record = store.save(record_of(cell), {Y_PRED: y_pred})
    text = Scorer(store, {source.spec.name: source}).describe(cell, record)
    assert text == "accuracy 100.00 % (fitted images), 50.00 % (test images)"


def test_records_with_labels_of_their_own_are_scored_with_them(store, record_of):
    cell = replace(make_cell("extra-tree"), dataset=DATASETS["mnist"])
    y_true = np.arange(10_000).astype(np.uint8) % 10
    y_pred = np.where(np.arange(10_000) < 9_000, y_true, (y_true + 1) % 10).astype(np.uint8)
    record = store.save(record_of(cell), {Y_PRED: y_pred, Y_TRUE: y_true})
    assert Scorer(store, {}).describe(cell, record) == "accuracy 90.00 %"


def test_predictions_that_are_gone_are_said_and_stop_no_run(store, record_of, source):
    cell = make_cell("extra-tree")
    y_true = load_labels(FULL, source)
    record = store.save(record_of(cell), {Y_PRED: y_true})
    for path in store.records.rglob("*.npz"):
        path.unlink()
    text = Scorer(Store(store.folder), {source.spec.name: source}).describe(cell, record)
    assert text.startswith("its predictions cannot be read: ")


def test_several_threads_may_score_at_once(store, record_of, source):
    cells = [make_cell("extra-tree", seed) for seed in range(4)]
    y_true = load_labels(FULL, source)
    records = [store.save(record_of(cell), {Y_PRED: y_true}) for cell in cells]
    scorer, found = Scorer(store, {source.spec.name: source}), []
    threads = [
        threading.Thread(target=lambda c=c, r=r: found.append(scorer.describe(c, r)))
        for c, r in zip(cells, records, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["accuracy 100.00 %"] * 4
