"""Commands work with closed streams, old encodings, full disks and readers that have gone."""

import io
import json
import os
import subprocess
import sys
from unittest import mock

import pytest

from fmbench.cli.main import main
from fmbench.cli.streams import MessageStream
from tests.helpers.runs import WAIT_SECONDS

# Characters that encodings lack, and some that command a terminal.
LABEL = "Réseau 汉 😀 \x1b[2J\u202e"
SUITE = f"""
title = {json.dumps(LABEL, ensure_ascii=False)}
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 7"
label = {json.dumps(LABEL, ensure_ascii=False)}
claimed = "97.0"
"""
FMBENCH = [sys.executable, "-m", "fmbench"]


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def run_in_shell(command, *arguments):
    """Run a line of bash in which ``"$@"`` is fmbench and its arguments."""
    return subprocess.run(
        ["bash", "-c", command, "bash", *FMBENCH, *map(str, arguments)],
        capture_output=True, text=True, timeout=WAIT_SECONDS,
    )  # fmt: skip


def print_in(encoding, monkeypatch, *arguments):
    """Run a command whose output has this encoding; return what it printed."""
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    with mock.patch("signal.signal"), pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    assert stopped.value.code in (None, 0)
    return file.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_an_encoding_that_lacks_characters_of_a_label_gets_escapes(
    encoding, monkeypatch, suite, tmp_path
):
    common = ("--suite", suite, "--results", tmp_path / "none")
    text = print_in(encoding, monkeypatch, "table", *common)
    assert ("汉" in text) == encoding.startswith("utf")
    assert ("\\u6c49" in text) != encoding.startswith("utf")
    assert "\x1b" not in text and "\\u001b[2J" in text
    rows = json.loads(print_in(encoding, monkeypatch, "table", "--format", "json", *common))
    assert rows[0]["label"] == LABEL


def test_messages_that_cannot_be_written_are_dropped():
    reader, writer = os.pipe()
    stream = MessageStream(writer, "utf-8")
    print("first", file=stream)
    assert os.read(reader, 100) == b"first\n"
    os.close(reader)
    print("second", file=stream)
    stream.flush()
    print("third", file=stream, flush=True)
    os.close(writer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "status"),
    [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0), (">/dev/full", 2)],
)
def test_closed_streams_and_full_disks_cause_no_traceback(redirection, status, suite, tmp_path):
    results = tmp_path / "none"
    done = run_in_shell(f'"$@" {redirection}', "table", "--suite", suite, "--results", results)
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    if status:
        message = "fmbench: error: standard output: No space left on device"
        assert done.stderr.splitlines()[-1] == message


@pytest.mark.slow
def test_an_error_nobody_reads_still_has_its_exit_status():
    done = run_in_shell('{ "$@" 2>&1; echo "$?" >&3; } 3>&2 | true', "tabel")
    assert done.stderr == "2\n"


@pytest.mark.slow
def test_standard_input_that_is_closed_is_empty():
    done = run_in_shell('"$@" <&-', "judge", "-")
    assert (done.returncode, done.stderr) == (2, "fmbench: error: standard input is empty\n")


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    program = (
        "import os, sys; from fmbench.cli.streams import prepare_streams; prepare_streams(); "
        f"file = open({str(tmp_path / 'file')!r}, 'w'); print('x'); print(file.fileno() > 2, "
        "file=file)"
    )
    command = '"$1" -c "$2" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", command, "bash", sys.executable, program], check=True)
    assert (tmp_path / "file").read_text() == "True\n"
