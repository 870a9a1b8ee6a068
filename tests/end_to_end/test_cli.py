"""What the commands print, write and return. Those that measure run in a process of their own."""

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from fmbench.cli.main import cli
from tests.helpers.commands import call_fmbench
from tests.helpers.runs import WAIT_SECONDS, environment_with

pytestmark = pytest.mark.slow


def fmbench(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "fmbench", *map(str, arguments)],
        capture_output=True, text=True, timeout=WAIT_SECONDS, **options,
    )  # fmt: skip


def assert_one_line_error(done, *messages):
    assert done.returncode == 2, done
    assert done.stderr.startswith("fmbench: error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    for text in messages:
        assert text in done.stderr


def read_rows(results):
    """The written table of the built-in suite, by runner."""
    text = (results / "kayed2020" / "accuracies.csv").read_text()
    return {row["runner"]: row for row in csv.DictReader(text.splitlines())}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, published):
    """A results folder with two cheap rows on all of the data."""
    results = tmp_path_factory.mktemp("results")
    done = fmbench(
        "run", "gaussian-nb", "extra-tree", "--seeds", 2, "--results", results,
        "--data", published.folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return results, done


def test_run_prints_and_writes_the_table(measured):
    results, done = measured
    title, *lines = (results / "kayed2020" / "accuracies.md").read_text().splitlines()
    printed = done.stdout.splitlines()
    assert printed[0] == title
    named = [line for line in lines if "| gaussian-nb " in line or "| extra-tree " in line]
    assert [line.split() for line in printed if line.startswith("| ")][1:] == [
        line.split() for line in named
    ], "the file has every row, and the run prints those that it was asked for"
    assert "[3/3]" in done.stderr and "left" in done.stderr
    assert re.search(r"gaussian-nb seed 0: accuracy 57\.\d\d %, fit ", done.stderr)
    rows = read_rows(results)
    assert rows["gaussian-nb"]["status"] == "measured"
    assert rows["gaussian-nb"]["n"] == "1"
    assert rows["gaussian-nb"]["sd"] == "0.00"
    assert 56 < float(rows["gaussian-nb"]["mean"]) < 58
    assert rows["extra-tree"]["n"] == "2"
    assert float(rows["extra-tree"]["low"]) < float(rows["extra-tree"]["mean"])
    assert rows["gaussian-nb"]["measured_by"] == rows["extra-tree"]["measured_by"] == "here"
    assert (rows["lenet5"]["status"], rows["lenet5"]["measured_by"]) == ("measured", "fmbench")


def test_a_second_run_has_nothing_to_do(measured, source):
    results, _ = measured
    before = {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")}
    done = fmbench("run", "gaussian-nb", "extra-tree", "--seeds", 2, "--results", results,
                   "--data", source.folder)  # fmt: skip
    assert done.returncode == 0
    assert "nothing to do: 3 cells are measured already" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")} == before


def test_md_csv_and_json_show_the_same_values(measured, source):
    results, _ = measured
    common = ("table", "--results", results, "--data", source.folder, "--format")
    as_csv = list(csv.DictReader(io.StringIO(call_fmbench(*common, "csv").stdout)))
    as_json = json.loads(call_fmbench(*common, "json").stdout)
    assert [row["runner"] for row in as_json] == [row["runner"] for row in as_csv]
    for of_json, of_csv in zip(as_json, as_csv, strict=True):
        for name, text in of_csv.items():
            value = of_json[name]
            if isinstance(value, bool):
                assert text == ("yes" if value else "no"), name
            elif isinstance(value, float | int):
                assert value == float(text), name
            else:
                assert (value or "") == text, name
    assert as_csv[9]["mean"] in call_fmbench(*common, "md").stdout


def test_every_row_of_the_table_has_a_verdict(measured, source):
    results, _ = measured
    common = ("table", "--results", results, "--data", source.folder, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(call_fmbench(*common).stdout)))
    assert all(row["verdict"] for row in rows)
    verdicts = {row["runner"]: row["verdict"] for row in rows}
    assert verdicts["gaussian-nb"].startswith("misquotes its source: the source says 51.1")
    assert verdicts["lenet5"] == "not reproduced, claim higher"  # fmbench's own measurement
    assert verdicts["eden-full"] == "not run"
    assert verdicts["extra-tree"].startswith("claimed of other images: the first release")


def test_a_wider_margin_reproduces_more_claims(measured, source, tmp_path):
    results, _ = measured
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'title = "Mine"\n[test_set]\n'
        "n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]\n"
        + "".join(
            f'[[row]]\nwhere = "Table 1"\nlabel = "{name}"\nrunner = "{name}"\n'
            'claimed = "88.0"\nrecipe = "stated"\n'
            for name in ("gaussian-nb", "extra-tree")
        ),
        encoding="utf-8",
    )
    common = ("table", "--suite", suite, "--results", results, "--data", source.folder)

    def judge(*options: object) -> list[str]:
        found = csv.DictReader(
            io.StringIO(call_fmbench(*common, "--format", "csv", *options).stdout)
        )
        return [row["verdict"] for row in found]

    few = "untestable: 2 seeds of a stochastic model, 3 needed"
    assert judge() == ["not reproduced, claim higher", few]
    assert judge("--margin", 40) == ["reproduced", few]


