"""Inputs are files, pipes, texts or words; whatever cannot be read is refused in one line."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from fmbench.errors import UserError
from fmbench.judging import documents
from fmbench.judging.documents import name_input, read_documents

TABLE = "| Model | Acc |\n|---|---|\n| SVC | 90.4 |\n| LeNet-5 | 90.9 |\n"


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def write_slowly(path: Path, *parts: str, pause: float = 0.05) -> threading.Thread:
    """Write to a pipe from another thread, with a pause before each part."""

    def write() -> None:
        time.sleep(pause)
        with path.open("w") as file:
            for part in parts:
                time.sleep(pause)
                file.write(part)
                file.flush()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def read_error(*inputs) -> str:
    with pytest.raises(UserError) as error:
        read_documents(inputs)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_pipe_with_a_path_is_read_like_standard_input(pipe, as_text):
    thread = write_slowly(pipe, TABLE[:20], TABLE[20:])
    [found] = read_documents([str(pipe) if as_text else pipe])
    thread.join(5)
    [expected] = read_documents([TABLE.encode()])
    assert (found.claims, found.name) == (expected.claims, str(pipe))


def test_the_pipe_of_a_command_that_has_ended_is_read(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, TABLE.encode())
    os.close(writer)
    path = Path(f"/dev/fd/{reader}")
    if not path.exists():
        pytest.skip("no /dev/fd here")
    [found] = read_documents([str(path)])
    os.close(reader)
    assert len(found.claims) == 2 and found.name == str(path)


def test_a_pipe_that_nobody_writes_to_is_refused_soon(pipe, monkeypatch):
    monkeypatch.setattr(documents, "MAX_WAIT", 0.1)
    started = time.monotonic()
    message = read_error(str(pipe))
    assert time.monotonic() - started < 5
    assert message == (
        f"{pipe} is a pipe, and nobody wrote to it: name a file, or give - for standard input"
    )


def test_a_pipe_is_read_up_to_a_limit(pipe, monkeypatch):
    monkeypatch.setattr(documents, "MAX_BYTES", 2**20)

    def write_much() -> None:
        with pipe.open("wb") as file:
            try:
                for _ in range(64):
                    file.write(b"x" * 2**16)
            except BrokenPipeError:  # the reader has seen enough
                pass

    thread = threading.Thread(target=write_much, daemon=True)
    thread.start()
    assert read_error(pipe) == f"{pipe} gives more than 1 MiB: give only the results"
    thread.join(5)


def test_a_command_names_standard_input_in_place_of_a_pipe(pipe):
    assert name_input(str(pipe)) == name_input(TABLE.encode()) == "-"
    assert name_input("results.md") == "results.md"
    assert name_input("x" * 5000) == "x" * 5000


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused_with_its_whole_path(device):
    if not Path(device).exists():
        pytest.skip("no such device here")
    expected = f"{device} is not a file: name a file, or give - for standard input"
    assert read_error(device) == read_error(Path(device)) == expected
