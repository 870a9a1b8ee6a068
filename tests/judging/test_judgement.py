"""What is said of claims: the verdicts of a table, questions, the ladder, and the arithmetic."""

import csv
import io
import json
import shlex
from dataclasses import replace

import pytest

from fmbench.analysis.reference import load_reference_summaries, write_summary
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import VerdictKind
from fmbench.errors import UserError
from fmbench.judging.judgement import draft_suite, judge_documents
from fmbench.judging.measurements import load_measurements
from fmbench.judging.suite_builder import write_suite_text
from fmbench.report.judgement import (
    JUDGEMENT_FORMATS,
    build_comparison_tables,
    build_judgement_table,
    format_judgement,
    list_commands,
    list_contradictions,
    list_places,
    list_questions,
    list_strangers,
    name_check,
    summarise,
)
from fmbench.suites.ladder import load_ladder
from fmbench.suites.reader import read_suite
from fmbench.utils.table import FORMATS
from tests.helpers.found import (
    EQUAL_CLASSES,
    make_claim,
    make_extraction,
    make_found_matrix,
    paste_table3,
)


def judge(*found, **options):
    fields = {k: options.pop(k) for k in ("kind", "name", "n_per_class") if k in options}
    return judge_documents([make_extraction(*found, **fields)], **options)


@pytest.fixture(scope="module")
def lenet5():
    """The mean accuracy of the runner, in percent, as a claim prints it."""
    return f"{100 * load_reference_summaries(read_suite())['lenet5'].mean:.2f}"


@pytest.fixture(scope="module")
def table3():
    return judge_documents([paste_table3()])


# ---------------------------------------------------------------- verdicts


def test_a_claim_that_a_rerun_gives_has_nothing_against_it(lenet5):
    judgement = judge(make_claim("LeNet-5", lenet5))
    [claim] = judgement.claims
    assert claim.judged.runner == "lenet5"
    assert claim.judged.verdict.kind is VerdictKind.REPRODUCED
    assert not judgement.speaks_against
    assert "Nothing speaks against" in summarise(judgement)


@pytest.mark.parametrize(("value", "is_against"), [("95.00", True), ("85.00", False)])
def test_a_claim_that_no_rerun_gives_speaks_against_it_if_it_is_higher(value, is_against):
    judgement = judge(make_claim("LeNet-5", value))
    assert judgement.claims[0].judged.verdict.kind.style.group == "not reproduced"
    assert judgement.speaks_against is is_against  # others of this name may well get less


@pytest.mark.parametrize(
    ("label", "value", "verdict"),
    [
        ("Logistic Regression", "85.97", "untestable"),
        ("Random Forest", "88.84", "untestable"),
        ("SVC", "88.28", "untestable"),
        ("SVC", "95.00", "not reproduced, claim higher"),
        ("LinearSVC", "70.00", "not reproduced, claim lower"),
    ],
)
def test_a_name_that_many_configurations_have_tests_no_figure_near_theirs(label, value, verdict):
    [claim] = judge(make_claim(label, value)).claims
    assert claim.judged.verdict.word == verdict
    assert claim.speaks_against is (value == "95.00")


@pytest.mark.parametrize(
    ("label", "value", "verdict"),
    [
        ("LeNet-5", "89.0", "untestable"),
        ("LeNet-5", "87.88", "untestable"),
        ("our LeNet-5", "89.5", "untestable"),
        ("LeNet-5", "87.80", "not reproduced, claim lower"),  # less than half of the readings get
        ("LeNet-5", "98.80", "not reproduced, claim higher"),
        ("LeNet-5 (ReLU, 10 epochs)", "89.0", "not reproduced, claim lower"),
    ],
)
def test_a_claim_that_readings_of_the_recipe_get_is_not_tested(label, value, verdict):
    [claim] = judge(make_claim(label, value)).claims
    assert claim.judged.runner == "lenet5"
    assert claim.judged.verdict.word == verdict
    assert claim.speaks_against is (value == "98.80")
    if verdict == "untestable":
        assert "of 104 combinations of what a paper may leave open, half get 87.88 to 90.88 %" in (
            str(claim.judged.verdict)
        )


def test_a_label_that_is_numbered_has_no_setting_of_that_number():
    claims = [
        replace(make_claim("Random Forest", value), source=f"table {number}")
        for number, value in enumerate(("84.9", "85.2"), start=1)
    ]
    judged = judge(*claims).claims
    assert [claim.judged.row.label for claim in judged] == ["Random Forest", "Random Forest (2)"]
    assert {claim.judged.verdict.word for claim in judged} == {"untestable"}


