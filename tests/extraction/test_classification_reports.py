import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.classification_reports import find_reports, read_report
from fmbench.extraction.read import read_input
from tests.helpers.printed import (
    NAMES,
    expected_figures,
    found_figures,
    make_confusion,
    make_predictions,
    print_report,
    print_report_frame,
    report_dictionary,
)

CONFUSION = make_confusion(1)
UNBALANCED = make_confusion(2, (200, 203, 214, 190, 219, 195, 197, 200, 194, 188))


@given(
    seed=st.integers(0, 1000),
    digits=st.integers(0, 6),
    order=st.permutations(range(10)),
    has_names=st.booleans(),
    is_balanced=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_every_printed_figure_is_found(seed, digits, order, has_names, is_balanced):
    sizes = (60,) * 10 if is_balanced else tuple(range(30, 130, 10))
    confusion = make_confusion(seed, sizes)
    text = print_report(confusion, digits, NAMES if has_names else None, order)
    found = read_report(text, "report.txt")
    assert found_figures(found) == expected_figures(confusion, digits, order)
    assert len(found.claims) == 37
    assert found.n_per_class == sizes
    assert found.class_names == (NAMES if has_names else tuple("0123456789"))
    assert {claim.label for claim in found.claims} == {""}


@pytest.mark.parametrize("confusion", [CONFUSION, UNBALANCED], ids=["balanced", "unbalanced"])
@pytest.mark.parametrize(
    "how",
    [
        "csv", "csv of columns", "print", "print of columns", "wrapped print of columns",
        "markdown", "latex", "html", "json",
    ],
)  # fmt: skip
def test_what_pandas_makes_of_a_report_is_read(how, confusion):
    found = read_report(print_report_frame(confusion, how), "report")
    expected = expected_figures(confusion, 5)
    figures = found_figures(found)
    assert figures.keys() == expected.keys()
    for key, value in figures.items():
        assert float(value) == pytest.approx(float(expected[key]), abs=6e-6)
    assert found.n_per_class == tuple(confusion.sum(axis=1))


def test_a_dictionary_of_full_length_numbers_is_taken_to_12_decimals():
    found = read_input(json.dumps(report_dictionary(CONFUSION)), name="report.json")
    assert found_figures(found)["precision", 0, None] == "0.826958105647"
    assert found_figures(found)["recall", 0, None] == f"{CONFUSION[0, 0] / 1000:.4f}"
    assert "is read as 0.826958105647" in found.notes[0]


def test_several_dictionaries_get_the_names_of_their_keys():
    text = json.dumps(
        {
            "LeNet-5": {"classification_report": report_dictionary(CONFUSION)},
            "SVC": {"classification_report": report_dictionary(make_confusion(3))},
            "train": {"classification_report": report_dictionary(make_confusion(4))},
        }
    )
    found = read_report(text, "metrics.json")
    assert {claim.label for claim in found.claims} == {"LeNet-5", "SVC"}
    assert any("training images" in note for note in found.notes)


@pytest.mark.parametrize(
    ("before", "each"),
    [
        ("Epoch 10/10 - val_accuracy: 0.91\n\nClassification report:\n\n", "{}"),
        ("", "# {}"),
        ("", "2024-05-01 12:30:01,123 - INFO - {}"),
        ("[INFO] evaluating network...\n", "{}"),
        ("", "INFO:root:{}"),
    ],
)
def test_a_report_in_a_log_is_read(before, each):
    lines = [each.format(line) for line in print_report(CONFUSION, 4).splitlines()]
    found = read_report(before + "\n".join(lines) + "\nDone in 12.5 s\n", "log")
    assert found_figures(found) == expected_figures(CONFUSION, 4)
    assert found.class_names == NAMES


def test_a_report_that_was_not_printed_but_shown_as_a_string_is_read():
    found = read_report(repr(print_report(CONFUSION)), "cell")
    assert found_figures(found) == expected_figures(CONFUSION, 2)


def test_a_report_before_scikit_learn_0_20_has_a_weighted_average():
    lines = print_report(CONFUSION).rstrip().splitlines()
    old = [*lines[:-3], lines[-1].replace("weighted avg", " avg / total")]
    figures = found_figures(read_report("\n".join(old), "old"))
    assert figures["precision", None, "weighted"] == "0.87"
    assert len(figures) == 33


def one_hot_report(predicted=None):
    from sklearn.metrics import classification_report

    true, most_likely = make_predictions(CONFUSION)
    one_hot = np.eye(10, dtype=int)
    predictions = one_hot[most_likely] if predicted is None else predicted
    return classification_report(one_hot[true], predictions, target_names=NAMES, zero_division=0)


def test_a_report_of_one_hot_labels_gives_micro_averages():
    figures = found_figures(read_report(one_hot_report(), "one-hot"))
    for metric in ("precision", "recall", "f1"):
        assert figures[metric, None, "micro"] == f"{np.trace(CONFUSION) / 10_000:.2f}"


def test_a_report_of_images_without_one_prediction_is_not_taken():
    predicted = np.eye(10, dtype=int)[make_predictions(CONFUSION)[1]]
    predicted[::4] = 0
    with pytest.raises(UserError, match="multi-label"):
        read_report(one_hot_report(predicted), "multi-label")


def test_a_report_of_some_classes_gives_no_averages():
    from sklearn.metrics import classification_report

    text = classification_report(
        *make_predictions(CONFUSION), labels=[6, 4, 8], target_names=["Shirt", "Coat", "Bag"]
    )
    found = read_report(text, "some")
    assert {(c.class_, c.average) for c in found.claims} == {(4, None), (6, None), (8, None)}
    assert found.n_per_class is None
    assert any("only 3 of the classes" in note for note in found.notes)


@pytest.mark.parametrize("n_rows", [3, 6, 9])
@pytest.mark.parametrize("names", [NAMES, None], ids=["names", "numbers"])
def test_a_report_without_its_last_rows_has_only_some_of_the_classes(n_rows, names):
    text = "\n".join(print_report(CONFUSION, names=names).splitlines()[: 2 + n_rows])
    found = read_report(text, "part")
    assert {(c.class_, c.average) for c in found.claims} == {(k, None) for k in range(n_rows)}
    assert found.n_per_class is None
    assert found.notes == (f"the report has only {n_rows} of the classes, not all 10",)


@pytest.mark.parametrize("names", [NAMES, None], ids=["names", "numbers"])
def test_the_averages_of_a_report_without_some_rows_are_of_all_images(names):
    lines = print_report(CONFUSION, names=names).splitlines()
    found = read_report("\n".join([*lines[:6], *lines[-4:]]), "part")
    figures = found_figures(found)
    assert figures["accuracy", None, None] == f"{np.trace(CONFUSION) / 10_000:.2f}"
    assert len(figures) == 4 * 3 + 7
    assert found.n_per_class is None


def test_a_whole_report_of_other_classes_is_read_with_its_averages():
    confusion = make_confusion(4, (100,) * 10)[:6, :6]
    from sklearn.metrics import classification_report

    found = read_report(classification_report(*make_predictions(confusion)), "six classes")
    assert found.n_per_class == tuple(confusion.sum(axis=1))
    assert {c.average for c in found.claims} == {None, "macro", "weighted"}


@pytest.mark.parametrize(
    "above",
    [
        "# Nets\n\n## MNIST\n\nWords.\n\n", "Classification report on MNIST:\n\n",
        "# Nets\n\nResults on MNIST.\n\n",
    ],
)  # fmt: skip
def test_a_report_of_another_data_set_is_noted_and_not_taken(above):
    text = f"{above}{print_report(make_confusion(5))}\n# Fashion-MNIST\n\n{print_report(CONFUSION)}"
    found = read_input(text)
    assert found_figures(found) == expected_figures(CONFUSION, 2)
    (note,) = found.notes
    assert note.endswith("is of the MNIST images: not taken")


def test_the_model_is_the_one_that_the_heading_names():
    text = "Classification report for classifier SVC(gamma=0.001):\n" + print_report(CONFUSION)
    assert {c.label for c in read_report(text, "x").claims} == {"SVC(gamma=0.001)"}


def test_reports_of_several_models_are_kept_apart():
    other = make_confusion(5)
    text = f"### LeNet\n{print_report(CONFUSION)}\n### AlexNet\n{print_report(other)}"
    found = read_report(text, "x")
    labels = [claim.label for claim in found.claims]
    assert labels == ["LeNet"] * 37 + ["AlexNet"] * 37
    assert {claim.source for claim in found.claims[:37]} == {"classification report 1"}
    without_names = read_report(f"{print_report(CONFUSION)}\n{print_report(other)}", "x")
    assert {claim.label for claim in without_names.claims} == {"model 1", "model 2"}


def test_a_report_of_training_images_is_noted_and_not_taken():
    text = f"Training set\n{print_report(make_confusion(5))}\nTest set\n{print_report(CONFUSION)}"
    found = read_report(text, "x")
    assert found_figures(found) == expected_figures(CONFUSION, 2)
    assert found.notes == (
        "the classification report in line 2 is of the training images: not taken",
    )


def test_reports_of_other_numbers_of_images_are_not_mixed():
    big = make_confusion(5, (6000,) * 10)
    found = read_report(f"{print_report(big)}\n{print_report(CONFUSION)}", "x")
    assert found.n_per_class == (1000,) * 10
    assert len(found.claims) == 37
    assert any("60,000 images" in note for note in found.notes)


def test_percentages_are_known_from_their_size():
    text = (
        "| Class | Precision (%) | Recall (%) | F1-score (%) |\n|---|---|---|---|\n"
        "| T-shirt/top | 85.10 | 86.0 | 85.5 |\n| Trouser | 99.1 | 97.9 | 98.5 |\n"
        "| Pullover | 86.0 | 84.9 | 85.4 |\n"
    )
    figures = found_figures(read_report(text, "x"))
    assert figures["precision", 0, None] == "85.10%"
    assert figures["f1", 2, None] == "85.4%"


def test_a_column_of_class_accuracies_is_recall_and_says_so():
    text = "Class,Precision,F1-score,Accuracy\n" + "".join(
        f"{name},0.9{k},0.8{k},0.7{k}\n" for k, name in enumerate(NAMES)
    )
    found = read_report(text, "x")
    recall = next(c for c in found.claims if c.metric == "recall" and c.class_ == 3)
    assert (recall.figure.value, recall.remark) == (
        "0.73",
        "the accuracy of one class is its recall",
    )


def test_a_list_of_class_accuracies_is_read_with_its_counts():
    text = "\n".join(
        f"Test Accuracy of {name:>12}: {CONFUSION[k, k] // 10}% ({CONFUSION[k, k]}/1000)"
        for k, name in enumerate(NAMES)
    )
    found = read_report(text, "x")
    assert [(c.metric, c.class_) for c in found.claims] == [("recall", k) for k in range(10)]
    assert found.claims[0].figure.value == f"{CONFUSION[0, 0] / 1000:.9f}"
    assert found.n_per_class == (1000,) * 10


def test_sums_of_the_support_that_are_wrong_are_noted():
    text = print_report(CONFUSION).replace("     10000", "      9990")
    assert any("add up to 10,000" in note for note in read_report(text, "x").notes)


@pytest.mark.parametrize("value", ["1.85", "-0.85", "2"])
def test_a_figure_out_of_range_is_noted_with_its_line_and_the_others_are_taken(value):
    text = print_report(CONFUSION).replace("0.83", value, 1)
    found = read_report(text, "x")
    assert f"line 3: precision {value} of 'T-shirt/top' is out of range" in found.notes[0]
    expected = expected_figures(CONFUSION, 2)
    del expected["precision", 0, None]
    assert found_figures(found) == expected


def test_classes_without_images_are_refused():
    from sklearn.metrics import classification_report

    text = classification_report([0, 1, 2], [0, 1, 2], labels=range(10), zero_division=0)
    with pytest.raises(UserError, match="no images"):
        read_report(text, "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "precision and recall are defined below",
        "Model precision recall f1-score\nLeNet 0.91 0.90 0.90\nSVC 0.89 0.89 0.89\n",
        "| Model | Precision | Recall | F1 |\n|---|---|---|---|\n| A | 0.9 | 0.9 | 0.9 |\n"
        "| B | 0.8 | 0.8 | 0.8 |\n",
        '{"precision": 0.9, "recall": 0.8}',
    ],
)
def test_what_is_no_report_is_not_taken_for_one(text):
    with pytest.raises(UserError, match="no classification report"):
        read_report(text, "x")


