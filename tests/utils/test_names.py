"""Names that are safe for a folder, and suggestions for names that are not known."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench import runners
from fmbench.utils.names import SAFE_NAME, make_safe_name, suggest_names


@given(st.text())
def test_a_safe_name_has_no_path_separator_and_is_not_a_parent_folder(text):
    name = make_safe_name(text)
    assert SAFE_NAME.fullmatch(name)
    assert Path("records", name).resolve().parent == Path("records").resolve()


def test_two_texts_never_get_the_same_name():
    names = [make_safe_name(t) for t in ("a b", "a/b", "a-b", "../a-b", "..", "...", "", "é")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", ".hidden", "", "a" * 101, "-o", "a\n"])
def test_a_runner_cannot_have_a_name_that_no_folder_can_have(name):
    lenet5 = runners.get_runner("lenet5")
    with pytest.raises(ValueError, match="cannot be the name of a folder"):
        replace(lenet5, name=name)


def test_near_names_are_suggested_whatever_their_case():
    assert suggest_names("LENET", ["lenet5", "svm"]) == ": did you mean lenet5?"
    assert suggest_names("c", ["C", "gamma"]) == ": did you mean C?"
    assert suggest_names("xyz", ["lenet5"]) == "."