@pytest.mark.parametrize(
    "sources", [("table 1", "table 2"), ("page 3, table 1", "Page 5, table 1")]
)
def test_tables_with_other_figures_of_a_label_are_of_other_settings_in_a_pdf_too(sources):
    claims = [
        replace(make_claim("SmallNet", value), source=source)
        for source, value in zip(sources, ("87.54", "87.22"), strict=True)
    ]
    judgement = judge(*claims)
    assert [claim.judged.row.label for claim in judgement.claims] == ["SmallNet", "SmallNet (2)"]
    assert not list(list_contradictions(judgement))


def test_readings_of_fmbench_are_not_compared_with_the_users_own_results(tmp_path):
    summary = replace(load_reference_summaries(read_suite())["lenet5"])
    (tmp_path / "mine").mkdir()
    write_summary(tmp_path / "mine" / "summary.json", [summary], [])
    [claim] = judge(make_claim("LeNet-5", "89.0"), results=tmp_path).claims
    assert claim.judged.verdict.word == "not reproduced, claim lower"


@pytest.mark.parametrize(
    ("label", "value", "verdict"),
    [
        ("HOG + SVM", "92.6", "untestable"),
        ("HOG + SVM", "86.53", "untestable"),  # it does not state the kernel and the cells
        ("CNN with batch normalization", "93.4", "untestable"),
        ("CNN with batch normalization", "96.1", "not reproduced, claim higher"),
        ("CNN with batch normalization", "90.0", "not reproduced, claim lower"),
        ("LeNet-5", "92.4", "not reproduced, claim higher"),  # no reading of its recipe gets it
    ],
)
def test_one_measured_configuration_does_not_speak_against_a_slightly_better_one(
    label, value, verdict
):
    [claim] = judge(make_claim(label, value)).claims
    assert claim.judged.verdict.word == verdict
    assert claim.speaks_against is verdict.endswith("higher")
    if verdict == "untestable":
        assert "only one with this name is measured" in str(claim.judged.verdict)


def test_a_misquoted_source_speaks_against_a_claim():
    others = [make_claim("SVC", "89.70"), make_claim("LinearSVC", "83.60")]
    judgement = judge(make_claim("GaussianNB", "88.00"), *others)
    assert judgement.claims[0].judged.verdict.kind is VerdictKind.MISQUOTED
    assert judgement.speaks_against


def test_a_claim_of_other_images_has_nothing_against_it():
    others = [make_claim("Decision tree", "79.80"), make_claim("LinearSVC", "83.60")]
    judgement = judge(make_claim("SVC", "89.70"), *others)
    assert judgement.claims[0].judged.verdict.kind is VerdictKind.OTHER_IMAGES
    assert not judgement.speaks_against


def test_a_claim_of_other_images_is_also_judged_as_if_it_were_measured_on_todays():
    others = [make_claim("Decision tree", "79.80"), make_claim("LinearSVC", "83.60")]
    judgement = judge(make_claim("SVC", "89.70"), make_claim("LeNet-5", "90.80"), *others)
    of_others, today, *_ = judgement.claims
    assert of_others.as_today.kind is VerdictKind.REPRODUCED and today.as_today is None
    [note] = [note for note in judgement.notes if "measured on today's images" in note]
    assert "reproduced (SVC and LinearSVC)" in note
    found = [claim["verdict_on_todays_images"] for claim in judgement.as_json()["claims"]]
    assert found[:2] == ["reproduced", None]


def test_the_margin_is_that_of_the_verdicts():
    claim = make_claim("LeNet-5", "93.00")
    assert judge(claim).speaks_against
    assert not judge(claim, margin=0.05).speaks_against


def test_more_rows_are_corrected_together():
    claims = [make_claim(f"LeNet-5 {i}", "91.60") for i in range(2)]
    mapping = [f"LeNet-5 {i}=lenet5" for i in range(2)]
    alone = judge(claims[0], mapping=mapping[:1]).claims[0].judged.verdict
    together = judge(*claims, mapping=mapping).claims[0].judged.verdict
    assert together.p_holm == pytest.approx(min(1, 2 * alone.p_beyond))


def test_a_claim_of_another_test_set_is_not_compared():
    judgement = judge(make_claim("LeNet-5", "0.99"), n_per_class=(100,) * 10)
    assert str(judgement.claims[0].judged.verdict) == "untestable: claimed of another test set"
    assert any("test set of 1,000 images" in note for note in judgement.notes)
    assert judgement.comparisons == ()


