"""Tests of the part of README.md that is generated from the committed records."""

from __future__ import annotations

import pytest

from fmbench.report.readme import BEGIN, END, README, replace_block

pytestmark = pytest.mark.slow

MAX_LINES = 50


def test_the_readme_shows_what_the_committed_records_give(reference):
    readme = README.read_text(encoding="utf-8")
    assert replace_block(readme, reference) == readme, "run `make reference`"


def test_the_generated_part_is_short_and_the_rest_stays(reference):
    readme = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    written = replace_block(readme, reference)
    assert written.startswith(f"before\n\n{BEGIN}\n") and written.endswith(f"{END}\n\nafter\n")
    assert "\nold\n" not in written
    for heading in ("What was claimed", "What an honest rerun gets", "What cannot be true",
                    "What could explain it"):  # fmt: skip
        assert f"- *{heading}:*" in written
    assert "evidence, not proof" in written
    block = written[written.index(BEGIN) : written.index(END) + len(END)]
    assert len(block.splitlines()) <= MAX_LINES
