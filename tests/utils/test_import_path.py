"""Another process imports only what somebody named, never what lies in the current folder."""

import os
from pathlib import Path

import pytest

from fmbench.utils.import_path import copy_variables, split_path

LIBRARY = str(Path(os.__file__).resolve().parent)


@pytest.mark.parametrize(
    ("path", "pythonpath", "first", "last"),
    [
        (["", "/named", LIBRARY, "/site"], "/named", ["/named", LIBRARY, "/site"], ["."]),
        (["/bin", LIBRARY, "/site"], "", [LIBRARY, "/site"], ["/bin"]),
        (["/added", LIBRARY, ""], "/added", ["/added", LIBRARY], ["."]),
        ([LIBRARY, "/site"], "", [LIBRARY, "/site"], []),
        ([".", LIBRARY], "/other::", [LIBRARY], ["."]),
    ],
)
def test_folders_that_nobody_named_come_last_on_the_path(path, pythonpath, first, last):
    assert split_path(path, pythonpath) == (first, [str(Path(f).resolve()) for f in last])


def test_the_current_folder_is_not_named_by_an_empty_name(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/named{os.pathsep}{os.pathsep}/other")
    assert copy_variables()["PYTHONPATH"] == f"/named{os.pathsep}/other"
    monkeypatch.delenv("PYTHONPATH")
    assert copy_variables() == dict(os.environ)
