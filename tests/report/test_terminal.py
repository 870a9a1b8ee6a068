"""Tables in a pseudo-terminal: their width, their colours, and `fmbench watch`."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from fmbench.analysis.evaluation import JudgedRow, judge_suite, read_results
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.reference import load_reference_summaries
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import VerdictKind
from fmbench.records.protocols import QUICK
from fmbench.report.row_texts import summarise_verdicts
from fmbench.report.tables import AccuracyTable, build_accuracies
from fmbench.report.terminal import WIDTH_OF_RUNNERS, render_table
from fmbench.suites import reader
from fmbench.utils.document import render_to_text
from fmbench.utils.environment import CHECKOUT
from tests.helpers.runs import WAIT_SECONDS

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
REFERENCE = CHECKOUT / "results" / "reference"
# Variables that change the width or the colours that a program chooses for a terminal.
TERMINAL_VARIABLES = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs fmbench in a pseudo-terminal that is ``columns`` wide."""

    def __init__(self, *arguments: object, columns: int = 80, **environment: str) -> None:
        import fcntl
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        kept = {k: v for k, v in os.environ.items() if k not in TERMINAL_VARIABLES}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fmbench", *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
            # The tests may run as a background job of a shell, whose children ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        os.close(theirs)
        self.output = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character

    def read_until(self, text: str | None = None) -> str:
        """Return what it has printed once ``text`` is part of it, or once it has ended."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end and (text is None or text not in COLOUR.sub("", self.output)):
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if ready:
                try:
                    new = os.read(self._ours, 65536)
                except OSError:  # the process has closed its end
                    break
                self.output += self._decoder.decode(new)
        assert text is None or text in COLOUR.sub("", self.output), self.output
        return self.output

    def close(self) -> None:
        """End the process, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextlib.contextmanager
def terminal(*arguments: object, **options) -> Iterator[Terminal]:
    opened = Terminal(*arguments, **options)
    try:
        yield opened
    finally:
        opened.close()


def print_table(source, **options) -> str:
    common = ("--results", REFERENCE, "--data", source.folder)
    with terminal("table", *common, **options) as opened:
        return opened.read_until()


def lines_of(output: str) -> list[str]:
    return CONTROL.sub("", COLOUR.sub("", output)).splitlines()


@pytest.fixture(scope="module")
def rows(reference: SuitePredictions) -> list[JudgedRow]:
    return reference.rows


@pytest.fixture(scope="module")
def texts(rows) -> dict[str, dict[str, str]]:
    """Each row as it is printed, by runner."""
    printed = build_accuracies(reader.read_suite(), rows).text_rows()
    return {row["runner"]: row for row in printed}


