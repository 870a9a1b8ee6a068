"""Builds by hand what the readers of documents return."""

from fmbench.extraction.found import Extraction, FoundClaim, FoundMatrix, PrintedFigure
from fmbench.suites.reader import read_suite

EQUAL_CLASSES = (1000,) * 10


def make_claim(label, value, metric="accuracy", *, source="table 1", where="row 1", **fields):
    """A claim of one figure; keywords are fields of FoundClaim or of PrintedFigure."""
    of_figure = {k: fields.pop(k) for k in ("printed", "sd", "bound", "out_of") if k in fields}
    figure = PrintedFigure(of_figure.pop("printed", value), value, **of_figure)
    return FoundClaim(label, metric, figure, source, where, **fields)


def make_extraction(*found, kind="Markdown table", name="claims.md", **fields):
    """What a reader returns for some claims and matrices."""
    claims = tuple(entry for entry in found if isinstance(entry, FoundClaim))
    matrices = tuple(entry for entry in found if isinstance(entry, FoundMatrix))
    return Extraction(kind, name, claims, matrices, **fields)


def make_found_matrix(rows, label="", source="confusion matrix", **fields):
    """A confusion matrix of counts."""
    cells = tuple(tuple(map(str, row)) for row in rows)
    return FoundMatrix(label, source, "line 1", cells, **fields)


def list_table3():
    """The label and the figure of each row of Table 3 of Kayed et al. 2020, as printed."""
    return [(row.label, row.claimed) for row in read_suite().rows if row.where == "Table 3"]


def paste_table3():
    """What a reader finds in Table 3."""
    return make_extraction(
        *(
            make_claim(label, claimed, where=f"row {i}", source="Table 3")
            for i, (label, claimed) in enumerate(list_table3(), 1)
        )
    )
