"""A reviewer's own suite, from the template to the tables."""

import csv
import re
import tomllib

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis import evaluation
from fmbench.analysis.summary import Status
from fmbench.datasets.specs import DATASETS
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL
from fmbench.records.store import Store
from fmbench.report.tables import build_table, write_tables
from fmbench.suites import bundled, claims, configurations, reader
from fmbench.utils import table
from tests.end_to_end.test_cli import assert_one_line_error, fmbench
from tests.helpers.commands import call_fmbench

CLAIMS = """
title = "Mine"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 7"
label = "Bayes"
runner = "gaussian-nb"
claimed = "57.0"
recipe = "stated"
"""
KAPPA = '[[reported]]\nwhere = "Table 8"\nof = "{}"\nmetric = "kappa"\nvalue = "0.52"\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "claims.toml"
    done = call_fmbench("suite", "new", path)
    assert done.returncode == 0 and str(path) in done.stderr, done
    return path


@pytest.fixture
def folder(tmp_path, record_of, source):
    """A results folder with one record: gaussian-nb is right on 57 of 100 images."""
    from fmbench.records.protocols import load_labels

    y_true = load_labels(FULL, source)
    y_pred = np.where(np.arange(len(y_true)) < 0.57 * len(y_true), y_true, (y_true + 1) % 10)
    store = Store(tmp_path / "results")
    cell = Cell(runners.get_runner("gaussian-nb"), FULL, 0)
    store.save(record_of(cell), {"y_pred": y_pred.astype(np.uint8)})
    return store.folder


def own(tmp_path, text=CLAIMS):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return reader.read_suite(path)


# ---------------------------------------------------------------- the template


