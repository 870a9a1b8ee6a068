"""What was read becomes a suite, and the suite a file that says where each entry was found."""

import tomllib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.found import FoundMatrix
from fmbench.extraction.read import read_input
from fmbench.judging.judgement import draft_suite
from fmbench.judging.suite_builder import (
    build_draft,
    clean_line,
    join_sentences,
    list_labels,
    write_suite_text,
)
from fmbench.suites.matching import LabelMatch
from fmbench.suites.reader import build_suite, read_suite
from tests.helpers.found import (
    EQUAL_CLASSES,
    make_claim,
    make_extraction,
    make_found_matrix,
    paste_table3,
)
from tests.helpers.printed import list_printed_inputs, make_confusion


def build(*found, tmp_path=None, matches=None, model="", **fields):
    """The suite of one document, and its draft."""
    draft = build_draft([make_extraction(*found, **fields)], matches or {}, model=model)
    return draft.build(tmp_path or "claims.toml"), draft


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claims.toml"


def write_and_read(draft, path):
    path.write_text(write_suite_text(draft, "claims.md"), encoding="utf-8")
    return read_suite(path)


def make_matrix(correct=900):
    wrong = 1000 - correct
    return [[correct if j == i else wrong if j == (i + 1) % 10 else 0 for j in range(10)]
            for i in range(10)]  # fmt: skip


# ---------------------------------------------------------------- rows, figures, matrices


def test_an_accuracy_becomes_a_row_and_other_figures_reported_ones(path):
    suite, _ = build(
        make_claim("my net", "91.20%"),
        make_claim("my net", "0.90", "f1", average="macro"),
        make_claim("my net", "0.84", "recall", class_=6),
        tmp_path=path,
    )
    [row] = suite.rows
    assert (row.where, row.label, row.claimed, row.runner) == ("table 1", "my net", "91.20", "")
    assert [(f.metric, f.average, f.class_, f.of) for f in suite.reported] == [
        ("f1", "macro", None, "my net"), ("recall", None, 6, "my net"),
    ]  # fmt: skip


def test_the_kind_of_figure_is_kept(path):
    suite, _ = build(
        make_claim("a", "91.2%", mean_of=5, sd="0.21%"),
        make_claim("b", "98%", bound="at least"),
        make_claim("c", "92.0%", best_of=3),
        tmp_path=path,
    )
    a, b, c = suite.rows
    assert (a.mean_of, a.sd) == (5, "0.21%")
    assert b.bound == "at least"
    assert c.best_of == 3


@pytest.mark.parametrize(
    ("printed", "claimed"),
    [("91.20%", "91.20"), ("0.912", "0.912"), ("0.9%", "0.9%"), ("1%", "1%")],
)
def test_a_percent_sign_is_kept_only_where_it_means_something(printed, claimed, path):
    suite, _ = build(make_claim("a", printed), tmp_path=path)
    assert suite.rows[0].claimed == claimed


def test_the_mean_and_the_best_of_one_model_are_two_rows_with_one_label(path):
    suite, _ = build(
        make_claim("a", "91.2", mean_of=5), make_claim("a", "91.6", best_of=5), tmp_path=path
    )
    assert [row.label for row in suite.rows] == ["a", "a"]
    assert len({row.where for row in suite.rows}) == 2


def test_a_quotient_of_the_test_images_is_an_accuracy(path):
    suite, _ = build(make_claim("a", "9123", out_of=10_000), tmp_path=path)
    assert suite.rows[0].claimed == "0.9123"


def test_a_number_of_right_images_is_an_accuracy(path):
    suite, _ = build(make_claim("a", "9123", "correct"), tmp_path=path)
    assert suite.rows[0].claimed == "0.9123"


def test_a_quotient_of_other_images_is_named_and_not_judged(path):
    suite, draft = build(
        make_claim("a", "58591", out_of=60_000, printed="58591/60000"),
        make_claim("a", "91"),
        tmp_path=path,
    )
    assert [row.claimed for row in suite.rows] == ["91"]
    assert any("60,000 images, the test set has 10,000" in note for note in draft.notes)


def test_a_matrix_without_an_accuracy_gets_the_one_that_it_has(path):
    suite, _ = build(make_found_matrix(make_matrix(873)), tmp_path=path)
    assert [row.claimed for row in suite.rows] == ["0.8730"]
    assert suite.matrices[0].rows[0][:2] == (873, 127)
    assert "the accuracy of the confusion matrix" in suite.rows[0].remark


