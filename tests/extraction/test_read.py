import json
import os
from pathlib import Path

import numpy as np
import pytest

from fmbench.errors import UserError
from fmbench.extraction.found import Extraction
from fmbench.extraction.read import KINDS, MAX_PDF_BYTES, decode_text, find_kind, read_input
from fmbench.suites.claims import Suite
from tests.helpers.printed import (
    NAMES,
    expected_figures,
    found_figures,
    make_confusion,
    print_array,
    print_frame,
    print_notebook,
    print_report,
    report_dictionary,
)

CONFUSION = make_confusion(1)
ACCURACY = np.trace(CONFUSION) / 10_000
ROWS = tuple(tuple(map(str, row)) for row in CONFUSION.tolist())
TABLE = "| Model | Accuracy |\n|---|---|\n| LeNet-5 | 98.80 |\n| SVC | 89.70 |\n"
SUITE = """
[test_set]
n_per_class = [1000, 1000]

[[reported]]
where = "a"
metric = "accuracy"
value = "0.9"
"""


def labels_and_values(found):
    return [(claim.label, claim.figure.value) for claim in found.claims]


def error_of(source, **options):
    with pytest.raises(UserError) as error:
        read_input(source, **options)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 1000
    return text


# ---- kinds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_known_by_its_name_with_blanks_or_hyphens(kind):
    assert find_kind(kind) == find_kind(kind.replace(" ", "-").upper()) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("report", "classification report"), ("md", "Markdown"), ("tsv", "separated values")],
)
def test_a_kind_has_a_short_name(name, kind):
    assert find_kind(name) == kind


def test_an_unknown_kind_is_refused_with_the_known_ones():
    assert "confusion matrix" in error_of("x", kind="spreadsheet")


def test_the_kind_is_found_from_the_content():
    assert read_input(print_report(CONFUSION)).kind == "classification report"
    assert read_input(print_array(CONFUSION)).kind == "confusion matrix"
    assert read_input(TABLE).kind == "table"
    assert read_input("LeNet-5: 98.80 %\nSVC: 89.7 %\n").kind == "text"
    assert read_input(print_notebook(print_report(CONFUSION))).kind == "notebook"
    assert read_input(json.dumps(report_dictionary(CONFUSION))).kind == "classification report"


def test_another_kind_can_be_demanded():
    text = print_array(np.random.default_rng(0).integers(1, 9, (10, 10)))
    assert "no accuracy found" in error_of(text)
    assert len(read_input(text, kind="confusion matrix").matrices) == 1
    assert "no classification report" in error_of(TABLE, kind="report")


# ---- documents -----------------------------------------------------------------------------------


def readme():
    return (
        "# A CNN for Fashion-MNIST\n\nTrained for 10 epochs with 60,000 images.\n\n"
        f"The test accuracy is {100 * ACCURACY:.2f} %.\n\n{TABLE}\n## Classification report\n\n"
        f"```\n{print_report(CONFUSION, 4)}```\n\n## Confusion matrix\n\n```\n"
        f"{print_array(CONFUSION)}\n```\n"
    )


def test_a_readme_is_read_by_all_readers():
    found = read_input(readme(), name="README.md")
    assert found.kind == "document"
    assert labels_and_values(found)[37:39] == [("LeNet-5", "98.80%"), ("SVC", "89.70%")]
    unnamed = [c for c in found.claims if c.label == "" and c.metric == "accuracy"]
    assert [c.figure.value for c in unnamed] == [f"{ACCURACY:.4f}", f"{100 * ACCURACY:.2f}%"]
    assert len(found.claims) == 37 + 2 + 1
    assert found.matrices[0].rows == ROWS
    assert found.n_per_class == (1000,) * 10
    assert found.class_names == NAMES


def test_a_report_between_text_is_not_read_again_as_a_table():
    text = f"Results\n\n{print_frame(CONFUSION, 'markdown')}\n\n{print_report(CONFUSION)}\n"
    found = read_input(text)
    assert {claim.label for claim in found.claims} == {""}
    assert len(found.claims) == 37
    assert len(found.matrices) == 1


