"""Tests of `fmbench list`."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fmbench import runners
from fmbench.api import listing
from fmbench.cli.list import build_document
from tests.helpers.commands import call_fmbench
from tests.helpers.layout import list_bad_lines

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


def test_a_row_without_a_runner_is_listed_and_the_nearest_names_are_suggested(tmp_path):
    (tmp_path / "mine.toml").write_text(SUITE, encoding="utf-8")
    done = call_fmbench("list", "--suite", tmp_path / "mine.toml", "--results", tmp_path / "none")
    assert done.returncode == 0
    rows = [line for line in done.stdout.splitlines() if line.endswith("no runner")]
    assert ["Our network" in row for row in rows] == [True, False]
    assert "lenet6" in rows[1] and "90.0" in rows[1]
    assert "2 rows, 0 runners; none measured by fmbench, none by you" in done.stdout
    assert done.stderr.splitlines() == [
        "fmbench: Our network has no runner: the suite names no model for this row",
        "fmbench: A mistyped name has no runner: there is no 'lenet6': did you mean lenet5?",
    ]

    done = call_fmbench("list", "our NETWORK", "svc", "--suite", tmp_path / "mine.toml")
    assert done.returncode == 0 and "Our network" in done.stdout and "svc-rbf" in done.stdout
    assert "A mistyped name" not in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_every_row_fits_a_terminal_with_its_whole_name_and_its_parameters(view, width, tmp_path):
    lines = view(width, "list", "--results", tmp_path)
    names = {line.split()[0] for line in lines if line and not line.startswith(" ")}
    assert names >= set(runners.load_runners())
    text = " ".join(" ".join(lines).split())
    assert "Manhattan" in text and "90.83 ± 0.19" in text
    assert ("minutes" in text, "cpu, cuda" in text) == (width >= 120,) * 2
    assert "29 rows, 28 runners; 26 measured by fmbench, none by you" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_long_names_of_estimators_stay_whole(width, tmp_path):
    listed = listing.list_runners(suite="xiao2017", results=tmp_path, every_runner=False)
    some = [*listed[:6], *(one for one in listed if "GradientBoosting" in one.name)][:12]
    assert not list_bad_lines(build_document("Xiao et al.", some), width)


def test_a_suite_of_ones_own_lists_its_rows_and_what_fmbench_has_measured(
    view, own_suite, tmp_path
):
    common = ("list", "--suite", own_suite, "--results", tmp_path)
    lines = view(120, *common)
    assert [line.split()[0] for line in lines if "  8" in line] == [
        "svc-rbf", "sklearn.ensemble:RandomForestClassifier", "k-neighbors",
    ]  # fmt: skip
    [svc] = [line for line in lines if line.startswith("svc-rbf")]
    assert "89.9" in svc and "89.86" in svc
    assert "lenet5" not in "\n".join(lines)
    _, *command = lines[-1].split()
    assert call_fmbench(*command).stdout.count("\nlenet5") == 3
    assert "90.83" in call_fmbench(*common, "lenet5").stdout, "a name is looked for everywhere"


def test_a_program_gets_numbers(own_suite, tmp_path):
    common = ("list", "--suite", own_suite, "--results", tmp_path)
    rows = json.loads(call_fmbench(*common, "--format", "json").stdout)
    assert rows[0] == {
        "name": "svc-rbf", "label": "SVC (RBF)", "parameters": "RBF kernel, C=10",
        "claimed": 89.9, "reference": 89.86, "reference_sd": None, "reference_n": 1, "mean": None,
        "sd": None, "n": None, "status": None, "cost": "minutes", "device": "cpu",
    }  # fmt: skip
    assert [row["name"] for row in rows][2] is None, "no model"
    in_csv = list(csv.DictReader(io.StringIO(call_fmbench(*common, "--format", "csv").stdout)))
    assert [row["label"] for row in in_csv] == [row["label"] for row in rows]


@pytest.mark.parametrize("format_", ["md", "tex", "html"])
def test_every_format_has_the_rows(own_suite, tmp_path, format_):
    file = tmp_path / f"list.{format_}"
    done = call_fmbench("list", "--suite", own_suite, "--results", tmp_path, "-o", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"written: {file}" in done.stderr
    text = file.read_text(encoding="utf-8")
    assert "ResNet-18" in text and "89.86" in text