def test_shares_stay_strings_and_give_no_accuracy(path):
    shares = tuple(tuple("0.90" if i == j else "0.01" for j in range(10)) for i in range(10))
    matrix = FoundMatrix("", "matrix", "line 1", shares, is_shares=True)
    suite, _ = build(matrix, tmp_path=path)
    assert suite.matrices[0].shares
    assert suite.rows == ()


@pytest.mark.parametrize(
    ("metric", "average"), [("f1", "micro"), ("recall", "weighted"), ("recall", "macro")]
)
def test_a_report_without_an_accuracy_gets_the_average_that_equals_it(metric, average, path):
    suite, _ = build(make_claim("", "0.87", metric, average=average), tmp_path=path)
    assert [row.claimed for row in suite.rows] == ["0.87"]
    assert average in suite.rows[0].remark


def test_the_macro_recall_of_unequal_classes_is_not_the_accuracy(path):
    suite, _ = build(
        make_claim("", "0.87", "recall", average="macro"), n_per_class=(10, 20), tmp_path=path
    )
    assert suite.rows == ()


def test_a_mean_of_folds_is_no_claim_about_the_test_images(path):
    claims = [make_claim("a", "0.91", folds=5), make_claim("a", "0.9", "kappa", folds=5)]
    suite, draft = build(*claims, make_claim("a", "0.92"), tmp_path=path)
    assert [row.claimed for row in suite.rows] == ["0.92"]
    assert suite.reported == ()  # the folds may be of other images
    assert any("mean of 5 folds" in note for note in draft.notes)
    suite, _ = build(*claims, n_per_class=(6000,) * 10, tmp_path=path)
    accuracy, kappa = suite.reported
    assert (accuracy.folds, accuracy.fold_sizes) == (5, "equal")
    assert (kappa.folds, kappa.fold_sizes) == (5, "unknown")  # they may not be stratified


def test_a_figure_that_is_printed_twice_in_a_table_is_taken_once(path):
    suite, _ = build(make_claim("a", "91"), make_claim("a", "91"), tmp_path=path)
    assert len(suite.rows) == 1


def test_a_figure_out_of_range_names_its_place():
    with pytest.raises(UserError, match=r"row 4: accuracy 980 is outside"):
        build(make_claim("a", "980", where="row 4"))


def test_documents_with_other_class_sizes_are_not_mixed(path):
    first = make_extraction(make_claim("a", "91"), n_per_class=EQUAL_CLASSES, name="a.txt")
    second = make_extraction(make_claim("b", "80"), n_per_class=(50, 50), name="b.txt")
    draft = build_draft([first, second], {})
    assert [row.label for row in draft.build(path).rows] == ["a"]
    assert any(note.startswith("b.txt is left out") for note in draft.notes)


# ---------------------------------------------------------------- which figures are of one model


def test_two_rows_of_a_table_with_one_label_are_two_models(path):
    suite, _ = build(
        make_claim("SVC", "89.7", where="row 1"),
        make_claim("SVC", "0.90", "f1", average="macro", where="row 1"),
        make_claim("SVC", "88.1", where="row 2"),
        make_claim("SVC", "0.88", "f1", average="macro", where="row 2"),
        tmp_path=path,
    )
    assert [row.label for row in suite.rows] == ["SVC", "SVC (2)"]
    assert [figure.of for figure in suite.reported] == ["SVC", "SVC (2)"]


def test_two_reports_without_a_name_are_two_models_and_matrices_follow_them(path):
    def report(i, value):
        return make_claim("", value, source=f"classification report {i}")

    suite, draft = build(
        report(1, "0.91"),
        report(2, "0.88"),
        make_found_matrix(make_matrix(910), source="confusion matrix 1"),
        make_found_matrix(make_matrix(880), source="confusion matrix 2"),
        tmp_path=path,
    )
    assert [row.label for row in suite.rows] == ["unnamed model", "unnamed model (2)"]
    assert [matrix.of for matrix in suite.matrices] == ["unnamed model", "unnamed model (2)"]
    assert any("2 models without a name" in note for note in draft.notes)


def test_a_report_and_a_matrix_without_a_name_are_one_model(path):
    suite, _ = build(
        make_claim("", "0.87", source="classification report"),
        make_found_matrix(make_matrix(873)),
        tmp_path=path,
    )
    assert suite.rows[0].label == suite.matrices[0].of == "unnamed model"


