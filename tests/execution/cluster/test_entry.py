"""What a worker imports: the installed code and what the user named, and nothing else."""

import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fmbench.errors import UserError
from fmbench.execution.cluster import connection, entry, worker
from fmbench.utils import environment

LIBRARY = str(Path(os.__file__).parent)


@pytest.mark.parametrize(
    "before, named, kept, removed",
    [
        ([], "", [], []),
        (["/tmp/worker-1", "/tmp", "/here"], "", [], ["/tmp/worker-1", "/tmp", "/here"]),
        (["/here", "/mine"], "/mine", ["/mine"], ["/here"]),
        (["/here", "/mine", "/here"], f"/mine{os.pathsep}", ["/mine"], ["/here", "/here"]),
        (["/tmp", "/here", "/here"], "/here", ["/here", "/here"], ["/tmp"]),
        ([""], "", [], [""]),
    ],
)
def test_folders_before_the_library_that_pythonpath_does_not_name_are_removed(
    before, named, kept, removed
):
    installed = [LIBRARY, "/site-packages", "/here"]  # the last one: installed in editable mode
    path = entry.remove_unnamed_folders([*before, *installed], named)
    assert path == ([*kept, *installed], removed)


def test_the_path_is_put_back_when_the_last_call_has_ended(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/here", *sys.path])
    before = list(sys.path)
    with entry._use_installed_code_only():
        assert "/here" not in sys.path
        with entry._use_installed_code_only():
            pass
        assert "/here" not in sys.path
    assert sys.path == before


def call_here(function, *arguments):
    """Call a function as a worker does."""
    expression, variables = connection.make_call(function, *arguments)
    return eval(expression, variables)


def get_path():
    return list(sys.path)


def test_a_worker_runs_a_call_without_its_current_folder_on_the_path(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/here", *sys.path])
    path = call_here(get_path)["result"]
    assert LIBRARY in path and "/here" not in path
    assert sys.path[0] == "/here"


def test_a_call_that_cannot_be_unpickled_says_why():
    answer = entry.call(b"no pickle")
    assert answer["worker"] is None and answer["cannot_start"].startswith("UnpicklingError: ")
    error = connection.unpack_answer(answer)
    assert isinstance(error, connection.CannotStart) and str(error) == answer["cannot_start"]


def test_a_worker_that_has_imported_another_fmbench_from_its_folder_is_refused(
    tmp_path, monkeypatch
):
    (tmp_path / "fmbench").mkdir()
    other = SimpleNamespace(__file__=str(tmp_path / "fmbench" / "__init__.py"))
    monkeypatch.setitem(sys.modules, "fmbench", other)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    answer = entry.call(pickle.dumps((len, ("abc",))))
    assert f"it has imported the fmbench in {tmp_path}" in answer["cannot_start"]


def test_a_worker_whose_code_has_changed_refuses_cells(monkeypatch):
    worker._check_code_is_unchanged()
    changed = replace(environment.identify_code(), sha256="0" * 64)
    monkeypatch.setattr(environment, "read_code_identity", lambda: changed)
    with pytest.raises(UserError, match="has changed since this worker started: restart it"):
        worker._check_code_is_unchanged()
