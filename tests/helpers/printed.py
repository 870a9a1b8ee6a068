"""Prints reports and confusion matrices as scikit-learn, NumPy, pandas and people print them.

Every function takes a confusion matrix of whole numbers, ``int (n_classes, n_classes)``, whose rows
are the true classes, so that a test knows each figure that it prints.
"""

import json
import warnings

import numpy as np

from fmbench.datasets.specs import FASHION_MNIST

NAMES = FASHION_MNIST.classes


def make_confusion(seed=0, n_per_class=(1000,) * 10, accuracy=0.85):
    """A random confusion matrix with these row sums, of about this accuracy."""
    rng = np.random.default_rng(seed)
    n = len(n_per_class)
    rows = []
    for k, size in enumerate(n_per_class):
        right = min(max(accuracy + rng.normal(0, 0.08), 0.3), 0.99)
        others = rng.dirichlet(np.full(n, 0.4)) * (1 - right)
        others[k] += right
        rows.append(rng.multinomial(size, others / others.sum()))
    return np.array(rows)


def make_predictions(confusion):
    """True and predicted class numbers with this confusion matrix."""
    n = len(confusion)
    counts = confusion.ravel()
    true = np.repeat(np.arange(n).repeat(n), counts)
    return true, np.repeat(np.tile(np.arange(n), n), counts)


def print_report(confusion, digits=2, names=NAMES, order=None):
    """scikit-learn's report; ``order``: the class numbers in the order of the rows."""
    return _report(confusion, digits=digits, **_labels(names, order))


def report_dictionary(confusion, names=NAMES, order=None):
    """scikit-learn's report as a dictionary."""
    return _report(confusion, output_dict=True, **_labels(names, order))


def _report(confusion, **options):
    from sklearn.metrics import classification_report

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is never predicted
        return classification_report(*make_predictions(confusion), **options)


def _labels(names, order):
    order = range(len(NAMES)) if order is None else order
    names = [str(k) for k in order] if names is None else [names[k] for k in order]
    return {"labels": list(order), "target_names": names}


def print_report_frame(confusion, how, names=NAMES):
    """What pandas prints or writes of the report's dictionary."""
    import pandas as pd

    frame = pd.DataFrame(report_dictionary(confusion, names=names))
    if how == "csv":
        return frame.T.to_csv()
    if how == "csv of columns":
        return frame.to_csv()
    if how == "print":
        return frame.T.to_string()
    if how == "print of columns":
        return frame.to_string()
    if how == "wrapped print of columns":
        with pd.option_context("display.max_columns", None, "display.width", 80):
            return repr(frame)
    if how == "markdown":
        return frame.T.to_markdown()
    if how == "latex":
        return frame.T.to_latex()
    if how == "html":
        return frame.T.to_html()
    if how == "json":
        return frame.to_json(double_precision=15)
    raise ValueError(how)


def expected_figures(confusion, digits, order=None):
    """What scikit-learn computes, rounded: the figures that a reader must find.

    ``order`` is that of the rows: in another order, the sum of a tie may be rounded otherwise.
    """
    report = report_dictionary(confusion, order=order)
    figures = {("accuracy", None, None): f"{report['accuracy']:.{digits}f}"}
    for name, metric in {"precision": "precision", "recall": "recall", "f1-score": "f1"}.items():
        for k, title in enumerate(NAMES):
            figures[metric, k, None] = f"{report[title][name]:.{digits}f}"
        for average in ("macro", "weighted"):
            figures[metric, None, average] = f"{report[f'{average} avg'][name]:.{digits}f}"
    return figures


def found_figures(extraction):
    """The figures of an extraction, by metric, class and average."""
    return {(c.metric, c.class_, c.average): c.figure.value for c in extraction.claims}


def normalise(confusion):
    """Row shares, as ``confusion_matrix(..., normalize='true')`` gives them."""
    return confusion / confusion.sum(axis=1, keepdims=True)


def reorder(confusion, order):
    """The matrix with its classes in this order."""
    return confusion[np.ix_(order, order)]


def print_frame(values, how, row_names=NAMES, column_names=NAMES):
    """A matrix as pandas prints or writes it, with class names."""
    import pandas as pd

    frame = pd.DataFrame(values, index=row_names, columns=column_names)
    writers = {
        "print": frame.to_string,
        "csv": frame.to_csv,
        "semicolons": lambda: frame.to_csv(sep=";", decimal=","),
        "tabs": lambda: frame.to_csv(sep="\t"),
        "json": frame.to_json,
        "json of rows": lambda: frame.to_json(orient="index"),
        "json, split": lambda: frame.to_json(orient="split"),
        "markdown": frame.to_markdown,
        "grid": lambda: frame.to_markdown(tablefmt="grid"),
        "latex": frame.to_latex,
        "html": frame.to_html,
    }
    if how == "wrapped print":
        with pd.option_context("display.max_columns", None, "display.width", 80):
            return repr(frame)
    return writers[how]()


FRAME_WRITERS = (
    "print", "wrapped print", "csv", "semicolons", "tabs", "json", "json of rows", "json, split",
    "markdown", "grid", "latex", "html",
)  # fmt: skip


