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

from fmbench.report.tables import build_table
from fmbench.report.terminal import MARKS
from fmbench.suites.bundled import CHECKOUT

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
REFERENCE = CHECKOUT / "results" / "reference"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """fmbench in a terminal of so many columns."""

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
            # a shell's background job, and so the tests in one, would hand down an ignored SIGINT
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        os.close(theirs)
        self.said = ""

    def read_until(self, text: str | None = None, seconds: float = 100) -> str:
        """What it said until ``text`` came, or until it ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (text is None or text not in COLOUR.sub("", self.said)):
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if ready:
                try:
                    new = os.read(self._ours, 65536)
                except OSError:  # the other end is closed
                    break
                self.said += new.decode()
        assert text is None or text in COLOUR.sub("", self.said), self.said
        return self.said


@contextlib.contextmanager
def terminal(*arguments: object, **options) -> Iterator[Terminal]:
    found = Terminal(*arguments, **options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait()


def table(source, **options) -> str:
    common = ("--results", REFERENCE, "--data", source.folder)
    with terminal("table", *common, **options) as found:
        return found.read_until()


def lines_of(said: str) -> list[str]:
    return OTHER.sub("", COLOUR.sub("", said)).splitlines()


@pytest.fixture(scope="module")
def rows(reference) -> list[dict[str, str]]:
    return build_table(reference.outcome, "accuracies").rows


def test_in_80_columns_the_table_fits_and_its_verdicts_are_coloured(source, rows):
    lenet = next(row for row in rows if row["runner"] == "lenet5")
    said = table(source)
    lines = lines_of(said)
    # What is said beside the table (of other versions, say) is for the terminal to wrap.
    assert max(len(line) for line in lines if not line.startswith("fmbench: ")) <= 80
    row = next(line for line in lines if line.startswith("CNN-LeNet-5 "))
    figures = f"98.80 {lenet['mean']} ± {lenet['sd']} {lenet['n']}"
    assert f"{figures} ◀ not reproduced" in re.sub(" +", " ", row)
    assert any(line.startswith("CNN with Batch Normalization") for line in lines)
    colours = dict(reversed(found) for found in re.findall(r"(\x1b\[[0-9;]*m)([●◀▶◆])", said))
    assert len(set(colours.values())) == len(colours), "each verdict has its own"
    assert len(colours) == len({row["verdict"] for row in rows} & set(MARKS) - {"not run"})


def test_a_wider_terminal_shows_more_and_no_color_means_none(source, rows):
    lenet = next(row for row in rows if row["runner"] == "lenet5")
    said = table(source, columns=160, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", said)
    row = next(line for line in lines_of(said) if line.startswith("CNN-LeNet-5 "))
    for name in ("runner", "claimed", "mean", "sd", "gap", "low", "high", "fit_seconds"):
        assert lenet[name] in row


def test_watch_shows_the_table_growing_and_ctrl_c_ends_it(source, rows, tmp_path):
    common = ("--results", tmp_path, "--data", source.folder, "--every", 0.2)
    with terminal("watch", *common) as found:
        found.read_until(f"0 of {len(rows)} rows measured")
        found.said = ""
        shutil.copytree(REFERENCE / "records" / "gaussian-nb", tmp_path / "records" / "gaussian-nb")
        found.read_until(f"1 of {len(rows)} rows measured, 1 runs")
        [row] = [line for line in lines_of(found.said) if "GaussianNB" in line][-1:]
        assert "57.06" in row and len(row) <= 80
        os.kill(found.process.pid, signal.SIGINT)
        assert found.process.wait(timeout=60) == 0


def test_watch_needs_a_terminal():
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "watch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "`fmbench table` prints the table once" in done.stderr