def test_what_is_found_twice_is_kept_once():
    text = "The LeNet-5 has an accuracy of 91.20 %. The LeNet-5 has an accuracy of 91.20 %.\n"
    assert labels_and_values(read_input(text)) == [("LeNet-5", "91.20%")]


def test_unnamed_accuracies_that_differ_from_the_report_and_each_other_get_labels_of_their_own():
    text = (
        f"The test accuracy is {100 * ACCURACY:.2f} %.\n\n"
        "With augmentation the test accuracy rises to 91.35 %.\n\n" + print_report(CONFUSION, 4)
    )
    found = [c for c in read_input(text).claims if c.metric == "accuracy"]
    assert len(found) == 3
    assert {c.label for c in found if c.figure.value != "91.35%"} == {""}
    assert all(c.label for c in found if c.figure.value == "91.35%")


def test_one_unnamed_accuracy_stays_beside_the_report_that_it_contradicts():
    """A real README: 'Accuracy en test: 91.12%' above a report whose accuracy is 0.9107."""
    found = read_input("Test accuracy: 91.12%\n\n" + print_report(CONFUSION, 4))
    accuracies = [c.figure.value for c in found.claims if c.metric == "accuracy" and not c.label]
    assert sorted(accuracies) == [f"{ACCURACY:.4f}", "91.12%"]


def test_places_in_a_notebook_name_the_cell():
    text = print_notebook("hello", f"Classification report\n{print_report(CONFUSION)}")
    claim = read_input(text).claims[0]
    assert claim.where == "output of cell 2, line 4"


def test_figures_in_json_get_the_names_of_their_keys():
    text = json.dumps({"LeNet-5": {"test_accuracy": 0.912}, "SVC": {"accuracy": 0.897}})
    assert labels_and_values(read_input(text)) == [("LeNet-5", "0.912"), ("SVC", "0.897")]


def test_a_printed_report_in_json_is_read():
    text = json.dumps({"report": print_report(CONFUSION, 4)})
    assert found_figures(read_input(text)) == expected_figures(CONFUSION, 4)


def test_html_tables_of_matrices_are_read_among_other_text():
    page = (
        f"<h1>Results</h1><p>Accuracy on the test set: 91.0 %</p>{print_frame(CONFUSION, 'html')}"
    )
    assert read_input(page).matrices[0].rows == ROWS


