"""Tests of `fmbench report`: it shows what it does to whoever waits in a terminal."""

from __future__ import annotations

import pytest

from tests.helpers.commands import call_fmbench

SUITE = """
title = "A small comparison"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 1"
label = "k-NN"
runner = "k-neighbors"
claimed = "85.5"
"""


@pytest.mark.parametrize("name", ["page.md", "page.pdf"])
def test_a_file_with_the_ending_of_another_format_is_refused(tmp_path, name):
    done = call_fmbench("report", "--results", tmp_path / "none", "-o", tmp_path / name)
    assert done.returncode == 2 and "end the name with .html or .tex" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_", [(), ("--format", "review")])
def test_a_page_in_no_folder_is_refused_by_the_folder(tmp_path, format_):
    page = tmp_path / "none" / "page.html"
    done = call_fmbench("report", *format_, "--results", tmp_path / "results", "-o", page)
    assert done.returncode == 2 and f"there is no folder {tmp_path / 'none'}" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_ending_of_a_report_says_its_format(tmp_path):
    page = tmp_path / "table.tex"
    assert call_fmbench("report", "--results", tmp_path / "none", "-o", page).returncode == 0
    assert "\\begin{tabular}" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_steps_are_shown_in_a_terminal_and_nowhere_else(tmp_path, monkeypatch, is_terminal):
    # What rich takes for a terminal, whatever stderr is.
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if is_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    else:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
    suite = tmp_path / "own.toml"
    suite.write_text(SUITE, encoding="utf-8")
    page = tmp_path / "page.html"
    done = call_fmbench("report", "--suite", suite, "--results", tmp_path / "none", "-o", page)
    assert done.returncode == 0 and page.exists() and done.stdout == ""
    assert ("the page: " in done.stderr) == is_terminal
    assert f"written: {page}" in done.stderr
