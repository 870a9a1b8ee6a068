"""Tests of `fmbench list`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from fmbench.cli.main import cli

SUITE = """
title = "Mine"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 7"
label = "Our network"
claimed = "97.0"
[[row]]
where = "Table 7"
label = "A mistyped name"
runner = "lenet6"
claimed = "90.0"
"""


def run_list(tmp_path: Path) -> Result:
    (tmp_path / "mine.toml").write_text(SUITE, encoding="utf-8")
    where = ["--suite", str(tmp_path / "mine.toml"), "--results", str(tmp_path / "none")]
    return CliRunner().invoke(cli, ["list", *where])


def test_a_row_without_a_runner_is_listed_and_the_nearest_names_are_suggested(tmp_path):
    done = run_list(tmp_path)
    assert done.exit_code == 0
    rows = [line for line in done.stdout.splitlines() if line.endswith("no runner")]
    assert ["Our network" in row for row in rows] == [True, False]
    assert "lenet6" in rows[1] and "90.0" in rows[1]
    assert done.stderr.splitlines() == [
        "fmbench: Our network has no runner: the suite names no model for this row",
        "fmbench: A mistyped name has no runner: there is no 'lenet6': did you mean lenet5?",
    ]
