"""What `fmbench watch` draws; tests/report/test_terminal.py runs it in a terminal."""

import io

import pytest
from rich.console import Console

from fmbench.analysis.evaluation import read_results
from fmbench.cli.watch import _draw
from fmbench.report.live_table import LiveTable
from fmbench.suites import reader


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_the_drawing_is_as_large_as_the_terminal_and_keeps_title_and_heads(width, height, tmp_path):
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=False)
    _draw(LiveTable(lambda: read_results(tmp_path / "none", reader.read_suite())), console)
    lines = file.getvalue().splitlines()
    assert len(lines) < height, "the last line is free for the cursor"
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("Table 3") and "claimed" in "".join(lines[1:3])
    assert lines[-1].startswith("0 of 29 rows measured here, 0 runs in ")
