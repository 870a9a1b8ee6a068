"""Reads claims from tables: finds the header, the models' names and the columns of figures.

A table lists models in its rows (or, transposed, in its columns), or the classes of one model.
Taken are the columns that a head names as a metric of the test images of Fashion-MNIST. Columns and
rows of training or validation images, of other data sets, of times and sizes are noted, never
taken. Rows that are runs of one model (a column of seeds or folds) give one claim, their mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from fmbench.errors import UserError
from fmbench.extraction.averages import NO_AVERAGE, leave_out_other_averages
from fmbench.extraction.class_names import find_class_numbers
from fmbench.extraction.data_set_names import (
    FASHION_IN_HEADS,
    Headings,
    find_data_sets,
    remove_data_sets,
)
from fmbench.extraction.figures import (
    check_range,
    choose_percent,
    describe_error_rate,
    find_decimal_comma,
    keep_zeros,
    parse_printed_figure,
)
from fmbench.extraction.found import Extraction, FoundClaim, PrintedFigure
from fmbench.extraction.grid import Grid
from fmbench.extraction.latex_tables import find_latex_tables
from fmbench.extraction.markup import (
    find_aligned_columns,
    find_html_tables,
    find_markdown_tables,
    find_rst_tables,
    find_separated_values,
)
from fmbench.extraction.metric_names import MetricName, find_metric_name
from fmbench.extraction.table_columns import (
    choose_columns,
    give_metric_of_caption,
    holds_shares,
    is_best_head,
    is_mean_head,
    name_models,
    note_double_figures,
)
from fmbench.extraction.table_heads import (
    SPREAD,
    TEST_IMAGES,
    AmbiguousColumnsError,
    Column,
    Table,
    describe_column,
    explain_caption,
    find_named_column,
    is_count,
    is_figure,
    is_missing,
    strip_figure,
)
from fmbench.extraction.table_rows import (
    AVERAGES,
    Row,
    average_rows,
    find_class_rows,
    find_model_rows,
    is_matrix,
    is_of_classes,
)
from fmbench.extraction.text.conditions import (
    find_condition_of_table,
    is_over_data_sets,
    is_title_of_goal,
)
from fmbench.extraction.text.repetitions import Repetition, find_repetition
from fmbench.metrics.registry import METRICS
from fmbench.utils.formatting import join_words

_MAX_HEAD = 40  # characters of a head in a message
_MARKUP_FINDERS = {
    "Markdown": find_markdown_tables,
    "LaTeX": find_latex_tables,
    "HTML": find_html_tables,
    "reStructuredText": find_rst_tables,
}
_TEXT_FINDERS = {"separated values": find_separated_values, "aligned text": find_aligned_columns}


@dataclass(frozen=True)
class TablesRead(Extraction):
    """What the tables of a text give.

    ``lines`` are the lines (from 1) of the tables that were understood: their figures are claims,
    or the notes say why they are not, so no other reader may read them. ``has_metric``: at least
    one of these tables has a column of a metric.
    """

    lines: tuple[int, ...] = ()
    has_metric: bool = False


def read_tables(
    text: str, name: str, kind: str | None = None, column: str | None = None
) -> TablesRead:
    """Read the claims of all tables in a text.

    Args:
        text: the document.
        name: the file's name, for the result.
        kind: ``Markdown`` or another form of table in :data:`fmbench.extraction.read.KINDS`;
            None: all of them. A text is read as separated values only if it holds no table in
            markup.
        column: the head of the column that holds the accuracies, if there are several.

    Raises:
        UserError: no table has the named column, or a table is too large.
    """
    grids = [replace(grid, where=f"table {n}") for n, grid in enumerate(_find_grids(text, kind), 1)]
    if len(grids) == 1:
        first, last = grids[0].extent
        lines = text.split("\n")
        is_whole = not any(line.strip() for line in [*lines[: first - 1], *lines[last:]])
        grids = [replace(grids[0], is_whole=is_whole)]
    read = _Tables.read(grids, column, name)
    return TablesRead(
        "table",
        name,
        tuple(read.claims),
        notes=tuple(dict.fromkeys(read.notes)),
        lines=tuple(line for grid in read.understood for line in _list_lines(grid)),
        has_metric=read.has_metric,
    )


def _list_lines(grid: Grid) -> list[int]:
    """List the lines of a table without those of one cell, which may be sentences beside a CSV."""
    first, last = grid.extent
    alone = set()
    if grid.lines:
        first, last = grid.lines[0], grid.lines[-1]
        rows = zip(grid.lines, grid.rows, strict=True)
        alone = {line for line, row in rows if sum(bool(cell.text) for cell in row) < 2}
    return [line for line in range(first, last + 1) if line not in alone]


def read_grids(
    grids: Sequence[Grid], *, column: str | None = None, name: str = ""
) -> tuple[list[FoundClaim], list[str]]:
    """Return the claims of all tables of a document, and notes on what was seen and not taken.

    ``column`` is the head of the column to read, or its number, counted from 1; only this column
    is read then, and tables without it are noted.

    Raises:
        UserError: no table has the named column.
    """
    read = _Tables.read(grids, column, name)
    return read.claims, read.notes


@dataclass
class _Tables:
    """What the tables of a document give; see :class:`TablesRead`."""

    claims: list[FoundClaim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    understood: list[Grid] = field(default_factory=list)
    has_metric: bool = False

    @classmethod
    def read(cls, grids: Sequence[Grid], column: str | None, name: str) -> _Tables:
        """Read all tables; see :func:`read_grids`."""
        tables = [Table.build(grid) for grid in grids]
        chosen = [table for table in tables if column is None or find_named_column(table, column)]
        if column is not None and not chosen:
            heads = dict.fromkeys(h for t in tables for h in map(describe_column, t.columns) if h)
            raise UserError(
                f"no table in {name} has a column {column!r}"
                + (f"; the columns are {join_words(heads, 12)}" if heads else "")
            )
        result = cls()
        for table in tables:
            if table not in chosen:
                result.notes.append(f"{table.source} has no column {column!r}: not read")
        for grid, table in zip(grids, tables, strict=True):
            if table in chosen:
                try:
                    read = _read_table(table, column)
                except AmbiguousColumnsError as error:  # the rest of the document is read
                    read = _TableRead([], [str(error)])
                result.claims += read.claims
                result.notes += read.notes
                if read.is_understood and (read.claims or read.notes or read.is_of_other_things):
                    result.understood.append(grid)
                    result.has_metric = result.has_metric or read.has_metric
        return result


def _find_grids(text: str, kind: str | None) -> list[Grid]:
    """Return the tables of a text in their order, those without a header with that of the last."""
    if kind is not None:
        grids = (_MARKUP_FINDERS | _TEXT_FINDERS)[kind](text)
    else:
        grids = [grid for finder in _MARKUP_FINDERS.values() for grid in finder(text)]
        if not grids:
            grids = find_separated_values(text)
        taken = {line for grid in grids for line in range(grid.extent[0], grid.extent[1] + 1)}
        lines = text.split("\n")
        rest = "\n".join("" if n in taken else line for n, line in enumerate(lines, start=1))
        grids += find_aligned_columns(rest)
        grids.sort(key=lambda grid: grid.extent)
    headings = Headings(text) if grids else None
    for index, grid in enumerate(grids):
        first = (grid.lines or grid.extent)[0]
        if headings is not None:
            grids[index] = replace(
                grid,
                other_data=headings.find_other_data(first - 1),
                above=headings.list_above(first - 1),
                line_above=headings.find_line(first - 1),
                titles=headings.list_titles(first - 1),
                is_of_any_data=headings.name_no_data(first - 1),
            )
        if index:
            grids[index] = _continue_table(grids[index - 1], grids[index])
    return grids


def _continue_table(above: Grid, grid: Grid) -> Grid:
    """Return the grid, with the header of the table above if it seems to go on below a break."""
    first, last = Table.build(above), Table.build(grid)
    is_close = 0 < grid.extent[0] - above.extent[1] <= 4
    has_heads = any(column.parts for column in last.columns)
    if has_heads or grid.caption or not is_close or above.n_columns != grid.n_columns:
        return grid
    n = first.n_header
    if first.is_transposed or not n:
        return grid
    rows = tuple(tuple(replace(cell, is_header=True) for cell in row) for row in above.rows[:n])
    lines = above.lines[:n] + grid.lines if grid.lines else ()
    return replace(
        grid,
        rows=rows + grid.rows,
        lines=lines,
        caption=above.caption,
        other_data=above.other_data,
        above=above.above,
        titles=above.titles,
        is_of_any_data=above.is_of_any_data,
    )


# ---------------------------------------------------------------- labels and figures


@dataclass(frozen=True)
class _TableRead:
    """What one table gives.

    ``has_metric``: a column of it holds a metric, if only of other images. ``is_understood``: it is
    a table of figures, and no list of words and numbers that only looks like one.
    ``is_of_other_things``: it holds no shares (but sizes, counts, settings), so no note is needed.
    """

    claims: Sequence[FoundClaim]
    notes: Sequence[str]
    has_metric: bool = True
    is_understood: bool = True
    is_of_other_things: bool = False


def _read_table(table: Table, column: str | None) -> _TableRead:
    if is_matrix(table):
        return _TableRead([], [])
    by_class = find_class_rows(table)
    notes_on_classes = list(table.notes)
    if by_class is None and any(column.role == "class" for column in table.columns):
        return _TableRead(_read_class_columns(table), table.notes)
    named = find_named_column(table, column) if column is not None else None
    if named is not None:
        if named.metric is None:
            named.metric = MetricName("accuracy")
            table.notes.append(f"{table.source}: {named.head!r} was read as the accuracy")
        chosen = [named]
    else:
        if reason := _explain_other_task(table):
            return _TableRead([], [f"{table.source} is {reason}: not taken"])
        give_metric_of_caption(table, is_by_class=by_class is not None)
        chosen = choose_columns(table, is_by_class=by_class is not None)
    if any(_COUNT_OF_MODELS.fullmatch(c.head) and c.n_figures > c.n_texts for c in table.columns):
        chosen = [column for column in chosen if not is_mean_head(column.head)]
        table.notes.append(f"{table.source} has means over several models: not taken")
    has_double_figures = note_double_figures(table, chosen)
    if not chosen:
        table.notes = [note for note in table.notes if note not in notes_on_classes]
        return _read_no_column(table, has_double_figures=has_double_figures)
    rows = by_class if by_class is not None else list(find_model_rows(table, chosen))
    claims = []
    for chosen_column in chosen:
        same = [c for c in chosen if c.metric == chosen_column.metric and not c.variant]
        model = name_models(chosen)[chosen_column.index] if len(same) > 1 else ""
        read = _read_column(table, chosen_column, rows, model, is_by_class=by_class is not None)
        claims += [(row, _add_variant(claim, chosen_column.variant)) for row, claim in read]
    claims, notes = leave_out_other_averages(claims, table.source)
    table.notes.extend(notes)
    claims = average_rows(table, rows, claims)
    order = {row.index: place for place, row in enumerate(rows)}
    claims.sort(key=lambda pair: order[pair[0]])
    # Once, where the accuracy of a table of classes is printed in each of its columns.
    return _TableRead(list(dict.fromkeys(claim for _, claim in claims)), table.notes)


_COUNT_OF_MODELS = re.compile(r"(?:# ?|n |no\.? of |number of )?(?:models|networks)", re.IGNORECASE)


def _add_variant(claim: FoundClaim, variant: str) -> FoundClaim:
    if not variant:
        return claim
    return replace(claim, label=f"{claim.label} ({variant})" if claim.label else variant)


def _read_no_column(table: Table, *, has_double_figures: bool) -> _TableRead:
    """Say of a table without a column that can be read what its columns are."""
    rows = [[cell.text for cell in row if cell.text] for row in table.grid.rows[table.n_header :]]
    if not any(len(texts) > 1 and any(map(is_figure, texts)) for texts in rows):
        return _TableRead([], table.notes, has_metric=False, is_understood=False)
    has_metric = bool(table.notes)  # columns of other images, or of no accuracy
    has_heads = any(c.parts for c in table.columns if c.n_figures) and not any(
        find_metric_name(c.head) for c in table.columns if c.n_texts > c.n_figures
    )
    shares = [column for column in table.columns if holds_shares(table, column)]
    heads = [text for text in map(describe_column, shares) if text]
    if heads and not any(column.role == "training" for column in table.columns):
        heads = [head if len(head) <= _MAX_HEAD else f"{head[:_MAX_HEAD]}...'" for head in heads]
        table.notes.append(
            f"{table.source}: no column is named as a metric of the test images "
            f"({join_words(heads, 8)}); choose one by its head or number: --column 2"
        )
    is_understood = has_heads or has_double_figures
    return _TableRead([], table.notes, has_metric, is_understood, not table.notes)


def _explain_other_task(table: Table) -> str:
    """Say of which other images a table is, or what is changed for its figures; else empty."""
    images = _explain_other_images(table)
    if images:
        return f"of {images}"
    heading = table.grid.above[-1] if table.grid.above else ""
    if _names_other_task(heading) and not _names_fashion(table):
        return f"of another task, as the text above it says ({heading[:60]!r})"
    if _TYPICAL.search(table.grid.caption):
        return "of values that are only expected, as its caption says"
    expected = [text for text in (heading, *table.grid.titles) if _EXPECTED.search(text)]
    expected += filter(is_title_of_goal, table.grid.titles[-1:])
    if expected and any(column.n_figures for column in table.columns):
        return f"only expected, as the text above it says ({expected[0][:60]!r})"
    return _find_condition(table)


_EXPECTED = re.compile(
    r"\b(?:expected|anticipated|planned|target|predicted|projected)"
    r" (?:results?|outcomes?|performance|accurac\w+|scores?)\b"
    r"|\b(?:results?|performance|accurac\w+|scores?|metrics?) (?:expected|targets?|goals?)\b",
    re.IGNORECASE,
)


# "expected metrics (typical values of the network)", also in French
_TYPICAL = re.compile(
    r"\b(?:typical|hypothetical|illustrative|invented|made-up|placeholder|dummy) (?:values?"
    r"|figures?|numbers?|results?|metrics?|accurac\w+)|\bvaleurs (?:typiques|indicatives)"
    r"|\b(?:m[\u00e9e]triques|r[\u00e9e]sultats|valeurs)(?: [\w-]+){0,2} attendue?s\b",
    re.IGNORECASE,
)


def _explain_other_images(table: Table) -> str:
    """Say of which other images a table is, by its caption or by what stands above; else empty."""
    images = explain_caption(table)
    if images and any(c.n_figures for c in table.columns):
        return f"{images}, as its caption says"
    heading = table.grid.above[0] if table.grid.above else ""
    if not images and _ENDS_WITH_VALIDATION.search(heading) and not _names_test(table):
        return f"validation images, as the heading above it says ({heading[:60]!r})"
    if _names_fashion(table):
        return ""
    caption = find_data_sets(table.grid.caption)
    if caption.any:
        return join_words(caption.others) if caption.is_other else ""
    if is_over_data_sets(table.grid.caption) and any(c.n_figures for c in table.columns):
        return "several data sets together, as its caption says"
    above = table.grid.other_data
    if not above and table.grid.is_of_any_data and any(c.n_figures for c in table.columns):
        return "a data set that no heading above it names, as others do"
    if not above or not any(c.n_figures for c in table.columns):
        return ""
    return f"{join_words(find_data_sets(above).others)}, as the text above it says ({above[:60]!r})"


# Best accuracy scores obtained in validation
_ENDS_WITH_VALIDATION = re.compile(
    r"\b(?:in|on|during) (?:the )?validation(?: set| data| images)?\W*$", re.IGNORECASE
)


def _names_test(table: Table) -> bool:
    """Whether a head of a table says that its figures are of the test images."""
    return any(TEST_IMAGES.search(column.head) for column in table.columns)


def _names_fashion(table: Table) -> bool:
    """Whether a head or a cell of a table names Fashion-MNIST."""
    heads = (column.head for column in table.columns)
    cells = (cell.text for row in table.grid.rows for cell in row)
    return any(FASHION_IN_HEADS.search(text) for texts in (heads, cells) for text in texts)


# "For keyword spotting (2023):" above a table
_OTHER_TASK = re.compile(
    r"\W*(?:(?:results?|accurac\w+|scores?) )?(?:for|on|of|in) (?:[\w-]+ ){0,3}?(?:activity|speech"
    r"|gesture|emotion|face|facial|sound|audio|music|sentiment|traffic[- ]sign|keyword|speaker|ecg"
    r"|eeg|text|node|sign language|medical)[ -](?:image )?(?:recognition|classification|detection"
    r"|spotting|analysis)\b[^.;]{0,60}:?",
    re.IGNORECASE,
)


def _names_other_task(heading: str) -> bool:
    """Whether the line above a table says that its figures are of no images of clothes."""
    is_of_images = FASHION_IN_HEADS.search(heading) is not None
    return not is_of_images and _OTHER_TASK.fullmatch(heading) is not None


_CLUSTER_HEADS = re.compile(
    r"(?<![^\W_])(?:nmi|ari|ami|purity|(?:adjusted )?rand index|mutual information)(?![^\W_])", re.I
)


def _find_condition(table: Table) -> str:
    """Say what is changed for all figures of a table, and what says so; empty if nothing is.

    The columns that say it of themselves are left out one by one, so that the others are read.
    """
    if not any(column.n_figures for column in table.columns):
        return ""
    if any(_CLUSTER_HEADS.search(column.head) for column in table.columns):
        return "of clustering, as its columns say"
    if any(column.role == "changed" for column in table.columns):
        return ""
    caption, above = table.grid.caption, table.grid.above
    if condition := find_condition_of_table(caption):
        return f"{condition}, as its caption says ({caption[:80]!r})"
    if condition := find_condition_of_table(*(() if caption else above)):
        return f"{condition}, as the text above it says"
    return ""


def _read_column(
    table: Table, column: Column, rows: Sequence[Row], model: str, *, is_by_class: bool
) -> list[tuple[int, FoundClaim]]:
    """Return the claims of one column, each with the row's index."""
    metric = column.metric
    assert metric is not None
    texts = [strip_figure(column.cells[row.index].text) for row in rows]
    is_share = METRICS[metric.metric].highest == 1
    counts = [text for text in texts if is_share and is_count(text)]
    if counts and len(counts) == sum(map(is_figure, texts)):
        table.notes.append(
            f"{table.source}: {describe_column(column) or 'a column'} holds whole numbers above 100"
            ": not taken"
        )
        return []
    texts = ["" if text in counts else text for text in texts]
    for text in dict.fromkeys(counts):
        table.notes.append(f"{table.source}: {text} is a count, not a share: not taken")
    comma = find_decimal_comma(texts)
    column_texts = [cell.text for cell in column.cells]
    percent = _choose_percent(texts, metric)
    spread = _find_spread(table, column)
    has_spread = spread is not None or any("\u00b1" in text or "+-" in text for text in texts)
    repetition = _find_repetition(table, column, has_spread=has_spread)
    claims = []
    for row, text in zip(rows, texts, strict=True):
        cell = column.cells[row.index]
        if not text or is_missing(text) or cell.repeats_above or cell.repeats_left:
            continue
        where = table.name_row(row.index)
        figure = parse_printed_figure(
            text, error_rate=metric.is_error_rate, percent=percent, decimal_comma=comma
        )
        if figure is None:
            table.notes.append(f"{where}: {text[:60]!r} is not one figure: not taken")
            continue
        figure = keep_zeros(figure, column_texts)
        figure = _add_spread(figure, spread, row.index, text, metric, percent, comma)
        claim = _build_claim(table, metric, row, figure, where, model, is_by_class=is_by_class)
        if claim is not None:
            claims.append((row.index, repetition.apply(claim)))
    return claims