TABLES = Path(__file__).parents[1] / "consistency" / "tables"
REPORTED = {path.stem: tomllib.loads(path.read_text()) for path in sorted(TABLES.glob("*.toml"))}
REAL = [
    name
    for name, content in REPORTED.items()
    if sum(entry["metric"] == "f1" and "class" in entry for entry in content["reported"]) == 10
]


@pytest.mark.parametrize("name", REAL)
def test_the_figures_of_real_reports_are_found(name):
    """Real reports, see the comments of tests/consistency/tables; others print them in READMEs."""
    content = REPORTED[name]
    columns = ("precision", "recall", "f1")
    figures = {
        (entry["metric"], entry.get("class"), entry.get("average")): entry["value"]
        for entry in content["reported"]
        if entry["metric"] in columns
    }
    sizes = content["test_set"]["n_per_class"]
    lines = [
        "Final results on Fashion-MNIST",
        "",
        " " * 14 + "precision recall  f1-score   support",
        "",
    ]
    for k, title in enumerate(NAMES):
        cells = "    ".join(figures.get((metric, k, None), "") for metric in columns)
        lines.append(f"{title:>12}    {cells}    {sizes[k]}")
    macro = [figures.get((metric, None, "macro")) for metric in columns]
    lines += ["", f"   macro avg    {'    '.join(macro)}   {sum(sizes)}"] if all(macro) else []
    found = read_report("\n".join(lines), name)
    assert found_figures(found) == {
        key: value
        for key, value in figures.items()
        if key[1] is not None or (all(macro) and key[2] == "macro")
    }
    assert found.n_per_class == tuple(sizes)


