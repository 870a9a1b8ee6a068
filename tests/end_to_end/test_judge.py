"""From a paper to a verdict: `fmbench judge` and `fmbench suite import` on whole documents."""

import csv
import io
import json
import shlex
import sys

import pytest

from fmbench import judge
from fmbench.analysis.reference import write_summary
from fmbench.analysis.summary import Status, Summary
from fmbench.cli.main import main
from fmbench.consistency import check
from fmbench.datasets.specs import FASHION_MNIST
from fmbench.errors import UserError
from fmbench.extraction.found import Extraction, FoundClaim, PrintedFigure
from fmbench.judging import judgement
from fmbench.judging.judgement import judge_documents
from fmbench.judging.measurements import load_measurements
from fmbench.report.judgement import list_contradictions
from fmbench.suites.reader import read_suite
from fmbench.suites.sources import name_source
from fmbench.utils.environment import CHECKOUT
from tests.helpers.found import list_table3
from tests.helpers.printed import print_array, print_report
from tests.helpers.typeset import Paper, TableToSet
from tests.judging.test_known_claims import describe, list_reference_rows


@pytest.fixture
def run(capsys):
    """Run fmbench in this process: exit status, output, messages."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(list(map(str, arguments)))
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def write_as_text(rows):
    return "Table 3\n" + "".join(f"{label:<60}{figure} %\n" for label, figure in rows)


def write_as_markdown(rows):
    lines = "".join(f"| {label} | {figure} |\n" for label, figure in rows)
    return f"# Results\n\n| Classifier | Test accuracy (%) |\n|:--|--:|\n{lines}"


def write_as_latex(rows):
    lines = "".join(f"{label} & {figure}\\% \\\\\n" for label, figure in rows)
    return (
        "\\begin{table}\n\\caption{Accuracy of each classifier}\n\\begin{tabular}{lr}\n\\toprule\n"
        "Model & Accuracy \\\\\n\\midrule\n"
        + lines
        + "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def write_as_csv(rows):
    file = io.StringIO()
    csv.writer(file).writerows([("model", "accuracy"), *rows])
    return file.getvalue()


def write_as_html(rows):
    lines = "".join(f"<tr><td>{label}</td><td>{figure}</td></tr>\n" for label, figure in rows)
    head = "<tr><th>Model</th><th>Accuracy (%)</th></tr>"
    return f"<!doctype html><p>Results</p><table>{head}\n{lines}</table>"


FORMS = {
    "txt": write_as_text, "md": write_as_markdown, "tex": write_as_latex, "csv": write_as_csv,
    "html": write_as_html,
}  # fmt: skip


# ---------------------------------------------------------------- Table 3 in every form


def assert_verdicts_of_the_committed_table(judgement):
    """Compare with `fmbench table --results results/reference`."""
    assert [row.label for row in judgement.rows] == [label for label, _ in list_table3()]
    assert list(map(describe, judgement.rows)) == list(map(describe, list_reference_rows()))
    assert judgement.speaks_against


@pytest.mark.parametrize("ending", FORMS)
def test_table_3_gets_the_same_19_verdicts_in_every_form(ending, tmp_path):
    path = tmp_path / f"table3.{ending}"
    path.write_text(FORMS[ending](list_table3()), encoding="utf-8")
    assert_verdicts_of_the_committed_table(judge(path))


def test_table_3_gets_the_same_19_verdicts_from_words():
    words = [f"{label}: {figure} %" for label, figure in list_table3()]
    assert_verdicts_of_the_committed_table(judge(*words))


@pytest.mark.slow
def test_table_3_gets_the_same_19_verdicts_from_a_paper_in_two_columns(tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(Paper([TableToSet(list_table3(), label_width=150)]).typeset())
    assert_verdicts_of_the_committed_table(judge(path))


def test_the_imported_suite_gets_the_same_verdicts(run, tmp_path):
    table, path = tmp_path / "table3.md", tmp_path / "claims.toml"
    table.write_text(write_as_markdown(list_table3()), encoding="utf-8")
    status, output, message = run("suite", "import", table, "-o", path)
    assert (status, output) == (0, "")
    assert "fmbench judge" in message
    assert "# line " in path.read_text()
    assert_verdicts_of_the_committed_table(judge(path))


# ---------------------------------------------------------------- the command


def test_words_are_judged_at_once(run):
    status, output, message = run("judge", "LeNet-5 98.80 %", "SVC 89.7")
    assert status == 1
    assert output.startswith("Read the command line as text: 2 figures\n")
    assert "not reproduced, claim higher" in output
    assert "for the first release of the images" in " ".join(output.split())
    assert message == ""


def test_nothing_against_the_claims_is_status_0(run):
    status, output, _ = run("judge", "LeNet-5 90.8 %")
    assert status == 0
    assert "Nothing speaks against the claims." in output


def test_a_quotient_is_no_path(run):
    status, output, _ = run("judge", "LeNet-5: 9083/10000")
    assert status == 0
    assert "9083/10000" in output


def test_standard_input_is_read(run, monkeypatch):
    text = write_as_csv([("LeNet-5", "90.8")]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    status, output, _ = run("judge", "-")
    assert status == 0
    assert output.startswith("Read standard input as ")


@pytest.mark.slow
def test_a_report_and_a_matrix_of_a_measured_run_agree_with_everything(run, tmp_path):
    confusion = load_measurements().confusion_matrices("lenet5")[0]
    path = tmp_path / "log.txt"
    path.write_text(f"{print_report(confusion)}\n{print_array(confusion)}\n")
    status, output, _ = run("judge", path, "--model", "lenet5")
    assert status == 0
    assert "Nothing contradicts another figure of its model" in output
    assert "Ankle boot" in output
    report = print_report(confusion).replace("0.91     10000", "0.95     10000", 1)
    path.write_text(f"{report}\n{print_array(confusion)}\n")
    status, output, _ = run("judge", path, "--model", "lenet5")
    assert status == 1
    assert "cannot be true together" in output


def test_a_question_is_answered_with_the_option_that_it_names(run):
    status, output, _ = run("judge", "SVM 89.9 %")
    assert "--map SVM=svc-rbf" in output
    assert "? no model is matched" in output
    status, output, _ = run("judge", "SVM 89.9 %", "--map", "SVM=svc-rbf")
    assert status == 0
    assert "reproduced" in output


@pytest.mark.parametrize("option", ["--json", "--format=json"])
def test_json_goes_to_a_file(run, tmp_path, option):
    path = tmp_path / "out.json"
    status, output, message = run("judge", "LeNet-5 90.8 %", option, "-o", path)
    assert (status, output) == (0, "")
    assert str(path) in message
    content = json.loads(path.read_text())
    assert content["claims"][0]["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("name", "begin"),
    [("a.txt", "Read the command"), ("a.md", "# "), ("a.csv", "model,"), ("a.json", "{"),
     ("a", "Read the command")],
)  # fmt: skip
def test_the_ending_of_the_file_says_the_format(run, tmp_path, name, begin):
    path = tmp_path / name
    assert run("judge", "LeNet-5 90.8 %", "-o", path)[:2] == (0, "")
    assert path.read_text().startswith(begin)


@pytest.mark.parametrize("columns", [60, 120])
def test_text_that_is_piped_has_the_width_of_columns(run, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, output, _ = run("judge", "LeNet-5 90.8 %")
    assert columns - 20 < max(map(len, output.splitlines())) <= columns


@pytest.mark.parametrize("format_", ["md", "csv", "tex", "html", "review", "eval-results"])
def test_other_formats_are_printed(run, format_):
    status, output, _ = run("judge", "LeNet-5 90.8 %", "--format", format_)
    assert status == 0
    assert "90.8" in output


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such.pdf"], "there is no file 'no-such.pdf'"),
        (["./folder/table 3"], "there is no file"),
        (["results"], "'results' is neither a file nor a claim with a figure"),
        (["LeNet-5"], "no accuracy found"),
        ([""], "an input is empty"),
        (["LeNet-5 98.8", "--map", "LeNet-5=lenet55"], "lenet55"),
        (["LeNet-5 98.8", "--map", "AlexNet=lenet5"], "AlexNet"),
        (["LeNet-5 98.8", "--as", "parchment"], "parchment"),
        (["LeNet-5 98.8", "--results", "no-such-folder"], "no-such-folder"),
        (["LeNet-5 98.8", "--json", "--format", "csv"], "not both"),
        (["kayed2020", "LeNet-5 98.8"], "judged by itself"),
        (["LeNet-5 198 %"], "198"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, output, error = run("judge", *arguments)
    assert (status, output) == (2, "")
    assert error.count("\n") == 1, error
    assert message in error


def test_a_mistyped_file_is_suggested(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table3.md").write_text("x")
    _, _, error = run("judge", "tabel3.md")
    assert "did you mean table3.md" in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"nothing to see here\n", "no accuracy found"),
        (bytes(range(256)) * 40, "binary"),
        (b"%PDF-1.4\nbroken", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    ],
)
def test_files_without_claims_are_one_line(run, tmp_path, content, message):
    path = tmp_path / "input"
    path.write_bytes(content)
    status, output, error = run("judge", path)
    assert (status, output) == (2, "")
    assert error.count("\n") == 1, error
    assert message.lower() in error.lower()


def test_a_suite_that_exists_is_replaced_only_with_force(run, tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text("mine")
    status, _, error = run("suite", "import", "LeNet-5 98.8", "-o", path)
    assert status == 2
    assert "--force" in error
    assert path.read_text() == "mine"
    assert run("suite", "import", "LeNet-5 98.8", "-o", path, "--force")[0] == 0
    assert 'runner = "lenet5"' in path.read_text()


# ---------------------------------------------------------------- real reports


def print_table_as_report(path):
    """A table of `tests/consistency/tables` as scikit-learn prints it; empty if it has no classes.

    Accuracies beside the report stand in lines above it.
    """
    suite = read_suite(path)
    names, sizes = FASHION_MNIST.classes, suite.n_per_class
    averages = ("precision", "recall", "f1")
    figures = {(f.class_, f.average, f.metric): f.value for f in suite.reported}
    if (0, None, "recall") not in figures:
        return ""
    accuracies = [f for f in suite.reported if f.metric == "accuracy"]
    [own] = [f for f in accuracies if "report" in f.where] or accuracies[:1]
    lines = [f"Test accuracy: {f.value}" for f in accuracies if f is not own]
    lines += ["", f"{'':>12}{'precision':>11}{'recall':>10}{'f1-score':>10}{'support':>10}", ""]
    for k, name in enumerate(names):
        cells = "".join(f"{figures.get((k, None, m), ''):>10}" for m in averages)
        lines.append(f"{name:>12} {cells}{sizes[k]:>10}")
    lines += ["", f"{'accuracy':>12}{'':>21}{own.value:>10}{sum(sizes):>10}"]
    for average in ("macro", "weighted"):
        cells = "".join(f"{figures.get((None, average, m), ''):>10}" for m in averages)
        if len(cells.split()) == 3:
            lines.append(f"{f'{average} avg':>12} {cells}{sum(sizes):>10}")
    return "\n".join(lines) + "\n"


CONTRADICTORY = ("nao_robot_9112_vs_9107", "tutorial_example_output_8742")
REPORTS = {
    path.stem: text
    for path in sorted((CHECKOUT / "tests" / "consistency" / "tables").glob("*.toml"))
    if (text := print_table_as_report(path))
}


def test_a_suite_whose_claims_are_all_of_other_images_is_judged():
    found = judge("xiao2017")
    assert found.consistency is None
    assert len(found.claims) > 100
    assert not found.contradictory


@pytest.mark.parametrize("name", ["Our network", "LeNet-5"])
def test_a_contradiction_of_figures_without_a_name_holds_only_if_they_are_of_one_model(name):
    head = "Model | Test accuracy" if name == "LeNet-5" else "Test accuracy | Test loss"
    row = "LeNet-5 | 89.34%" if name == "LeNet-5" else "89.34% | 0.31"
    text = f"{name} reaches 91.2% on Fashion-MNIST.\n\n| {head} |\n|---|---|\n| {row} |\n"
    [line] = [line for line in list_contradictions(judge(text)) if "91.2 %" in line]
    assert line.endswith("; this holds if both are of one model.") is (name != "LeNet-5")


@pytest.fixture
def without_hurry(monkeypatch):
    """Let the check do as much work as it needs."""
    monkeypatch.setattr(judgement, "MAX_CHECK_WORK", 300_000.0)
    monkeypatch.setattr(check, "BRIEF_WORK", 1000.0)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in CONTRADICTORY)) for n in REPORTS],
)
def test_real_reports_are_contradictory_only_if_they_are(name, without_hurry):
    found = judge(REPORTS[name])
    assert len(REPORTS) >= 10
    assert found.contradictory is (name in CONTRADICTORY)
    assert found.consistency.not_checked == {}
    assert len(found.consistency.conflicts) <= 1  # the verdict and a reason, not every conflict


@pytest.mark.slow
def test_the_figures_of_the_paper_contradict_each_other_if_the_user_names_the_model(without_hurry):
    suite = read_suite()
    found = [
        FoundClaim("", f.metric, PrintedFigure(f.value, f.value), name_source(f.where), f.where,
                   class_=f.class_, average=f.average, mean_of=f.mean_of)
        for f in suite.reported
        if f.metric != "accuracy" or f.mean_of > 1
    ]  # fmt: skip
    found += [
        FoundClaim(label, "accuracy", PrintedFigure(figure, figure), "Table 3", label)
        for label, figure in list_table3()
    ]
    document = Extraction("text", "paper.txt", tuple(found))
    assert len(judge_documents([document]).consistency.contradicting_pairs) < 9
    pairs = judge_documents([document], model="lenet5").consistency.contradicting_pairs
    assert len(pairs) == 9
    assert [round(pair.severity) for pair in pairs[:4]] == [47, 43, 23, 23]


def test_the_commands_to_repeat_keep_every_option(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("model,test accuracy,accuracy on Fashion\nmy x,0.9,0.91\n")
    options = ["--column", "test accuracy", "--as", "table", "--margin", "2"]
    options += ["--map", "my x=lenet5"]
    status, output, _ = run("judge", path, *options, "--format", "review")
    assert status == 0
    [command] = [line.strip() for line in output.splitlines() if "fmbench judge" in line]
    again = shlex.split(command)[1:]
    assert set(options) <= set(again)
    assert run(*again, "--format", "review")[1] == output


def test_a_file_in_a_folder_that_does_not_exist_is_named(run, tmp_path):
    path = tmp_path / "none" / "x.md"
    for command in (["judge"], ["suite", "import"]):
        status, _, error = run(*command, "LeNet-5 90 %", "-o", path)
        assert (status, error.count("\n")) == (2, 1)
        assert str(path) in error and "no folder" in error


def test_results_without_the_runner_say_how_to_measure_it(run, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    summary = Summary("cnn", Status.MEASURED, 3, 0.9, 0.001, 0.89, 0.91,
                      accuracies=(0.899, 0.9, 0.901))  # fmt: skip
    write_summary(folder / "summary.json", [summary], [])
    status, output, _ = run("judge", "LeNet-5 98.80 %", "--results", tmp_path)
    assert "not run" in output
    assert f"fmbench run lenet5 --results {tmp_path}" in output
    assert status == 1  # above all that others have checked


def test_the_api_takes_pasted_text_and_raises_for_what_it_cannot_read():
    judgement = judge(write_as_markdown([("LeNet-5", "90.8")]))
    assert judgement.rows[0].runner == "lenet5"
    assert judgement.as_json()["claims"][0]["found"].startswith("line ")
    with pytest.raises(UserError, match="nothing to judge"):
        judge()