def test_model_names_the_runner_of_what_has_no_name(path):
    suite, _ = build(make_claim("", "0.87"), make_claim("b", "0.5"), model="svc-rbf", tmp_path=path)
    assert [(row.label, row.runner) for row in suite.rows] == [("svc-rbf", "svc-rbf"), ("b", "")]


def test_unnamed_models_of_two_documents_are_not_compared(path):
    documents = [make_extraction(make_claim("", v), name=f"{v}.txt") for v in ("0.91", "0.85")]
    suite = build_draft(documents, {}).build(path)
    assert len({row.label for row in suite.rows}) == 2
    same = build_draft(documents, {}, model="lenet5").build(path)
    assert {row.label for row in same.rows} == {"lenet5"}


def make_error(label, value, **fields):
    """A claim of an error rate, as readers hand it over: ``value`` is the accuracy."""
    claim = make_claim(label, value, **fields)
    return replace(claim, figure=replace(claim.figure, is_error_rate=True))


def test_an_error_rate_beside_an_accuracy_is_a_figure_of_the_same_model(path):
    suite, _ = build(make_claim("a", "90.6%"), make_error("a", "88.0%"), tmp_path=path)
    assert [(row.label, row.claimed) for row in suite.rows] == [("a", "90.6")]
    [figure] = suite.reported
    assert (figure.of, figure.metric, figure.value) == ("a", "error rate", "12.0%")
    assert figure.where == "table 1, error rate"


def test_two_rows_with_an_accuracy_and_an_error_rate_are_two_models(path):
    suite, _ = build(
        make_claim("a", "90.6%", where="row 1"), make_error("a", "88.0%", where="row 1"),
        make_claim("a", "91.6%", where="row 2"), make_error("a", "91.0%", where="row 2"),
        tmp_path=path,
    )  # fmt: skip
    assert [row.label for row in suite.rows] == ["a", "a (2)"]
    assert [(f.of, f.value) for f in suite.reported] == [("a", "12.0%"), ("a (2)", "9.0%")]


def test_an_error_rate_in_another_table_is_of_another_setting(path):
    suite, _ = build(
        make_claim("a", "90.6%", source="Table 1"), make_error("a", "88.0%", source="Table 2"),
        tmp_path=path,
    )  # fmt: skip
    assert [row.label for row in suite.rows] == ["a", "a (2)"] and suite.reported == ()


def test_an_error_rate_without_an_accuracy_of_the_same_kind_of_run_is_a_claim(path):
    suite, _ = build(
        make_error("a", "88.0%"),
        make_claim("b", "90.6%", mean_of=5), make_error("b", "91.0%"),
        tmp_path=path,
    )  # fmt: skip
    assert sorted((row.label, row.claimed) for row in suite.rows) == [
        ("a", "88.0"), ("b", "90.6"), ("b", "91.0"),
    ]  # fmt: skip
    assert suite.reported == ()


@pytest.mark.parametrize(
    ("accuracy", "bound", "metric", "value"),
    [
        ({"value": "0.88"}, "", "error rate", "0.12"),
        ({"value": "88.0%", "bound": "at least"}, "at most", "error rate", "12.0%"),
        ({"value": "8800", "out_of": 10_000}, "", "error rate", "0.1200"),
        ({"value": "88.0%", "best_of": 5}, "", "accuracy", "88.0%"),
    ],
)
def test_an_error_rate_is_written_as_printed(accuracy, bound, metric, value, path):
    best_of = accuracy.get("best_of", 1)
    suite, _ = build(
        make_claim("a", "90.6%", best_of=best_of), make_error("a", **accuracy), tmp_path=path
    )
    [figure] = suite.reported
    assert (figure.metric, figure.value, figure.bound or "") == (metric, value, bound)
    assert (figure.where, figure.best_of) == ("table 1, error rate", best_of)


def test_an_error_rate_without_a_name_is_of_the_same_unnamed_model(path):
    suite, draft = build(make_claim("", "90.6%"), make_error("", "88.0%"), tmp_path=path)
    assert list_models(suite) == (["unnamed model"], ["unnamed model"])
    assert not any("without a name" in note for note in draft.notes)


# ---------------------------------------------------------------- doubtful names


