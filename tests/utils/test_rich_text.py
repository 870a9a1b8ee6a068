"""Texts in a terminal wrap between words; only a word that is too long is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from fmbench.utils.rich_text import count_wrapped_lines, split_words, wrap_lines

ADDRESS = "sklearn.tree:DecisionTreeClassifier"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("  one two three", 9, ["  one two", "  three"]),
        (f"a {ADDRESS} b", 36, ["a", f"{ADDRESS}", "b"]),
        (f"a {ADDRESS} b", 26, ["a sklearn.tree:", "DecisionTreeClassifier b"]),
        ("first line\n  second line", 8, ["first", "line", "  second", "  line"]),
        ("", 5, [""]),
        ("日本 語", 4, ["日本", "語"]),
    ],
)
def test_lines_wrap_between_words_and_keep_their_indent(text, width, lines):
    assert wrap_lines(Text(text), width).plain.split("\n") == lines
    assert count_wrapped_lines(text, width) == len(lines)


def test_a_long_word_is_split_after_its_punctuation_marks():
    assert split_words(f"short-one {ADDRESS}") == [
        "short-one", "sklearn.", "tree:", "DecisionTreeClassifier",
    ]  # fmt: skip


def test_wrapped_parts_keep_their_styles():
    text = wrap_lines(Text.assemble("label\n", ("  dim words here", "dim")), 11)
    assert text.plain == "label\n  dim words\n  here"
    assert {text.plain[s.start : s.end].strip() for s in text.spans} == {"dim words", "here"}


@given(st.text(alphabet="ab:./=_- \n日", max_size=60), st.integers(1, 20))
def test_nothing_is_lost_and_no_line_is_wider_than_it_must_be(text, width):
    wrapped = wrap_lines(Text(text), width).plain
    assert "".join(wrapped.split()) == "".join(text.split())
    assert count_wrapped_lines(text, width) == wrapped.count("\n") + 1
    for line in wrapped.split("\n"):
        rest = line.lstrip(" ")
        indent = len(line) - len(rest)
        assert cell_len(line) <= width or len(split_words(rest, width - indent)) == 1
