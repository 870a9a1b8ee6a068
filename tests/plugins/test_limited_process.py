"""A function runs in a process with limits, and what the process does to itself is one sentence."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from contextlib import closing

import pytest

from fmbench.plugins.limited_process import ProcessEndedError, call_in_process
from tests.helpers.runs import is_dead, wait_until

GIB = 2**30
THIS = f"{__name__}:"


def echo(request, send):
    print("this is not a message")
    send({"got": request, "files": sys.path})
    send([request["text"], os.environ["A_VARIABLE"]])


def exit_at_once(request, send):
    send("begins")
    print("the last words", file=sys.stderr)
    sys.stderr.flush()
    os._exit(request)


def crash(request, send):
    ctypes.string_at(0)


def raise_error(request, send):
    raise ValueError("of the function")


def wait_for_ever(request, send):
    while True:
        time.sleep(1)


def print_for_ever(request, send):
    while True:
        print("x" * 1000)


def take_memory(request, send):
    taken = []
    while True:
        taken.append(b"x" * 2**24)


def write_no_json(request, send):
    for fd in range(3, 64):  # the function does not know which of them carries the messages
        try:
            os.write(fd, b"this is no JSON\n")
        except OSError:
            continue
    wait_for_ever(request, send)


# It leaves its group and its parent, as a server does that goes into the background.
BACKGROUND = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(3600)
"""


def start_process_in_background(request, send):
    started = subprocess.Popen([sys.executable, "-c", BACKGROUND], stdout=subprocess.PIPE)
    send(int(started.stdout.readline()))


def call(function, request=None, *, seconds=3600.0, memory=8 * GIB, **options):
    messages = call_in_process(
        f"{THIS}{function.__name__}", request, seconds=seconds, memory=memory, **options
    )
    with closing(messages):
        return list(messages)


def test_messages_come_back_and_what_is_printed_does_not(capfd):
    request = {"text": "é\ud800", "n": 10**30}
    first, second = call(echo, request, variables={"A_VARIABLE": "set"})
    assert first["got"] == request
    assert second == [request["text"], "set"]
    assert capfd.readouterr() == ("", "")


def test_the_process_has_this_process_path_of_modules_but_the_current_folder_comes_last(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("json.py", "selectors.py", "importlib.py"):
        (tmp_path / name).write_text("raise SystemExit('this code was run')\n")
    path = list(sys.path)
    monkeypatch.setattr(sys, "path", ["", *path])
    [first, _] = call(echo, {"text": ""}, variables={"A_VARIABLE": ""})
    assert first["files"] == [*path, ""]


@pytest.mark.parametrize(
    ("function", "request_", "limits", "message"),
    [
        (exit_at_once, 0, {}, "it ended its process with status 0: the last words"),
        (exit_at_once, 7, {}, "it ended its process with status 7: the last words"),
        (crash, None, {}, r"its process was killed by signal 11 \(SIGSEGV\)$"),
        (raise_error, None, {}, "it ended its process with status 1: ValueError: of the function"),
        (wait_for_ever, None, {"seconds": 0.5}, "it took more than 0.5 s$"),
        (print_for_ever, None, {"seconds": 0.5}, "it took more than 0.5 s"),
        (take_memory, None, {"memory": GIB // 4}, "it used more than 0.25 GiB of memory$"),
        (write_no_json, None, {}, "it sent something that is not JSON"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_end_of_the_process_is_one_sentence(function, request_, limits, message):
    with pytest.raises(ProcessEndedError, match=message) as ended:
        call(function, request_, **limits)
    assert "\n" not in str(ended.value)


def test_a_process_that_it_leaves_in_the_background_is_ended_too():
    [pid] = call(start_process_in_background)
    wait_until(lambda: is_dead(pid))  # it is dead a moment after it was killed
