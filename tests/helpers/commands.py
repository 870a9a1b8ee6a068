"""Runs a command of fmbench in the process of the tests."""

import contextlib
import io
from types import SimpleNamespace
from unittest import mock

from fmbench.cli.main import main


def call_fmbench(*arguments):
    """Run a command here, which is quicker than in a process of its own: for one without a run."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = None
    with (
        mock.patch("signal.signal"),  # the handlers of the test process stay as they are
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code or 0
    return SimpleNamespace(returncode=status, stdout=stdout.getvalue(), stderr=stderr.getvalue())