def test_a_doubtful_match_is_not_used(path):
    match = LabelMatch("SVM", "svc-rbf", 80.0, ("linear-svc", 75.0), True, "two fit")
    suite, draft = build(make_claim("SVM", "89"), matches={"SVM": match}, tmp_path=path)
    assert suite.rows[0].runner == ""
    text = write_suite_text(draft, "claims.md")
    assert '# runner = "svc-rbf"\n# runner = "linear-svc"\n' in text
    assert "Which model is “SVM”? It is not sure: two fit." in text


def test_a_sure_match_is_used_and_its_recipe_is_not_certain(path):
    match = LabelMatch("LeNet", "lenet5", 100.0, None, False, "its name")
    suite, _ = build(make_claim("LeNet", "90.1"), matches={"LeNet": match}, tmp_path=path)
    assert (suite.rows[0].runner, suite.rows[0].recipe) == ("lenet5", "partly stated")
    assert "configuration that was measured" in suite.rows[0].remark


# ---------------------------------------------------------------- the file


def test_the_file_is_the_suite_and_says_where_each_entry_was_found(path):
    draft = draft_suite([paste_table3()])
    written = write_and_read(draft, path)
    built = draft.build(path)
    assert written == built
    text = path.read_text()
    assert '# row 19: 78.33\n[[row]]\nwhere = "Table 3"\nlabel = "Multilayer perceptron"' in text


def test_every_kind_of_entry_survives_the_file(path):
    _, draft = build(
        make_claim("a", "91.2%", mean_of=5, sd="0.21%"),
        make_claim("a", "0.84", "recall", class_=6),
        make_claim("a", "114", "cell", class_=6, predicted_as=0),
        make_found_matrix(make_matrix(), label="a"),
        make_claim("b", "98", bound="at least"),
        tmp_path=path,
    )
    assert write_and_read(draft, path) == draft.build(path)


@given(st.text(max_size=60), st.text(max_size=40))
@example('a "quoted" \\ label', "'''")
@example("tab\tnul\x00del\x7f\u2028", "\ud800")
@example("label # no comment", 'end"""')
@settings(max_examples=60)
def test_no_label_or_place_breaks_the_file(label, where):
    claim = make_claim(label, "0.5", where=where, source=where, printed=where)
    draft = build_draft([make_extraction(claim, notes=(label,))], {})
    content = tomllib.loads(write_suite_text(draft, where))
    assert content == draft.content
    suite = build_suite(content, "claims.toml")
    assert suite.rows[0].label == (clean_line(label)[:120].strip() or "unnamed model")


def test_labels_are_listed_once_and_without_the_empty_one():
    document = make_extraction(make_claim("a", "1"), make_claim(" a ", "2"), make_claim("", "3"))
    assert list_labels([document]) == ["a"]


def test_a_long_label_is_cut_between_words_and_marked():
    label = "LeNet-5 " + "with more words " * 10
    [found] = list_labels([make_extraction(make_claim(label, "1"))])
    assert len(found) <= 120 and found.endswith("…")
    assert label.startswith(f"{found[:-1]} ")
    [one_word] = list_labels([make_extraction(make_claim("x" * 200, "1"))])
    assert one_word == "x" * 119 + "…"
    whole = "y" * 120
    assert list_labels([make_extraction(make_claim(whole, "1"))]) == [whole]


# ---------------------------------------------------------------- accuracies that cannot be true


OVER_100 = "| Model | Acc |\n|---|---|\n| SVC | 90.4 |\n| LeNet-5 | 101.2 |\n| CNN | 904 |\n"


def test_an_accuracy_over_100_percent_is_kept_with_its_place():
    draft = draft_suite([read_input(OVER_100, name="t.md")])
    [figure] = draft.impossible
    assert figure.printed == "101.2 %" and "4" in figure.where
    assert str(figure) in draft.notes
    assert str(figure) == (
        f"{figure.where}: an accuracy of 101.2 % is over 100 %: it cannot be true"
    )
    assert f"# Note: {figure}" in write_suite_text(draft, "t.md")
    assert any("904" in note for note in draft.notes)  # it may be a count


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        (
            "row 2: not taken: accuracy -8.0% is outside [0, 1]",
            "row 2: an accuracy of -8.0 % is below 0: it cannot be true",
        ),
        (
            "line 7: accuracy 1.5% is out of range: not taken",
            "line 7: an accuracy of 1.5 % is over 100 %: it cannot be true",
        ),
        ("a/accuracy: not taken: accuracy 904 is outside [0, 1]", None),
        ("row 2: not taken: recall 101.2% is outside [0, 1]", None),
        ('text: not taken (accuracy 150% is outside [0, 1]): "better by 150 %"', None),
    ],
)
def test_only_a_share_in_a_place_for_accuracies_is_an_impossible_accuracy(note, sentence):
    draft = draft_suite([make_extraction(make_claim("a", "91"), notes=(note,))])
    assert list(map(str, draft.impossible)) == ([sentence] if sentence else [])
    assert draft.notes == [sentence or note]