def test_there_are_real_reports():
    assert len(REAL) >= 6


@pytest.mark.parametrize("head", ["fold", "Seed", "epoch"])
@pytest.mark.parametrize("sign", [",", "  "])
def test_rows_of_folds_or_epochs_are_no_classes(head, sign):
    rows = [f"{k}{sign}0.91{k}3{sign}0.91{k}4{sign}0.91{k}3" for k in range(1, 6)]
    text = "\n".join([sign.join([head, "accuracy", "precision", "recall"]), *rows])
    assert find_reports(text) == []


def test_a_report_of_a_changed_task_is_noted_and_not_taken():
    attacked, clean = print_report(make_confusion(5)), print_report(CONFUSION)
    found = read_report(f"Clean images:\n\n{clean}\nUnder the PGD attack:\n\n{attacked}", "x")
    assert found_figures(found) == expected_figures(CONFUSION, 2)
    (note,) = found.notes
    assert note.endswith("is of changed images: not taken")


def _list_accuracies(values):
    return "".join(f"Accuracy of {n}: {v}%\n" for n, v in zip(NAMES, values, strict=True))


def test_a_history_of_epochs_is_no_report():
    rows = "".join(f"{i}  1  {i}  0.35  0.61{i}  0.60{i}  0.60{i}  0.87{i}\n" for i in range(6))
    text = f"   run  epoch  loss  precision  recall  f1  accuracy\n{rows}"
    assert find_reports(text) == []