def test_a_suite_is_read_as_a_suite(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(SUITE)
    assert isinstance(read_input(path), Suite)
    assert isinstance(read_input(SUITE), Suite)
    path.write_text(SUITE.replace("0.9", "190%"))
    assert "claims.toml" in error_of(path)


# ---- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_files_are_read(tmp_path, encoding):
    path = tmp_path / "results.txt"
    path.write_bytes("LeNet-5: 91.20 ± 0.21 %\n".encode(encoding))
    found = read_input(path)
    assert labels_and_values(found) == [("LeNet-5", "91.20%")]
    assert found.name == "results.txt"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_file_that_is_not_utf_8_is_read_with_a_note(tmp_path, encoding):
    path = tmp_path / "results.txt"
    path.write_bytes("LeNet-5: 91.20 ± 0.21 %\n".encode(encoding))
    found = read_input(path)
    assert found.claims[0].figure.sd == "0.21%"
    assert any("Windows-1252" in note for note in found.notes)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(newline):
    text = print_report(CONFUSION).replace("\n", newline)
    assert found_figures(read_input(text.encode())) == expected_figures(CONFUSION, 2)


def test_the_colours_of_a_terminal_are_removed():
    text = print_report(CONFUSION).replace("0.83", "\x1b[1;32m0.83\x1b[0m")
    assert found_figures(read_input(text)) == expected_figures(CONFUSION, 2)


# ---- bad input -----------------------------------------------------------------------------------


def test_an_input_without_a_claim_lists_the_kinds_that_are_read():
    message = error_of("Nothing is claimed here.\n")
    assert "no accuracy found" in message
    assert all(kind in message for kind in KINDS)


@pytest.mark.parametrize("data", [b"", b"  \n\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(tmp_path, data):
    path = tmp_path / "empty.txt"
    path.write_bytes(data)
    assert "empty" in error_of(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
        (b"PK\x03\x04" + bytes(100), "ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"PAR1" + bytes(100), "Parquet"),
        (b"\x93NUMPY\x01\x00" + bytes(100), "savetxt"),
        (bytes(1000), "not a text file"),
        (np.random.default_rng(0).bytes(5000), "not a text file"),
        (bytes(range(128, 256)) * 20, "not a text file"),
        (b"accuracy 0.9\n" + b"\x01\x02\x03" * 50, "not a text file"),
        ("Genauigkeit".encode("utf-16")[:-1], "not a text file"),
    ],
)
def test_binary_files_are_refused_with_what_they_are(tmp_path, data, what):
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    assert what in error_of(path)


@pytest.mark.parametrize("size", [21_000_000, 200_000_000])
def test_a_large_file_is_refused_by_its_size(tmp_path, size):
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(size)  # takes no space on disk
    assert f"{size / 1e6:.0f} MB" in error_of(path)


def test_a_file_of_two_hundred_megabytes_is_refused_without_reading_it(tmp_path, monkeypatch):
    class Unreadable:
        def __init__(self, descriptor):
            self.descriptor = descriptor

        def __enter__(self):
            return self

        def __exit__(self, *_):
            os.close(self.descriptor)

        def fileno(self):
            return self.descriptor

        def read(self, *_):
            raise AssertionError("the file was read")

    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.truncate(2 * MAX_PDF_BYTES)
    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: Unreadable(descriptor))
    assert "MB" in error_of(path)


def test_a_folder_is_refused(tmp_path):
    assert "folder" in error_of(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    assert "No such file" in error_of(tmp_path / "nothing.txt")


def test_a_name_with_a_nul_character_is_refused(tmp_path):
    assert "file name" in error_of(tmp_path / "a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in error_of(tmp_path / "pipe")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_a_device_is_refused():
    assert "not a regular file" in error_of(Path("/dev/zero"))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"accuracy": 191.2}),
        json.dumps({"accuracy": 1.91}),
        "LeNet-5: 191.2 %\n",
        TABLE.replace("98.80", "198.80").replace("89.70", "189.70"),
    ],
)
def test_figures_out_of_range_are_refused_if_there_are_no_others(text):
    message = error_of(text)
    assert "1" in message
    assert "no accuracy found;" not in message


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 200 + "]" * 200])
def test_deeply_nested_json_is_refused(text):
    assert "nested" in error_of(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"accuracy": ' + "9" * 100_000 + "}",
        '{"accuracy": 1e999999999}',
        '{"accuracy": NaN}',
        '{"confusion_matrix": [[' + "9" * 5000 + ", 1, 2], [1, 2, 3], [1, 2, 3]]}",
        '{"accuracy": [0.9, 0.8]}',
        '{"a": {"precision": "x", "recall": null, "f1-score": []}, "b": 3}',
        "null",
        "[]",
        '{"nbformat": 4, "cells": 7}',
        '{"nbformat": 4, "cells": [null, {"outputs": 3}, {"outputs": [4, {"data": {"a": 1}}]}]}',
        "9" * 100_000 + "\n",
    ],
)
def test_odd_json_and_endless_numbers_end_in_one_line(text):
    error_of(text)


@pytest.mark.parametrize("column", ["Nothing", "2"])
def test_a_column_that_does_not_exist_is_refused(column):
    if column == "Nothing":
        assert "column" in error_of(TABLE, column=column)
    else:
        assert len(read_input(TABLE, column=column).claims) == 2


def test_notes_are_bounded_and_have_no_control_characters():
    text = "".join(f"The training accuracy of model{k} is 9{k % 10}.{k} %.\n\n" for k in range(300))
    found = read_input(text + "LeNet-5 has a test accuracy of 91.2 %.\n")
    assert len(found.notes) <= 45
    assert all(note.isprintable() for note in found.notes)


def test_decoding_notes_nothing_for_utf_8():
    assert decode_text("κ = 0.9".encode(), "x") == ("κ = 0.9", [])