def test_the_document_of_an_impossible_accuracy_is_named_beside_others():
    note = "row 2: not taken: accuracy 101.2% is outside [0, 1]"
    documents = [
        make_extraction(make_claim("a", "91"), name="a.md", notes=(note,)),
        make_extraction(make_claim("b", "91"), name="b.md"),
    ]
    [figure] = draft_suite(documents).impossible
    assert figure.where == "a.md, row 2"


# ---------------------------------------------------------------- figures that name no model


def list_models(suite):
    """The label of each row and figure."""
    return [row.label for row in suite.rows], [figure.of for figure in suite.reported]


def test_figures_without_a_name_are_of_one_model_if_the_user_names_it(path):
    found = [
        make_claim("", "0.75", "kappa", source="Table 2"),
        make_claim("", "0.99", "recall", class_=1, source="Table 1"),
        make_claim("", "98.9", mean_of=10, source="text"),
    ]
    suite, _ = build(*found, tmp_path=path)
    assert len({*list_models(suite)[0], *list_models(suite)[1]}) == 3
    suite, _ = build(*found, model="lenet5", tmp_path=path)
    assert list_models(suite) == (["lenet5"], ["lenet5", "lenet5"])


def test_a_label_that_means_the_named_model_is_compared_with_figures_without_a_name(path):
    found = [
        make_claim("", "0.75", "kappa", source="Table 2"),
        make_claim("CNN-LeNet-5", "98.80", source="Table 3"),
        make_claim("LeNet-5", "98", source="text"),
        make_claim("SVC", "89.70", source="Table 3"),
    ]
    suite = draft_suite([make_extraction(*found)], model="lenet5").build(path)
    assert list_models(suite) == (
        ["CNN-LeNet-5", "CNN-LeNet-5", "SVC"], ["CNN-LeNet-5"],
    )  # fmt: skip


@pytest.mark.parametrize("label", ["LeNet-5", "lenet5"])
def test_figures_without_a_name_belong_to_the_label_of_another_document(label, path):
    claim = make_extraction(make_claim(label, "98.8"), name="the command line")
    matrix = make_extraction(make_found_matrix(make_matrix(909)), name="cm.txt")
    for documents in ([claim, matrix], [matrix, claim]):
        draft = draft_suite(documents, model="lenet5")
        suite = draft.build(path)
        assert [row.label for row in suite.rows] == [label] == [m.of for m in suite.matrices]
        assert any("--model lenet5" in note for note in draft.notes)


def test_a_document_that_is_left_out_says_nothing_about_the_named_model(path):
    claim = make_claim("LeNet-5", "98.8")
    documents = [
        make_extraction(make_found_matrix(make_matrix(909)), n_per_class=EQUAL_CLASSES),
        make_extraction(claim, make_claim("CNN-LeNet-5", "91"), n_per_class=(50, 50)),
        make_extraction(claim),
    ]
    suite = draft_suite(documents, model="lenet5").build(path)
    assert [row.label for row in suite.rows] == ["LeNet-5"]


def test_two_variants_in_one_table_keep_figures_without_a_name_apart(path):
    found = [
        make_claim("", "0.75", "kappa", source="Table 2"),
        make_claim("CNN-LeNet-5", "98.80", source="Table 3"),
        make_claim("LeNet-5", "91", source="Table 3"),
    ]
    suite = draft_suite([make_extraction(*found)], model="lenet5").build(path)
    assert sorted(list_models(suite)[0]) == ["CNN-LeNet-5", "LeNet-5"]
    assert list_models(suite)[1] == ["lenet5"]