def test_the_users_own_results_replace_those_of_fmbench(tmp_path):
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    summary = Summary("lenet5", Status.MEASURED, 3, 0.70, 0.001, 0.69, 0.71,
                      accuracies=(0.699, 0.700, 0.701))  # fmt: skip
    write_summary(folder / "summary.json", [summary], [])
    judgement = judge(make_claim("LeNet-5", "70.0"), results=tmp_path / "results")
    assert judgement.claims[0].judged.verdict.kind is VerdictKind.REPRODUCED
    assert "results" in judgement.origin
    assert not judgement.speaks_against


def test_a_figure_that_no_number_of_images_gives_gets_a_note_and_no_verdict():
    [note] = [n for n in judge(make_claim("my net", "93.12345")).notes if "whole number" in n]
    assert "my net" in note
    assert not any("whole number" in n for n in judge(make_claim("my net", "93.12")).notes)
    mean = make_claim("my net", "93.125", mean_of=2)
    assert not any("whole number" in n for n in judge(mean).notes)


# ---------------------------------------------------------------- names


def test_a_doubtful_name_is_a_question_and_is_not_used():
    judgement = judge(make_claim("SVM", "89.7"))
    [claim] = judgement.claims
    assert not claim.has_model
    assert claim.judged.mean is None
    lines = list(list_questions(judgement))
    assert "Which model is “SVM”?" in lines[0]
    assert "    --map SVM=svc-rbf" in lines


def test_the_answer_to_a_question_is_used():
    judgement = judge(make_claim("SVM", "89.9"), mapping=["SVM=svc-rbf"])
    assert judgement.claims[0].judged.runner == "svc-rbf"
    assert list(list_questions(judgement)) == []
    assert judgement.claims[0].configuration


def test_a_name_that_the_user_says_means_nothing_of_fmbench_has_no_model():
    judgement = judge(make_claim("CNN", "91.61"), mapping=["CNN=none"])
    assert not judgement.claims[0].has_model


def test_a_model_without_a_runner_is_placed_among_published_figures():
    judgement = judge(make_claim("Vision transformer", "94.00"))
    [line] = list_strangers(judgement)
    assert line.startswith("Vision transformer, 94.00: ")
    assert "95.55" in line
    assert "nearest of what was measured: " in line
    assert not judgement.speaks_against


def test_a_claim_above_all_that_others_checked_speaks_against_it_only_beyond_the_margin():
    scored = load_ladder().find_best("scored by a third party").fraction
    near, far = (f"{100 * (scored + d):.2f}" for d in (0.004, 0.006))
    assert not judge(make_claim("Vision transformer", near)).speaks_against
    judgement = judge(make_claim("Vision transformer", far))
    assert judgement.speaks_against
    assert "above every result that a third party has checked" in summarise(judgement)
    of_others = judge(make_claim("Vision transformer", far), n_per_class=(100,) * 10)
    assert not of_others.speaks_against  # such as the digits


def test_rows_that_claim_nothing_are_not_counted_as_claims():
    suite = replace(read_suite(), reported=())
    n = sum(row.claimed is not None for row in suite.rows)
    assert n < len(suite.rows)
    assert summarise(judge_documents(suite)).startswith(f"{n} claimed accuracies: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapping": ["SVM=no-such"]}, r"--map: .*no-such"),
        ({"mapping": ["SVN=svc-rbf"]}, r"SVN.*did you mean SVM"),
        ({"mapping": ["SVM"]}, r"LABEL=RUNNER"),
        ({"model": "no-such"}, r"--model: .*no-such"),
        ({"results": "no-such-folder"}, r"no-such-folder"),
    ],
)
def test_wrong_names_are_one_line(options, message, tmp_path):
    if "results" in options:
        options = {"results": tmp_path / options["results"]}
    with pytest.raises(UserError, match=message) as error:
        judge(make_claim("SVM", "89.7"), **options)
    assert "\n" not in str(error.value)


NEW_MODEL = "sklearn.svm:SVC C=10 kernel=poly"