def test_the_result_names_the_input():
    found = read_input(TABLE.encode(), name="standard input")
    assert isinstance(found, Extraction)
    assert found.name == "standard input"


HIDDEN = (
    "<html><head><title>Accuracy 99.0 %</title><style>.accuracy{width:93.2%}</style></head><body>"
    "<script>var acc=99.1; var model='SVC';</script><!-- SVC has an accuracy of 99.3% -->"
    "<p hidden>SVC has an accuracy of 99.4 %.</p>"
    "<div style='color:red; display: none'><div>SVC has</div> an accuracy of 99.5 %.</div>"
    '<p title="an accuracy of 99.6 %">LeNet-5 has an accuracy of&nbsp;90.5&thinsp;%.</p>'
    "</body></html>"
)


@pytest.mark.parametrize("kind", [None, "text", "document"])
def test_what_a_page_does_not_show_is_no_claim(kind):
    assert labels_and_values(read_input(HIDDEN, kind=kind)) == [("LeNet-5", "90.5%")]


def test_hidden_rows_of_a_table_are_not_read():
    text = (
        "<html><table><tr><th>Model</th><th>Accuracy</th></tr><tr style='display:none'><td>CNN</td>"
        "<td>99.9</td></tr><tr><td>SVC</td><td>89.7</td></tr></table><!-- | CNN | 99.8 | --></html>"
    )
    assert labels_and_values(read_input(text)) == [("SVC", "89.7%")]


def test_a_comment_in_markdown_is_no_claim():
    text = f"<!--\n{TABLE}-->\n\nSVC has an accuracy of 91.2 %.\n"
    assert labels_and_values(read_input(text)) == [("SVC", "91.2%")]


def test_the_log_of_keras_agrees_with_its_report():
    text = "Test accuracy: 0.8658999800682068\n" + print_report(CONFUSION)
    found = read_input(text)
    (claim,) = (c for c in found.claims if c.source == "text")
    assert (claim.figure.value, claim.figure.printed) == ("0.8659", "0.8658999800682068")
    assert "0.8658999800682068 is read as 0.8659" in found.notes[0]


def test_a_text_that_quotes_a_suite_is_no_suite():
    text = f"A suite begins like this:\n{SUITE}\nSVC has an accuracy of 91.2 %.\n"
    assert isinstance(read_input(text), Extraction)
    assert isinstance(read_input(SUITE), Suite)
    with pytest.raises(UserError, match="not valid TOML"):
        read_input(text, name="claims.toml")


def test_a_long_text_without_claims_is_not_read_as_a_list_of_claims():
    lines = [f"Step {k} writes {k} files into folder number {k}" for k in range(1, 8)]
    filling = ["This line of a manual says nothing about any model."] * 30
    with pytest.raises(UserError, match="no accuracy found"):
        read_input("\n".join([*lines, *filling]))


def test_lists_of_results_in_json_name_their_models():
    rows = [{"model": "CNN", "test_accuracy": 0.912}, {"model": "SVC", "test_accuracy": 8887}]
    found = read_input(json.dumps(rows))
    assert labels_and_values(found) == [("CNN", "0.912")]
    assert any("8887 is outside" in note for note in found.notes)
    logged = {"metrics": [{"key": "test_acc", "value": 0.9}, {"key": "val_acc", "value": 0.99}]}
    assert labels_and_values(read_input(json.dumps(logged))) == [("", "0.9")]


WEKA = """
=== Stratified cross-validation ===
=== Summary ===

Correctly Classified Instances        9999               99.99   %
Incorrectly Classified Instances         1                0.01   %
Kappa statistic                          0.9999

=== Evaluation on test set ===
=== Summary ===

Correctly Classified Instances        {right}               {share}   %
Incorrectly Classified Instances      1113               11.13   %
Kappa statistic                          0.8763
Mean absolute error                      0.0297
Total Number of Instances            10000

=== Confusion Matrix ===

    a    b    c    d    e    f    g    h    i    j   <-- classified as
"""


