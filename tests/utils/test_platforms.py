"""Where fmbench cannot run, one line says so, and what to do."""

import os
import subprocess
import sys

import pytest

import fmbench
from fmbench.utils import platforms

ON_WINDOWS = """
import os, sys

sys.platform = "win32"
missing = ("fcntl", "resource", "termios", "pwd", "grp", "posix")
sys.modules.update(dict.fromkeys(missing))  # None: an import fails
for name in ("fork", "setsid", "killpg", "sched_getaffinity", "geteuid"):
    delattr(os, name)
import atexit
from fmbench.__main__ import main
atexit.register(lambda: print(*sorted(sys.modules)))
main()
"""


def test_on_windows_the_command_prints_one_line_and_imports_nothing_else():
    result = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS, "table"], capture_output=True, text=True
    )
    assert result.returncode == 2
    imported = result.stdout.split()
    assert not {"click", "numpy"} & set(imported)
    assert {name for name in imported if name.startswith("fmbench.")} == {
        "fmbench.__main__",
        "fmbench.utils",
        "fmbench.utils.platforms",
    }
    [line] = result.stderr.splitlines()
    assert line.startswith("fmbench: error: fmbench does not run on Windows: run it in the Windows")


def test_on_windows_the_python_api_raises_an_error_of_the_user(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("run", "judge", "register", "RunOptions"):
        with pytest.raises(fmbench.UserError, match=r"Windows Subsystem for Linux"):
            getattr(fmbench, name)


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_linux_and_macos_are_no_problem(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    assert platforms.describe_problem() is None


def test_a_python_without_what_is_needed_is_named_with_what_it_lacks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "wasi")
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(os, "fork")
    assert "lacks resource, os.fork on this system (wasi)" in platforms.describe_problem()


def test_an_old_python_is_told_which_one_is_needed(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    assert platforms.describe_problem() == (
        "fmbench needs Python 3.11 or newer, and this is Python 3.10"
    )
