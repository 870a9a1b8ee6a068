"""Tables in a real (pseudo-)terminal: they fit, they are coloured, and they grow."""

from __future__ import annotations

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

from fmbench.analysis.evaluation import JudgedRow, judge_suite
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import VerdictKind
from fmbench.records.protocols import QUICK
from fmbench.report.tables import build_accuracies
from fmbench.report.terminal import render_table
from fmbench.suites import reader
from fmbench.utils.environment import CHECKOUT

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
REFERENCE = CHECKOUT / "results" / "reference"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """fmbench in a pseudo-terminal with so many columns."""

    def __init__(self, *arguments: object, columns: int = 80, **environment: str) -> None:
        import fcntl
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fmbench", *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**kept, "TERM": "xterm-256color", **environment},
            # The tests may run as a background job of a shell, whose children ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        os.close(theirs)
        self.said = ""

    def read_until(self, text: str | None = None, seconds: float = 300) -> str:
        """Everything that it printed until ``text`` came, or until it ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (text is None or text not in COLOUR.sub("", self.said)):
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if ready:
                try:
                    new = os.read(self._ours, 65536)
                except OSError:  # the process has closed its end
                    break
                self.said += new.decode()
        assert text is None or text in COLOUR.sub("", self.said), self.said
        return self.said

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


def lines_of(said: str) -> list[str]:
    return CONTROL.sub("", COLOUR.sub("", said)).splitlines()


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
def test_in_80_columns_the_table_fits_and_its_verdicts_are_coloured(source, rows, texts):
    lenet = texts["lenet5"]
    said = print_table(source)
    lines = lines_of(said)
    # Messages beside the table may be longer: the terminal wraps them.
    assert max(len(line) for line in lines if not line.startswith("fmbench: ")) <= 80
    row = next(line for line in lines if line.startswith("CNN-LeNet-5 "))
    figures = f"98.80 {lenet['mean']} ± {lenet['sd']} {lenet['n']}"
    kind = next(row.verdict.kind for row in rows if row.runner == "lenet5")
    assert f"{figures} {kind.style.mark} {kind.word[:8]}" in re.sub(" +", " ", row)
    assert any(line.startswith("CNN with Batch Normalization") for line in lines)


def test_each_verdict_has_its_mark_in_its_own_colour(rows):
    said = render(rows, 160)
    shown = {row.verdict.kind for row in rows} - {VerdictKind.NOT_RUN}
    marks = "".join(kind.style.mark for kind in shown)
    colours = dict(reversed(found) for found in re.findall(rf"(\x1b\[[0-9;]*m)([{marks}])", said))
    assert len(colours) == len(set(colours.values())) == len(shown)


@pytest.mark.slow
def test_a_wider_terminal_shows_more_and_no_color_means_none(source, texts):
    said = print_table(source, columns=160, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", said)
    row = next(line for line in lines_of(said) if line.startswith("CNN-LeNet-5 "))
    for name in ("runner", "claimed", "mean", "sd", "gap", "low", "high", "fit_seconds"):
        assert texts["lenet5"][name] in row


def test_a_deterministic_row_shows_one_accuracy_in_place_of_an_interval(rows):
    lines = lines_of(render(rows, 160))
    assert "57.06 to" not in "\n".join(lines)
    [row] = [line for line in lines if line.startswith("GaussianNB ")]
    assert row.split().count("57.06") == 3  # reference, measured, one new run


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
def test_watch_shows_the_table_growing_and_ctrl_c_ends_it(source, rows, tmp_path):
    common = ("--results", tmp_path, "--data", source.folder, "--every", 0.2)
    with terminal("watch", *common) as opened:
        opened.read_until(f"0 of {len(rows)} rows measured")
        opened.said = ""
        shutil.copytree(REFERENCE / "records" / "gaussian-nb", tmp_path / "records" / "gaussian-nb")
        opened.read_until(f"1 of {len(rows)} rows measured, 1 runs")
        [row] = [line for line in lines_of(opened.said) if "GaussianNB" in line][-1:]
        assert "57.06" in row and len(row) <= 80
        os.kill(opened.process.pid, signal.SIGINT)
        assert opened.process.wait(timeout=60) == 0


@pytest.mark.slow
def test_watch_needs_a_terminal():
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "watch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "`fmbench table` prints the table once" in done.stderr