def test_the_output_of_weka_is_read():
    names = [name.replace(" ", "_") for name in NAMES]
    rows = [
        " ".join(f"{cell:4}" for cell in row) + f" |    {'abcdefghij'[k]} = {names[k]}"
        for k, row in enumerate(CONFUSION.tolist())
    ]
    text = WEKA.format(right=int(ACCURACY * 10_000), share=f"{100 * ACCURACY:.2f}")
    found = read_input(text + "\n".join(rows))
    assert [(c.metric, c.figure.value) for c in found.claims] == [
        ("accuracy", f"{100 * ACCURACY:.2f}%"), ("kappa", "0.8763"),
    ]  # fmt: skip
    (matrix,) = found.matrices
    assert matrix.rows == ROWS
    assert any("validation images" in note for note in found.notes)


def test_the_classes_of_weka_are_read():
    rows = [f"  0.857 0.019 0.832 {0.857 + k / 100:.3f} 0.844 0.8 0.9 0.8 {k}" for k in range(10)]
    head = "TP Rate  FP Rate  Precision  Recall   F-Measure  MCC      ROC Area  PRC Area  Class"
    last = "Weighted Avg.    0.889    0.012    0.888      0.889    0.888      0.876    0.99   0.95"
    found = read_input("\n".join(["=== Detailed Accuracy By Class ===", "", head, *rows, last]))
    assert found_figures(found)["recall", 9, None] == "0.947"
    assert found_figures(found)["f1", None, "weighted"] == "0.888"
    assert len(found.claims) == 33


def test_the_dictionaries_of_a_trainer_are_read_and_the_last_epoch_counts():
    text = "\n".join(
        f"{{'eval_loss': 0.2{k}, 'eval_accuracy': 0.91{k}, 'eval_samples_per_second': 810.2}}"
        for k in range(3)
    )
    found = read_input(text)
    assert labels_and_values(found) == [("", "0.912")]
    assert found.notes == ("eval_accuracy is printed 3 times: only the last one is taken",)


def test_a_table_of_data_sets_and_models_is_no_matrix():
    text = (
        "Accuracy (%) of the models\n\n"
        "| Data set | LeNet-5 | ResNet-18 | SVM |\n|---|---|---|---|\n"
        "| MNIST | 99.1 | 99.6 | 98.6 |\n| Fashion-MNIST | 90.2 | 94.9 | 89.7 |\n"
        "| CIFAR-10 | 65.0 | 93.0 | 54.2 |\n"
    )
    assert labels_and_values(read_input(text)) == [
        ("LeNet-5", "90.2%"), ("ResNet-18", "94.9%"), ("SVM", "89.7%"),
    ]  # fmt: skip


def test_what_a_notebook_expects_is_no_claim():
    text = "We expect > 90 % accuracy. One run would get 93 % accuracy. SVC has 91.2 % accuracy."
    assert labels_and_values(read_input(text)) == [("SVC", "91.2%")]


def test_the_table_of_a_trainer_below_its_progress_bar_is_read():
    text = (
        "Testing DataLoader 0: 100%|██| 79/79 [00:01<00:00]\n"
        "┏━━━━┳━━━━┓\n"
        "┃ Test metric ┃ DataLoader 0 ┃\n"
        "┡━━━━╇━━━━┩\n"
        "│ test_acc │ 0.9017999768257141 │\n"
        "│ test_loss │ 0.2793746888637543 │\n"
        "└────┴────┘\n"
    )
    assert labels_and_values(read_input(text)) == [("", "0.9018")]


def test_a_list_of_numbers_without_names_is_no_claim():
    assert "list of numbers" in error_of("[0.2634313404560089, 0.9082000255584717]\n", kind="text")


def test_an_accuracy_of_validation_images_in_one_word_is_not_taken():
    found = read_input("accuracy = 0.9046\nvalAccuracy = 0.912\n")
    assert labels_and_values(found) == [("", "0.9046")]


def test_a_dictionary_that_python_prints_is_read_as_json():
    content = report_dictionary(CONFUSION)
    assert read_input(str(content)).claims == read_input(json.dumps(content)).claims


