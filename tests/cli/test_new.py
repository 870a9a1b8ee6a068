"""Tests of `fmbench new`."""

from tests.helpers.commands import call_fmbench


def test_a_model_file_in_no_folder_is_refused_by_the_folder(tmp_path):
    done = call_fmbench("new", tmp_path / "none" / "my_model.py")
    assert done.returncode == 2 and f"there is no folder {tmp_path / 'none'}" in done.stderr
