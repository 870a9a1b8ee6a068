"""Tests of `fmbench suite list` and `fmbench suite new`."""

import json
import shlex

import pytest

from fmbench.api.inputs import load_suite
from tests.helpers.commands import call_fmbench


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_suites_fits_a_terminal(view, width):
    lines = view(width, "suite", "list")
    assert [line.split()[0] for line in lines if line.startswith(("kayed", "xiao"))] == [
        "kayed2020", "xiao2017",
    ]  # fmt: skip
    hint = lines[-1].split("`")[1]
    assert lines[-1].startswith("2 suites; ")
    name = shlex.split(hint)[-1]
    assert load_suite(name).name == name


def test_a_program_gets_the_numbers_and_files_of_the_suites():
    told = json.loads(call_fmbench("suite", "list", "--format", "json").stdout)
    for entry in told:
        suite = load_suite(entry["name"])
        assert (entry["rows"], entry["title"]) == (len(suite.rows), suite.title)
        assert load_suite(entry["file"]).name == entry["name"]
    assert [entry["default"] for entry in told] == [True, False]


def test_a_new_suite_in_no_folder_is_refused_by_the_folder(tmp_path):
    done = call_fmbench("suite", "new", tmp_path / "none" / "claims.toml")
    assert done.returncode == 2 and f"there is no folder {tmp_path / 'none'}" in done.stderr


def test_the_hints_of_a_new_suite_can_be_typed_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call_fmbench("suite", "new", "my claims.toml")
    check, run = done.stderr.split("`")[1::2]
    assert call_fmbench(*shlex.split(check)[1:]).returncode in (0, 1)
    assert shlex.split(run) == ["fmbench", "run", "--suite", "my claims.toml", "--all"]