@pytest.mark.slow
def test_a_named_estimator_that_was_not_measured_gets_the_command_that_measures_it(tmp_path):
    judgement = judge(make_claim("SVM", "89.7"), mapping=[f"SVM={NEW_MODEL}"])
    [claim] = judgement.claims
    assert (claim.judged.runner, claim.judged.status) == (NEW_MODEL, Status.NOT_RUN)
    assert shlex.join(["fmbench", "run", NEW_MODEL]) in list_commands(judgement)
    [row] = draft_suite([make_extraction(make_claim("SVM", "89.7"))],
                        mapping=[f"SVM={NEW_MODEL}"]).content["row"]  # fmt: skip
    assert (row["estimator"], row["parameters"]) == (
        "sklearn.svm:SVC", {"C": 10, "kernel": "poly"},
    )  # fmt: skip
    suite = replace(read_suite(), reported=(), matrices=())
    judged = judge_documents(suite, mapping=[f"SVC={NEW_MODEL}"])
    assert NEW_MODEL in {row.runner for row in judged.rows if row.status is Status.NOT_RUN}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sklearn.svm:Nonsense", "--map: sklearn.svm has no 'Nonsense'"),
        ("sklearn.svm:SVC kerel=poly", "--map: SVC has no parameter 'kerel': did you mean kernel"),
        ("sklearn.pipeline:make_nothing", "--map: sklearn.pipeline has no 'make_nothing'"),
        ("sklearn.svm:SVR", "--map: sklearn.svm:SVR is an estimator, but not a classifier"),
    ],
)
def test_an_estimator_that_cannot_exist_is_refused(name, message):
    with pytest.raises(UserError, match=message) as error:
        judge(make_claim("SVM", "89.7"), mapping=[f"SVM={name}"])
    assert "\n" not in str(error.value)


def test_code_of_the_user_is_looked_for_and_not_run(tmp_path):
    (tmp_path / "net.py").write_text("raise SystemExit\ndef make():\n    pass\n")
    name = f"{tmp_path / 'net.py'}:make"
    judgement = judge(make_claim("My net", "89.7"), mapping=[f"My net={name}"])
    assert judgement.claims[0].judged.status is Status.NOT_RUN
    assert shlex.join(["fmbench", "run", name]) in list_commands(judgement)
    judgement = judge(make_claim("", "89.7"), model=name)
    assert judgement.claims[0].judged.runner == name
    for wrong, message in (
        (f"{tmp_path / 'net.py'}:mak", "net.py has no 'mak'"),
        (f"{tmp_path / 'other.py'}:make", "other.py cannot be read: No such file"),
        ("no_such_package.sub:make", "no module 'no_such_package' is installed"),
    ):
        for options in ({"mapping": [f"My net={wrong}"]}, {"model": wrong}):
            option = "--map: " if "mapping" in options else "--model: "
            with pytest.raises(UserError, match=f"{option}.*{message}"):
                judge(make_claim("My net", "89.7"), **options)


def test_a_label_that_is_mapped_twice_is_refused():
    with pytest.raises(UserError, match="--map names the label 'SVM' twice"):
        judge(make_claim("SVM", "89"), mapping=["SVM=svc-rbf", "SVM=linear-svc"])
    suite = replace(read_suite(), reported=(), matrices=())
    with pytest.raises(UserError, match="--map names the label 'SVC' twice"):
        judge_documents(suite, mapping=["SVC=svc-rbf", "SVC=linear-svc"])


# ---------------------------------------------------------------- other figures of a model


def test_class_figures_stand_beside_those_of_every_seed():
    judgement = judge(
        make_claim("", "0.90", source="report"),
        make_claim("", "0.70", "recall", class_=6, source="report"),
        make_claim("", "0.90", "f1", average="weighted", source="report"),
        model="lenet5", n_per_class=EQUAL_CLASSES,
    )  # fmt: skip
    [model] = judgement.comparisons
    recall, f1 = model.figures
    matrices = load_measurements().confusion_matrices("lenet5")
    assert recall.measured == pytest.approx(tuple(matrices[:, 6, 6] / 1000))
    assert len(f1.measured) == len(matrices)
    assert "Shirt" in format_judgement(judgement, "text", 80)


def test_a_matrix_is_compared_by_its_recalls():
    rows = [[900 if i == j else 100 if j == (i + 1) % 10 else 0 for j in range(10)]
            for i in range(10)]  # fmt: skip
    judgement = judge(make_found_matrix(rows), model="lenet5", n_per_class=EQUAL_CLASSES)
    [model] = judgement.comparisons
    assert [figure.claimed for figure in model.figures] == ["0.900"] * 10
    assert judgement.claims[0].judged.claimed == 0.9


def test_an_accuracy_and_an_error_rate_of_one_model_that_differ_contradict_each_other(lenet5):
    error = make_claim("LeNet-5", "88.0%", printed="12.0")
    error = replace(error, figure=replace(error.figure, is_error_rate=True))
    judgement = judge(make_claim("LeNet-5", f"{lenet5}%"), error)
    assert [row.label for row in judgement.rows] == ["LeNet-5"]
    assert judgement.contradictory and judgement.speaks_against
    [line] = [line for line in list_contradictions(judgement) if "12.0" in line]
    assert "table 1, error rate (12.0 %) allows an accuracy of 87.95 to 88.05 %" in line
    agreeing = replace(error, figure=replace(error.figure, value="90.6%"))
    judgement = judge(make_claim("LeNet-5", "90.62%"), agreeing)
    assert [row.label for row in judgement.rows] == ["LeNet-5"]
    assert judgement.consistency is not None and not judgement.speaks_against