def test_a_figure_of_the_next_sentence_belongs_to_the_only_model_of_the_text():
    found = read_input("LeNet-5 reaches 98.8% accuracy on the test set. Cohen's kappa is 0.75.")
    assert [(c.label, c.metric) for c in found.claims] == [
        ("LeNet-5", "accuracy"), ("LeNet-5", "kappa"),
    ]  # fmt: skip
    assert "the only one in the text" in found.claims[1].remark
    two = read_input("CNN has 91 % accuracy. LeNet-5 has 90 % accuracy. Cohen's kappa is 0.75.")
    assert two.claims[2].label == ""


@pytest.mark.parametrize(("key", "value"), [("error", "3"), ("accuracy", "1.5"), ("error", "1.5")])
def test_a_value_in_json_between_a_fraction_and_a_percentage_is_noted_not_taken(key, value):
    found = read_input(
        f'{{"LeNet-5": {{"accuracy": 0.91}}, "SVC": {{"{key}": {value}}}}}', name="r"
    )
    assert [(claim.label, claim.figure.value) for claim in found.claims] == [("LeNet-5", "0.91")]
    assert f"{key} {value} is above 1" in found.notes[0]


def test_values_in_json_keep_the_zeros_that_python_drops():
    found = read_input('{"LeNet-5": {"accuracy": 0.9, "kappa": 0.8888888888888888}}', name="r")
    assert [claim.figure.value for claim in found.claims] == ["0.9000", "0.888888888889"]


def test_what_is_understood_and_not_judged_is_said_without_the_list_of_kinds():
    text = "Table 1: Accuracy with 40 % label noise\n\n" + TABLE
    assert error_of(text) == (
        "standard input: no accuracy that can be judged was found (Table 1 is of training with"
        " wrong labels, as its caption says ('Table 1: Accuracy with 40 % label noise'): not taken)"
        "; --column NAME reads a column anyway"
    )
    assert "these kinds are read" in error_of("nothing here 12")


def test_full_precision_is_no_precision():
    found = read_input("The full-precision LeNet-5 reaches 90.6 % on Fashion-MNIST.")
    assert [(c.metric, c.figure.value) for c in found.claims] == [("accuracy", "90.6%")]


def test_an_error_rate_that_is_named_once_holds_for_the_figures_behind_it():
    text = "EnsNet has an error rate of 0.16% on MNIST and reaches the state of the art on "
    found = read_input(text + "Fashion-MNIST (4.70%) and SVHN (2.2%).")
    assert [(c.label, c.figure.value) for c in found.claims] == [("EnsNet", "95.30%")]


def test_a_sentence_that_repeats_a_figure_of_a_table_is_of_as_many_runs():
    text = (
        "SmallNet reaches 93.8 % accuracy on Fashion-MNIST.\n\n"
        "Table 1: Accuracy (%), mean of 5 runs\n\n"
        "| Model | Accuracy |\n|---|---|\n| SmallNet | 93.8 |\n"
    )
    assert [(c.source, c.mean_of) for c in read_input(text).claims] == [("Table 1", 5), ("text", 5)]
    other = read_input(text.replace("reaches 93.8", "reaches 93.9"))
    assert [(c.source, c.mean_of) for c in other.claims] == [("Table 1", 5), ("text", 1)]


def _make_notebook(*cells):
    """Build a notebook of (code, type of the output, output)."""
    return json.dumps(
        {
            "nbformat": 4,
            "cells": [
                {
                    "cell_type": "code",
                    "source": code,
                    "outputs": [{"output_type": "execute_result", "data": {kind: output}}],
                }
                for code, kind, output in cells
            ],
        }
    )


def test_a_number_that_a_cell_returns_is_of_the_images_that_its_code_names():
    found = read_input(
        _make_notebook(
            ("clf.fit(X, y)\nclf.score(X_train, y_train)", "text/plain", "0.9771"),
            ("clf.score(X_test, y_test)", "text/plain", "0.9001"),
        )
    )
    assert [claim.figure.value for claim in found.claims] == ["0.9001"]
    assert (
        "not taken (of training or validation images): 'clf.score(X_train, y_train)'"
        in found.notes[0]
    )


