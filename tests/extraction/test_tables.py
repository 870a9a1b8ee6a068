"""Tests that claims are read from tables in every format, and nothing else is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.grid import Cell, build_grid
from fmbench.extraction.read import read_input
from fmbench.extraction.tables import read_grids, read_tables
from tests.extraction.table_writers import (
    WRITERS,
    write_latex,
    write_markdown,
    write_separated,
)

SUITE = tomllib.loads(Path("benchmarks/kayed2020.toml").read_text(encoding="utf-8"))
# Table 3 of Kayed, Anter & Mohamed 2020.
TABLE_3 = [(row["label"], row["claimed"]) for row in SUITE["row"] if row["where"] == "Table 3"]


def read(text, **options):
    """Return (label, value) of each claim, as percentages without the sign."""
    claims = read_tables(text, "input", **options).claims
    assert all(claim.metric == "accuracy" and claim.class_ is None for claim in claims)
    return [(claim.label, claim.figure.value.rstrip("%")) for claim in claims]


# ---------------------------------------------------------------- Table 3 in every format


@pytest.mark.parametrize("name", WRITERS)
def test_table_3_gives_the_same_19_claims_in_every_format(name):
    rows = [("Model (Method)", "Test Accuracy"), *((label, f"{v}%") for label, v in TABLE_3)]
    assert len(TABLE_3) == 19
    assert read(WRITERS[name](rows)) == TABLE_3


def test_table_3_is_read_from_booktabs_with_spreads_bold_and_multirow():
    def line(number, label, value):
        figure = rf"\textbf{{{value}}}" if number % 3 == 0 else rf"${value} \pm 0.1$"
        reference = r"\multirow{2}{*}{\cite{xiao2017}}" if number % 2 == 0 else ""
        comment = " % and 12.34 & a comment" if number == 4 else ""
        return rf"{label}~\cite{{a,b}} & {reference} & {figure}\footnotemark[1] \\[2pt]{comment}"

    body = "\n".join(line(i, label, value) for i, (label, value) in enumerate(TABLE_3))
    text = (
        "\\begin{table*}\\centering\\caption{Accuracies on \\textit{Fashion-MNIST}.}\\label{t}\n"
        "\\begin{tabularx}{\\textwidth}{@{}Xlr@{}} \\toprule\n"
        "\\multirow{2}{*}{Model} & \\multicolumn{2}{c}{Results} \\\\ \\cmidrule(lr){2-3}\n"
        " & Ref. & Acc.~(\\%) \\\\ \\midrule\n"
        "\\multicolumn{3}{l}{\\emph{Models of earlier works}} \\\\\n"
        f"{body}\n\\bottomrule\\end{{tabularx}}\\end{{table*}}"
    )
    assert read(text) == TABLE_3
    claims = read_tables(text, "paper.tex").claims
    assert [claim.figure.sd for claim in claims[:4]] == [None, "0.1%", "0.1%", None]
    assert claims[0].where == "line 6"


def test_table_3_is_read_from_semicolons_with_decimal_commas_and_a_byte_order_mark():
    rows = [("Modell", "Genauigkeit"), *((a, b.replace(".", ",")) for a, b in TABLE_3)]
    assert read("\ufeff" + write_separated(rows, ";", "\r\n")) == TABLE_3
    assert read("\ufeffsep=;\r\n" + write_separated(rows, ";", "\r\n")) == TABLE_3
    assert read("\ufeff" + write_separated(rows, ",")) == TABLE_3  # 87,23 in quotes


def test_table_3_is_read_from_columns_that_pandas_prints():
    import pandas as pd

    frame = pd.DataFrame({"model": [a for a, _ in TABLE_3], "accuracy": [b for _, b in TABLE_3]})
    assert read(frame.to_string()) == TABLE_3
    assert read(frame.to_csv()) == TABLE_3
    assert read(frame.to_html()) == TABLE_3
    assert read(frame.to_latex()) == TABLE_3
    assert read(frame.set_index("model").to_csv(sep="\t")) == TABLE_3


@pytest.mark.parametrize(
    "style",
    [
        "plain",
        "grid",
        "psql",
        "rounded_outline",
        "fancy_grid",
        "rst",
        "github",
        "html",
        "latex_booktabs",
        "latex",
        "tsv",
        "presto",
    ],
)
def test_table_3_is_read_from_tables_that_tabulate_prints(style):
    from tabulate import tabulate

    text = tabulate(TABLE_3, ["Model", "Accuracy"], style, disable_numparse=True)
    assert read(text) == TABLE_3


def test_a_table_that_a_page_break_splits_is_read_with_the_header_of_its_first_part():
    rows = [f"{label}\t{value}%" for label, value in TABLE_3]
    text = "\n".join(
        [
            "Results.",
            "",
            "Table 3. A comparison on the Fashion MNIST dataset.",
            "",
            "Model (Method)\tTest Accuracy",
            *rows[:10],
            "",
            *rows[10:],
            "",
            "5. CONCLUSION",
        ]
    )
    assert read(text) == TABLE_3
    assert {claim.source for claim in read_tables(text, "paper.txt").claims} == {"Table 3"}
    prose = "The results of all models are printed here.\n" * 30
    for separator in ("\t", "   "):
        lines = [f"{label.ljust(50)}{separator}{value}%" for label, value in TABLE_3]
        head = "Model (Method)".ljust(50) + separator + "Test Accuracy"
        lines = [head, *lines[:10], "", *lines[10:]]
        text = f"{prose}\nTable 3. A comparison.\n\n" + "\n".join(lines) + f"\n\n{prose}"
        assert read(text) == TABLE_3


def test_a_figure_that_spans_several_rows_is_taken_once():
    text = (
        r"\begin{tabular}{lr}Model & Acc\\ \hline SVC & \multirow{2}{*}{89.7}\\ (rbf) & \\"
        r"CNN & 91.6\\ \end{tabular}"
    )
    assert read(text) == [("SVC", "89.7"), ("CNN", "91.6")]


# ---------------------------------------------------------------- random tables

WORDS = st.sampled_from([
    "SVC", "LeNet-5", "CNN", "k-NN", "ResNet-18", "ViT_b", "R&D", "VGG-16", "50%", "C=1.5", "a|b",
    "café", "Netz", "#2", "[2x2]", "~net", "a<b", "kernel(rbf)", "3-layer", "größer", "a/b", "1e-3",
])  # fmt: skip
LABELS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join).filter(lambda t: t[0].isalpha())
EXTRA_COLUMNS = {
    "Parameters": st.sampled_from(["61,706", "1.2M", "99", "-"]),
    "Year": st.sampled_from(["1998", "2017", "2020"]),
    "Training time (s)": st.sampled_from(["12.5", "98.3", "1e3"]),
    "Reference": st.sampled_from(["[21]", "Xiao et al.", ""]),
    "Train accuracy (%)": st.sampled_from(["99.1", "100.00", "97"]),
    "Validation acc": st.sampled_from(["91.2", "0.93"]),
    "MNIST accuracy": st.sampled_from(["99.2", "98.80"]),
    "CIFAR-10": st.sampled_from(["70.1", "n/a"]),
}


@st.composite
def tables(draw):
    labels = draw(st.lists(LABELS, min_size=1, max_size=6, unique=True))
    decimals = draw(st.integers(1, 4))
    numbers = draw(
        st.lists(
            st.decimals(min_value=2, max_value=99, places=decimals),
            min_size=len(labels),
            max_size=len(labels),
        )
    )
    head, form = draw(st.sampled_from([
        ("Accuracy (%)", "{}"), ("Test accuracy", "{}%"), ("Acc.", "{} %"),
        ("Top-1 acc (%)", "{} ± 0.12"), ("Fashion-MNIST test accuracy (%)", "{}"),
    ]))  # fmt: skip
    columns = [("Model", labels), (head, [form.format(number) for number in numbers])]
    for name in draw(st.lists(st.sampled_from(sorted(EXTRA_COLUMNS)), max_size=3, unique=True)):
        values = st.lists(EXTRA_COLUMNS[name], min_size=len(labels), max_size=len(labels))
        columns.append((name, draw(values)))
    columns = draw(st.permutations(columns))
    rows = [[name for name, _ in columns]]
    rows += [[values[i] for _, values in columns] for i in range(len(labels))]
    return rows, [(label, str(number)) for label, number in zip(labels, numbers, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables())
def test_random_tables_are_read_back_with_the_same_claims_and_no_other(name, table):
    rows, expected = table
    if name in ("box of characters", "aligned text"):  # these cannot escape a bar
        rows = [[cell.replace("|", "/") for cell in row] for row in rows]
        expected = [(label.replace("|", "/"), value) for label, value in expected]
    if name == "reStructuredText, simple":  # an empty first cell continues the row above
        rows = [[cell or "-" for cell in row] for row in rows]
    assume(len({label for label, _ in expected}) == len(expected))
    claims = read_tables(WRITERS[name](rows), "input").claims
    assert [(claim.label, claim.figure.value.rstrip("%")) for claim in claims] == expected


# ---------------------------------------------------------------- which column is read


def test_a_second_column_of_accuracies_asks_which_to_read():
    text = write_markdown([["Model", "Acc. (ours)", "Acc. (paper)"], ["CNN", "91.2", "92.3"]])
    with pytest.raises(UserError, match=r"'Acc\. \(ours\)'.*'Acc\. \(paper\)'.*--column 'Acc"):
        read_input(text)
    assert read(text, column="Acc. (ours)") == [("CNN", "91.2")]
    assert read(text, column="PAPER") == [("CNN", "92.3")]
    assert read(text, column="3") == [("CNN", "92.3")]
    with pytest.raises(UserError, match="has a column 'F1'; the columns are 'Model', "):
        read_tables(text, "input", column="F1")
    with pytest.raises(UserError, match="2 columns of table 1 fit"):
        read_tables(text, "input", column="acc")


def test_the_column_of_fashion_mnist_is_taken_beside_those_of_other_data():
    text = (
        "| Classifier | Preprocessing | Fashion test accuracy | MNIST test accuracy | Submitter |\n"
        "| --- | --- | --- | --- | --- |\n"
        "|2 Conv+pooling | None | 0.876 | - | [Kashif Rasul](https://twitter.com/krasul) |\n"
        "|2 Conv | Normalization | 0.919| 0.971 | [Kyriakos](https://github.com/kefth) |\n"
    )
    extraction = read_tables(text, "README.md")
    assert read(text) == [("2 Conv+pooling", "0.876"), ("2 Conv", "0.919")]
    assert extraction.notes == ("table 1: 'MNIST test accuracy' is of another data set: not taken",)
    heads = [["", "Accuracy", "Accuracy"], ["Model", "MNIST", "F-MNIST"], ["SVC", "97.3", "89.7"]]
    grid = build_grid([[Cell(c, i < 2) for c in row] for i, row in enumerate(heads)])
    claims, _ = read_grids([grid])
    assert [claim.figure.value for claim in claims] == ["89.7%"]


def test_figures_of_training_and_validation_images_are_noted_and_not_taken():
    rows = [["Model", "Train acc", "Val accuracy", "Test acc"], ["CNN", "99.9", "92.0", "91.5"]]
    extraction = read_tables(write_markdown(rows), "input")
    assert [claim.figure.value for claim in extraction.claims] == ["91.5%"]
    assert (
        "'Train acc' and 'Val accuracy' are of training or validation images"
        in (extraction.notes[0])
    )
    without = read_tables(write_markdown([row[:3] for row in rows]), "input")
    assert without.claims == ()


def test_a_test_accuracy_is_taken_before_an_accuracy_that_does_not_say_of_what():
    rows = [["Model", "Accuracy", "Test accuracy"], ["CNN", "99.9", "91.5"]]
    extraction = read_tables(write_markdown(rows), "input")
    assert [claim.figure.value for claim in extraction.claims] == ["91.5%"]
    assert "'Accuracy' (column 2) was not" in extraction.notes[0]


def test_rows_of_other_data_sets_are_left_out():
    rows = [["Data set", "Model", "Acc"], ["MNIST", "CNN", "99"], ["Fashion-MNIST", "CNN", "92.1"],
            ["CIFAR-10", "CNN", "71"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("CNN", "92.1")]
    rows = [["Model", "Acc"], ["LeNet-5 on MNIST", "99.1"], ["LeNet-5", "90.1"],
            ["VGG (ImageNet weights)", "93.4"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("LeNet-5", "90.1"), ("VGG (ImageNet weights)", "93.4")]
    rows = [["Model", "Acc"], ["MNIST", ""], ["CNN", "99.1"], ["Fashion-MNIST", ""],
            ["CNN", "92.1"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("CNN", "92.1")]
    extraction = read_tables(
        write_markdown([["Model", "Acc"], ["CNN", "70"]], "Table 4: Accuracy on CIFAR-10"), "input"
    )
    assert (extraction.claims, extraction.notes) == ((), ("Table 4 is of CIFAR-10: not taken",))


def test_a_column_that_names_no_metric_is_read_only_if_it_is_the_only_one_and_says_so():
    extraction = read_tables("SVC,89.7\nCNN,91.6\n", "input")
    assert [(c.label, c.figure.value) for c in extraction.claims] == [
        ("SVC", "89.7%"), ("CNN", "91.6%"),
    ]  # fmt: skip
    assert extraction.notes == (
        "table 1: the column number 2 names no metric and was read as the accuracy",
    )
    assert read_tables("SVC,89.7,91.2\nCNN,91.6,92.1\n", "input").claims == ()
    loss = write_markdown([["Model", "Loss"], ["CNN", "0.91"], ["SVC", "0.88"]])
    assert read_tables(loss, "input").claims == ()
    assert "--column 2" in read_tables(loss, "input").notes[0]


@pytest.mark.parametrize("text", [
    "| Hyperparameter | Value |\n|-|-|\n| dropout | 0.5 |\n| momentum | 0.9 |\n",
    "Settings are these.\n\ndropout    0.5\nmomentum   0.9\n",
    "Layer        Output\nconv         0.9\npool         0.8\n",
    "Training accuracy:\n\n| Model | Result |\n|-|-|\n| CNN | 99.1 |\n",
    "| Model | Time (s) | Parameters (M) | Epochs |\n|-|-|-|-|\n| CNN | 91.2 | 0.9 | 90 |\n",
    "| Model | Accuracy gain | p-value |\n|-|-|-|\n| CNN | 0.91 | 0.88 |\n",
    "| word | status |\n|-|-|\n| errors | 1 |\n| bad input | 2 |\n| interrupted | 130 |\n",
    "| Model | Top-5 accuracy | AUC |\n|-|-|-|\n| CNN | 0.99 | 0.98 |\n",
])  # fmt: skip
def test_tables_of_other_things_give_no_claims(text):
    assert read_tables(text, "input").claims == ()


TOP_K = [["Model", "Top-1", "Top-5"], ["LeNet-5", "90.4", "99.7"], ["CNN", "91.2", "99.9"]]


@pytest.mark.parametrize("caption", ["", "Table 1: Accuracy on Fashion-MNIST"])
@pytest.mark.parametrize(
    "heads", [("Top-1", "Top-5"), ("Top-1 (%)", "Top-5 (%)"), ("top1", "top5"), ("Acc@1", "Acc@5")]
)
def test_of_the_columns_top_1_and_top_5_the_first_is_the_accuracy(heads, caption):
    rows = [["Model", *heads], *TOP_K[1:]]
    found = read_tables(write_latex(rows, caption), "input")
    assert [(c.label, c.metric, c.class_, c.figure.value) for c in found.claims] == [
        ("LeNet-5", "accuracy", None, "90.4%"), ("CNN", "accuracy", None, "91.2%"),
    ]  # fmt: skip
    (note,) = found.notes
    assert note.endswith(f": {heads[1]!r} is not the accuracy: not taken")


def test_of_the_rows_top_1_and_top_5_the_first_is_the_accuracy():
    turned = [list(row) for row in zip(*TOP_K, strict=True)]
    assert read(write_markdown(turned)) == [("LeNet-5", "90.4"), ("CNN", "91.2")]


def test_whole_numbers_below_top_k_are_a_setting():
    rows = [["Top K", "Accuracy"], ["3", "88.1"], ["5", "88.6"]]
    assert read(write_markdown(rows)) == [("Top K 3", "88.1"), ("Top K 5", "88.6")]


@pytest.mark.parametrize("head", ["AUC", "Sparsity", "Dropout", "Speedup", "Energy saving (%)"])
@pytest.mark.parametrize("name", ["Markdown", "LaTeX", "HTML", "CSV", "TSV", "aligned text"])
def test_a_table_without_a_column_of_accuracies_keeps_its_rows_from_other_readers(head, name):
    rows = [["Model", head], ["LeNet-5", "99.4 %"], ["SVC", "98.1 %"]]
    text = WRITERS[name](rows)
    found = read_tables(text, "input")
    assert found.claims == ()
    assert "no column is named as a metric of the test images" in found.notes[-1]
    with pytest.raises(UserError, match="no column is named as a metric"):
        read_input(text)
    beside = read_input(f"{text}\n\nThe LeNet-5 reaches an accuracy of 90.4 %.\n")
    assert [(c.label, c.figure.value) for c in beside.claims] == [("LeNet-5", "90.4%")]


def test_a_list_below_a_line_of_words_is_no_table_without_accuracies():
    found = read_input("Model results\nLeNet-5  90.4\nSVC   89.7\n")
    assert [(c.label, c.figure.value) for c in found.claims] == [
        ("LeNet-5", "90.4"), ("SVC", "89.7"),
    ]  # fmt: skip


@pytest.mark.parametrize("head", ["Précision", "Trefferquote"])
def test_a_head_that_is_the_accuracy_in_some_languages_is_read_if_it_is_the_only_one(head):
    rows = [["Modell", head], ["LeNet-5", "90,4 %"], ["SVC", "89,7 %"]]
    assert read(write_separated(rows, ";")) == [("LeNet-5", "90.4"), ("SVC", "89.7")]
    two = [["Modell", head, "Rappel"], ["LeNet-5", "90,4 %", "90,3 %"]]
    assert read(write_separated(two, ";")) == []


@pytest.mark.parametrize(
    ("heads", "note"),
    [
        (["Mean", "Best"], "'Best' holds one run of several, beside their mean"),
        (["Average (%)", "Max. (%)"], "'Max. (%)' holds one run of several"),
        (["Mean accuracy", "Best accuracy"], "'Best accuracy' (column 3) was not"),
    ],
)
def test_the_mean_is_read_and_not_the_best_run_beside_it(heads, note):
    found = read_tables(write_markdown([["Method", *heads], ["LeNet-5", "90.4", "90.9"]]), "input")
    (claim,) = found.claims
    assert (claim.figure.value, claim.mean_of, claim.best_of) == ("90.4%", 1, 1)
    assert any(note in each for each in found.notes)


def test_the_caption_says_of_how_many_runs_a_column_is_the_mean_or_the_best():
    rows = [["Method", "Mean", "Best"], ["LeNet-5", "90.4", "90.9"]]
    caption = "Table 1: Accuracy over 5 runs"
    (claim,) = read_tables(write_latex(rows, caption), "input").claims
    assert (claim.figure.value, claim.mean_of, claim.best_of) == ("90.4%", 5, 1)
    only_best = [[row[0], row[2]] for row in rows]
    (claim,) = read_tables(write_latex(only_best, caption), "input").claims
    assert (claim.figure.value, claim.mean_of, claim.best_of) == ("90.9%", 1, 5)


@pytest.mark.parametrize(
    ("heads", "cells", "value"),
    [
        (["Mean", "Std"], ["90.4", "0.2"], "90.4%"), (["Mean"], ["90.4"], "90.4%"),
        (["Best"], ["90.4"], "90.4%"), (["claimed", "mean"], ["90.4", "90.1"], "90.4%"),
    ],
)  # fmt: skip
def test_a_mean_or_a_best_alone_is_read_and_a_claim_before_a_mean(heads, cells, value):
    found = read_tables(write_markdown([["Method", *heads], ["LeNet-5", *cells]]), "input")
    assert [claim.figure.value for claim in found.claims] == [value]


def test_the_mean_of_times_is_no_accuracy():
    rows = [["Method", "Mean"], ["LeNet-5", "80.4"], ["SVC", "95.1"]]
    assert read(write_latex(rows, "Inference times in ms")) == []


# ---------------------------------------------------------------- which rows are read


@pytest.mark.parametrize(
    "rows",
    [
        [["model", "split", "acc"], ["LeNet-5", "train", "99"], ["LeNet-5", "test", "90.4"]],
        [["Model", "Set", "Acc"], ["LeNet-5", "Training", "99"], ["LeNet-5", "Testing", "90.4"]],
        [["Model", "Set", "Acc"], ["LeNet-5", "val", "92"], ["", "test", "90.4"]],
        [
            ["Images", "Model", "Acc"],
            ["Train set", "LeNet-5", "99"],
            ["Test set", "LeNet-5", "90.4"],
        ],
        [["Model", "Acc"], ["Training", ""], ["LeNet-5", "99"], ["Test", ""], ["LeNet-5", "90.4"]],
    ],
)
@pytest.mark.parametrize("name", ["Markdown", "CSV"])
def test_rows_of_training_and_validation_images_are_left_out(rows, name):
    found = read_tables(WRITERS[name](rows), "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.4%")]
    assert found.notes == ("table 1: 1 row is of training or validation images: not taken",)


def test_a_table_of_one_model_names_only_the_parts_of_the_data():
    rows = [["Set", "Accuracy"], ["Training", "99.0"], ["Testing", "90.4"]]
    assert read(write_markdown(rows)) == [("", "90.4")]
    turned = [["", "LeNet-5", "SVC"], ["Train", "99.0", "98.0"], ["Test", "90.4", "89.7"]]
    assert read(write_markdown(turned)) == [("LeNet-5", "90.4"), ("SVC", "89.7")]


def test_an_empty_cell_of_a_data_set_is_that_of_the_row_above():
    rows = [["Data set", "Model", "Acc"], ["MNIST", "LeNet-5", "99.1"], ["", "SVC", "98.6"],
            ["Fashion-MNIST", "LeNet-5", "90.4"], ["", "SVC", "89.7"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("LeNet-5", "90.4"), ("SVC", "89.7")]


@pytest.mark.parametrize("head", ["seed", "Run", "Trial no.", "random seed"])
def test_rows_that_differ_only_in_a_seed_give_the_mean_of_the_runs(head):
    rows = [["model", head, "time (s)", "test_acc"],
            ["LeNet-5", "0", "9.5", "0.904"], ["LeNet-5", "1", "9.7", "0.908"],
            ["LeNet-5", "2", "9.1", "0.91"],
            *(["SVC", str(k), "9.5", "0.897"] for k in range(3))]  # fmt: skip
    found = read_tables(write_separated(rows), "input")
    assert [(c.label, c.figure.value, c.mean_of, c.where) for c in found.claims] == [
        ("LeNet-5", "0.9073", 3, "line 2 and 2 more"), ("SVC", "0.897", 3, "line 5 and 2 more"),
    ]  # fmt: skip
    assert found.claims[0].remark == "the mean of the 3 runs, printed as 0.904, 0.908 and 0.91"
    assert found.notes == (
        f"table 1: rows that differ only in {head!r} are runs of one model: their mean is read",
    )


def test_folds_give_a_mean_over_folds_and_error_rates_a_mean_of_accuracies():
    rows = [["model", "fold", "acc"], ["CNN", "1", "0.90"], ["CNN", "2", "0.92"]]
    (claim,) = read_tables(write_separated(rows), "input").claims
    assert (claim.figure.value, claim.mean_of, claim.folds) == ("0.91", 1, 2)
    rows = [["model", "seed", "error (%)"], ["CNN", "1", "9.6"], ["CNN", "2", "9.4"]]
    (claim,) = read_tables(write_separated(rows), "input").claims
    assert (claim.figure.printed, claim.figure.value, claim.mean_of) == ("9.5%", "90.5%", 2)


def test_a_row_that_sums_up_the_runs_is_left_out():
    rows = [["model", "seed", "acc"], ["CNN", "0", "0.90"], ["CNN", "1", "0.92"],
            ["CNN", "mean", "0.91"]]  # fmt: skip
    (claim,) = read_tables(write_separated(rows), "input").claims
    assert (claim.figure.value, claim.mean_of) == ("0.91", 2)


def test_runs_with_other_settings_are_kept_apart_and_the_note_says_how_to_give_their_mean():
    rows = [
        ["model", "seed", "lr", "acc"],
        ["CNN", "0", "0.1", "0.90"],
        ["CNN", "1", "0.01", "0.92"],
    ]
    found = read_tables(write_separated(rows), "input")
    assert [(c.label, c.figure.value, c.mean_of) for c in found.claims] == [
        ("CNN lr 0.1", "0.90", 1), ("CNN lr 0.01", "0.92", 1),
    ]  # fmt: skip
    assert "'90.4 % (mean of 5 runs)'" in found.notes[0]


def test_of_single_runs_only_the_accuracy_is_read():
    rows = [["model", "seed", "acc", "kappa"], ["CNN", "0", "0.90", "0.89"],
            ["CNN", "1", "0.92", "0.91"]]  # fmt: skip
    found = read_tables(write_separated(rows), "input")
    assert [claim.metric for claim in found.claims] == ["accuracy"]
    assert "only the accuracy is read, not kappa" in found.notes[-1]


def test_a_row_without_a_name_goes_on_with_the_model_above_if_a_setting_differs():
    rows = [["Model", "lr", "Acc"], ["LeNet-5", "0.1", "90.4"], ["", "0.01", "91.0"]]
    assert read(write_markdown(rows)) == [("LeNet-5 lr 0.1", "90.4"), ("LeNet-5 lr 0.01", "91.0")]
    rows = [["Model", "Time (s)", "Acc"], ["LeNet-5", "9.1", "90.4"], ["", "9.2", "91.0"]]
    found = read_tables(write_markdown(rows), "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.4%")]
    assert found.notes == ("line 4: the row names no model: not taken",)


@pytest.mark.parametrize("head", ["Accuracy", "Accuracy (train / test)", "MNIST / Fashion-MNIST"])
def test_two_figures_in_a_cell_are_refused_with_the_reason(head):
    rows = [["Model", head], ["LeNet-5", "99.1 / 90.4"], ["SVC", "98.6 / 89.7"]]
    with pytest.raises(
        UserError, match=r"such as '99\.1 / 90\.4', hold several figures: not taken"
    ):
        read_input(write_markdown(rows))


# ---------------------------------------------------------------- figures


def test_spreads_are_read_beside_the_figure_and_from_their_own_column():
    rows = [["Model", "Acc (%)"], ["A", "92.16 ± 0.21"], ["B", "91.5 (±0.3)"], ["C", "90.10(12)"]]
    claims = read_tables(write_latex(rows), "input").claims
    assert [claim.figure.sd for claim in claims] == ["0.21%", "0.3%", "0.12%"]
    text = "model,accuracy,std,f1 macro,f1 std\nA,0.9216,0.0021,.91,0.01\nB,0.9,-,.89,.02\n"
    claims = read_tables(text, "input").claims
    assert [(c.metric, c.figure.value, c.figure.sd) for c in claims] == [
        ("accuracy", "0.9216", "0.0021"), ("f1", "0.91", "0.01"),
        ("accuracy", "0.9", None), ("f1", "0.89", "0.02"),
    ]  # fmt: skip


def test_error_rates_become_accuracies_in_percent_throughout_a_column():
    rows = [["Method", "Test error (%)"], ["A", "9.16"], ["B", "0.84"], ["C", "10.0 ± 0.2"]]
    claims = read_tables(write_markdown(rows), "input").claims
    assert [claim.figure.value for claim in claims] == ["90.84%", "99.16%", "90.0%"]
    assert all(claim.figure.is_error_rate for claim in claims)
    rows[0][1] = "Err."
    claims = read_tables(write_markdown(rows), "input").claims
    assert [claim.figure.value for claim in claims] == ["90.84%", "99.16%", "90.0%"]


def test_columns_of_other_metrics_become_claims_of_the_same_label():
    rows = [["Model", "Accuracy", "Precision", "Recall", "F1-score", "Kappa", "MCC", "MSE"],
            ["CNN", "91.5%", "91.6%", "91.5%", "91.4%", "0.905", "0.906", "1.32"]]  # fmt: skip
    claims = read_tables(write_markdown(rows), "input").claims
    assert [(c.label, c.metric, c.figure.value, c.average) for c in claims] == [
        ("CNN", "accuracy", "91.5%", None), ("CNN", "precision", "91.6%", "macro"),
        ("CNN", "recall", "91.5%", "macro"), ("CNN", "f1", "91.4%", "macro"),
        ("CNN", "kappa", "0.905", None), ("CNN", "mcc", "0.906", None),
        ("CNN", "mse", "1.32", None),
    ]  # fmt: skip
    assert "no average is named" in claims[1].remark


def test_missing_figures_are_passed_over_and_unreadable_ones_noted():
    rows = [["Model", "Accuracy"], ["A", "-"], ["B", "n/a"], ["C", ""], ["D", "see text"],
            ["E", "91.2 [3]"], ["F", "91.3*"], ["G", "91.4 (+0.3)"], ["H", "91.5 ↑"]]  # fmt: skip
    extraction = read_tables(write_markdown(rows), "input")
    assert [(c.label, c.figure.value) for c in extraction.claims] == [
        ("E", "91.2%"), ("F", "91.3%"), ("G", "91.4%"), ("H", "91.5%"),
    ]  # fmt: skip
    assert extraction.notes == ("line 6: 'see text' is not one figure: not taken",)


def test_a_figure_out_of_range_is_noted_with_its_line_and_the_others_are_taken():
    text = write_markdown([["Model", "Accuracy"], ["A", "120.5"], ["B", "91.2"]])
    found = read_tables(text, "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("B", "91.2%")]
    assert found.notes == ("line 3: not taken: accuracy 120.5% is outside [0, 1]",)


@pytest.mark.parametrize("count", ["10000", "10,000", "8887"])
def test_a_number_of_images_is_no_accuracy(count):
    text = write_markdown([["Model", "Accuracy"], ["A", count], ["B", "91.2"]])
    found = read_tables(text, "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("B", "91.2%")]
    assert found.notes == (f"table 1: {count} is a count, not a share: not taken",)


@pytest.mark.parametrize(
    ("caption", "images"),
    [
        ("Ablation: error rate on the validation set (%)", "validation images"),
        ("Training accuracy of all models", "training images"),
        ("Mean cross-validation accuracy", "a cross-validation, over an unknown number of folds"),
    ],
)
def test_a_table_whose_caption_names_other_images_is_noted_not_taken(caption, images):
    text = write_latex([["Variant", "Error"], ["no BN", "7.2"], ["no dropout", "6.9"]], caption)
    found = read_tables(text, "input")
    assert found.claims == ()
    assert found.notes == (f"table 1 is of {images}, as its caption says: not taken",)


def test_the_caption_of_error_rates_holds_for_the_columns_of_data_sets():
    rows = [["Model", "MNIST", "Fashion-MNIST"], ["CNN", "0.8", "7.3"], ["SVC", "1.4", "10.3"]]
    found = read_tables(write_latex(rows, "Test error rates (%) on two data sets"), "input")
    assert [(c.label, c.figure.value, c.figure.printed, c.remark) for c in found.claims] == [
        ("CNN", "92.7%", "7.3", "printed as an error rate of 7.3 %"),
        ("SVC", "89.7%", "10.3", "printed as an error rate of 10.3 %"),
    ]


def test_a_cell_over_two_columns_is_one_column():
    text = (
        "<table><tr><th>Model</th><th colspan=2>Accuracy</th></tr>"
        "<tr><td>CNN</td><td colspan=2>0.912</td></tr>"
        "<tr><td>SVC</td><td colspan=2>0.897</td></tr></table>"
    )
    assert read(text) == [("CNN", "0.912"), ("SVC", "0.897")]
    spread = text.replace("<td colspan=2>0.912</td>", "<td>0.912</td><td>± 0.002</td>").replace(
        "<td colspan=2>0.897</td>", "<td>0.897</td><td>± 0.001</td>"
    )
    claims = read_tables(spread, "input").claims
    assert [(c.label, c.figure.value, c.figure.sd) for c in claims] == [
        ("CNN", "0.912", "0.002"), ("SVC", "0.897", "0.001"),
    ]  # fmt: skip


def test_columns_with_the_same_head_are_chosen_by_number():
    text = write_markdown([["Model", "Accuracy", "Accuracy"], ["CNN", "91.2", "92.3"]])
    with pytest.raises(UserError, match=r"such as --column 2$"):
        read_input(text)


def test_the_caption_says_of_how_many_runs_a_figure_is_the_mean():
    def find(caption):
        text = write_latex([["Model", "Accuracy (%)"], ["A", "91.2"]], caption)
        (claim,) = read_tables(text, "input").claims
        return claim.source, claim.mean_of, claim.best_of, claim.folds

    assert find("Table 2. Mean accuracy over five runs.") == ("Table 2", 5, 1, 1)
    assert find("Accuracy, averaged over 10 random seeds") == ("table 1", 10, 1, 1)
    assert find("The best accuracy of 3 runs") == ("table 1", 1, 3, 1)
    assert find("Table IV: 10-fold cross-validation") == ("Table IV", 1, 1, 10)
    assert find("Accuracy over the 10 classes") == ("table 1", 1, 1, 1)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(("printed", "label"), [
    ("LeNet-5 [21]", "LeNet-5"), ("SVC [3, 4]", "SVC"), ("CNN [LBBH98]", "CNN"),
    ("LeNet-5 (LeCun et al., 1998)", "LeNet-5"), ("SVC (Xiao 2017)", "SVC"),
    ("CapsNet (Sabour & Hinton, 2017)", "CapsNet"), ("CNN*", "CNN"), ("CNN †‡", "CNN"),
    ("LeNet-5 (ours)", "LeNet-5"), ("Net (Proposed)†", "Net (Proposed)"),
    ("LeNet-5 (our method)", "LeNet-5 (our method)"), ("Net (this work)", "Net"), ("Ours", "Ours"),
    ("1. SVC", "SVC"), ("3-layer net", "3-layer net"), ("SVM (RBF)", "SVM (RBF)"),
    ("Conv [3x3]", "Conv [3x3]"), ("2 Conv", "2 Conv"), ("MLP²", "MLP"),
])  # fmt: skip
def test_citations_and_marks_are_removed_from_labels(printed, label):
    rows = [["Model", "Accuracy"], [printed, "91.2"]]
    assert [found for found, _ in read(write_separated(rows))] == [label]


def test_labels_that_several_rows_share_are_told_apart():
    rows = [["Classifier", "Parameters", "Acc"], ["SVC", "C=1", "89.1"], ["SVC", "C=10", "89.7"],
            ["CNN", "2 layers", "91.0"]]  # fmt: skip
    assert read(write_markdown(rows)) == [
        ("SVC C=1", "89.1"), ("SVC C=10", "89.7"), ("CNN", "91.0"),
    ]  # fmt: skip
    rows[2][0] = ""
    assert read(write_markdown(rows))[:2] == [("SVC C=1", "89.1"), ("SVC C=10", "89.7")]
    rows = [["Model", "Acc"], ["Adam", ""], ["CNN", "91.1"], ["SGD", ""], ["CNN", "90.1"]]
    assert read(write_markdown(rows)) == [("Adam: CNN", "91.1"), ("SGD: CNN", "90.1")]
    rows = [["Model", "Acc"], ["CNN", "91.1"], ["CNN", "90.1"]]
    assert read(write_markdown(rows)) == [("CNN (1)", "91.1"), ("CNN (2)", "90.1")]


def test_rows_that_are_no_models_are_left_out():
    rows = [["#", "Model", "Acc"], ["1", "CNN", "91.1"], ["2", "SVC", "90.1"],
            ["", "Average", "90.6"], ["", "Std", "0.7"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("CNN", "91.1"), ("SVC", "90.1")]
    rows = [["Epoch", "Train acc", "Test acc"], ["1", "80.1", "81.3"], ["2", "85.1", "84.3"]]
    extraction = read_tables(write_markdown(rows), "input")
    assert extraction.claims == ()
    assert "its rows are epochs of one training" in extraction.notes[1]
    rows = [["k", "Accuracy"], ["1", "85.1"], ["3", "85.4"]]
    assert read(write_markdown(rows)) == [("k 1", "85.1"), ("k 3", "85.4")]


# ---------------------------------------------------------------- other shapes


def test_transposed_tables_have_the_models_in_their_columns():
    rows = [["", "SVC [2]", "CNN", "MLP"], ["Accuracy (%)", "89.7", "91.6", "-"],
            ["F1 (macro)", ".897", ".915", ".88"], ["Parameters", "", "113,386", "2M"]]  # fmt: skip
    claims = read_tables(write_markdown(rows), "input").claims
    assert [(c.label, c.metric, c.figure.value) for c in claims] == [
        ("SVC", "accuracy", "89.7%"), ("SVC", "f1", "0.897"), ("CNN", "accuracy", "91.6%"),
        ("CNN", "f1", "0.915"), ("MLP", "f1", "0.88"),
    ]  # fmt: skip
    assert claims[2].where == "table 1, column 3"
    rows = [["Metric", "Value"], ["Accuracy", "0.897"], ["Cohen's kappa", "0.886"]]
    claims = read_tables(write_markdown(rows), "input").claims
    assert [(c.label, c.metric) for c in claims] == [("", "accuracy"), ("", "kappa")]
    rows = [["Dataset", "SVC", "CNN"], ["MNIST", "97", "99"], ["Fashion-MNIST", "89.7", "91.6"]]
    assert read(write_markdown(rows)) == [("SVC", "89.7"), ("CNN", "91.6")]


def test_table_2_of_the_paper_is_of_one_model_without_a_name():
    text = "Table 2. Evaluation of LeNet-5.\n\nData set\tKappa\tInformedness\tMSE\n"
    claims = read_tables(text + "Fashion-MNIST\t0.75\t0.77\t0.66\n", "paper.txt").claims
    assert [(c.label, c.metric, c.figure.value, c.source) for c in claims] == [
        ("", "kappa", "0.75", "Table 2"), ("", "informedness", "0.77", "Table 2"),
        ("", "mse", "0.66", "Table 2"),
    ]  # fmt: skip


def write_table_1():
    """Return Table 1 of Kayed, Anter & Mohamed 2020 as it is printed, and its 33 figures."""
    names = ["T-Shirt/Top", "Trouser", "Pullover", "Dress", "Coat", "Sandals", "Shirt", "Sneaker",
             "Bag", "Ankle Boots"]  # fmt: skip
    figures = [entry for entry in SUITE["reported"] if entry["where"].startswith("Table 1")]
    value = {(e["metric"], e.get("class", e.get("average"))): e["value"] for e in figures}
    metrics = ("precision", "recall", "f1")
    rows = [["Class", "Class label", "Precision", "Recall", "F1 Score"]]
    rows += [[name, str(k), *(value[m, k] for m in metrics)] for k, name in enumerate(names)]
    rows += [["Overall", "", *(value[m, "macro"] for m in metrics)]]
    return rows, value


@pytest.mark.parametrize("name", ["Markdown", "LaTeX", "HTML", "CSV", "TSV", "aligned text"])
def test_table_1_of_the_paper_gives_its_33_figures_of_classes(name):
    rows, value = write_table_1()
    claims = read_tables(WRITERS[name](rows), "input").claims
    found = {
        (c.metric, c.average if c.class_ is None else c.class_): c.figure.value for c in claims
    }
    assert found == value
    assert len(claims) == 33


def test_classes_are_found_by_name_in_any_order_and_class_accuracy_is_recall():
    rows = [["Category", "Accuracy (%)", "Support"], ["Bag", "97.1", "1000"],
            ["T-shirt/top", "85.0", "1000"], ["Overall", "91.2", "2000"]]  # fmt: skip
    claims = read_tables(write_markdown(rows), "input").claims
    assert [(c.metric, c.class_, c.figure.value) for c in claims] == [
        ("recall", 8, "97.1%"), ("recall", 0, "85.0%"), ("accuracy", None, "91.2%"),
    ]  # fmt: skip
    assert "recall" in claims[0].remark


def test_the_accuracy_below_a_table_of_classes_is_taken_once():
    rows, _ = write_table_1()
    rows = [
        *rows[:-1],
        ["accuracy", "", "0.99", "0.99", "0.99"],
        ["macro avg", "", "0.99", "0.99", "0.99"],
        ["weighted avg", "", ".98", ".98", ".98"],
    ]
    claims = read_tables(write_markdown(rows), "input").claims
    last = [(c.metric, c.average, c.figure.value) for c in claims[30:]]
    assert last == [("accuracy", None, "0.99")] + [
        (metric, average, value)
        for average, value in (("macro", "0.99"), ("weighted", "0.98"))
        for metric in ("precision", "recall", "f1")
    ]


def test_models_above_the_metrics_of_a_table_of_classes_are_the_labels():
    names = ["Bag", "Coat", "Dress"]
    head = "<tr><th rowspan=2>Class<th colspan=2>SVC<th colspan=2>CNN</tr>"
    head += "<tr><th>Precision<th>Recall<th>Precision<th>Recall</tr>"
    body = "".join(f"<tr><td>{name}<td>.8{i}<td>.7{i}<td>.9{i}<td>.6{i}</tr>"
                   for i, name in enumerate(names))  # fmt: skip
    claims = read_tables(f"<table><thead>{head}</thead>{body}</table>", "page.html").claims
    assert [(c.label, c.metric, c.class_, c.figure.value) for c in claims[:4]] == [
        ("SVC", "precision", 8, "0.80"), ("SVC", "recall", 8, "0.70"),
        ("CNN", "precision", 8, "0.90"), ("CNN", "recall", 8, "0.60"),
    ]  # fmt: skip
    assert len(claims) == 12


def test_a_column_for_each_class_is_read_if_the_caption_names_the_metric():
    rows = [["Model", "Trouser", "Bag", "Coat"], ["CNN", "0.98", "0.97", "0.85"]]
    claims = read_tables(write_markdown(rows, "Table 5: Recall of each class"), "input").claims
    assert [(c.label, c.metric, c.class_, c.figure.value) for c in claims] == [
        ("CNN", "recall", 1, "0.98"), ("CNN", "recall", 8, "0.97"), ("CNN", "recall", 4, "0.85"),
    ]  # fmt: skip
    extraction = read_tables(write_markdown(rows), "input")
    assert extraction.claims == ()
    assert "no caption with a metric" in extraction.notes[0]


def test_a_confusion_matrix_holds_no_claims_of_models():
    names = ["Bag", "Coat", "Dress", "Shirt"]
    rows = [["", *names], *([name, "98", "1", "0", "1"] for name in names)]
    assert read_tables(write_markdown(rows), "input").claims == ()


def test_several_tables_of_one_document_are_numbered_in_their_order():
    first = write_markdown([["Model", "Acc"], ["A", "91.1"]])
    second = "<table><tr><th>Model<th>Acc</tr><tr><td>B<td>91.2</tr></table>"
    third = "Model   Accuracy\nC       91.3\nD       91.4"
    claims = read_tables(f"{first}\n{second}\n\n{third}\n", "input").claims
    assert [(c.label, c.source, c.where) for c in claims] == [
        ("A", "table 1", "line 3"), ("B", "table 2", "line 5"),
        ("C", "table 3", "line 8"), ("D", "table 3", "line 9"),
    ]  # fmt: skip


def test_text_without_tables_gives_nothing():
    for text in ("", "\n\n", "LeNet-5 reaches 91.2 % on the test set.", "a, b\nc\n", "| | |\n"):
        extraction = read_tables(text, "input")
        assert extraction.claims == ()


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="|&\\-+=<>/tdrh 0123456789.,;%\n\tabFM$_^{}*[]", max_size=120))
def test_no_text_raises_anything_but_an_error_for_the_user(text):
    try:
        read_tables(text, "input")
    except UserError as error:
        assert "\n" not in str(error)


PLAIN = "\n\n| Model | Accuracy | Macro recall |\n|---|---|---|\n| CNN A | 0.923567 | 0.923561 |\n"


@pytest.mark.parametrize(
    ("above", "folds"),
    [
        ("Results of 5-fold cross-validation on all 70,000 images.", 5),
        ("5-fold cross-validation on the 60,000 training images", 5),
        ("We evaluate every model\nby 10-fold cross-validation. The results follow.", 10),
        ("The learning rate was chosen by 5-fold cross-validation.", 1),
        ("Results on Fashion-MNIST", 1),
        ("All models were trained on the training images.", 1),
    ],
)
def test_the_lines_above_a_table_say_that_its_figures_are_of_a_cross_validation(above, folds):
    found = read_tables(above + PLAIN, "input")
    assert {claim.folds for claim in found.claims} == {folds}


def test_figures_of_a_cross_validation_without_the_number_of_folds_are_noted_not_taken():
    found = read_tables("All figures are cross-validated means." + PLAIN, "input")
    assert found.claims == ()
    assert "unknown number of folds" in found.notes[0]


@pytest.mark.parametrize("above", ["Results on MNIST digits", "MNIST", "Accuracy on CIFAR-10:"])
def test_a_plain_line_above_a_table_names_its_data_set(above):
    found = read_tables(above + PLAIN, "input")
    assert found.claims == ()
    assert "not taken" in found.notes[0]


@pytest.mark.parametrize("number", ["fifteen", "15"])
def test_heads_and_captions_know_the_numbers_that_sentences_know(number):
    head = f"Accuracy (mean of {number} runs)"
    (claim,) = read_tables(write_markdown([["Model", head], ["A", "91.25"]]), "input").claims
    assert claim.mean_of == 15


def test_a_program_drops_zeros_that_its_full_length_numbers_show():
    rows = [["model", "accuracy"], ["A", "0.9"], ["B", "0.8984645864289252"], ["C", "0.907"]]
    values = [claim.figure.value for claim in read_tables(write_separated(rows), "input").claims]
    assert values == ["0.9000", "0.898464586429", "0.9070"]
    rows[2][1] = "0.89846"
    values = [claim.figure.value for claim in read_tables(write_separated(rows), "input").claims]
    assert values == ["0.9", "0.89846", "0.907"]


# ---------------------------------------------------------------- figures of a changed task


def test_a_head_above_the_names_of_data_sets_hides_none_of_them():
    text = (
        "\\begin{tabular}{lccc}\n\\multirow{2}{*}{Method} & \\multicolumn{3}{c}{Dataset} \\\\\n"
        " & MNIST & Fashion-MNIST & KMNIST \\\\ \\hline\n"
        "MLP & $98.1_{\\pm 0.1}$ & $89.2_{\\pm 0.2}$ & $91.0_{\\pm 0.3}$ \\\\\n"
        "LeNet-5 & 99.0 & 90.1 & 94.2 \\\\\n\\end{tabular}\n"
    )
    assert read(text) == [("MLP", "89.2"), ("LeNet-5", "90.1")]


@pytest.mark.parametrize(
    ("above", "reason"),
    [
        ("Table 2: Accuracy with 40 % label noise", "training with wrong labels"),
        ("Table 2: Robust accuracy on Fashion-MNIST", "changed images"),
        ("Table 2: Binary classification of Fashion-MNIST (3 vs. 6)", "some of the ten classes"),
        ("## Results after pruning", "a pruned or quantised network"),
        ("# Nets\n\nAccuracy after 200 communication rounds.", "spread over clients"),
    ],
)
def test_a_table_of_a_changed_task_is_noted_and_can_be_read_by_its_column(above, reason):
    text = above + "\n\n" + write_markdown([["Model", "Accuracy"], ["LeNet-5", "76.2"]])
    found = read_tables(text, "input")
    assert not found.claims
    assert any(reason in note and note.endswith("not taken") for note in found.notes)
    assert read(text, column="Accuracy") == [("LeNet-5", "76.2")]


def test_of_a_table_with_changed_columns_the_others_are_read():
    rows = [
        ["Model", "Clean acc.", "PGD-40 acc.", "Robust accuracy"],
        ["LeNet-5", "90.4", "0.3", "9.1"],
    ]
    found = read_tables("Table 1: Attacks on Fashion-MNIST\n\n" + write_markdown(rows), "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.4%")]
    assert any("'PGD-40 acc.' is of changed images" in n for n in found.notes)
    rows = [["Model", "Coarse (3 classes) accuracy", "Fine accuracy"], ["CNN", "99.2", "92.1"]]
    assert read(write_markdown(rows)) == [("CNN", "92.1")]


def test_rows_of_a_changed_task_are_noted():
    rows = [["Model", "Setting", "Accuracy"], ["LeNet-5", "clean", "90.5"],
            ["LeNet-5", "20% label noise", "84.2"], ["LeNet-5", "PGD", "1.2"]]  # fmt: skip
    found = read_tables(write_markdown(rows), "input")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.5%")]
    assert any("1 row is of training with wrong labels" in note for note in found.notes)
    rows = [["Model", "Accuracy"], ["LeNet-5", "90.5"], ["After pruning", ""], ["LeNet-5", "88.0"]]
    assert read(write_markdown(rows)) == [("LeNet-5", "90.5")]


def test_the_accuracy_of_clusters_is_not_that_of_a_classifier():
    rows = [["Method", "ACC", "NMI"], ["DEC", "0.618", "0.646"]]
    found = read_tables(write_markdown(rows), "input")
    assert not found.claims
    assert found.notes == ("table 1 is of clustering, as its columns say: not taken",)


def test_a_recall_that_is_not_the_accuracy_is_no_mean_over_classes_and_contradicts_nothing():
    rows = [["Model", "Accuracy", "Precision", "Recall", "F1"],
            ["CNN", "91.05", "92.17", "90.12", "91.13"],
            ["MLP", "88.20", "88.3", "88.2", "88.1"]]  # fmt: skip
    found = read_tables(write_markdown(rows), "input")
    of_cnn = [claim.metric for claim in found.claims if claim.label == "CNN"]
    of_mlp = [claim.metric for claim in found.claims if claim.label == "MLP"]
    assert of_cnn == ["accuracy"]
    assert of_mlp == ["accuracy", "precision", "recall", "f1"]
    assert any("the recall of CNN (90.12) is not the accuracy (91.05)" in n for n in found.notes)
    rows[0] = ["Model", "Accuracy", "Macro precision", "Macro recall", "Macro F1"]
    assert len(read_tables(write_markdown(rows), "input").claims) == 8  # the average is named


def test_the_overall_accuracy_beside_those_of_the_classes_is_read():
    names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
             "Boot"]  # fmt: skip
    rows = [["Model", *names, "Overall"], ["CNN", *["92.1"] * 10, "92.10"]]
    text = "Table 1: Accuracy of each class (%)\n\n" + write_markdown(rows)
    claims = read_tables(text, "input").claims
    assert [c.figure.value for c in claims if c.metric == "accuracy"] == ["92.10%"]
    assert sum(c.metric == "recall" for c in claims) == 10


def test_the_name_of_a_run_is_not_that_of_the_model():
    rows = [["Name", "arch", "test_acc"], ["run-1", "lenet5", "0.9042"], ["run-2", "mlp", "0.8842"]]
    assert read(write_separated(rows, ",")) == [("lenet5", "0.9042"), ("mlp", "0.8842")]
    rows = [["Name", "Approach", "test_acc"], ["A", "deep", "0.9042"], ["B", "deep", "0.8842"]]
    assert read(write_separated(rows, ",")) == [("A", "0.9042"), ("B", "0.8842")]


def test_a_head_may_say_that_figures_have_a_spread_and_of_how_many_runs():
    rows = [["Model", "Fashion-MNIST (Acc ± Std, 10 runs)", "MNIST (Acc ± Std, 10 runs)"],
            ["RF", "87.6(2)", "97.0(1)"], ["SVM", "90.0", "98.3"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("RF", "87.6"), ("SVM", "90.0")]


def test_a_description_of_the_data_set_is_no_model():
    rows = [["Dataset", "Accuracy", "Clases", "Descripción"],
            ["Fashion-MNIST", "93.11%", "10", "Ropa"],
            ["SVHN", "95.33%", "10", "Casas"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("", "93.11")]


def test_a_table_with_two_columns_of_accuracies_does_not_lose_the_rest_of_a_document():
    two = write_markdown([["Model", "Acc. (ours)", "Acc. (paper)"], ["CNN", "91.2", "92.3"]])
    one = write_markdown([["Model", "Test accuracy"], ["LeNet-5", "90.6"]])
    found = read_input(f"{two}\n\nBelow are the others.\n\n{one}\n")
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.6%")]
    assert found.notes[0].startswith("table 1 has 2 columns that may hold the accuracy")
    found = read_input(f"ResNet-18 reaches 93.4 % test accuracy on Fashion-MNIST.\n\n{two}")
    assert [(c.label, c.figure.value) for c in found.claims] == [("ResNet-18", "93.4%")]


def test_a_model_is_named_by_what_its_row_is_marked_with():
    rows = [["BN", "Dropout", "Test acc."], ["✗", "✗", "90.9"], ["✓", "✗", "91.5"],
            ["✓", "✓", "92.2"]]  # fmt: skip
    assert read(write_markdown(rows)) == [
        ("without BN and Dropout", "90.9"), ("BN", "91.5"), ("BN + Dropout", "92.2"),
    ]  # fmt: skip
    rows = [["Model", "Aug", "Accuracy"], ["LeNet-5", "", "90.6"], ["", "✓", "91.2"],
            ["MLP", "no", "88.3"], ["SVC", "yes", "89.9"]]  # fmt: skip
    assert read(write_markdown(rows)) == [
        ("LeNet-5", "90.6"), ("LeNet-5 + Aug", "91.2"), ("MLP", "88.3"), ("SVC + Aug", "89.9"),
    ]  # fmt: skip


def test_the_name_of_a_group_of_columns_may_stand_above_the_gap_between_them():
    text = (
        "                      MNIST               Fashion-MNIST\n"
        "Classifier        Train    Test         Train    Test\n"
        "Decision tree     99.1     88.5         97.2     79.8\n"
        "Random forest     100.0    97.0         100.0    87.6\n"
    )
    assert read(text) == [("Decision tree", "79.8"), ("Random forest", "87.6")]
    assert read_tables(text.replace("Fashion-MNIST", "KMNIST"), "input").claims == ()


def test_the_accuracy_beside_that_of_the_validation_is_of_the_training_images():
    rows = [["", "loss", "accuracy", "val_loss", "val_accuracy"],
            ["8", "0.20", "0.9270", "0.258", "0.9100"],
            ["9", "0.19", "0.9310", "0.255", "0.9123"]]  # fmt: skip
    assert read_tables(write_separated(rows, ","), "history.csv").claims == ()
    assert read_tables(write_markdown(rows), "history.md").claims == ()
    rows = [["Model", "accuracy", "test_accuracy"], ["CNN", "0.95", "0.91"]]
    assert read(write_markdown(rows)) == [("CNN", "0.91")]


def test_means_over_several_data_sets_are_not_of_fashion_mnist():
    rows = [["Method", "Avg. accuracy", "Rank"], ["Random forest", "84.1", "2.1"]]
    text = "Table 4: Mean accuracy and rank over 10 data sets\n\n" + write_markdown(rows)
    found = read_tables(text, "input")
    assert found.claims == ()
    assert found.notes == (
        "Table 4 is of several data sets together, as its caption says: not taken",
    )
    rows = [["Method", "MNIST", "Fashion-MNIST"], ["Random forest", "97.0", "87.6"]]
    text = "Table 4: Mean accuracy of 5 runs on two data sets\n\n" + write_markdown(rows)
    assert read(text) == [("Random forest", "87.6")]


def test_a_column_of_data_sets_beside_one_of_models_is_not_a_head():
    rows = [["Dataset", "Method", "Clean", "FGSM"], ["Fashion-MNIST", "LeNet-5", "90.7", "20.1"],
            ["MNIST", "LeNet-5", "99.0", "80.1"]]  # fmt: skip
    assert read(write_markdown(rows)) == []


def test_a_second_figure_in_brackets_is_explained():
    rows = [["Model", "Accuracy"], ["MLP", "88.9 (89.3)"], ["LeNet-5", "90.7 (91.0)"]]
    notes = read_tables(write_markdown(rows), "input").notes
    assert "such as '88.9 (89.3)', hold several figures" in notes[0]


def test_a_table_of_whole_numbers_needs_no_question_which_column_holds_the_accuracy():
    layers = "| Layer | Param # |\n|---|---|\n| conv | 320 |\n| dense | 1290 |\n"
    pixels = "| label | pixel1 | pixel2 |\n|---|---|---|\n| 2 | 0 | 0 |\n| 9 | 0 | 0 |\n"
    for text in (layers, pixels):
        assert read_tables(text, "a.md").notes == ()
    scores = "| Name | A | B |\n|---|---|---|\n| SVC | 89.7 | 1.2 |\n| kNN | 85.4 | 2.1 |\n"
    assert "no column is named" in read_tables(scores, "a.md").notes[0]


def test_a_table_that_is_shown_twice_is_read_once():
    head = "| Model | Accuracy |\n|---|---|\n"
    rows = ["| SVC | 89.7 |\n", "| kNN | 85.4 |\n"]
    text = f"{head}{''.join(rows)}\nsorted\n\n{head}{''.join(rows[::-1])}"
    found = read_input(text)
    assert [(c.source, c.label) for c in found.claims] == [("table 1", "SVC"), ("table 1", "kNN")]
    other = read_input(text.replace("85.4", "85.5", 1))
    assert len(other.claims) == 4


def test_a_table_of_metrics_is_of_one_model_although_its_head_names_a_metric():
    rows = [["Evaluation metric", "Accuracy score"], ["Training accuracy", "95.1 %"],
            ["Test accuracy", "89.2 %"]]  # fmt: skip
    for write in (write_markdown, write_latex):
        assert read(write(rows)) == [("", "89.2")]


def test_a_row_of_training_accuracies_names_no_model():
    rows = [["Run", "Accuracy"], ["Training accuracy", "95.1 %"], ["LeNet-5", "90.2 %"]]
    found = read_input(write_markdown(rows))
    assert [(c.label, c.figure.value) for c in found.claims] == [("LeNet-5", "90.2%")]
    assert "table 1: 1 row is of training or validation images: not taken" in found.notes


def test_models_without_names_are_named_by_all_their_settings():
    rows = [["hidden_1", "hidden_2", "init_lr", "l2_reg", "val_loss", "test_accuracy"],
            ["128", "32", "0.1", "0.01", "5.1", "0.8866"],
            ["128", "32", "0.1", "0.001", "4.2", "0.8623"],
            ["64", "32", "0.5", "0.001", "4.2", "0.8723"]]  # fmt: skip
    assert read(write_separated(rows, ",")) == [
        ("hidden_1 128 l2_reg 0.01", "0.8866"), ("hidden_1 128 l2_reg 0.001", "0.8623"),
        ("hidden_1 64", "0.8723"),
    ]  # fmt: skip


def test_a_figure_may_stand_before_its_epoch():
    rows = [["Train accuracy", "94.78@18"], ["Valid accuracy", "89.92@18"],
            ["Test accuracy", "89.23@18"]]  # fmt: skip
    assert read(write_latex(rows)) == [("", "89.23")]
    rows = [["Model", "Test accuracy"], ["LeNet-5", "90.2 @ epoch 7"], ["MLP", "88.1@9"]]
    assert read(write_markdown(rows)) == [("LeNet-5", "90.2"), ("MLP", "88.1")]


def test_percentages_beside_known_models_need_no_head():
    rows = [["Wide networks", r"96.7\%"], ["CNN with scaling", r"92.9\%"], ["kNN", r"86.4\%"]]
    table = "\\begin{tabular}{ll}" + "\\\\".join(map(" & ".join, rows)) + "\\end{tabular}"
    found = read_input(f"\\section{{Comparison}} Our slides.\n\n{table}\n")
    assert [(c.label, c.figure.value) for c in found.claims] == [
        ("Wide networks", "96.7%"), ("CNN with scaling", "92.9%"), ("kNN", "86.4%"),
    ]  # fmt: skip


def test_a_caption_may_say_which_part_of_the_training_images_is_for_validation():
    caption = "Accuracies. 10% of the training set is used as a validation set for the CNN."
    rows = [["Model", "Accuracy"], ["CNN", "91.2"], ["MLP", "88.4"]]
    claims, _ = read_grids([build_grid(rows, caption=caption)])
    assert [claim.figure.value for claim in claims] == ["91.2%", "88.4%"]
    caption = "Accuracies with 10 % of the training set"
    grid = build_grid(rows, caption=caption)
    assert not read_grids([grid])[0]


def test_columns_of_accuracies_that_say_what_was_done_are_of_different_models():
    rows = [["Model", "Accuracy (PCA)", "Accuracy (PCA, tuned)", "Accuracy (raw)"],
            ["SVC", "0.8201", "0.8457", "0.8803"], ["kNN", "0.8549", "", "0.8605"]]  # fmt: skip
    assert read(write_separated(rows, "\t")) == [
        ("SVC (PCA)", "0.8201"), ("SVC (PCA, tuned)", "0.8457"), ("SVC (raw)", "0.8803"),
        ("kNN (PCA)", "0.8549"), ("kNN (raw)", "0.8605"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "heads",
    [("Acc. (ours)", "Acc. (paper)"), ("Accuracy (claimed)", "Accuracy (last)"),
     ("Accuracy (PCA)", "Accuracy"), ("Accuracy (1)", "Accuracy (2)")],
)  # fmt: skip
def test_other_columns_of_accuracies_are_a_question(heads):
    with pytest.raises(UserError, match="2 columns that may hold the accuracy"):
        read_input(write_separated([["Model", *heads], ["SVC", "89.1", "89.2"]], ","))


def test_the_figures_of_all_images_are_read_beside_those_of_a_part():
    rows = [["Run", "Test accuracy on labelled data", "Test accuracy on all data"],
            ["CNN", "90.2", "80.3"], ["MLP", "88.2", "79.3"]]  # fmt: skip
    assert read(write_markdown(rows)) == [("CNN", "80.3"), ("MLP", "79.3")]


def test_a_table_without_an_accuracy_gets_one_short_note():
    rows = [["Neurons", "best train acc", "best val acc"], ["50", "92.1", "88.5"],
            ["100", "93.0", "88.7"]]  # fmt: skip
    notes = read_tables(write_markdown(rows), "input").notes
    assert notes == (
        "table 1: 'best train acc' and 'best val acc' are of training or validation images: not "
        "taken",
    )
    rows = [["Neurons", "Result of the small network " * 9], ["50", "92.1"], ["100", "93.0"]]
    (note,) = read_tables(write_markdown(rows), "input").notes
    assert "'Result of the small network Result of t...'" in note
    assert len(note) < 200


def test_a_figure_that_is_merged_with_the_names_is_no_part_of_them():
    rows = [["Method loss", "Test accuracy"], ["KMeans 0.3499", "0.8754"], ["0.3549", "0.8773"],
            ["Mixture 0.3434", "0.8625"], ["VAE 0.3618", "0.7188"]]  # fmt: skip
    assert read(write_markdown(rows)) == [
        ("KMeans", "0.8754"), ("Mixture", "0.8625"), ("VAE", "0.7188"),
    ]  # fmt: skip
    rows = [["Method", "Test accuracy"], ["CNN 0.125", "0.8754"], ["CNN", "0.8773"],
            ["MLP", "0.8625"]]  # fmt: skip
    assert read(write_markdown(rows))[0] == ("CNN 0.125", "0.8754")


def test_an_oracle_is_no_model():
    text = "| Data set | Oracle | k-NN |\n|---|---|---|\n| Fashion-MNIST | 99.9% | 87.8% |\n"
    assert [label for label, _ in read(text)] == ["k-NN"]
    assert read("| Model | Accuracy |\n|---|---|\n| Oracle | 99.9 |\n| SVC | 89.7 |\n") == [
        ("SVC", "89.7")
    ]


def test_a_time_is_no_name_of_a_model():
    text = "| Dataset | Accuracy | Time |\n|---|---|---|\n| Fashion-MNIST | 92.1% | 28s |\n"
    assert [label for label, _ in read(text)] == [""]
    text = "| Dataset | Accuracy | Net |\n|---|---|---|\n| Fashion-MNIST | 92.1% | Net28 |\n"
    assert [label for label, _ in read(text)] == ["Net28"]


def test_a_number_that_is_measured_beside_the_accuracy_names_no_model() -> None:
    text = (
        "Results\n\nDataset\tTest loss\tTest accuracy\n"
        "MNIST\t0.0412\t98.703\nFashion MNIST\t0.1967\t86.412\n"
    )
    found = read_input(text).claims
    assert [(claim.label, claim.figure.printed) for claim in found] == [("", "86.412")]


def test_a_table_below_the_name_of_another_task_is_left_out() -> None:
    first = (
        "| Encoding | Fashion-MNIST accuracy |\n|---|---|\n| Rate | 68.2% |\n| Phase | 71.4% |\n"
    )
    second = "| Encoding | Accuracy |\n|---|---|\n| Rate | 90.7% |\n| Phase | 88.2% |\n"
    for lead, n_claims in (
        ("For radar-based gesture recognition (2023):", 2),
        ("For two ways to encode the images:", 4),
        ("For text classification we have no figures.", 4),
    ):
        found = read_input(f"{first}\n{lead}\n\n{second}")
        assert len(found.claims) == n_claims, lead


def show(text):
    """Return (label, value) of each accuracy of the tables of a text."""
    claims = read_tables(text, "input").claims
    return [(claim.label, claim.figure.value) for claim in claims if claim.metric == "accuracy"]


def test_columns_of_one_model_for_training_and_test_images_give_the_test_figure():
    rows = [
        ["Metric", "SVC Train", "SVC Test", "CNN Train", "CNN Test"],
        ["Accuracy", "99.10 %", "89.70 %", "97.20 %", "91.91 %"],
    ]
    assert show(write_markdown(rows)) == [("SVC", "89.70%"), ("CNN", "91.91%")]


def test_numbers_of_parameters_are_no_names():
    rows = [
        ["Kernel size", "# of Parameters", "Test accuracy"],
        ["1", "83 K", "89.1"],
        ["3", "1.2 M", "91.9"],
    ]
    assert show(write_markdown(rows)) == [("Kernel size 1", "89.1%"), ("Kernel size 3", "91.9%")]


def test_percentages_that_stand_for_models_have_the_head_before_them():
    rows = [["Dropout", "Test accuracy"], ["0%", "0.9011"], ["20%", "0.9104"]]
    assert show(write_markdown(rows)) == [("Dropout 0%", "0.9011"), ("Dropout 20%", "0.9104")]


def test_a_heading_above_a_table_says_that_its_figures_are_of_validation_images():
    rows = [["Model", "Accuracy"], ["CNN", "0.9465"], ["MLP", "0.8912"]]
    text = f"## Best accuracy obtained in validation\n\n{write_markdown(rows)}"
    assert show(text) == []
    rows[0][1] = "Test accuracy"
    text = f"## Best accuracy obtained in validation\n\n{write_markdown(rows)}"
    assert len(show(text)) == 2


@pytest.mark.parametrize(
    ("caption", "n_claims"),
    [
        ("Table 1: Expected metrics (typical values of the network)", 0),
        ("Table 1 - M\u00e9triques de classification attendues", 0),
        ("Table 1: Accuracy of a typical network", 2),
    ],
)
def test_typical_values_are_no_results(caption, n_claims):
    rows = [["Model", "Accuracy"], ["CNN", "0.9365"], ["MLP", "0.8912"]]
    assert len(show(f"{caption}\n\n{write_markdown(rows)}")) == n_claims


def test_a_title_directly_above_aligned_columns_is_no_row():
    text = (
        "Final Evaluation on Test Set\nModel      Loss     Accuracy\n"
        "----------------------------\nNN       0.3482       0.8762\nCNN      0.2051       0.9284\n"
    )
    assert show(text) == [("NN", "0.8762"), ("CNN", "0.9284")]


def test_the_epoch_behind_a_figure_is_no_part_of_it():
    rows = [("Model", "Best test accuracy"), ("a", "96.44%(epoch 562)"), ("b", "96.5% (9 epochs)")]
    assert read(write_markdown(rows)) == [("a", "96.44"), ("b", "96.5")]


def test_a_table_below_the_title_goal_claims_nothing():
    goal = write_markdown([("Accuracy", "Size"), ("~0.95", "10M")])
    result = write_markdown([("Model", "Accuracy"), ("a", "0.921")])
    found = read_tables(f"# Goal\n\n{goal}\n\n## Results\n\n{result}", "input")
    assert [claim.label for claim in found.claims] == ["a"]
    assert any("only expected" in note for note in found.notes)


def test_the_accuracy_beside_losses_and_a_validation_accuracy_is_of_training_images():
    rows = [
        ("Optimizer", "adam", "RMSprop"),
        ("Accuracy", "0.941", "0.910"),
        ("Validation Accuracy", "0.923", "0.901"),
        ("Loss", "0.156", "0.252"),
        ("Validation Loss", "0.228", "0.307"),
    ]
    assert read(write_markdown(rows)) == []
    without_loss = read(write_markdown(rows[:3]))
    assert without_loss == [("adam", "0.941"), ("RMSprop", "0.910")]


def test_the_test_images_and_their_loss_are_no_name():
    rows = [("Data", "Accuracy", "Loss"), ("Validation Set", "0.9376", "0.1639")]
    tests = [("Test Set", "0.8815", "0.3509"), ("Test Set", "0.8935", "0.2567")]
    assert read(write_markdown([*rows, tests[0]])) == [("", "0.8815")]
    middle = [("Wider network", "", ""), ("Data", "Accuracy", "Loss")]
    found = read_tables(write_markdown([*rows, tests[0], *middle, tests[1]]), "input")
    assert found.claims == ()
    assert any("names no model" in note for note in found.notes)


def test_labels_that_a_clustering_gave_are_other_labels():
    rows = [("Model", "Accuracy on k-means labels", "Accuracy on true labels"), ("a", "22%", "87%")]
    assert read(write_markdown(rows)) == [("a", "87")]


def test_a_label_has_no_mark_of_code_at_its_ends():
    assert read(write_markdown([("Model", "Accuracy"), ("`Random Forest", "88.4%")])) == [
        ("Random Forest", "88.4")
    ]


def test_a_number_alone_gets_the_head_above_it_and_a_length_of_training_is_no_name():
    assert read(write_markdown([("Cluster", "Accuracy"), ("300", "77.1%")])) == [
        ("Cluster 300", "77.1")
    ]
    rows = [("Run", "Accuracy"), ("#fashion mnist - 46 iterations", "92.81%")]
    assert read(write_markdown(rows)) == [("", "92.81")]