def test_an_error_rate_that_no_number_of_images_gives_is_a_note_and_no_contradiction():
    error = make_claim("LeNet-5", "90.8317%")
    error = replace(error, figure=replace(error.figure, is_error_rate=True))
    judgement = judge(make_claim("LeNet-5", "90.8%"), error)
    assert not judgement.speaks_against
    [note] = [note for note in judgement.notes if "whole number" in note]
    assert "gives error rate 9.1683% (LeNet-5)" in note


OVER_100 = "row 2: not taken: accuracy 101.2% is outside [0, 1]"
SENTENCE = "row 2: an accuracy of 101.2 % is over 100 %: it cannot be true."


@pytest.mark.parametrize("format_", ["text", "md", "review"])
def test_an_accuracy_over_100_percent_speaks_against_the_claims(lenet5, format_):
    document = make_extraction(make_claim("LeNet-5", lenet5), notes=(OVER_100, "other: not taken"))
    judgement = judge_documents([document])
    assert judgement.speaks_against and judgement.answer == "something speaks against the claims"
    assert "1 accuracy of the document cannot be true." in summarise(judgement)
    text = format_judgement(judgement, format_)
    assert text.count(SENTENCE.removesuffix(".")) == 1 and "other: not taken" in text
    assert judgement.as_json()["impossible"] == [
        {"where": "row 2", "of": None, "claimed_as_printed": "101.2 %"}
    ]
    assert judgement.reading == ("other: not taken",)


def test_a_review_says_what_was_not_read_or_not_judged():
    found = [make_claim("LeNet-5", "89.0"), make_claim("LeNet-5", "0.97", folds=5)]
    notes = tuple(f"argument {i}: no figure is clear" for i in range(3, 40))
    review = format_judgement(judge_documents([make_extraction(*found, notes=notes)]), "review")
    lines = review.split("What was left out, and how the rest was read:\n")[1].splitlines()
    assert "- argument 3: no figure is clear" in lines
    assert lines[12] == "- and 26 more, which the command below lists with --json."
    short = judge_documents([make_extraction(*found, notes=notes[:1])])
    assert "mean of 5 folds" in format_judgement(short, "review").split("What was left out")[1]
    nothing = judge(make_claim("LeNet-5", "89.0"))
    assert "left out" not in format_judgement(nothing, "review")


def test_figures_that_cannot_be_true_together_are_named():
    judgement = judge(
        make_claim("my net", "91.00", source="Table 1"),
        make_claim("my net", "0.75", "kappa", source="Table 2"),
    )
    assert judgement.contradictory
    assert judgement.speaks_against
    lines = list(list_contradictions(judgement))
    assert "cannot be true together" in lines[0]
    assert any("Table 1" in line and "Table 2" in line for line in lines)


def test_a_cut_label_is_asked_about_without_its_cut_word():
    label = "LeNet-5 " + "with word after word " * 6 + "goes on"
    judgement = judge(make_claim(label, "96.3"))
    question, option = list(list_questions(judgement))
    assert "…”? The label is not complete, so it may say more." in question
    _, entry = shlex.split(option)
    assert judge(make_claim(label, "96.3"), mapping=[entry]).rows[0].runner == "lenet5"


def test_figures_of_two_labels_with_one_runner_are_not_compared():
    judgement = judge(
        make_claim("LeNet", "90.8"), make_claim("LeNet 5", "91.0"),
        mapping=["LeNet=lenet5", "LeNet 5=lenet5"],
    )  # fmt: skip
    assert judgement.consistency is None


def test_a_table_with_one_figure_for_each_model_has_nothing_to_compare(table3):
    assert table3.consistency is None


# ---------------------------------------------------------------- a suite


def test_the_written_suite_gets_the_same_judgement(tmp_path):
    document = make_extraction(
        *paste_table3().claims,
        make_claim("SVM", "89.0", source="Table 4"),
        make_claim("Vision transformer", "94.00", source="Table 4"),
        make_claim("CNN-LeNet-5", "0.75", "kappa", source="Table 2"),
    )
    path = tmp_path / "claims.toml"
    path.write_text(write_suite_text(draft_suite([document]), "x"), encoding="utf-8")
    first, second = judge_documents([document]), judge_documents(read_suite(path))
    for a, b in zip(first.claims, second.claims, strict=True):
        assert a.judged == b.judged
        assert (a.configuration, a.ladder, a.nearest, a.seeds) == (
            b.configuration, b.ladder, b.nearest, b.seeds,
        )  # fmt: skip
        assert a.match_is_doubtful == b.match_is_doubtful
    assert list(list_questions(first)) == list(list_questions(second))
    assert list(list_contradictions(first)) == list(list_contradictions(second))
    assert first.comparisons == second.comparisons
    assert summarise(first) == summarise(second)