def _find_repetition(table: Table, column: Column, *, has_spread: bool) -> Repetition:
    """Find how many runs the figures of a column sum up, by its head and the table's caption.

    Below a head ``Best``, a number of runs in the caption is the number of which it is the best.
    """
    is_best = is_best_head(column.head) and not has_spread
    is_mean = has_spread or is_mean_head(column.head)
    for text in (column.head, table.grid.caption):
        found = find_repetition(text, has_spread=is_mean and not is_best)
        if found is None and is_best:
            runs = find_repetition(text, has_spread=True)
            found = Repetition(best_of=runs.mean_of) if runs else None
        if found is not None:
            return found
    return Repetition()


def _choose_percent(texts: list[str], metric: MetricName) -> bool | None:
    if METRICS[metric.metric].highest is None:  # MSE, MAE, counts
        return None
    percent = choose_percent(texts, metric.percent)
    if percent is None and metric.is_error_rate:
        # 0.84 beside 1.2: both are percentages, because an error rate is at most 1.
        values = [figure.value for text in texts if (figure := parse_printed_figure(text))]
        return any(not v.endswith("%") and Decimal(v) > 1 for v in values) or None
    return percent


def _build_claim(
    table: Table, metric: MetricName, row: Row, figure: PrintedFigure, where: str, model: str,
    *, is_by_class: bool,
) -> FoundClaim | None:  # fmt: skip
    """Return the claim of one cell; None (and a note) if the metric does not fit the row."""
    name, average, class_, remark = metric.metric, metric.average, row.class_, metric.remark
    label = model or row.label if is_by_class else f"{model} {row.label}".strip()
    if row.is_accuracy:
        name, average, remark = "accuracy", None, ""
    elif class_ is not None:
        if name == "accuracy":
            name = "recall"
            remark = "the accuracy of a class is read as its recall"
        if not is_of_classes(name):
            table.notes.append(f"{where}: {METRICS[name].title} of one class: not taken")
            return None
        average = None
    elif row.average is not None:
        if is_of_classes(name):
            average = average or row.average
        elif name != "accuracy" and row.average != "macro":
            return None
    elif METRICS[name].average_is_stated and average is None:
        average = "macro"
        remark = remark or f"{NO_AVERAGE}: read as the mean over the classes (macro)"
    try:
        if name in METRICS:
            check_range(figure, name)
    except ValueError as error:
        table.notes.append(f"{where}: not taken: {error}")
        return None
    return FoundClaim(
        label, name, figure, table.source, where, class_=class_, average=average,
        remark=describe_error_rate(figure, remark),
    )  # fmt: skip