def render(rows: list[JudgedRow], width: int, **options) -> str:
    console = Console(width=width, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        table = build_accuracies(reader.read_suite(), rows, **options)
        console.print(render_table(table, width), highlight=False)
    return captured.get()


@pytest.mark.slow
def test_the_table_fits_into_80_columns_and_shows_the_mark_of_each_verdict(source, rows, texts):
    lenet = texts["lenet5"]
    output = print_table(source)
    lines = lines_of(output)
    # Messages that are not part of the table may be longer: the terminal wraps them.
    assert max(len(line) for line in lines if not line.startswith("fmbench: ")) <= 80
    row = next(line for line in lines if line.startswith("CNN-LeNet-5 "))
    figures = f"98.80 {lenet['mean']} ± {lenet['sd']} {lenet['n']}"
    kind = next(row.verdict.kind for row in rows if row.runner == "lenet5")
    assert f"{figures} {kind.style.mark} {kind.word[:8]}" in re.sub(" +", " ", row)
    assert any(line.startswith("CNN with Batch Normalization") for line in lines)


def test_each_verdict_has_its_mark_in_its_own_colour(rows):
    output = render(rows, 160)
    shown = {row.verdict.kind for row in rows} - {VerdictKind.NOT_RUN}
    marks = "".join(kind.style.mark for kind in shown)
    colours = dict(reversed(found) for found in re.findall(rf"(\x1b\[[0-9;]*m)([{marks}])", output))
    assert len(colours) == len(set(colours.values())) == len(shown)


@pytest.mark.slow
def test_a_wider_terminal_shows_more_columns_and_no_color_removes_the_colours(source, texts):
    output = print_table(source, columns=WIDTH_OF_RUNNERS, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", output)
    row = next(line for line in lines_of(output) if line.startswith("CNN-LeNet-5 "))
    for name in ("runner", "claimed", "mean", "sd", "gap", "low", "high", "fit_seconds"):
        assert texts["lenet5"][name] in row


@pytest.mark.parametrize("width", [80, 120, 160, 220])
def test_the_runner_and_its_deciding_parameters_are_visible_at_every_width(rows, width):
    lines = lines_of(render(rows, width))
    text = re.sub(r"\s+", " ", " ".join(lines))
    for row in rows:
        assert row.runner in text
    [at] = [i for i, line in enumerate(lines) if line.startswith("KNeighborsClassifier ")]
    described = " ".join(" ".join(lines[at : at + 3]).split())
    if width < WIDTH_OF_RUNNERS:
        assert "  k-neighbors (k=5, Manhattan" in lines[at + 1]
    else:
        assert "k-neighbors k=5, Manhattan distance" in described


OWN_SUITE = f"""
title = "A paper of one's own"
[test_set]
n_per_class = {[1000] * 10}
[[row]]
where = "Table 2"
label = "SVC (RBF, C=10)"
runner = "svc-rbf"
claimed = "89.9"
recipe = "stated"
[[row]]
where = "Table 2"
label = "random forest"
runner = "random-forest"
claimed = "88.1"
mean_of = 10
sd = "0.2"
recipe = "stated"
[[row]]
where = "Table 2"
label = "LeNet-5"
runner = "lenet5"
claimed = "91.2"
recipe = "stated"
[[row]]
where = "Table 2"
label = "ResNet-18"
claimed = "93.4"
[[row]]
where = "Table 2"
label = "k-NN"
runner = "k-neighbors"
parameters = {{ p = 2, weights = "uniform" }}
claimed = "85.5"
recipe = "stated"
[[row]]
where = "Table 3"
label = "Shallow tree"
estimator = "sklearn.tree:DecisionTreeClassifier"
parameters = {{ max_depth = 3, criterion = "entropy" }}
dataset = "mnist"
claimed = "50.0"
"""


@pytest.fixture(scope="module")
def own_table(tmp_path_factory) -> AccuracyTable:
    """The table of a suite of one's own before anything is measured."""
    path = tmp_path_factory.mktemp("own") / "paper.toml"
    path.write_text(OWN_SUITE, encoding="utf-8")
    suite = reader.read_suite(path)
    nothing = {name: Summary(name, Status.NOT_RUN) for name in suite.runners if name}
    nothing[""] = Summary("", Status.NO_RUNNER, reason="the suite names no model for this row")
    rows = judge_suite(suite, nothing, load_reference_summaries(reader.read_suite()))
    table = build_accuracies(suite, rows, command="fmbench run --all --suite paper.toml")
    return replace(table, explained_by="fmbench table --suite paper.toml --format md")


def test_a_suite_of_ones_own_in_80_columns(own_table):
    rows = """
                                   claimed measured      n verdict
SVC (RBF, C=10)                       89.9 89.86*        1 ● reproduced
  svc-rbf (RBF kernel, C=10)
random forest                         88.1 87.74 ± 0.15* 5 ◆ more seeds needed
  random-forest (100 trees,                                (10 in all)
  entropy, depth at most 100)
LeNet-5                               91.2 90.83 ± 0.19* 5 ◐ within one run's
  lenet5 (ReLU, Adamax, 10 epochs)                         spread
ResNet-18                             93.4                 – not run: no runner:
                                                           the suite names no
                                                           model for this row
k-NN                                  85.5                 – not run
  k-neighbors p=2 weights=uniform
  (k=5, Euclidean distance, not
  weighted)
Shallow tree                          50.0                 – not run
  sklearn.tree:
  DecisionTreeClassifier
  max_depth=3 criterion=entropy on
  mnist

6 rows: ● 1 reproduced; ◐ 1 within one run's spread; ◆ 1 needs more seeds; – 3
not run.
* 3 of 6 rows: fmbench's own measurement (AMD EPYC); `fmbench run --all --suite
paper.toml` measures here
percent of the test images; ± standard deviation over n seeds; `fmbench table
--suite paper.toml --format md` explains every column and verdict
"""
    assert render_to_text(render_table(own_table, 80), 80) == f"A paper of one's own\n{rows}"


def test_a_suite_of_ones_own_in_120_columns(own_table):
    lines = render_to_text(render_table(own_table, 120), 120).splitlines()
    assert lines[2].split() == ["claimed", "measured", "n", "gap", "one", "new", "run", "verdict"]
    assert lines[4:8] == [
        "  svc-rbf (RBF kernel, C=10)",
        "random forest                             88.1  87.74 ± 0.15*  5  -0.36  87.27 to 88.20"
        "  ◆ more seeds needed (10 in all)",
        "  random-forest (100 trees, entropy,",
        "  depth at most 100)",
    ]


def test_on_one_line_each_row_has_one_line_that_fits(own_table):
    for width in (80, 120, 140):
        lines = render_to_text(render_table(own_table, width, one_line=True), width).splitlines()
        shown = lines[3 : 3 + len(own_table.judged)]
        assert [line.split("  ")[0] for line in shown] == [row.label for row in own_table.judged]
        assert ("lenet5" in shown[2]) == (width == 140)
        assert max(map(len, shown)) <= width


def test_a_deterministic_row_shows_one_accuracy_in_place_of_an_interval(rows):
    lines = lines_of(render(rows, 180))
    assert "57.06 to" not in "\n".join(lines)
    [row] = [line for line in lines if line.startswith("GaussianNB ")]
    assert row.split().count("57.06") == 3  # reference, measured, one new run


@pytest.mark.parametrize("width", [80, 100, 120, 138, 160, 200])
def test_no_line_is_wider_than_the_terminal_and_the_last_ones_count_the_verdicts(rows, width):
    lines = lines_of(render(rows, width))
    assert max(map(len, lines)) <= width
    text = re.sub(r"\s+", " ", " ".join(lines))
    assert f"{summarise_verdicts(rows, has_marks=True)}." in text
    assert "By the source's protocol: 2 more reproduced." in text
    if width >= 110:
        [row] = [line for line in lines if line.startswith("CNN using SVM")]
        assert "● 90.55" in row


def test_a_narrow_table_shows_the_second_verdict_below_the_first_one(rows):
    console = Console(width=80)
    [row] = [row for row in rows if row.runner == "cnn-svm"]
    with console.capture() as captured:
        console.print(render_table(build_accuracies(reader.read_suite(), [row]), 80))
    cell = " ".join(line[48:].strip() for line in captured.get().splitlines())
    assert "source's protocol" in cell and "reproduced" in captured.get().split("1 row:")[0]


@pytest.mark.parametrize("width", [80, 120])
def test_fmbenchs_own_measurement_has_a_mark_that_a_line_explains(width, tmp_path):
    rows = read_results(tmp_path / "none", reader.read_suite()).rows
    lines = lines_of(render(rows, width))
    [lenet] = [line for line in lines if line.startswith("CNN-LeNet-5  ")]
    assert "90.83 ± 0.19*" in lenet
    assert max(map(len, lines)) <= width
    text = " ".join(map(str.strip, lines))
    assert "* 27 of 29 rows: fmbench's own measurement (AMD EPYC)" in text


def test_a_quick_table_shows_each_status_in_place_of_a_verdict():
    summaries = {
        "lenet5": Summary("lenet5", Status.MEASURED, 1, 0.6, accuracies=(0.6,)),
        "mlp": Summary("mlp", Status.FAILED, reason="killed"),
    }
    rows = judge_suite(reader.read_suite(), summaries, {}, QUICK)
    lines = lines_of(render(rows, 120, protocol_title=QUICK.title))
    ends = {line.split("  ")[0]: line.rstrip()[-20:].strip() for line in lines}
    assert ends["CNN-LeNet-5"].endswith("measured")
    assert ends["Multilayer perceptron"].endswith("✕ failed: killed")
    assert not any("untestable" in line for line in lines)


@pytest.mark.slow
def test_watch_shows_new_records_and_ctrl_c_ends_it(source, rows, tmp_path):
    common = ("--results", tmp_path, "--data", source.folder, "--every", 0.2)
    with terminal("watch", *common) as opened:
        opened.read_until(f"0 of {len(rows)} rows measured")
        opened.output = ""
        shutil.copytree(REFERENCE / "records" / "gaussian-nb", tmp_path / "copy")
        (tmp_path / "records").mkdir(exist_ok=True)
        (tmp_path / "copy").rename(tmp_path / "records" / "gaussian-nb")  # all files at once
        opened.read_until(f"1 of {len(rows)} rows measured here, 1 runs")
        # What was read last may end within a line.
        rows = [line for line in lines_of(opened.output)[:-1] if "GaussianNB" in line]
        assert "57.06" in rows[-1] and len(rows[-1]) <= 80
        os.kill(opened.process.pid, signal.SIGINT)
        opened.read_until()  # it would wait for a reader
        assert opened.process.wait(WAIT_SECONDS) == 0


@pytest.mark.slow
def test_watch_needs_a_terminal():
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "watch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "`fmbench table` prints the table once" in done.stderr