@pytest.mark.slow
def test_the_template_can_be_checked_measured_and_printed_unchanged(template, source, tmp_path):
    assert call_fmbench("check", template).returncode == 0
    where = ("--suite", template, "--results", tmp_path, "--data", source.folder)
    done = call_fmbench("table", *where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# The title of the paper\n")
    done = fmbench("run", "--all", "--quick", "--seeds", 1, *where)
    assert done.returncode == 0, done.stderr
    rows = csv.DictReader((tmp_path / "claims" / "accuracies-quick.csv").read_text().splitlines())
    assert {row["status"] for row in rows} == {"measured"}
    overall = (tmp_path / "claims" / "overall-quick.md").read_text()
    assert "Decision tree, overall" in overall and "decision-tree, overall" not in overall


def test_the_template_shows_every_key_and_all_of_them_are_valid(tmp_path):
    text = bundled.TEMPLATE.read_text(encoding="utf-8")
    key, row_of_matrix = r"\[+\w+\]+|[\w-]+ = .*", r" {4}\[.*\],|\]"
    every = re.sub(rf"^# ({key}|{row_of_matrix})$", r"\1", text, flags=re.M)
    content = tomllib.loads(every)
    kinds = {"row": claims.Row, "grid": claims.Grid, "reported": claims.ReportedFigure,
             "matrix": claims.Matrix, "statement": claims.Statement,
             "not_transcribed": claims.NotTranscribed}  # fmt: skip
    for name, kind in kinds.items():
        fields = set(kind.__struct_encode_fields__)
        assert fields == {key for entry in content[name] for key in entry}, name
    assert set(content) == set(reader.SuiteFile.__struct_encode_fields__)
    assert set(content["tables"]) == set(reader.TABLES)
    assert set(content["figures"]) == set(reader.FigureTitles.__struct_encode_fields__)
    [control] = [entry["control"] for entry in content["row"] if "control" in entry]
    assert set(control) == set(claims.Control.__struct_encode_fields__)
    suite = own(tmp_path, every)
    assert all(reader.find_grid_rows(suite, g.name, "fashion-mnist") for g in suite.grids)


def test_the_guide_explains_every_key():
    guide = (bundled.CHECKOUT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    kinds = (claims.Row, claims.Control, claims.Grid, claims.ReportedFigure, claims.Matrix,
             claims.Statement, claims.NotTranscribed, reader.TestSet, reader.TableTitles,
             reader.FigureTitles, reader.SuiteFile)  # fmt: skip
    for kind in kinds:
        for key in kind.__struct_encode_fields__:
            assert f"`{key}`" in guide or f"`[{key}]`" in guide or f"`[[{key}]]`" in guide, key
    assert "`fmbench/metrics/registry.py`" in guide  # which lists the metrics


@pytest.mark.slow
def test_the_template_never_overwrites_a_file(template):
    before = template.read_bytes()
    assert_one_line_error(call_fmbench("suite", "new", template), str(template), "exists already")
    assert template.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "empty"),
        (".", "is a directory"),
        ("/no/such/folder/x.toml", "there is no folder /no/such/folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_with_one_line(path, message):
    assert_one_line_error(call_fmbench("suite", "new", path), message)


# ---------------------------------------------------------------- its tables


def test_another_suites_tables_do_not_overwrite_the_papers(folder, source, tmp_path):
    write_tables(evaluation.read_results(folder, reader.read_suite(), FULL, source.folder))
    before = {path: path.read_bytes() for path in folder.glob("kayed2020/*")}
    assert before
    text = CLAIMS + KAPPA.format("gaussian-nb")
    written = write_tables(
        evaluation.read_results(folder, own(tmp_path, text), FULL, source.folder)
    )
    assert set(written) == {
        folder / "mine" / f"{name}.{ending}" for name in reader.TABLES for ending in ("md", "csv")
    }
    assert {path: path.read_bytes() for path in folder.glob("kayed2020/*")} == before


def test_tables_of_an_own_suite_have_its_title_and_no_row_of_the_default_suite(
    folder, source, tmp_path
):
    suite = own(tmp_path, CLAIMS + KAPPA.format("gaussian-nb"))
    outcome = evaluation.read_results(folder, suite, FULL, source.folder)
    titles = [
        build_table(outcome, number).title for number in ("by-class", "overall", "accuracies")
    ]
    assert titles == ["Mine: Bayes, by class", "Mine: Bayes, overall", "Mine"]
    [row] = build_table(outcome, "accuracies").rows
    assert (row["mean"], row["verdict"]) == (pytest.approx(0.57), "reproduced")
    assert build_table(outcome, "overall").rows[1]["claimed"] == "0.52"
    text = "".join(
        table.format_markdown(build_table(outcome, number))
        for number in ("by-class", "overall", "accuracies")
    )
    assert "Kayed" not in text and "LeNet" not in text


def test_a_claim_about_another_test_set_is_untestable(folder, source, tmp_path):
    suite = own(tmp_path, CLAIMS.replace("1000, 1000]", "1000, 999]"))
    [row] = build_table(
        evaluation.read_results(folder, suite, FULL, source.folder), "accuracies"
    ).rows
    assert row["verdict"] == "untestable: claimed of another test set"


def test_a_note_says_that_the_model_of_a_table_has_no_runner(folder, source, tmp_path):
    suite = own(tmp_path, CLAIMS + KAPPA.format("our-net") + KAPPA.format("gaussian-nb"))
    table = build_table(evaluation.read_results(folder, suite, FULL, source.folder), "overall")
    assert table.title == "Mine: our-net, overall"
    assert table.notes == (
        "Not measured: no runner.",
        "The paper also reports figures of gaussian-nb; no table shows them.",
    )


NO_RUNNER = """
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


def test_a_row_without_a_runner_stays_in_the_table_with_the_nearest_names(folder, source, tmp_path):
    suite = own(tmp_path, CLAIMS + NO_RUNNER)
    bayes, unnamed, mistyped = evaluation.read_results(folder, suite, FULL, source.folder).rows
    assert bayes.n == 1 and str(bayes.verdict) == "reproduced"
    assert unnamed.status is mistyped.status is Status.NO_RUNNER
    assert unnamed.reason == "the suite names no model for this row"
    assert mistyped.reason == "there is no 'lenet6': did you mean lenet5?"


@pytest.mark.slow
def test_a_row_without_a_runner_stops_no_command(source, tmp_path):
    path = own(tmp_path, CLAIMS + NO_RUNNER + KAPPA.format("lenet6")).path
    where = ("--suite", path, "--results", tmp_path / "results", "--data", source.folder)
    done = fmbench("run", "--all", "--quick", "--seeds", 1, *where)
    assert done.returncode == 0, done.stderr
    assert "left out A mistyped name: there is no 'lenet6': did you mean lenet5?" in done.stderr
    assert "left out Our network: the suite names no model for this row" in done.stderr
    done = call_fmbench("table", "--quick", *where)
    assert done.returncode == 0 and "Our network" in done.stdout, done.stderr
    assert "no runner: there is no 'lenet6': did you mean lenet5?" in done.stdout
    assert call_fmbench("check", path).returncode == 1  # its claim contradicts its kappa
    assert call_fmbench("list", *where[:4]).returncode == 0
    done = call_fmbench("report", *where, "--output", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("added", "message"),
    [("best_of = 0\n", "best_of must be a whole number from 1 to 10,000, not 0"),
     ('images = "second"\n', "images must be one of: today, first release, not 'second'"),
     (KAPPA.format("a") + "best_of = 3\n", "kappa cannot have best_of")],
)  # fmt: skip
def test_a_claim_of_an_unknown_kind_is_refused_with_one_line_and_status_2(tmp_path, added, message):
    path = tmp_path / "mine.toml"
    path.write_text(CLAIMS + added)
    for command in (("check", path), ("table", "--suite", path)):
        done = call_fmbench(*command)
        assert done.returncode == 2
        assert_one_line_error(done, str(path), message)


@pytest.mark.slow
def test_a_suite_without_rows_has_nothing_to_measure(tmp_path):
    path = own(tmp_path, CLAIMS.split("[[row]]")[0] + KAPPA.format("a")).path
    where = ("--suite", path, "--results", tmp_path / "results")
    assert_one_line_error(
        call_fmbench("run", "--all", *where), str(path), "no row can be run with --all"
    )
    assert_one_line_error(call_fmbench("table", *where), str(path), "no [[row]]")


@pytest.mark.slow
def test_the_command_that_is_proposed_names_the_suite(tmp_path):
    path = own(tmp_path).path
    results = tmp_path / "results"
    done = call_fmbench("table", "--quick", "--suite", path, "--results", results)
    command = f"fmbench run --all --quick --suite {path} --results {results}"
    assert f"`{command}` measures every row" in done.stderr


def test_the_controls_of_the_measured_rows_are_the_same_models_on_the_controls_images():
    suite = reader.read_suite()
    found, _ = configurations.build_suite_configurations(suite)
    chosen = [found["decision-tree"], found["lenet5"]]  # the second has no control
    (control,) = configurations.find_control_configurations(suite, chosen)
    assert control.runner == found["decision-tree"].runner
    assert control.dataset == DATASETS["mnist"]
    assert control.cell(FULL, 0).key != found["decision-tree"].cell(FULL, 0).key
