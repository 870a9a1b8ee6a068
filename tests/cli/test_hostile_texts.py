"""Texts of a suite, a record, an error or a file name never command the terminal of the user."""

import io
import json
import re
import sys
from dataclasses import replace
from unittest import mock

import pytest

from fmbench.cli.main import cli, main
from fmbench.cli.output import print_message
from fmbench.execution.estimate import DurationEstimate
from fmbench.records.store import Store
from fmbench.report.progress import show_progress
from fmbench.utils.printable import escape_unsafe
from tests.helpers.runs import LIMITS

# An escape sequence, a bell, a mark that turns the direction, and the eight-bit form of ESC [.
HOSTILE = "A\x1b[2J\x1b]0;title\x07\u202egnp.exe\u2066\x9b31m"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def quote(text):
    return json.dumps(text)  # such a string is valid TOML


SUITE = f"""
title = {quote(HOSTILE)}
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[tables]
accuracies = {quote(HOSTILE)}
[[row]]
where = {quote(HOSTILE)}
label = {quote(f"GaussianNB {HOSTILE}")}
runner = "gaussian-nb"
claimed = "51.1"
remark = {quote(HOSTILE)}
[[row]]
where = "Table 2"
label = {quote(f"=cmd|A0 {HOSTILE}")}
runner = {quote(f"no {HOSTILE}")}
claimed = "99.0"
[[reported]]
where = {quote(f"Section {HOSTILE}")}
of = "gaussian-nb"
metric = "accuracy"
value = "0.10"
remark = {quote(HOSTILE)}
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def print_in(terminal, *arguments):
    """Run a command; return what it prints on both streams."""
    with (
        mock.patch("signal.signal"), mock.patch.object(sys, "stdout", terminal),
        mock.patch.object(sys, "stderr", terminal), pytest.raises(SystemExit),
    ):  # fmt: skip
        main(list(map(str, arguments)))
    return terminal.getvalue()


COMMANDS = [
    *(["table", "--format", name] for name in ("md", "csv", "json", "tex", "html", "review")),
    ["table", "--table", "overall"],
    ["list"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_format_of_a_table_has_an_unsafe_character(words, suite, tmp_path):
    where = ("--suite", suite, "--results", tmp_path / HOSTILE.replace("/", ""))
    text = print_in(io.StringIO(), *words, *where)
    assert text == escape_unsafe(text)
    assert "001b" in text


@pytest.mark.parametrize("words", [["check", "--explain"], ["judge"]], ids=" ".join)
def test_no_judgement_has_an_unsafe_character(words, suite):
    text = print_in(io.StringIO(), *words, suite)
    assert text == escape_unsafe(text)
    assert "\\u001b[2J" in text


def test_a_judgement_in_a_file_has_no_unsafe_character(suite, tmp_path):
    for format_ in ("text", "json", "md"):
        print_in(io.StringIO(), "judge", suite, "--format", format_, "-o", tmp_path / "file")
        text = (tmp_path / "file").read_text(encoding="utf-8")
        assert text == escape_unsafe(text)
    print_in(io.StringIO(), "judge", suite, "--json", "-o", tmp_path / "file")
    claims = json.loads((tmp_path / "file").read_text(encoding="utf-8"))["claims"]
    assert claims[0]["label"] == f"GaussianNB {HOSTILE}"


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize("words", [["table", "--suite"], ["judge"]], ids=" ".join)
def test_a_terminal_gets_colours_and_no_other_control_character(words, columns, suite, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = print_in(FakeTerminal(), *words, suite)
    assert COLOUR.search(text)
    plain = COLOUR.sub("", text)
    assert plain == escape_unsafe(plain)
    assert "u001b" in plain


@pytest.mark.parametrize("command", cli.commands)
def test_an_error_quotes_hostile_words_harmlessly_on_one_line(command):
    text = print_in(io.StringIO(), command, f"--{HOSTILE}\n\udcff")
    assert text == escape_unsafe(text)
    assert text.startswith("fmbench: error: ") and text.count("\n") == 1
    assert "\\u202e" in text


@pytest.mark.parametrize(
    "words",
    [
        ("table", "--suite", HOSTILE), ("judge", f"{HOSTILE}.txt"), ("run", f"./{HOSTILE}.py:make"),
        ("data", "--data", f"/nowhere/{HOSTILE}"), ("new", f"{HOSTILE}.txt"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_error_shows_a_hostile_file_name_harmlessly(words):
    text = print_in(io.StringIO(), *words)
    assert text == escape_unsafe(text)
    assert text.startswith("fmbench: error: ") and "u202e" in text


def test_an_endless_error_is_cut():
    text = print_in(io.StringIO(), "x" * 100_000)
    assert len(text) < 3000 and "more characters" in text


def test_a_message_is_one_line(capsys):
    print_message(f"left out {HOSTILE}\r\nnext")
    text = capsys.readouterr().err
    assert text == escape_unsafe(text) and text.count("\n") == 1


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_lines_are_safe_and_short(is_terminal, toy_cell, record_of, tmp_path, monkeypatch):
    cells = [toy_cell(seed=seed) for seed in range(2)]
    why = f"ValueError: {HOSTILE}\n" + "x" * 100_000
    terminal = FakeTerminal() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    estimate = DurationEstimate(Store(tmp_path).read_contents())
    with show_progress(cells, replace(LIMITS, jobs=2), estimate, 2) as progress:
        progress.on_start(cells[0])
        progress.on_wait(cells[1], HOSTILE)
        progress.on_end(cells[0], record_of(cells[0], status="failed", why=why))
    # A live display also moves the cursor, and hides it.
    plain = re.sub(r"\x1b\[[0-9;?]*[mlhAK]|\r", "", terminal.getvalue())
    assert plain == escape_unsafe(plain)
    assert "\\u001b[2J" in plain and "more characters" in plain and len(plain) < 20_000
