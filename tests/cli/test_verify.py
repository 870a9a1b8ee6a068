"""Tests of what `fmbench verify` prints."""

from fmbench.datasets import loading
from tests.helpers.commands import call_fmbench


def test_a_folder_without_records_has_zero_records(tmp_path, source, monkeypatch):
    monkeypatch.setattr(loading, "verify_files", lambda *args: None)  # it takes long
    done = call_fmbench("verify", "--results", tmp_path, "--data", source.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 records"