def test_a_suite_names_its_models_itself():
    with pytest.raises(UserError, match="--model is for figures without a name"):
        judge_documents(read_suite(), model="lenet5")


# ---------------------------------------------------------------- output


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(table3, width):
    text = format_judgement(table3, "text", width)
    assert max(map(len, text.splitlines())) <= width
    assert "Evolutionary" in text


def test_no_word_of_the_table_is_cut_and_no_number_is_wrapped(table3):
    table = build_judgement_table(table3).text_rows()
    words = {word.strip(",;") for row in table for text in row.values() for word in text.split()}
    words |= {kind.style.mark for kind in VerdictKind} | {"a", "run:", "below"}
    for width in (80, 100, 120):
        text = format_judgement(table3, "text", width).partition("\nAccuracies in percent")[0]
        rows = text.partition("\nmodel ")[2].partition("\n")[2]
        assert {word.strip(",;") for word in rows.split()} <= words
        assert all(row["measured"] in rows for row in table)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_of_claimed_and_measured_figures_keeps_its_words(width):
    figures = [
        make_claim("LeNet-5", f"0.9{k}", metric="precision", class_=k % 10) for k in range(10)
    ]
    judgement = judge(make_claim("LeNet-5", "90.8 %"), *figures)
    text = format_judgement(judgement, "text", width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for line in build_comparison_tables(judgement.comparisons[0])[0].text_rows():
        assert line["class"] in text and line["precision"].split(" / ")[0] in text


def test_the_text_begins_with_what_was_read_and_ends_with_summary_and_notes(table3):
    text = format_judgement(table3, "text", 100)
    assert text.startswith("Read claims.md as Markdown table: 19 figures\n")
    assert text.index("19 claimed accuracies: ") < text.index(
        "- 19 figures stand in published tables"
    )
    assert "lenet5: ReLU, Adamax, 10 epochs" in text


@pytest.mark.parametrize("width", [80, 120])
def test_what_would_decide_is_a_column_and_a_command_to_copy(width):
    judgement = judge(
        make_claim("Gradient boosting", "88.61"), make_claim("SVM", "89"), make_claim("", "90")
    )
    lines = format_judgement(judgement, "text", width).splitlines()
    assert "      fmbench run gradient-boosting" in lines
    table = " ".join(" ".join(lines[: lines.index("Doubtful names")]).split())
    assert "what would" in table and "--map" in table and "--model" in table
    cells = [row["what would decide"] for row in build_judgement_table(judgement).text_rows()]
    assert cells == ["fmbench run gradient-boosting", "the model: --map", "the model: --model"]


def test_how_to_judge_by_new_runs_is_said_once_if_there_is_something_to_run(tmp_path):
    claims = [make_claim("Gradient boosting", "88.61"), make_claim("EDEN (full)", "90")]
    text = " ".join(
        format_judgement(judge(*claims, mapping=["EDEN (full)=eden-full"]), "text").split()
    )
    assert text.count("fmbench run ") == 2 and text.count("add --results results/local.") == 1
    assert "--results" not in format_judgement(judge(make_claim("SVC", "89.9")), "text")
    (tmp_path / "mine").mkdir()
    summary = load_reference_summaries(read_suite())["lenet5"]
    write_summary(tmp_path / "mine" / "summary.json", [summary], [])
    own = format_judgement(judge(*claims[:1], results=tmp_path), "text")
    assert "fmbench run" in own and "results/local" not in own


def test_the_claims_of_a_pdf_are_listed_with_an_indent():
    where = 'page 1, "' + "a long sentence of the paper " * 5 + '"'
    text = format_judgement(judge(make_claim("SVC", "89.9", where=where), kind="PDF"), "text", 80)
    lines = text.partition("\n\n")[0].splitlines()[1:]
    assert len(lines) > 2 and lines[0].startswith("  SVC: page 1")
    assert all(line.startswith("    ") for line in lines[1:]) and max(map(len, lines)) <= 80


def test_one_checked_figure_is_one_figure():
    rows = [[909 if i == j else 91 if j == (i + 1) % 10 else 0 for j in range(10)]
            for i in range(10)]  # fmt: skip
    lines = list(list_contradictions(judge(make_found_matrix(rows))))
    assert lines[0] == "Nothing contradicts another figure of its model (1 figure was checked)."


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_to_copy_is_never_wrapped(width):
    text = format_judgement(judge(make_claim("Naive Bayes", "58.0")), "text", width)
    hints = [line.strip() for line in text.splitlines() if line.lstrip().startswith("--map ")]
    assert len(hints) > 1 and max(map(len, hints)) > width
    for hint in hints:
        option, entry = shlex.split(hint)
        [row] = judge(make_claim("Naive Bayes", "58.0"), mapping=[entry]).rows
        assert option == "--map" and row.runner == entry.removeprefix("Naive Bayes=")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"printed": ">98", "bound": "at least"}, ">98"),
        ({"printed": "98,0 %"}, "98,0"),
        ({"printed": "2.0", "is_error_rate": True}, "error 2.0"),
        ({"printed": "98", "sd": "0.2"}, "98 ± 0.2"),
        ({"printed": "98 ± 0.2", "sd": "0.2"}, "98 ± 0.2"),
    ],
)
def test_a_claim_is_shown_as_it_is_printed(fields, shown):
    is_error_rate = fields.pop("is_error_rate", False)
    claim = make_claim("my net", "98.0", **fields)
    claim = replace(claim, figure=replace(claim.figure, is_error_rate=is_error_rate))
    judgement = judge(claim)
    assert f" {shown} " in format_judgement(judgement, "text", 120)
    [entry] = judgement.as_json()["claims"]
    assert (entry["claimed_as_printed"], entry["figure"]) == (shown, "98.0")
    [row] = csv.DictReader(io.StringIO(format_judgement(judgement, "csv")))
    assert row["claimed"] == shown


