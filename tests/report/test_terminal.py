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

import pytest
from rich.console import Console

from fmbench.analysis.evaluation import JudgedRow, judge_suite, read_results
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import VerdictKind
from fmbench.records.protocols import QUICK
from fmbench.report.row_texts import summarise_verdicts
from fmbench.report.tables import build_accuracies
from fmbench.report.terminal import render_table
from fmbench.suites import reader
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
    output = print_table(source, columns=160, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", output)
    row = next(line for line in lines_of(output) if line.startswith("CNN-LeNet-5 "))
    for name in ("runner", "claimed", "mean", "sd", "gap", "low", "high", "fit_seconds"):
        assert texts["lenet5"][name] in row


def test_a_wide_terminal_shows_the_deciding_parameters_of_each_runner(rows):
    assert "Manhattan" in render(rows, 160) and "Manhattan" not in render(rows, 150)


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
    assert f"{summarise_verdicts(rows)}." in text
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
    assert (
        "* 27 of 29 rows: fmbench's own measurement (AMD EPYC); `fmbench run NAME` measures it here"
    ) in " ".join(map(str.strip, lines))


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
        [row] = [line for line in lines_of(opened.output) if "GaussianNB" in line][-1:]
        assert "57.06" in row and len(row) <= 80
        os.kill(opened.process.pid, signal.SIGINT)
        assert opened.process.wait(WAIT_SECONDS) == 0


@pytest.mark.slow
def test_watch_needs_a_terminal():
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "watch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "`fmbench table` prints the table once" in done.stderr
