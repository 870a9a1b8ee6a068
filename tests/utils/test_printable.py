"""Text of other people is printed without characters that command a terminal."""

import codecs
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench.utils.printable import (
    escape_on_one_line,
    escape_unencodable,
    escape_unsafe,
    shorten,
)

# Any character, those halves of one included that cannot be encoded.
ANY_TEXT = st.text(st.characters(), max_size=30)
TURNS_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(character):
    """Whether Unicode calls a character neither a control nor a mark of direction."""
    return (
        unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        and unicodedata.bidirectional(character) not in TURNS_DIRECTION
        and character not in "\u200e\u200f\u061c"
    )


@given(ANY_TEXT)
def test_no_unsafe_character_is_left_besides_tabs_and_line_feeds(text):
    assert all(is_harmless(c) for c in escape_unsafe(text) if c not in "\t\n")


@given(ANY_TEXT)
def test_one_line_is_one_line(text):
    shown = escape_on_one_line(text)
    assert shown.count("\n") == 0 and len(shown.splitlines()) <= 1
    assert all(is_harmless(c) for c in shown if c != "\t")


@given(ANY_TEXT)
def test_json_reads_back_what_was_escaped(text):
    read = json.loads(escape_unsafe(json.dumps(text, ensure_ascii=False)))
    # JSON takes two halves that stand together for the character that they make.
    assert read.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


@given(ANY_TEXT)
def test_what_was_escaped_is_not_changed_again(text):
    assert escape_unsafe(escape_unsafe(text)) == escape_unsafe(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_encoding_can_print_every_text_and_json_reads_it_back(text):
    codecs.register_error("escape", escape_unencodable)
    printed = json.dumps(text, ensure_ascii=False)
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8"):
        assert json.loads(printed.encode(encoding, "escape").decode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\u001b[31mred"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("a\x00b\x7f\x9b", "a\\u0000b\\u007f\\u009b"),
        ("name\udcff", "name\\udcff"),
        ("90.83 ± 0.19 “汉” \u05d0", "90.83 ± 0.19 “汉” \u05d0"),
    ],
)
def test_unsafe_characters_become_escapes_and_others_stay(text, shown):
    assert escape_unsafe(text) == shown


def test_a_long_text_is_cut_and_says_so():
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 1250, 10) == "xxxxxxxxxx... (1,240 more characters)"