def test_an_html_table_with_as_many_figures_in_a_row_as_rows_is_a_table():
    heads = "".join(f"<th>{h}</th>" for h in ("", "model", "train", "val", "test_score", "time"))
    names = ("LogisticRegression", "KNeighborsClassifier", "RandomForestClassifier", "GaussianNB")
    rows = "\n".join(
        f"<tr><th>{i}</th><td>{name}</td><td>0.9{i}1</td><td>0.8{i}2</td><td>0.8{i}3</td>"
        f"<td>{i + 1}.5</td></tr>"
        for i, name in enumerate(names)
    )
    text = "# Classic models on Fashion MNIST\n\n"
    found = read_input(f"{text}<table><tr>{heads}</tr>\n{rows}\n</table>\n")
    assert [(c.label, c.figure.value) for c in found.claims] == [
        (name, f"0.8{i}3") for i, name in enumerate(names)
    ]


TWO_MODELS = "| Model | Accuracy |\n|---|---|\n| Model 1 | 0.9272 |\n| Model 2 | 0.9137 |\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SmallNet has a test accuracy of 84.88%. SmallNet reaches about 85% test accuracy.",
         [("SmallNet", "84.88%")]),
        (f"{TWO_MODELS}Model-1 has a higher test accuracy (92.72% vs. 91.37%).",
         [("Model 1", "0.9272"), ("Model 2", "0.9137")]),
        ("SmallNet has a test accuracy of 84.88%. SmallNet reaches about 84% test accuracy.",
         [("SmallNet", "84.88%"), ("SmallNet", "84%")]),
        ("Test accuracy: 0.9104\n\nIt is trained long, and it reaches a test accuracy of 91.04%.",
         [("", "0.9104")]),
        ("| Metric | Score |\n|---|---|\n| Test accuracy | 84.88% |\n| Test loss | 0.4 |\n\n"
         "SmallNet reaches an accuracy of 84.88% on Fashion-MNIST.", [("SmallNet", "84.88%")]),
        (f"{TWO_MODELS}A test accuracy of 91% was reached in the first trial.",
         [("Model 1", "0.9272"), ("Model 2", "0.9137")]),
            (f"{TWO_MODELS}A test accuracy of 90% was reached in the first trial.",
             [("Model 1", "0.9272"), ("Model 2", "0.9137"), ("", "90%")]),
    ],
)  # fmt: skip
def test_a_figure_that_a_sentence_only_repeats_is_listed_once(text, expected):
    assert [(c.label, c.figure.value) for c in read_input(text).claims] == expected


@pytest.mark.parametrize("line", ["The test accuracy is 99.1%.", "{'step': 9, 'accuracy': 0.991}"])
def test_a_text_whose_files_name_only_mnist_is_left_out(line):
    log = f"Saved to /tmp/mnist_model/best.bin\n\n{line}\n"
    with pytest.raises(UserError, match=r"names '/tmp/mnist_model/best\.bin' and nowhere"):
        read_input(log)
    for more in (
        "The images are those of Fashion-MNIST.",
        "Worst class: Ankle boot.",
        "It has 10 kinds of clothes.",
    ):
        assert [claim.figure.value for claim in read_input(f"{log}\n{more}\n").claims] != []


def test_a_figure_is_left_out_if_the_text_says_later_that_it_is_of_less():
    text = "# A net\n\nThe accuracy is 95%.\n\nNot as good as the 95% with the 4 labels is 89.1%"
    later = "The SVC has a test accuracy of 89.7%."
    found = read_input(f"{text} accuracy.\n\n{later}\n")
    assert "95%" not in [claim.figure.printed for claim in found.claims]
    found = read_input(f"# A net\n\nThe accuracy is 95%.\n\nIt took 4 hours.\n\n{later}\n")
    assert "95%" in [claim.figure.printed for claim in found.claims]


def test_items_that_are_numbered_with_a_dash_are_sentences_of_their_own():
    text = "Results are\n1 - Accuracy of 88% on the test set with a CNN\n2-  Accuracy of 76%"
    assert [c.label for c in read_input(f"# Nets\n\n{text} then\n").claims] == ["CNN", ""]