def test_the_same_sentence_is_said_once_for_many_models():
    judgement = judge(*(make_claim(f"Model {name}", "93.1") for name in "ABC"))
    lines = list(list_strangers(judgement))
    assert sum("95.55" in line for line in lines) == 1
    assert lines[-1].startswith("3 of these figures are lower than 95.55")


def test_nothing_is_said_in_favour_of_claims_that_nothing_was_compared_with():
    judgement = judge(make_claim("Vision transformer", "94.00"))
    assert summarise(judgement).endswith("None of the claims could be compared with a measurement.")
    assert judgement.as_json()["verdict"].startswith("none of the claims")


def test_facts_of_a_published_table_are_attributed_where_the_document_does_not_print_them(table3):
    review = format_judgement(table3, "review")
    [line] = [line for line in review.splitlines() if line.startswith("- LinearSVC")]
    claim, _, rest = line.partition(", measured")
    assert "mean of 5 runs" not in claim
    assert "The same figure stands in Xiao et al. 2017" in rest
    assert "If it is quoted from there, it is the mean of 5 runs" in rest
    assert "If it was measured on today's images, the verdict would be: reproduced." in rest
    assert "If it is quoted from there" in " ".join(
        format_judgement(table3, "eval-results").split()
    )
    assert "if quoted from Xiao et al. 2017" in format_judgement(table3, "tex")


def test_notes_on_the_rows_of_a_suite_are_not_said_of_a_document_that_quotes_them(table3):
    text = " ".join(table3.notes)
    for row in read_suite().rows:
        assert not row.remark or row.remark not in text
    assert sum("19 figures stand in published tables" in note for note in table3.notes) == 1


def test_an_impossible_accuracy_is_a_note_and_no_contradiction():
    judgement = judge(
        make_claim("a", "0.923567"), make_claim("a", "0.90", "kappa"), make_claim("b", "0.923581")
    )
    assert not judgement.contradictory
    [note] = [note for note in judgement.notes if "whole number" in note]
    assert "0.923567 (a) and 0.923581 (b)" in note


def test_the_reason_of_a_contradiction_inside_a_table_is_named():
    judgement = judge(
        make_claim("a", "0.90", "recall", average="macro", source="Table 1"),
        make_claim("a", "0.95", "recall", average="weighted", source="Table 1"),
    )
    assert judgement.contradictory
    lines = " ".join(list_contradictions(judgement))
    assert "Table 1: impossible alone: " in lines and "0.90" in lines and "0.95" in lines


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "fmbench check a.txt --explain"),
        (("--as", "text", "--results", "r"), "fmbench check a.txt --as text --explain"),
        (("--map", "a b=lenet5", "--rounding", "either"),
         "fmbench suite import a.txt --map 'a b=lenet5' -o claims.toml && "
         "fmbench check claims.toml --rounding either --explain"),
    ],
)  # fmt: skip
def test_the_command_that_explains_checks_the_same_figures(options, expected):
    document = make_extraction(
        make_claim("a b", "91.00"), make_claim("a b", "0.75", "kappa", source="Table 2")
    )
    judgement = judge_documents([document], arguments=("a.txt",), options=options)
    assert name_check(judgement) == expected
    assert list_commands(judgement)[0] == shlex.join(["fmbench", "judge", "a.txt", *options])


