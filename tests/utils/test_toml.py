"""TOML of other people is parsed in bounded time and memory."""

import pytest

from fmbench.utils.toml import MAX_KEY_PARTS, parse_toml

MANY = 50_000


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * MANY) + " = 1",
        " . ".join(["a"] * MANY) + " = 1",
        ".".join(['"a\\".b"'] * MANY) + " = 1",
        ".".join(["'a.b'"] * MANY) + " = 1",
        "[" + ".".join(["a"] * MANY) + "]",
        "[[" + ".".join(["a"] * MANY) + "]]",
        "x = {y = 1, " + ".".join(["a"] * MANY) + " = 1}",
        "x = ['\"', {" + ".".join(["a"] * MANY) + " = 1}]",
    ],
)
def test_a_key_of_very_many_parts_is_refused(text):
    with pytest.raises(ValueError, match=f"a key has more than {MAX_KEY_PARTS} parts"):
        parse_toml(text)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * MANY + "]" * MANY, "a = " + "{b = " * MANY + "1" + "}" * MANY]
)
def test_lists_and_tables_that_are_nested_too_deeply_are_refused(text):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml(text)


def test_no_ordinary_text_is_taken_for_a_long_key():
    key = ".".join(["a"] * MAX_KEY_PARTS)
    remark = "One. Two words. Version 1.2.3 of a.b.c, see https://a.b.c/d.e... " * 500
    content = parse_toml(f"{key} = 1\nremark = \"{remark}\"\nother = '''{remark}\n{remark}'''\n")
    assert content["remark"] == remark