# ---------------------------------------------------------------- classes
def _read_class_columns(table: Table) -> list[FoundClaim]:
    """Read a table with a model in each row and a class in each column."""
    columns = [column for column in table.columns if column.role == "class"]
    metric = find_metric_name(remove_data_sets(table.grid.caption))
    numbers = find_class_numbers([column.head for column in columns])
    if metric is None or numbers is None:
        table.notes.append(
            f"{table.source} has a column for each class and no caption with a metric: not taken"
        )
        return []
    claims = []
    rows = list(find_model_rows(table, columns, finds_runs=False))
    for column, class_ in zip(columns, numbers.numbers, strict=True):
        column.metric = metric
        of_class = [replace(row, class_=class_) for row in rows]
        claims += _read_column(table, column, of_class, "", is_by_class=True)
    is_accuracy = metric.metric == "accuracy" or "accuracy" in metric.remark
    for column in table.columns if is_accuracy else ():
        found = AVERAGES.fullmatch(remove_data_sets(column.head))
        if column.role in ("weak", "metric", "") and column.n_figures and found:
            # The mean over classes of one size is the accuracy.
            column.metric = MetricName("accuracy", percent=metric.percent)
            claims += _read_column(table, column, rows, "", is_by_class=False)
    return [claim for _, claim in sorted(claims, key=lambda pair: pair[0])]