@pytest.mark.parametrize("name", ["1", "2", "by-class", "overall", "Table 2"])
def test_a_detailed_table_without_a_measurement_has_fmbenchs_own(measured, source, name):
    results, _ = measured
    done = call_fmbench("table", "--table", name, "--results", results, "--data", source.folder)
    assert done.returncode == 0
    assert "fmbench's own" in done.stdout and "`fmbench run lenet5 --results " in done.stdout


def test_a_truncated_record_is_named_and_left_out_and_the_table_still_prints(
    measured, source, tmp_path
):
    results = tmp_path / "copy"
    shutil.copytree(measured[0], results)
    victim = next(results.glob("records/extra-tree/*seed0*.json"))
    victim.write_bytes(victim.read_bytes()[:100])
    common = ("--results", results, "--data", source.folder)
    done = call_fmbench("table", "--format", "csv", *common)
    assert done.returncode == 2
    assert str(victim) in done.stderr and "Traceback" not in done.stderr
    rows = {r["runner"]: r for r in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["extra-tree"]["n"] == "1"
    assert rows["gaussian-nb"]["status"] == "measured"

    done = fmbench("run", "extra-tree", "--seeds", 2, *common)
    assert done.returncode == 0, done.stderr
    assert "renamed an unreadable record to" in done.stderr
    assert len(victim.with_name(f"{victim.name}.broken1").read_bytes()) == 100
    assert call_fmbench("table", *common).returncode == 0


def test_a_cell_over_its_limit_is_a_failed_row_and_status_1(source, tmp_path):
    # No computer fits this tree in a tenth of a second.
    done = fmbench("run", "decision-tree", "--seeds", 1, "--timeout", 0.1, "-j", 1,
                   "--results", tmp_path, "--data", source.folder)  # fmt: skip
    assert done.returncode == 1
    rows = read_rows(tmp_path)
    assert rows["decision-tree"]["status"] == "failed: timed out after 0.1 s (seed 0)"


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["run", "lenett"], ["unknown runner 'lenett'", "did you mean lenet5"]),
        (["run"], ["name the runners to run, or --all"]),
        (["run", "lenet5", "--all"], ["not both"]),
        (["run", "lenet5", "--seeds", "0"], ["--seeds", "1"]),
        (["run", "lenet5", "--seeds", "many"], ["--seeds", "many"]),
        (["run", "lenet5", "--jobs", "-1"], ["--jobs"]),
        (["run", "lenet5", "--timeout", "0"], ["--timeout"]),
        (["run", "lenet5", "--memory", "nan%"], ["--memory"]),
        (["run", "lenet5", "--memory", "nan"], ["--memory", "not a finite number"]),
        (["run", "lenet5", "--memory", "inf"], ["--memory", "inf is not in the range"]),
        (["run", "lenet5", "--timeout", "nan"], ["--timeout", "not a finite number"]),
        (["run", "lenet5", "--memory", "1e300"], ["--memory", "1e+300", "0<x<="]),
        (["run", "lenet5", "--timeout", "1e300"], ["--timeout", "1e+300", "0<x<="]),
        (["run", "lenet5", "--gpu-memory", "1e300"], ["--gpu-memory", "1e+300", "0<x<="]),
        (["run", "lenet5", "--seeds", "9" * 5000], ["--seeds"]),
        (["run", "lenet5", "--jobs", "1e300"], ["--jobs"]),
        (["run", "lenet5", "--threads", "1" * 400], ["--threads", "0"]),
        (["table", "--alpha", "1e-400"], ["--alpha", "0<x<1"]),
        (["table", "--results", "a\0b"], ["--results", "null character"]),
        (["table", "--suite", "no\udcff.toml"], ["no\\udcff.toml"]),
        (["run", "lenet5", "--results", ""], ["--results", "empty"]),
        (["run", "lenet5", "--data", ""], ["--data", "empty"]),
        (["table", "--data", "/no/such/folder"], ["--data", "/no/such/folder"]),
        (["table", "--suite", "/no/such\nfile.toml"], ["/no/such file.toml"]),
        (["run", "lenet5", "--device", "tpu"], ["--device", "auto", "cpu", "cuda"]),
        (["run", "gaussian-nb", "--data", "/no/such/folder"], ["--data", "/no/such/folder"]),
        (["run", "gaussian-nb", "--suite", "/no/such.toml"], ["/no/such.toml"]),
        (["table", "--format", "xml"], ["--format", "md", "csv", "json"]),
        (["table", "--table", "4"], ["--table 4", "accuracies (Table 3)"]),
        (["table", "--margin", "-1"], ["--margin"]),
        (["table", "--margin", "nan"], ["--margin"]),
        (["table", "--alpha", "1"], ["--alpha"]),
        (["show", "svcc"], ["unknown runner 'svcc'"]),
        (["show"], ["NAME"]),
        (["tabel"], ["No such command 'tabel'", "Did you mean 'table'?"]),
        (["zzz"], ["No such command 'zzz'", "`fmbench --help`"]),
        (["run", "lenet5", "--sedes", "3"], ["--sedes", "--seeds"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] in cli.commands else "",
)
def test_bad_input_prints_one_line_and_returns_2(arguments, messages):
    assert_one_line_error(call_fmbench(*arguments), *messages)


