"""A file is written completely or not at all, even if writing fails."""

import pytest

from fmbench.errors import UserError
from fmbench.utils.files import find_user_cache, write_atomically, write_text_atomically


def test_a_text_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "table.md"
    path.write_text("old")
    write_text_atomically(path, "± new")
    assert path.read_text(encoding="utf-8") == "± new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_while_writing_leaves_every_file_as_it_was(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    with pytest.raises(RuntimeError), write_atomically(first, second) as temporaries:
        for temporary in temporaries:
            temporary.write_text("half")
        raise RuntimeError
    assert first.read_text() == "old"
    assert list(tmp_path.iterdir()) == [first]


def test_several_files_appear_together_and_can_be_read_by_others(tmp_path):
    paths = [tmp_path / "arrays", tmp_path / "record"]
    with write_atomically(*paths) as temporaries:
        for temporary in temporaries:
            temporary.write_text("whole")
        assert not any(path.exists() for path in paths)
    assert sorted(tmp_path.iterdir()) == paths
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in paths)


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch):
    def find_none(*_):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_path", find_none)
    with pytest.raises(UserError, match="no home folder: set the variable XDG_CACHE_HOME"):
        find_user_cache()
