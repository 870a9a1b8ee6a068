"""`fmbench check` from the command line: its options, its formats, and names of suites."""

import csv
import io
import json

import pytest

from tests.helpers.commands import call_fmbench

CLAIMS = """
title = "A small paper"
[test_set]
n_per_class = [100, 100]
[[reported]]
where = "Table 1"
metric = "accuracy"
value = "98.00%"
[[reported]]
where = "Table 2, kappa"
metric = "kappa"
value = "0.50"
[[reported]]
where = "Table 3, informedness"
metric = "informedness"
value = "0.960"
"""


@pytest.fixture
def claims(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS)
    return path


@pytest.mark.parametrize("width", [80, 120])
def test_the_answer_is_fitted_to_the_terminal(claims, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    done = call_fmbench("check", claims, "--explain")
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "A small paper"
    assert "Contradictory: 2 of 3 pairs of sources cannot both be true." in lines
    assert any(line.split() == ["severity", "source", "contradicts", "reason"] for line in lines)


def test_a_suite_may_be_named_as_the_file_or_by_its_option(claims):
    by_option = call_fmbench("check", "--suite", claims)
    assert by_option.stdout == call_fmbench("check", claims).stdout != ""
    both = call_fmbench("check", claims, "--suite", claims)
    assert (both.returncode, both.stdout) == (2, "")
    assert both.stderr == "fmbench: error: give FILE or --suite, not both\n"


def test_csv_has_every_pair_and_json_has_numbers(claims):
    rows = list(
        csv.DictReader(io.StringIO(call_fmbench("check", claims, "--format", "csv").stdout))
    )
    assert [row["verdict"] for row in rows] == ["contradictory", "contradictory", "agree"]
    assert rows[0]["first source"] == "Table 1" and rows[0]["second source"] == "Table 2, kappa"
    assert float(rows[0]["severity"]) > 10
    done = call_fmbench("check", claims, "--json")
    assert done.stdout == call_fmbench("check", claims, "--format", "json").stdout
    answer = json.loads(done.stdout)
    assert [figure["value"] for figure in answer["figures"]] == [0.98, 0.5, 0.96]
    assert answer["figures"][0]["printed"] == "98.00%"


@pytest.mark.parametrize(
    ("name", "begin"),
    [("a.txt", "A small paper\n"), ("a.md", "# A small paper\n"), ("a.csv", "verdict,severity"),
     ("a.tex", "%"), ("a.json", "{"), ("a.html", "<!doctype html>")],
)  # fmt: skip
def test_the_ending_of_the_file_says_the_format(claims, name, begin):
    done = call_fmbench("check", claims, "-o", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"fmbench: written: {name}\n"
    assert (claims.parent / name).read_text().startswith(begin)


@pytest.mark.parametrize("verb", ["check", "judge"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kayed202", "there is no file or suite 'kayed202': did you mean kayed2020?"),
        ("kayed", "'kayed' is neither a file nor a claim with a figure: did you mean kayed2020?"),
        ("claim.toml", "there is no file 'claim.toml': did you mean claims.toml?"),
        ("nosuch.txt", "there is no file 'nosuch.txt'"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(claims, verb, name, message):
    done = call_fmbench(verb, name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"fmbench: error: {message}\n"


def test_a_file_with_the_name_of_a_suite_is_read_in_its_place_and_a_folder_is_not(claims):
    folder = claims.parent / "xiao2017"
    folder.mkdir()
    assert "so there is nothing to check" in call_fmbench("check", "xiao2017").stderr
    folder.rmdir()
    folder.write_text("LeNet-5: 91.20 %\n")
    done = call_fmbench("check", "xiao2017")
    assert done.returncode == 0
    assert done.stderr == (
        "fmbench: xiao2017: the file of this name is read, not the suite of fmbench\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounding", "up"], "'up' is not one of 'nearest', 'truncated', 'either'"),
        (["--format", "pdf"], "'pdf' is not one of 'text', 'md', 'csv'"),
        (["--json", "--format", "csv"], "give --json or --format csv, not both"),
        (["-o", "no-folder/a.md"], "there is no folder no-folder"),
        (["--suite", "kayed202"], "there is no suite 'kayed202': use kayed2020 or xiao2017"),
    ],
)
def test_bad_options_are_one_line(claims, arguments, message):
    done = call_fmbench("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and message in done.stderr
