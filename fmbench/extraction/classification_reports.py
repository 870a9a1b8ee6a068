"""Reads scikit-learn's classification report, and lists of one accuracy for each class.

Reads the printed text in any number of digits (also within a log, a notebook's output or a table in
Markdown or LaTeX), the dictionary of ``output_dict`` as JSON, and what pandas makes of it (CSV, or
its print, transposed or not). A class of Fashion-MNIST is known by its name or number, in any
order.

Averages: ``macro avg``, ``weighted avg`` (``avg / total`` before scikit-learn 0.20) and
``micro avg``. ``samples avg`` exists for multi-label predictions only. It is the accuracy if each
image has one label and one predicted label, as in one-hot labels; otherwise the figures do not come
from a confusion matrix, and are not taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.errors import UserError
from fmbench.extraction.blocks import (
    MAX_BLOCKS,
    MAX_NUMBER,
    Block,
    build_extraction,
    clean_cell,
    combine_blocks,
    find_heading,
    is_rule,
    mark_other_data,
    names_nothing,
    read_number,
    read_number_line,
    replace_tables,
    split_cells,
    split_lines,
)
from fmbench.extraction.class_names import ClassNumbers, find_class_numbers
from fmbench.extraction.figures import keep_zeros, round_binary
from fmbench.extraction.found import Average, Extraction, FoundClaim, PrintedFigure
from fmbench.extraction.json_values import JsonPlace, find_json, walk_json
from fmbench.extraction.runs import names_runs
from fmbench.suites.rounding import parse_figure

KIND = "classification report"
CLASS_ACCURACIES = "class accuracies"
MAX_CLASSES = 100

_COLUMNS = {
    "precision": r"precision|prec\.?|ppv",
    "recall": r"recall|sensitivity|tpr",
    "f1": r"f1[-_ ]?score|f[-_ ]?score|f1[-_ ]?measure|f[-_ ]?measure|f1",
    "support": r"support|images|samples|count",
    "accuracy": r"(?:class[- ]?)?accuracy|acc\.?",
}
_METRICS = ("precision", "recall", "f1")
_COLUMN = re.compile(
    r"(?<![a-z0-9])(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _COLUMNS.items())
    + r")(?![a-z0-9])\s*(?P<percent>[(\[]?%[)\]]?)?",
    re.IGNORECASE,
)  # fmt: skip
_AVERAGES: dict[str, str] = {
    "macro": r"(?:macro|unweighted)[-_ ]*(?:avg|average|mean)?\.?",
    "weighted": r"weighted[-_ ]*(?:avg|average|mean)?\.?|(?:avg|average)\s*/\s*total",
    "micro": r"micro[-_ ]*(?:avg|average|mean)?\.?",
    "samples": r"samples?[-_ ]*(?:avg|average)\.?",
    "accuracy": r"(?:overall |total |test )?(?:accuracy|acc\.?)",
}


@dataclass
class _Row:
    """One printed row: the cells by the column's name, in the row's own order."""

    name: str
    cells: dict[str, str]
    line: int


@dataclass
class _Table:
    """The rows of one report, before the class names are understood."""

    rows: list[_Row]
    averages: dict[str, _Row] = field(default_factory=dict)
    is_percent: bool = False


def read_report(text: str, name: str) -> Extraction:
    """Read all classification reports of a text.

    Raises:
        UserError: there is none.
    """
    content = find_json(text, name)
    if content is not None:
        blocks = find_reports_in_json(content)
    else:
        blocks = find_reports(replace_tables(text))
    if not any(block.claims for block in blocks):
        notes = "".join(f" ({note})" for block in blocks for note in block.notes[:1])
        raise UserError(
            f"{name}: no classification report found{notes}; it needs the columns precision, "
            "recall and f1-score"
        )
    return build_extraction(KIND, name, combine_blocks(blocks))


def find_reports(text: str) -> list[Block]:
    """Find the classification reports and the lists of class accuracies in a text.

    A figure out of range is noted, not taken.
    """
    lines = split_lines(text)
    blocks: list[Block] = []
    i = 0
    while i < len(lines) and len(blocks) < MAX_BLOCKS:
        found = _read_block(lines, i)
        if found is None:
            i += 1
            continue
        table, last = found
        after = blocks[-1].last_line if blocks else -1
        block = _build_block(table, i, last, find_heading(lines, i, after))
        blocks.append(block if block.model else _name_by_accuracy(block, lines, after))
        i = last + 1
    taken = {line for block in blocks for line in range(block.first_line, block.last_line + 1)}
    return mark_other_data(blocks + find_class_accuracies(lines, taken), text)


_NAMED_ACCURACY = re.compile(
    r"\W*(?P<name>[A-Za-z][^:=]{0,60}?)(?:\s*[-:\u2013])?\s+(?:(?:test(?:ing)?|overall|final)\s+)*"
    r"accuracy\s*[:=]\s*(?P<value>[0-9]{0,3}\.[0-9]{1,20})\s?(?P<percent>%?)\W*",
    re.IGNORECASE,
)


def _name_by_accuracy(block: Block, lines: Sequence[str], after: int) -> Block:
    """Name a report by ``SVC accuracy: 89.71 %`` above it, if that is its accuracy."""
    printed = [claim.figure.value for claim in block.claims if claim.metric == "accuracy"]
    if not printed:
        return block
    accuracy = Decimal(printed[0].rstrip("%"))
    accuracy = accuracy.scaleb(-2) if printed[0].endswith("%") else accuracy
    unit = Decimal(1).scaleb(int(accuracy.as_tuple().exponent))
    above = [
        line for line in lines[max(after + 1, block.first_line - 8) : block.first_line] if line
    ]
    for line in reversed(above[-3:]):
        match = _NAMED_ACCURACY.fullmatch(line[:200])
        if match is None or names_nothing(match["name"]):
            continue
        value = Decimal(match["value"])
        value = value.scaleb(-2) if match["percent"] or value > 1 else value
        if abs(value - accuracy) <= unit / 2:
            return replace(block, model=" ".join(match["name"].split()))
    return block


def _read_block(lines: Sequence[str], first: int) -> tuple[_Table, int] | None:
    line = lines[first]
    if len(line) > 2000 or not re.search(r"[a-z]", line, re.IGNORECASE):
        return None
    lowered = line.lower()
    if (
        "precision" not in lowered
        and "recall" not in lowered
        and not _may_be_transposed(lines, first)
    ):
        return None
    return _read_upright(lines, first) or _read_transposed(lines, first)


# ---- the classes in rows -------------------------------------------------------------------------


def _read_upright(lines: Sequence[str], first: int) -> tuple[_Table, int] | None:
    """Read a report whose columns are precision, recall, f1-score and support."""
    columns, is_percent = _read_header(lines[first])
    if len(set(columns) & set(_METRICS)) < 2:
        return None
    table, last = _Table([], is_percent=is_percent), first
    for i in range(first + 1, len(lines)):
        if is_rule(lines[i]):
            continue
        row = _read_row(lines[i], columns, i)
        if row is None or len(table.rows) > MAX_CLASSES:
            break
        _add_row(table, row)
        last = i
    is_report = "support" in columns or table.averages or _are_classes(table.rows)
    if len(table.rows) < 2 or not is_report:
        return None
    return table, last


_EPOCHS = re.compile(r"(?:epochs?|steps?|iterations?)", re.IGNORECASE)


def _read_header(line: str) -> tuple[list[str], bool]:
    """Return the columns that carry numbers (``""`` for others), and whether they are percent."""
    cells, is_separated = split_cells(line)
    for head in cells if is_separated else line.split():
        if _COLUMN.fullmatch(head):
            break
        if names_runs(head) or _EPOCHS.fullmatch(head):
            return [], False  # its rows are folds or epochs
    if is_separated:
        found: list[re.Match[str] | None] = [_COLUMN.fullmatch(cell) for cell in cells]
    else:
        matches = list(_COLUMN.finditer(line))
        found = list(matches)
        end = matches[0].end() if matches else 0
        for match in matches[1:]:
            if line[end : match.start()].strip():
                return [], False  # running text
            end = match.end()
        if not matches or len(line[end:].split()) > 3 or len(line[: matches[0].start()]) > 60:
            return [], False
        found += [None] * len(line[end:].split())
    columns = [_name_column(match) if match else "" for match in found]
    while is_separated and columns and columns[0] == "":
        columns.pop(0)
    return columns, any(match["percent"] for match in found if match)


def _name_column(match: re.Match[str]) -> str:
    return next(name for name in _COLUMNS if match[name])


def _read_row(line: str, columns: Sequence[str], number: int) -> _Row | None:
    read = read_number_line(line)
    if read is None:
        return None
    n = len(columns)
    average = _find_average(read.name)
    if average == "accuracy" and not read.is_separated and len(read.values) < n:
        # scikit-learn leaves precision and recall of this row empty
        names = ["f1", "support"] if "support" in columns else ["f1"]
        if len(read.values) > len(names):
            return None
        return _Row(read.name, dict(zip(names, read.values, strict=False)), number)
    values = read.values
    if read.is_separated and len(values) < n:
        return None
    if len(values) < n:
        return None
    name, values = read.take_last(n)
    if not name:
        return None
    cells = {c: v for c, v in zip(columns, values, strict=True) if c and v}
    return _Row(name, cells, number) if cells else None


def _find_average(name: str) -> str:
    for average, pattern in _AVERAGES.items():
        if re.fullmatch(pattern, name.strip(" :*-"), re.IGNORECASE):
            return average
    return ""


def _add_row(table: _Table, row: _Row) -> None:
    average = _find_average(row.name)
    if average:
        table.averages.setdefault(average, row)
    else:
        table.rows.append(row)


def _are_classes(rows: Sequence[_Row]) -> bool:
    """Whether the rows are named like classes, and not like models."""
    numbers = find_class_numbers([row.name for row in rows])
    return len(rows) >= 3 and numbers is not None and numbers.is_known


# ---- the classes in columns ----------------------------------------------------------------------


def _may_be_transposed(lines: Sequence[str], first: int) -> bool:
    below = lines[first + 1 : first + 3]
    if below and is_rule(below[0]) and below[0].strip():
        below = below[1:]  # the line below the head of a table in Markdown
    following = below[0][:200].lower() if below else ""
    return re.match(r"[\s|]*[\"*]*precision\b", following) is not None


def _read_transposed(lines: Sequence[str], first: int) -> tuple[_Table, int] | None:
    """Read ``pd.DataFrame(report)``: rows are precision, recall, f1-score and support."""
    names, is_separated = split_cells(lines[first])
    if is_separated:
        names = names[1:]
    if not names or len(names) > MAX_CLASSES + 10 or "..." in names:
        return None
    if any("." in (read_number(name) or "") for name in names):
        return None  # a row of figures above the row of the precision
    columns: dict[str, tuple[str, ...]] = {}
    last = first
    for i in range(first + 1, len(lines)):
        if is_rule(lines[i]) and lines[i].strip():
            continue
        read = read_number_line(lines[i])
        match = _COLUMN.fullmatch(read.name) if read else None
        if read is None or match is None or len(read.values) != len(names):
            break
        columns[_name_column(match)], last = read.values, i
    if len(set(columns) & set(_METRICS)) < 2:
        return None
    table = _Table([])
    for k, name in enumerate(names):
        cells = {column: values[k] for column, values in columns.items() if values[k]}
        _add_row(table, _Row(name, cells, last))
    is_report = "support" in columns or table.averages or _are_classes(table.rows)
    return (table, last) if len(table.rows) >= 2 and is_report else None


# ---- JSON ----------------------------------------------------------------------------------------


def find_reports_in_json(content: Any) -> list[Block]:
    """Find scikit-learn's reports (``output_dict=True``) in the content of a JSON file.

    Raises:
        UserError: a figure is out of range.
    """
    blocks: list[Block] = []
    for place in walk_json(content):
        if isinstance(place.value, dict) and len(blocks) < MAX_BLOCKS:
            block = _read_dictionary(place)
            if block is not None:
                blocks.append(block)
    return blocks


def _read_dictionary(place: JsonPlace) -> Block | None:
    table = _Table([])
    if {"precision", "recall"} <= set(place.value):
        content = _transpose(place.value)  # pd.DataFrame(report).T.to_json()
    else:
        content = place.value
    for name, entry in content.items():
        row = _read_entry(name, entry)
        if row is not None:
            _add_row(table, row)
    if len(table.rows) < 2 or len(table.rows) > MAX_CLASSES:
        return None
    if not (table.averages or _are_classes(table.rows) or "support" in table.rows[0].cells):
        return None
    return _build_block(table, place.order, place.order, (place.model, "", place.images))


def _read_entry(name: str, entry: Any) -> _Row | None:
    cells: dict[str, str] = {}
    if isinstance(entry, dict):
        for key, value in entry.items():
            match = _COLUMN.fullmatch(key) if len(key) < 40 else None
            number = read_number(value) if match and isinstance(value, str) else None
            if match and number is not None:
                cells[_name_column(match)] = number
        is_report = bool(set(cells) & set(_METRICS))
    else:
        number = read_number(entry) if isinstance(entry, str) else None
        is_report = number is not None and _find_average(name) == "accuracy"
        cells = {"f1": number or ""}
    return _Row(clean_cell(name[:200]), cells, -1) if is_report else None


def _transpose(columns: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for column, cells in columns.items():
        if isinstance(cells, dict):
            for name, value in cells.items():
                rows.setdefault(name, {})[column] = value
    return rows


# ---- from rows to claims -------------------------------------------------------------------------


def _build_block(table: _Table, first: int, last: int, heading: tuple[str, str, str]) -> Block:
    checks = _ReportChecks(table)
    checks.run()
    builder = _ReportBuilder(table)
    builder.notes += checks.notes
    builder.build()
    model, title, images = heading
    return Block(
        KIND,
        first,
        last,
        claims=tuple(builder.claims),
        n_per_class=builder.n_per_class,
        class_names=builder.class_names,
        notes=tuple(builder.notes),
        model=model,
        heading=title,
        images=images,
    )


@dataclass
class _ReportChecks:
    """Decides whether the figures are percentages, and leaves out those out of range."""

    table: _Table
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        table = self.table
        rows = [*table.rows, *table.averages.values()]
        values = [
            Decimal(value)
            for row in rows
            for column, value in row.cells.items()
            if column not in ("support",) and not value.endswith("%")
        ]
        if values and sum(value > 1 for value in values) * 2 > len(values) and max(values) > 10:
            table.is_percent = True
        elif table.is_percent and values and all(value <= 1 for value in values):
            table.is_percent = False  # fractions below a head that says percent
        for row in rows:
            for column, value in list(row.cells.items()):
                if column != "support":
                    self._check(row, column, value)

    def _check(self, row: _Row, column: str, value: str) -> None:
        is_percent = self.table.is_percent or value.endswith("%")
        number = Decimal(value.removesuffix("%"))
        if not 0 <= number <= (100 if is_percent else 1):
            del row.cells[column]
            self.notes.append(
                f"{_name_place(row)}: {column} {value} of {row.name[:60]!r} is out of range: not "
                f"taken; a {column} lies between 0 and {'100 %' if is_percent else '1'}"
            )


def _name_place(row: _Row) -> str:
    return f"line {row.line + 1}" if row.line >= 0 else KIND


class _ReportBuilder:
    """Turns the rows of one report into claims."""

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.claims: list[FoundClaim] = []
        self.notes: list[str] = []
        self.n_per_class: tuple[int, ...] | None = None
        self.class_names: tuple[str, ...] = ()
        rows = (*table.rows, *table.averages.values())
        self.printed_figures = [value for row in rows for value in row.cells.values()]

    def build(self) -> None:
        table = self.table
        if not self._come_from_one_matrix():
            return
        names = [row.name for row in table.rows]
        numbers = find_class_numbers(names)
        if numbers is None:
            self.notes.append(
                f"the class names {', '.join(map(repr, names[:3]))}, ... do not say which classes "
                "they mean: the figures of single classes are not taken"
            )
            self._add_averages()
            return
        if numbers.note:
            self.notes.append(numbers.note)
        is_cut = self._is_cut()
        is_partial = numbers.is_partial or is_cut or self._has_other_classes()
        if not self._read_support(numbers, is_partial):
            return
        for number, row in sorted(
            zip(numbers.numbers, table.rows, strict=True), key=lambda p: p[0]
        ):
            self._add_class(number, row)
        note = f"the report has only {len(names)} of the classes, not all {FASHION_MNIST.n_classes}"
        if not is_partial:
            self.class_names = numbers.sort(names)
        elif table.averages and not is_cut:
            note += ": its averages are not of the test set, and are not taken"
        if is_partial:
            self.notes.append(note)
        if is_cut or not is_partial:
            self._add_averages()

    def _is_cut(self) -> bool:
        """Whether rows of classes are missing: the closing lines are, or count more images.

        scikit-learn ends each report with the accuracy and the averages over all its classes.
        """
        rows, averages = self.table.rows, self.table.averages
        if len(rows) >= FASHION_MNIST.n_classes:
            return False
        if not averages:
            return True
        counts = [_read_count(row.cells.get("support", "")) for row in rows]
        total = sum(count for count in counts if count is not None)
        all_images = sum(FASHION_MNIST.n_per_class)
        return (
            None not in counts
            and total < all_images
            and any(
                _read_count(row.cells.get("support", "")) == all_images for row in averages.values()
            )
        )

    def _come_from_one_matrix(self) -> bool:
        """Whether each image has one label and one prediction; see the top of this file."""
        samples, micro = (self.table.averages.get(name) for name in ("samples", "micro"))
        if samples is None:
            return True
        values = {Decimal(row.cells[m].removesuffix("%")) for row in (samples, micro or samples)
                  for m in _METRICS if m in row.cells}  # fmt: skip
        if len(values) == 1:
            return True
        self.notes.append(
            "a multi-label report (samples avg) whose micro and samples averages differ: some "
            "images have no predicted class, or several, so its figures are not taken"
        )
        return False

    def _has_other_classes(self) -> bool:
        """Whether scikit-learn printed only some classes: it prints ``micro avg`` only then."""
        averages = self.table.averages
        micro = averages.get("micro")
        if micro is None or "samples" in averages or "accuracy" in averages:
            return False
        values = {Decimal(micro.cells[m].removesuffix("%")) for m in _METRICS if m in micro.cells}
        return len(values) > 1 and len(self.table.rows) != FASHION_MNIST.n_classes

    def _read_support(self, numbers: ClassNumbers, is_partial: bool) -> bool:
        """Read the images of each class; False if the report cannot be taken because of them."""
        printed = [row.cells.get("support", "") for row in self.table.rows]
        if not all(printed):
            return True
        sizes = [_read_count(text) for text in printed]
        if any(size is None for size in sizes):
            self.notes.append("the support is not a whole number of images: it is not taken")
            return True
        counts = tuple(size for size in sizes if size is not None)
        if 0 in counts:
            self.notes.append(
                "a class of the report has no images (support 0): the report is not taken"
            )
            return False
        if is_partial:
            expected = {FASHION_MNIST.n_per_class[k] for k in numbers.numbers}
            if set(counts) != expected:
                self.notes.append(
                    "the report has only some of the classes, and not Fashion-MNIST's test "
                    "images: it is not taken"
                )
                return False
            return True
        by_class = dict(zip(numbers.numbers, counts, strict=True))
        self.n_per_class = tuple(by_class[k] for k in sorted(by_class))
        for average, row in self.table.averages.items():
            total = _read_count(row.cells.get("support", ""))
            is_frame = average == "accuracy" and len(row.cells) > 2
            if total is not None and total != sum(counts) and not is_frame:
                self.notes.append(
                    f"the supports of the classes add up to {sum(counts):,}, but the row "
                    f"{row.name!r} prints {total:,}"
                )
        return True

    def _add_class(self, number: int, row: _Row) -> None:
        for metric in _METRICS:
            if metric in row.cells:
                self._add(metric, row, row.cells[metric], class_=number)
        accuracy = row.cells.get("accuracy")
        if accuracy is None:
            return
        recall = row.cells.get("recall")
        if recall is None:
            self._add("recall", row, accuracy, class_=number, remark=RECALL_REMARK)
        elif Decimal(recall.removesuffix("%")) != Decimal(accuracy.removesuffix("%")):
            self.notes.append(
                "the column 'accuracy' of the classes is not their recall: perhaps (TP + TN) / all "
                "images; it is not taken"
            )

    def _add_averages(self) -> None:
        for average, row in self.table.averages.items():
            if average == "accuracy":
                values = [row.cells[m] for m in (*_METRICS, "accuracy") if m in row.cells]
                if values and len({round(Decimal(v.removesuffix("%")), 3) for v in values}) == 1:
                    self._add("accuracy", row, max(values, key=len))
                elif values:
                    self.notes.append(f"the row {row.name!r} has different values: not taken")
                continue
            if average == "samples" and "micro" in self.table.averages:
                continue  # the same figures as micro avg
            for metric in _METRICS:
                if metric in row.cells:
                    self._add(
                        metric, row, row.cells[metric],
                        average="micro" if average == "samples" else average,
                    )  # fmt: skip

    def _add(
        self,
        metric: str,
        row: _Row,
        printed: str,
        *,
        class_: int | None = None,
        average: str | None = None,
        remark: str = "",
    ) -> None:
        value = shorten_decimals(printed)
        if self.table.is_percent and not value.endswith("%"):
            value += "%"
        try:
            parse_figure(value, metric)
        except ValueError as error:
            self.notes.append(f"{_name_place(row)}: not taken: {error}")
            return
        self.claims.append(
            FoundClaim(
                label="",
                metric=metric,
                figure=keep_zeros(PrintedFigure(printed, value), self.printed_figures),
                source=KIND,
                where=_name_place(row),
                class_=class_,
                average=_AVERAGE[average] if average else None,
                remark=remark,
            )
        )


_AVERAGE: dict[str, Average] = {"macro": "macro", "weighted": "weighted", "micro": "micro"}
RECALL_REMARK = "the accuracy of one class is its recall"


def shorten_decimals(text: str) -> str:
    """Round a binary number that was written out in full: see :func:`round_binary`."""
    number = text.removesuffix("%")
    return format(round_binary(Decimal(number)), "f") + "%" * text.endswith("%")


def _read_count(text: str) -> int | None:
    """Read a number of images such as ``1000`` or ``1000.0``; None if it is none."""
    if not text or text.endswith("%") or len(text) > MAX_NUMBER:
        return None
    number = Decimal(text)
    return int(number) if number == int(number) and 0 <= number <= 10**9 else None


# ---- one accuracy for each class -----------------------------------------------------------------

_CLASS_ACCURACY = re.compile(
    r"^\W*(?:test\s+)?accuracy\s+(?:of|for)\s+(?:the\s+)?(?:class\s*:?\s*)?(?P<name>[^:=%]{1,40}?)"
    r"\s*(?::|=|\bis\b)\s*(?P<value>[0-9]{1,3}(?:\.[0-9]{1,10})?)\s?(?P<percent>%?)"
    r"\s*(?:\(\s*(?P<right>[0-9]{1,7})\s*/\s*(?P<all>[0-9]{1,7})\s*\))?\W*$",
    re.IGNORECASE,
)


def find_class_accuracies(lines: Sequence[str], taken: set[int]) -> list[Block]:
    """Find lists such as ``Accuracy of Dress : 88 %``, one line for each class."""
    groups: list[list[tuple[int, re.Match[str]]]] = []
    last = -10
    for i, line in enumerate(lines):
        if i in taken or len(line) > 200 or "ccuracy" not in line:
            continue
        match = _CLASS_ACCURACY.match(line)
        if match is None or find_class_numbers([match["name"]]) is None:
            continue
        if i - last > 2:
            groups.append([])
        groups[-1].append((i, match))
        last = i
    blocks = [_build_class_accuracies(group) for group in groups[:MAX_BLOCKS]]
    return [block for block in blocks if block is not None]


def _build_class_accuracies(group: Sequence[tuple[int, re.Match[str]]]) -> Block | None:
    numbers = find_class_numbers([match["name"].strip() for _, match in group])
    if len(group) < 3 or numbers is None or not numbers.is_known:
        return None
    claims, sizes, notes = [], {}, ["the accuracy of one class is its recall"]
    for number, (line, match) in zip(numbers.numbers, group, strict=True):
        value = match["value"]
        limit = 100 if match["percent"] or Decimal(value) > 1 else 1
        if Decimal(value) > limit:
            notes.append(f"line {line + 1}: accuracy {value} is out of range: not taken")
            continue
        value = value + "%" * (limit == 100)
        if match["all"]:
            right, of = int(match["right"]), int(match["all"])
            if not of > 0 or right > of:
                notes.append(f"line {line + 1}: {right}/{of} is out of range: not taken")
                continue
            sizes[number] = of
            value = _divide_exactly(right, of) or value
        printed = match.group(0)[match.start("value") - match.start() :].strip()
        claims.append(
            FoundClaim(
                "", "recall", PrintedFigure(printed, value), CLASS_ACCURACIES, f"line {line + 1}",
                class_=number, remark=RECALL_REMARK,
            )
        )  # fmt: skip
    n_per_class = None
    if len(sizes) == len(group) and not numbers.is_partial:
        n_per_class = tuple(sizes[k] for k in sorted(sizes))
    return Block(
        CLASS_ACCURACIES,
        group[0][0],
        group[-1][0],
        claims=tuple(claims),
        n_per_class=n_per_class,
        notes=tuple(notes),
        images="training" if _are_of_training(claims) else "",
    )


def _are_of_training(claims: Sequence[FoundClaim]) -> bool:
    """Whether all shares are of 6,000 images, as training images are, and not all are of 1,000."""
    spec = FASHION_MNIST
    n_train, n_test = spec.n_train // spec.n_classes, spec.n_test // spec.n_classes
    values = [claim.figure.value for claim in claims]
    return (
        len(values) == spec.n_classes
        and all(_is_share(value, n_train) for value in values)
        and not all(_is_share(value, n_test) for value in values)
    )


def _is_share(value: str, n: int) -> bool:
    """Whether a printed share is k / n, rounded."""
    number = Decimal(value.rstrip("%"))
    share = number.scaleb(-2) if value.endswith("%") else number
    unit = Decimal(1).scaleb(int(share.as_tuple().exponent))
    return abs(Decimal(round(share * n)) / n - share) <= unit / 2


def _divide_exactly(right: int, of: int) -> str | None:
    """Return the quotient as a decimal number if 9 decimals show it exactly."""
    scaled, rest = divmod(right * 10**9, of)
    return None if rest else format(Decimal(scaled).scaleb(-9), "f")