def test_class_accuracies_of_six_thousand_images_each_are_of_training_images():
    shares = ("98.80", "99.98", "97.43", "99.22", "97.87", "99.98", "94.80", "99.50", "99.60")
    (block,) = find_reports(_list_accuracies((*shares, "99.93")))
    assert block.images == "training"
    (block,) = find_reports(_list_accuracies([f"9{i}.40" for i in range(10)]))
    assert block.images == ""


def test_class_accuracies_far_below_several_reports_are_of_any_of_their_models():
    reports = "\n".join(print_report(make_confusion(seed)) for seed in (1, 2, 3))
    text = f"{reports}{'plot' + chr(10):s}" + "\n" * 10 + _list_accuracies(["91.00"] * 10)
    labels = {c.label for c in read_input(text).claims if c.source == "class accuracies"}
    assert labels == {"model 4"}
    near = f"{reports}\n{_list_accuracies(['91.00'] * 10)}"
    labels = {c.label for c in read_input(near).claims if c.source == "class accuracies"}
    assert labels == {"model 3"}


@pytest.mark.parametrize(
    ("above", "images"),
    [
        ("Training SVC with PCA...\n", ""),
        ("Training set\n", "training"),
        ("Training report\n", "training"),
        ("Let us plot training and validation accuracy as well as their loss.\n\n# Report\n", ""),
        ("The lines of both training and validation follow similar trends\n\n", ""),
        ("Validation accuracy\n\n## Classification report\n", ""),
        ("## Validation images\n\n## Classification report\n", "validation"),
    ],
)
def test_the_words_above_a_report_say_of_which_images_it_is(above, images):
    (block,) = find_reports(above + print_report(CONFUSION))
    assert block.images == images