# ---------------------------------------------------------------- spreads


def _find_spread(table: Table, column: Column) -> Column | None:
    """Return the column of standard deviations that belongs to a column of figures."""
    spreads = [other for other in table.columns if other.role == "spread"]
    own = [
        other
        for other in spreads
        if (name := find_metric_name(SPREAD.sub(" ", remove_data_sets(other.head))))
        and column.metric is not None
        and name.metric == column.metric.metric
    ]
    if own:
        return own[0] if len(own) == 1 else None
    next_one = table.columns[column.index + 1 : column.index + 2]
    return next_one[0] if next_one and next_one[0].role == "spread" else None


def _add_spread(
    figure: PrintedFigure, spread: Column | None, row: int, text: str, metric: MetricName,
    percent: bool | None, comma: bool | None,
) -> PrintedFigure:  # fmt: skip
    """Return the figure with the standard deviation that stands in its own column."""
    if spread is None or figure.sd is not None or figure.out_of is not None:
        return figure
    value = strip_figure(spread.cells[row].text).lstrip("±+-/ ")
    if is_missing(value):
        return figure
    joined = f"{text.rstrip('% ')} ± {value.rstrip('% ')}" + ("%" if "%" in text + value else "")
    both = parse_printed_figure(
        joined, error_rate=metric.is_error_rate, percent=percent, decimal_comma=comma
    )
    if both is None or both.value != figure.value:
        return figure
    return replace(both, printed=f"{text} ± {value}")