def test_figures_of_all_images_stand_below_those_of_the_classes():
    judgement = judge(
        make_claim("", "0.8765432101", "recall", class_=6, source="report"),
        make_claim("", "0.75", "kappa", source="report"),
        model="lenet5", n_per_class=EQUAL_CLASSES,
    )  # fmt: skip
    text = format_judgement(judgement, "text", 80)
    assert "Shirt 0.8765 / 0." in " ".join(text.split()) and "\nkappa  0.75 / 0." in text


def test_json_holds_everything(table3):
    content = json.loads(format_judgement(table3, "json"), parse_constant=pytest.fail)
    assert content["verdict"] == "something speaks against the claims"
    assert content["consistency"] is None
    lenet = next(c for c in content["claims"] if c["label"] == "CNN-LeNet-5")
    assert lenet["claimed_as_printed"] == "98.80"
    assert lenet["found"] == "row 18"
    assert lenet["match"]["runner"] == "lenet5"
    assert lenet["p_holm"] < 1e-4
    assert len(lenet["accuracies"]) == lenet["n"]
    assert "CNN-LeNet-5" in [entry["model"] for entry in lenet["ladder"]["equal"]]
    assert lenet["speaks_against"] is True


def test_json_has_the_arithmetic_of_check():
    judgement = judge(
        make_claim("a", "91.00", source="Table 1"), make_claim("a", "0.75", "kappa", source="T 2")
    )
    content = json.loads(format_judgement(judgement, "json"))
    assert content["consistency"]["verdict"] == "contradictory"


def test_csv_has_one_row_for_each_claim(table3):
    rows = list(csv.DictReader(io.StringIO(format_judgement(table3, "csv"))))
    assert len(rows) == 19
    assert rows[17]["verdict"].startswith("not reproduced, claim higher")
    assert rows[17]["found"] == "row 18: 98.80"


@pytest.mark.parametrize("format_", sorted({*FORMATS, *JUDGEMENT_FORMATS}))
def test_every_format_names_the_claim(table3, format_):
    text = format_judgement(table3, format_)
    assert "98.80" in text
    assert text.endswith("\n")


def test_the_table_says_in_its_notes_what_was_read_and_what_it_means(table3):
    table = build_judgement_table(table3)
    assert table.notes[0] == "Read claims.md as Markdown table: 19 figures"
    assert table.notes[-1] == summarise(table3)


def test_words_are_neutral(table3):
    text = "".join(format_judgement(table3, name) for name in ("text", "md", "json", "review"))
    for word in ("fraud", "over-claimed", "overclaimed", "wrong claim", "cheat"):
        assert word not in text.lower()


def test_an_upper_limit_is_not_above_what_third_parties_have_checked():
    claim = make_claim("XYZNet", "98")
    at_most, at_least = (
        replace(claim, figure=replace(claim.figure, bound=bound))
        for bound in ("at most", "at least")
    )
    assert not judge(at_most).speaks_against
    assert judge(at_least).speaks_against


def test_a_spread_that_no_runs_can_have_speaks_against_a_claim():
    claim = make_claim("LeNet-5", "90.900", mean_of=5)
    assert judge(replace(claim, figure=replace(claim.figure, sd="0.002"))).contradictory
    assert not judge(replace(claim, figure=replace(claim.figure, sd="0.200"))).contradictory


def test_figures_of_a_table_without_names_take_one_line():
    claims = [
        ("LeNet-5", "page 2, table 1, row 2: 98.80"),
        *(("", f"page 3, table 2, row {row}: 0.9") for row in (2, 3, 4)),
        ("", "page 4, table 3, row 2: 0.8"),
        ("", "page 5, 'an accuracy of 90.1 %'"),
        ("", "page 5, 'an accuracy of 90.2 %'"),
    ]
    assert list_places(claims) == [
        "LeNet-5: page 2, table 1, row 2: 98.80",
        "no name: page 3, table 2, 3 figures",
        "no name: page 4, table 3, row 2: 0.8",
        "no name: page 5, 'an accuracy of 90.1 %'",
        "no name: page 5, 'an accuracy of 90.2 %'",
    ]