def test_a_title_without_a_model_is_no_name():
    text = f"##### Plotting confusion matrix\n\n##### Report of f1\n\n{print_report(CONFUSION)}"
    (block,) = find_reports(text)
    assert (block.model, block.heading) == ("", "")
    (block,) = find_reports(f"Training Random forest...\n{print_report(CONFUSION)}")
    assert block.heading == "Random forest"


def test_rows_of_metrics_and_columns_of_models_are_no_report():
    text = (
        "| Metric | SVC | CNN |\n|---|---|---|\n| Accuracy | 0.8894 | 0.9123 |\n"
        "| Precision | 0.8896 | 0.9124 |\n| Recall | 0.8894 | 0.9123 |\n"
    )
    found = [(c.label, c.figure.value) for c in read_input(text).claims if c.metric == "accuracy"]
    assert found == [("SVC", "0.8894"), ("CNN", "0.9123")]


def test_a_heading_of_an_earlier_section_says_nothing_of_a_report():
    text = f"## 5. Training curves\n\n## 6. Load the best network\n\n{print_report(CONFUSION)}"
    (block,) = find_reports(text)
    assert block.images == ""


def test_a_sentence_above_a_report_is_no_name():
    sentence = "Then, I will now fit one more of these and show what it says about all of them:"
    (block,) = find_reports(f"{sentence}\n{print_report(CONFUSION)}")
    assert block.heading == ""


def test_a_report_with_the_classes_in_columns_is_read_from_markdown():
    names = [
        "top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "boot",
    ]
    rows = [
        ["Metric", *names, "accuracy"],
        ["--"] * 12,
        ["precision", *["0.90"] * 10, "0.90"],
        ["recall", *["0.90"] * 10, "0.90"],
        ["f1-score", *["0.90"] * 10, "0.90"],
    ]
    (block,) = find_reports("\n".join(f"|{'|'.join(row)}|" for row in rows))
    assert {claim.metric for claim in block.claims} == {"precision", "recall", "f1", "accuracy"}
    assert len(block.claims) == 31