def print_crosstab(confusion, *, margins=False, swapped=False):
    """``pandas.crosstab`` of the predictions; ``swapped``: the predictions are the rows."""
    import pandas as pd

    true, predicted = make_predictions(confusion)
    series = [pd.Series(true, name="Actual"), pd.Series(predicted, name="Predicted")]
    return pd.crosstab(*(series[::-1] if swapped else series), margins=margins).to_string()


def print_array(values, how="print", **options):
    """A matrix as NumPy prints it; ``options`` are those of ``np.printoptions``."""
    with np.printoptions(**options):
        if how == "print":
            return str(values)
        if how == "repr":
            return repr(values)
        if how == "no outer brackets":
            return str(values).removeprefix("[[").removesuffix("]]")
        if how == "tensor":
            return repr(values).replace("array(", "tensor(")
        if how == "list":
            return str(values.tolist())
        if how == "json":
            return json.dumps({"confusion_matrix": values.tolist()})
        if how == "bare":
            return "\n".join(" ".join(map(str, row)) for row in values.tolist())
        if how == "bare, tabs":
            return "\n".join("\t".join(map(str, row)) for row in values.tolist())
        if how == "bare, commas":
            return "\n".join(",".join(map(str, row)) for row in values.tolist())
    raise ValueError(how)


ARRAY_WRITERS = (
    "print", "repr", "no outer brackets", "tensor", "list", "json", "bare", "bare, tabs",
    "bare, commas",
)  # fmt: skip


def print_notebook(*outputs):
    """A Jupyter notebook whose cells have printed these texts."""
    cells = [
        {
            "cell_type": "code",
            "source": ["print(...)"],
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
            ],
        }
        for text in outputs
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def print_log(text):
    """The text as a program logs it, line by line."""
    lines = text.splitlines()
    return "\n".join(
        f"2024-05-01 12:30:{i % 60:02d},123 INFO {line}" for i, line in enumerate(lines)
    )


# Inputs of every kind that a known matrix can be written as. Each has the kind, the printed text,
# and what a reader must find: the matrix, the shares of its rows, or the report's figures rounded
# to so many digits.
def list_printed_inputs(confusion):
    """Return ``(name, kind, text, what, digits)`` of each input."""
    inputs = []

    def add(name, kind, text, what="matrix", digits=0):
        inputs.append((name, kind, text, what, digits))

    alphabetical = sorted(range(10), key=lambda k: NAMES[k])
    shuffled = [3, 7, 0, 9, 1, 8, 2, 6, 5, 4]
    for digits in (2, 3, 4, 6):
        text = print_report(confusion, digits)
        add(f"report with {digits} digits", "printed report", text, "report", digits)
    text = print_report(confusion, 4, NAMES, alphabetical)
    add("report in alphabetical order", "printed report", text, "report", 4)
    add("report with numbers", "printed report", print_report(confusion, 4, None), "report", 4)
    add("report as a string", "printed report", repr(print_report(confusion, 4)), "report", 4)
    add("logged report", "log", print_log(print_report(confusion, 4)), "report", 4)
    add("report in a notebook", "notebook", print_notebook(print_report(confusion, 4)), "report", 4)
    dictionary = json.dumps(report_dictionary(confusion))
    add("report as a dictionary", "JSON", dictionary, "report", 12)
    add("report as CSV", "CSV", print_report_frame(confusion, "csv"), "report", 12)
    add("report in columns", "CSV", print_report_frame(confusion, "csv of columns"), "report", 12)
    for how in ("print", "repr", "list", "no outer brackets"):
        add(f"array, {how}", "NumPy", print_array(confusion, how))
    for how in ("bare", "bare, tabs", "bare, commas"):
        add(f"numbers, {how}", "block of numbers", print_array(confusion, how))
    add("matrix as JSON", "JSON", print_array(confusion, "json"))
    kinds = {
        "print": "pandas", "wrapped print": "pandas", "csv": "CSV", "semicolons": "CSV",
        "tabs": "TSV", "json": "JSON", "json, split": "JSON", "markdown": "Markdown",
        "grid": "reStructuredText", "latex": "LaTeX", "html": "HTML",
    }  # fmt: skip
    for how, kind in kinds.items():
        add(f"frame, {how}", kind, print_frame(confusion, how))
        names = [NAMES[k] for k in shuffled]
        text = print_frame(reorder(confusion, shuffled), how, names, names)
        add(f"shuffled frame, {how}", kind, text)
    add("crosstab", "pandas", print_crosstab(confusion, margins=True))
    add("crosstab with the predictions in rows", "pandas", print_crosstab(confusion, swapped=True))
    add("matrix in a notebook", "notebook", print_notebook(print_array(confusion, "repr")))
    for digits in (2, 3, 4):
        shares = np.round(normalise(confusion), digits)
        text = f"Normalized confusion matrix\n{print_array(shares, suppress=True)}"
        add(f"shares with {digits} digits", "NumPy", text, "shares", digits)
        text = print_frame(shares, "markdown")
        add(f"frame of shares with {digits} digits", "Markdown", text, "shares", digits)
    return inputs