def test_two_reports_of_one_model_are_not_compared(path):
    found = [
        make_claim("", value, metric, source=f"classification report {i}", class_=class_)
        for i, value in ((1, "0.90"), (2, "0.97"))
        for metric, class_ in (("accuracy", None), ("recall", 3))
    ]
    suite, _ = build(*found, model="lenet5", tmp_path=path)
    assert list_models(suite) == (["lenet5", "lenet5 (2)"], ["lenet5", "lenet5 (2)"])


def test_a_text_about_one_model_means_it_where_it_names_none(path):
    found = [
        make_claim("LeNet-5", "98.8", source="text"),
        make_claim("", "0.75", "kappa", source="text"),
        make_claim("", "91", source="text"),
    ]
    suite, draft = build(*found, tmp_path=path)
    assert list_models(suite) == (["LeNet-5", "unnamed model"], ["LeNet-5"])
    assert any("names only LeNet-5" in note for note in draft.notes)
    suite, _ = build(*found[:2], make_claim("SVC", "89", source="text"), tmp_path=path)
    assert list_models(suite)[1] == ["unnamed model"]


def test_each_figure_of_all_images_is_a_source_of_its_own(path):
    suite, _ = build(
        make_claim("a", "0.75", "kappa", source="Table 2"),
        make_claim("a", "0.77", "informedness", source="Table 2"),
        make_claim("a", "0.9", "recall", average="macro", source="Table 2"),
        tmp_path=path,
    )
    assert [figure.where for figure in suite.reported] == [
        "Table 2, kappa", "Table 2, informedness", "Table 2",
    ]  # fmt: skip


def test_remarks_are_joined_as_sentences():
    assert join_sentences(["the text says so", "", " C=10. "]) == "The text says so. C=10."


INPUTS = list_printed_inputs(make_confusion(23))


@pytest.mark.parametrize(
    "text", [text for _, _, text, *_ in INPUTS], ids=[name for name, *_ in INPUTS]
)
def test_the_file_of_every_kind_of_input_is_the_suite_that_is_judged(text, path):
    draft = draft_suite([read_input(text, kind=None, column=None, name="claims.md")])
    built = draft.build(path)
    assert write_and_read(draft, path) == built
    assert built.reported or built.matrices


def test_a_label_with_other_figures_in_another_table_is_another_setting():
    draft = draft_suite(
        [
            make_extraction(
                make_claim("MyNet", "91.20", source="Table 1"),
                make_claim("MyNet", "93.41", source="Table 2"),
                make_claim("MyNet", "0.93", "kappa", source="Table 2"),
                make_claim("MyNet", "91.20", source="Table 3"),
                make_claim("MyNet", "0.90", "kappa", source="Table 3"),
            )
        ]
    )
    rows = {(row["label"], row["where"]) for row in draft.content["row"]}
    assert rows == {("MyNet", "Table 1"), ("MyNet (2)", "Table 2"), ("MyNet", "Table 3")}
    kappas = {(figure["of"], figure["value"]) for figure in draft.content["reported"]}
    assert kappas == {("MyNet", "0.90"), ("MyNet (2)", "0.93")}
    assert any("MyNet stands in several tables" in note for note in draft.notes)


@pytest.mark.parametrize("count", ["9000", "8500", "9107", "0", "10000"])
def test_a_count_keeps_every_decimal_of_its_share(count):
    claim = make_claim("cnn-bn", count)
    claim = replace(claim, figure=replace(claim.figure, out_of=10_000))
    [row] = draft_suite([make_extraction(claim)]).content["row"]
    assert row["claimed"] == f"{int(count) / 10_000:.4f}"


@pytest.mark.parametrize("label", ["ensemble", "Humans"])
def test_a_figure_without_a_name_is_not_that_of_an_ensemble_or_of_people(path, label):
    found = [
        make_claim(label, "94.9", source="text"),
        make_claim("", "0.75", "kappa", source="text"),
    ]
    _, draft = build(*found, tmp_path=path)
    assert not any("names only" in note for note in draft.notes)


def test_what_stands_for_an_unknown_name_names_no_other_figure():
    first = make_claim("", "89.10%", source="text")
    other = replace(make_claim("unnamed (89.37%)", "89.37%", source="text"), mean_of=5)
    _, draft = build(first, other)
    assert not any("names only" in note for note in draft.notes)
    _, draft = build(first, make_claim("my net", "89.37%", source="text", metric="kappa"))
    assert any("names only my net" in note for note in draft.notes)