def test_device_cuda_without_a_gpu_prints_one_line():
    without_gpu = environment_with(CUDA_VISIBLE_DEVICES="")
    done = fmbench("run", "lenet5", "--device", "cuda", env=without_gpu)
    assert_one_line_error(done, "--device cuda", "--device cpu")


def test_a_results_folder_that_cannot_be_written_prints_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = fmbench("run", "gaussian-nb", "--results", tmp_path / "file" / "results")
    assert_one_line_error(done, "cannot be written to", "--results")


def test_a_broken_suite_prints_one_line(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text("[test_set]\nn_per_class = [10, 10]\n[[row]]\nwhere = 'Table 3'\n")
    assert_one_line_error(call_fmbench("table", "--suite", path), str(path), "[[row]] 1", "'label'")


def test_a_data_folder_with_damaged_files_prints_one_line(tmp_path, published):
    for path in published.folder.glob("*-ubyte*"):
        shutil.copy(path, tmp_path)
    victim = next(tmp_path.glob("t10k-images*"))
    victim.write_bytes(victim.read_bytes()[:5000])
    assert_one_line_error(call_fmbench("data", "--data", tmp_path), str(victim), "truncated")


@pytest.mark.parametrize("command", cli.commands)
def test_every_help_shows_an_example(command):
    done = call_fmbench(command, "--help")
    assert done.returncode == 0
    assert f"fmbench {command}" in done.stdout.split("Example")[1]


def test_data_prints_the_origin_the_shapes_and_the_class_counts(published):
    done = call_fmbench("data", "--data", published.folder)
    assert done.returncode == 0
    assert "the folder given by --data" in done.stdout
    assert "uint8 (60000, 28, 28)" in done.stdout
    assert done.stdout.count("  genuine  ") == 4
    assert "\nAnkle boot    6000  1000\n" in done.stdout


def test_list_shows_every_row_with_its_claim(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = call_fmbench("list", "--results", tmp_path)
    assert done.returncode == 0
    rows = [line for line in done.stdout.splitlines() if line.startswith("svc-rbf ")]
    assert ["Support Vector" in row for row in rows] == [True, False], "printed twice in the paper"
    [line] = [line for line in done.stdout.splitlines() if line.startswith("lenet5 ")]
    assert "CNN-LeNet-5" in line and "98.80" in line and "cuda" in line
    [line] = [line for line in done.stdout.splitlines() if line.startswith("gradient-boosting ")]
    assert "hours, only if named" in line


def test_all_selects_every_row_except_those_that_run_only_by_name():
    from fmbench import runners
    from fmbench.api.inputs import load_suite
    from fmbench.api.names import select_configurations

    suite, known = load_suite(), runners.load_runners()
    everything = [entry.name for entry in select_configurations((), True, suite, ())]
    left_out = [n for n in suite.runners if n in known and n not in everything]
    assert left_out == ["eden-full", "gradient-boosting"]
    assert len(everything) == len(set(everything)) > 20
    by_name = select_configurations(left_out, False, suite, ())
    assert [entry.name for entry in by_name] == left_out


def test_show_names_a_flagged_figure():
    done = call_fmbench("show", "cnn-bn-skip")
    assert done.returncode == 0
    text = "the flagged figure best_epoch: best epoch picked on the test set, as the source did."
    assert text in " ".join(done.stdout.split())
    assert "211,950" in done.stdout


def test_list_shows_what_the_user_measured(measured):
    results, _ = measured
    listed = call_fmbench("list", "--results", results).stdout.splitlines()
    rows = read_rows(results)
    for name in ("gaussian-nb", "extra-tree"):
        [line] = [line for line in listed if line.startswith(f"{name} ")]
        spread = ["±", rows[name]["sd"]] if rows[name]["n"] != "1" else []
        assert line.split()[-2 - len(spread) :] == [rows[name]["mean"], *spread, rows[name]["n"]]


def test_without_a_command_the_help_is_printed():
    done = call_fmbench()
    assert done.returncode == 0
    assert done.stdout == call_fmbench("--help").stdout and len(done.stdout.splitlines()) > 10


def test_the_table_of_an_empty_folder_names_the_command_to_run(tmp_path):
    done = call_fmbench("table", "--results", tmp_path / "none")
    assert done.returncode == 0
    assert "no results" in done.stderr and "fmbench run --all" in done.stderr


def test_a_suite_without_detailed_figures_has_no_table_by_class(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text("[test_set]\nn_per_class = [10, 10]\n")
    done = call_fmbench("table", "--suite", path, "--table", "by-class", "--results", tmp_path)
    assert_one_line_error(done, str(path), "no table 'by-class'")


def test_a_table_that_cannot_be_written_prints_one_line(measured, source, tmp_path):
    results = tmp_path / "copy"
    shutil.copytree(measured[0], results)
    (results / "kayed2020" / "accuracies.md").unlink()
    (results / "kayed2020" / "accuracies.md").mkdir()
    done = call_fmbench("table", "--write", "--results", results, "--data", source.folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("fmbench: error: ")
    assert "accuracies.md" in done.stderr and "Traceback" not in done.stderr


def test_a_run_that_cannot_write_a_table_shows_it_and_returns_1(measured, source, tmp_path):
    results = tmp_path / "copy"
    shutil.copytree(measured[0], results)
    (results / "kayed2020" / "accuracies.csv").unlink()  # so that the tables are written again
    (results / "kayed2020" / "accuracies.md").unlink()
    (results / "kayed2020" / "accuracies.md").mkdir()
    done = fmbench(
        "run", "gaussian-nb", "--results", results, "--data", source.folder, "--seeds", 1
    )
    assert done.returncode == 1
    assert done.stdout.startswith("# Table 3") and "GaussianNB" in done.stdout
    [line] = [line for line in done.stderr.splitlines() if "cannot be written" in line]
    assert line.startswith(f"fmbench: a table cannot be written: {results}/kayed2020/accuracies.md")


def test_show_prints_origins_and_parameter_counts():
    done = call_fmbench("show", "lenet5")
    assert done.returncode == 0
    assert "61,706" in done.stdout
    assert "stated" in done.stdout and "our choice" in done.stdout


def test_a_pipe_that_is_closed_early_causes_no_error(measured, source):
    results, _ = measured
    table = ("table", "--results", str(results), "--data", str(source.folder))
    command = shlex.join([sys.executable, "-m", "fmbench", *table])
    command = f"set -o pipefail; {command} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr and "Error" not in done.stderr
