"""Finds out what each column of a table holds: its header, its metric, its data set.

:meth:`Table.build` puts models into rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fmbench.errors import UserError
from fmbench.extraction.class_names import find_class_number
from fmbench.extraction.data_set_names import (
    find_data_sets,
    names_part,
    remove_data_sets,
)
from fmbench.extraction.figures import parse_printed_figure
from fmbench.extraction.grid import Cell, Grid, tidy
from fmbench.extraction.metric_names import (
    MetricName,
    find_metric_name,
    is_training_metric,
    is_unjudged_share,
    normalise_name,
)
from fmbench.extraction.runs import (
    is_run_number,
    names_runs,
    sums_up_runs,
)
from fmbench.extraction.text.conditions import find_condition_of_head
from fmbench.utils.formatting import join_words

_MAX_HEADER_ROWS = 4


class AmbiguousColumnsError(UserError):
    """Two columns of one table may hold the accuracy."""


_MAX_LABEL = 300  # characters


# ---------------------------------------------------------------- texts of cells

_REFERENCE = r"(?:\d{1,3}|[A-Z][A-Za-z+]{0,10}['’]?\d{2}[a-z]?)"
_CITATION = re.compile(
    rf"\s*\[\s*{_REFERENCE}(?:\s*[,;–—-]\s*{_REFERENCE})*\s*\]"
    r"|\s*\((?:[^()]{0,80}\bet al\b[^()]{0,20}"
    r"|[A-Z][\w'’-]{1,30}(?: (?:and|&) [A-Z][\w'’-]{1,30})?,? (?:19|20)\d\d[a-z]?)\)"
)
_MARKS = re.compile(r"(?:\s*[*†‡§¶‖¹²³⁰⁴-⁹ᵃ-ᶻ↑↓✓★☆]|\s*\^[\w*†‡]\b)+$")
# Behind the name of a model: who has run it. "Proposed" says that the model is another one.
_OURS = re.compile(
    r"\s*[(\[]\s*(?:ours?|this (?:work|paper|study)|our work)\s*[)\]]$",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"(?:[-–—−.?/\s]*|n\.?\s?[/.]?\s?a\.?|none|nan|null|tbd|x"
    r"|not (?:reported|available|given|stated))",
    re.IGNORECASE,
)


_POINTS = r"(?:%?\s?p(?:\.?\s?p\.?|(?:oin)?ts?)?|%)"  # %, %p, pp, points


def strip_figure(text: str) -> str:
    """Remove what stands beside a figure: a citation, an arrow, its epoch, a change ``(+0.3)``."""
    text = re.sub(r"\s*\[\s*\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\s*\]$", "", text.strip())
    text = re.sub(r"(?<=\d)\s*@\s*(?:epoch\s*)?\d{1,4}$", "", text)  # 90.2@18: after 18 epochs
    epoch = r"(?:at |after )?(?:epoch \d{1,4}|\d{1,4} epochs?)"
    text = re.sub(rf"(?<=[\d%])\s*\(\s*{epoch}\s*\)$", "", text)
    change = r"(?:[+\-−–↑↓▲▼△]\s*[\d.,]+|±\s*0)"
    text = re.sub(rf"\s*\(\s*{change}\s*{_POINTS}?\s*\)$", "", text)
    text = re.sub(rf"(?<=\d)\s*(?=[pP])(?!%){_POINTS}$", "", text)  # 81.7 % ± 0.2 pp
    return re.sub(r"[↑↓▲▼★☆✓]+", "", text).strip()


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no figure: ``-``, ``n/a``."""
    return _MISSING.fullmatch(text.strip()) is not None


def is_figure(text: str) -> bool:
    """Whether a cell holds one figure and nothing else."""
    return bool(text) and parse_printed_figure(strip_figure(text)) is not None


def is_count(text: str) -> bool:
    """Whether a figure is a number of images and no share: a whole number above 100."""
    return re.fullmatch(r"[1-9]\d{2,8}|[1-9]\d{0,2}(?:[,' ]\d{3}){1,3}", text) is not None and (
        text != "100"
    )


def clean_label(text: str) -> str:
    """Return a model's name without citations, footnote marks and ``(ours)``."""
    text = text[:_MAX_LABEL].strip("`")  # code in Markdown, perhaps cut off
    label = tidy(re.sub(r"(?<!\w):[a-z][a-z0-9_+-]{1,30}:", "", text))  # :fire:
    for _ in range(3):
        before = label
        shorter = _OURS.sub("", _MARKS.sub("", _CITATION.sub("", label)))
        label = tidy(shorter).rstrip(" :,;") or label
        if label == before:
            break
    return re.sub(r"^(?:\(?\d{1,3}[.)]\s+|[•·▪‣*]\s*|[-–—]\s+)(?=\D)", "", label)


# ---------------------------------------------------------------- the parts of a table


@dataclass
class Column:
    """One column: its head, what the head says, and its cells below the header."""

    index: int
    parts: tuple[str, ...]  # the texts of the head, from top to bottom
    cells: tuple[Cell, ...]
    metric: MetricName | None = None
    # label, data set, part (train, test), run, metric, weak, spread, training, other data, changed,
    # class, not judged or other
    role: str = ""
    condition: str = ""  # of a column "changed": what is changed, such as the images
    variant: str = ""  # of one of several columns of accuracies: what tells its models apart
    n_figures: int = 0
    n_texts: int = 0

    @property
    def head(self) -> str:
        """The texts of the head, joined."""
        return " ".join(self.parts)

    @property
    def lowest(self) -> str:
        """The text of the head that stands directly above the cells."""
        return self.parts[-1] if self.parts else ""


@dataclass
class Table:
    """A table with models (or classes) in its rows."""

    grid: Grid
    source: str
    n_header: int
    columns: list[Column]
    is_transposed: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def build(cls, grid: Grid) -> Table:
        """Build a table; models that stand in the columns are put into the rows."""
        grid = _split_metric_cells(_drop_repeated_columns(grid))
        grid = _turn_metric_column(_leave_out_second_measures(grid))
        table = cls._build_upright(grid)
        if table._has_metrics_in_rows():
            turned = tuple(zip(*grid.rows, strict=True))
            rows = tuple(
                tuple(replace(cell, is_header=row == 0) for cell in cells)
                for row, cells in enumerate(turned)
            )
            upright = cls._build_upright(replace(grid, rows=rows, lines=()), n_header=1)
            upright.is_transposed = True
            upright.grid = replace(upright.grid, where=grid.where or "the table")
            for column in upright.columns[: table.n_header]:
                column.role = "label"
            return upright
        return table

    @classmethod
    def _build_upright(cls, grid: Grid, n_header: int | None = None) -> Table:
        if n_header is None:
            n_header = _count_header_rows(grid)
        columns = []
        for index in range(grid.n_columns):
            texts = (tidy(grid.rows[row][index].text) for row in range(n_header))
            parts = tuple(dict.fromkeys(text for text in texts if text))
            cells = tuple(row[index] for row in grid.rows[n_header:])
            columns.append(Column(index, parts, cells))
        table = cls(grid, _name_source(grid), n_header, columns)
        for column in columns:
            _find_role(column)
        heads = {column.head.lower() for column in columns}
        plain = {_write_plainly(head) for head in heads}
        for column in columns:  # as Keras logs them; "accuracy" alone may be of the test images
            is_logged = f"val_{column.head.lower()}" in heads or (
                {f"val {_write_plainly(column.head)}", "loss", "val loss"} <= plain
            )
            if column.role == "metric" and is_logged:
                column.role, column.metric = "training", None
        return table

    def _has_metrics_in_rows(self) -> bool:
        """Whether the first column names metrics or data sets, and the heads do not."""
        if self.grid.n_columns < 2 or not self.columns[0].cells:
            return False
        others = self.columns[1:]
        known_roles = ("training", "changed", "class")
        if any(column.metric or column.role in known_roles for column in self.columns):
            return self._has_only_metrics_in_rows()
        if any(column.role == "label" and column.n_texts for column in others):
            return False
        names = [strip_figure(cell.text) for cell in self.columns[0].cells if cell.text]
        if sum(column.n_figures for column in others) == 0:
            return False
        metrics = [bool(find_metric_name(remove_data_sets(name))) for name in names]
        if any(metrics):
            # Half of the rows must be such as heads of columns are: accuracy, loss, time, ...
            known = [
                m or is_training_metric(n) or bool(OTHER_HEAD.search(n))
                for m, n in zip(metrics, names, strict=True)
            ]
            return sum(known) * 2 >= len(known)
        has_models = any(
            column.parts and column.role != "weak" and not find_data_sets(column.head)
            for column in others
        )
        has_data = any(find_data_sets(column.head).any for column in others)
        return (
            has_models
            and not has_data
            and bool(names)
            and (self._are_data_sets(names) or all(names_part(name) for name in names))
        )

    def _are_data_sets(self, names: Sequence[str]) -> bool:
        """Whether the first column lists data sets, Fashion-MNIST among them if some are unknown.

        Below ``Dataset``, every name is one; below another head, three must be known.
        """
        found = [find_data_sets(name) for name in names if find_data_sets(name).is_only_name]
        if len(found) == len(names):
            return True
        is_named = _DATA_LABEL.fullmatch(self.columns[0].head) is not None
        return any(data.is_fashion for data in found) and len(found) >= (2 if is_named else 3)

    def _has_only_metrics_in_rows(self) -> bool:
        """Whether a table of two columns lists metrics although its head names one, too.

        ``Metric | Accuracy score`` stands above ``Training accuracy | 99.1`` and
        ``Test accuracy | 90.2``.
        """
        names = [strip_figure(cell.text) for cell in self.columns[0].cells if cell.text]
        return (
            self.grid.n_columns == 2
            and len(names) > 1
            and all(is_training_metric(name) or find_metric_name(name) for name in names)
        )

    def name_row(self, row: int) -> str:
        """Return the place of a row below the header (counted from 0), in words."""
        if self.is_transposed:
            return f"{self.grid.where}, column {row + 1 + self.n_header}"
        return self.grid.name_row(row + self.n_header)


def _write_plainly(head: str) -> str:
    """Write ``Validation Accuracy 0.91`` as ``val accuracy``, without the figure in it."""
    head = re.sub(r"[\s:]+\d+[.,]\d+$", "", head.lower().replace("_", " "))
    return re.sub(r"\bvalidation\b", "val", head).strip()


_METRIC_AND_FIGURE = re.compile(
    r"(?P<metric>[^\W\d][^:=]{2,40})[:=]\s*(?P<figure>[~<>]?\s*[\d.].*)"
)


def _split_metric_cells(grid: Grid) -> Grid:
    """Return the grid with the metric of a row in a cell of its own.

    Below the names of models, a row may hold ``Test accuracy: 91.2 %`` in each cell.
    """
    found = []
    for row in grid.rows:
        matches = [_METRIC_AND_FIGURE.fullmatch(cell.text) for cell in row if cell.text]
        metrics = {tidy(match["metric"]) for match in matches if match}
        is_metric = len(metrics) == 1 and find_metric_name(min(metrics)) is not None
        found.append(min(metrics) if is_metric and len(matches) > 1 and all(matches) else "")
    if not any(found):
        return grid
    rows = []
    for metric, row in zip(found, grid.rows, strict=True):
        cells = row
        if metric:
            texts = [_METRIC_AND_FIGURE.fullmatch(cell.text) for cell in row]
            cells = tuple(
                replace(cell, text=match["figure"] if match else cell.text)
                for cell, match in zip(row, texts, strict=True)
            )
        rows.append((replace(row[0], text=metric), *cells))
    return replace(grid, rows=tuple(rows))


_SECOND_MEASURE = re.compile(
    r"(?P<first>[^/]+?) ?/ ?(?:time|latency|loss|params|size)? ?[(\[]?"
    r"(?:[m\u00b5]?s|secs?|seconds|min(?:utes)?|[MK]B|M|K|loss|time|latency|params)[)\]]?",
)
_FIRST_OF_TWO = re.compile(r"\s*(?P<first>[^/]*[0-9][^/]*?)\s*/\s*[^/]*[0-9][^/]*")


def _leave_out_second_measures(grid: Grid) -> Grid:
    """Return the grid without what stands behind the accuracy in one cell: ``acc / ms``."""
    changed = {
        index: match["first"]
        for index, cell in enumerate(grid.rows[0])
        if (match := _SECOND_MEASURE.fullmatch(cell.text)) and find_metric_name(match["first"])
        if all(_FIRST_OF_TWO.fullmatch(row[index].text) for row in grid.rows[1:])
    }
    if not changed:
        return grid
    rows = [list(row) for row in grid.rows]
    for index, head in changed.items():
        rows[0][index] = replace(rows[0][index], text=head)
        for row in rows[1:]:
            match = _FIRST_OF_TWO.fullmatch(row[index].text)
            row[index] = replace(row[index], text=match["first"] if match else "")
    return replace(grid, rows=tuple(map(tuple, rows)))


_METRIC_HEAD = re.compile(r"metrics?|measures?|evaluation metrics?", re.IGNORECASE)


def _turn_metric_column(grid: Grid) -> Grid:
    """Return the grid with data sets and metrics in its heads, if a column names the metrics.

    ``Dataset | Model | Metric | SGD | SAM`` stands above ``F-MNIST | WRN | Error | 4.5 | 4.1``.
    """
    heads = [cell.text for cell in grid.rows[0]]
    columns = {
        role: [index for index, head in enumerate(heads) if pattern.fullmatch(head)]
        for role, pattern in (("data", _DATA_LABEL), ("metric", _METRIC_HEAD), ("name", _LABEL))
    }
    body = grid.rows[1:]
    if len(columns["data"]) != 1 or len(columns["metric"]) != 1 or not body:
        return grid
    data, metric = columns["data"][0], columns["metric"][0]
    texts = columns["data"] + columns["metric"] + columns["name"]
    shown = [index for index in range(len(heads)) if index not in texts and heads[index]]
    fashion = [row for row in body if find_data_sets(row[data].text).is_fashion]
    names = {row[index].text for row in fashion for index in columns["name"]}
    name = names.pop() if len(names) == 1 else ""
    are_figures = [index for index in shown if any(is_figure(row[index].text) for row in fashion)]
    if len(are_figures) < 2 or not any(find_metric_name(row[metric].text) for row in fashion):
        return grid
    top = (Cell("Method", is_header=True), *(
        Cell(f"{row[data].text} {row[metric].text}", is_header=True) for row in body
    ))  # fmt: skip
    rows = tuple(
        (Cell(f"{name} {heads[index]}".strip()), *(row[index] for row in body))
        for index in shown
        if not NOT_A_METRIC.search(normalise_name(heads[index]))
    )
    return replace(grid, rows=(top, *rows), lines=())


def _drop_repeated_columns(grid: Grid) -> Grid:
    """Return the grid without columns in which every cell only continues the one on its left."""
    repeated = {
        index
        for index in range(1, grid.n_columns)
        if all(row[index].repeats_left or not row[index].text for row in grid.rows)
        and any(row[index].text for row in grid.rows)
    }
    if not repeated:
        return grid
    rows = (
        tuple(cell for index, cell in enumerate(row) if index not in repeated) for row in grid.rows
    )
    return replace(grid, rows=tuple(rows))


def _count_header_rows(grid: Grid) -> int:
    """Return how many rows at the top are the header."""
    n_marked = 0
    for row in grid.rows[:_MAX_HEADER_ROWS]:
        texts = [cell for cell in row if cell.text]
        if not all(cell.is_header for cell in texts):
            break
        n_marked += 1
    if n_marked and any(
        re.search(r"\d[.,]\d|%\s*$", cell.text) and is_figure(cell.text)
        for cell in grid.rows[n_marked - 1]
    ):
        n_marked = 0  # marked as a header, but it holds figures
    n_header = n_marked
    while n_header < min(_MAX_HEADER_ROWS, len(grid.rows) - 1):
        row = grid.rows[n_header]
        if n_header and _is_section(row):
            break
        figures = [cell for cell in row if is_figure(cell.text)]
        if n_marked:
            # A second row of heads, which the markup does not mark.
            names_metric = any(find_metric_name(cell.text) for cell in row[1:])
            if figures or not (names_metric or _divides_heads(grid.rows[n_header - 1], row)):
                break
            if n_header > n_marked:
                break
        elif (
            figures and not all(cell.is_bold for cell in row if cell.text)
        ) or not _has_figures_below(grid, n_header):
            break
        n_header += 1
    return min(n_header, len(grid.rows))


def _divides_heads(above: Sequence[Cell], row: Sequence[Cell]) -> bool:
    """Whether a row of texts tells the columns apart that a head above it spans."""
    spanned = {
        index
        for index, cell in enumerate(above)
        if cell.repeats_left or (index + 1 < len(above) and above[index + 1].repeats_left)
    }
    texts = [row[index].text for index in sorted(spanned)]
    return len(set(texts)) > 1 and all(re.search(r"[^\W\d_]", text) for text in texts)


def _is_section(row: Sequence[Cell]) -> bool:
    """Whether a row names only a data set or a part of one, of which the rows below it are."""
    text = row[0].text
    is_alone = not any(cell.text for cell in row[1:])
    return is_alone and (names_part(text) or find_data_sets(text).is_only_name)


def _has_figures_below(grid: Grid, row: int) -> bool:
    return any(is_figure(cell.text) for cells in grid.rows[row + 1 :] for cell in cells)


_CAPTION_NUMBER = re.compile(
    r"\W*(?:table|tab\.|tabelle|tableau|tabla|tabela)\s*([A-Z]?\.?\d{1,3}[a-z]?|[IVX]{1,5})\b",
    re.IGNORECASE,
)


def _name_source(grid: Grid) -> str:
    """Return ``Table 3`` if the caption says so, else the place of the table."""
    found = _CAPTION_NUMBER.match(grid.caption)
    return f"Table {found[1]}" if found else grid.where or "table 1"


# ---------------------------------------------------------------- heads

_LABEL = re.compile(
    r"^(?:the )?(?:(?:cnn|dnn|deep learning|ml|classification|learning|proposed"
    r"|recommended|chosen|selected) )?"
    r"(?:models?|methods?|classifiers?|architectures?|approach(?:es)?|algorithms?|networks?|names?"
    r"|systems?|techniques?|experiments?|schemes?|labels?|works?|stud(?:y|ies)|configurations?|variants?|arch|backbones?"
    r"|authors? and models?|modell|verfahren|modèle|modelo)"
    r"\b(?! (?:size|parameters|accuracy|type|year|time))",
    re.IGNORECASE,
)
# Above names such as 32C5-P2-64C5: what stands for a model where no other column names one.
_STRUCTURE = re.compile(
    r"(?:network|model|architecture|layers?)(?: (?:size|structure|shape|layout|layers))", re.I
)
CLASS_LABEL = re.compile(
    r"^(?:class(?:es)?|categor(?:y|ies)|labels?|class(?:es)? .{0,20}|items?|klasse|clase|classe)$",
    re.IGNORECASE,
)
_DATA_LABEL = re.compile(r"^(?:data ?-?sets?|data|benchmarks?|corpus|task)$", re.IGNORECASE)
# Heads of columns that hold neither a model's name nor a metric.
OTHER_HEAD = re.compile(
    r"(?<![^\W_])(?:years?|date|params?|parameters?|weights|size|mb|gb|kb|times?|secs?|seconds"
    r"|minutes|min|hours?|speed|epochs?|iterations?|steps|[gm]?flops|macs|memory|layers?|depth|refs?"
    r"|references?|citations?|cites?|sources?|code|links?|urls?|submitters?|authors?|rank(?:ing)?|no"
    r"|nr|id|index|loss|latency|energy|power|learning rate|lr|batch|neurons|images|samples|support"
    r"|venue|journal|notes?|comments?|remarks?|issue|preprocessing|augmentation|optimi[sz]er"
    r"|status|verdicts?|outcomes?|observations?|findings?|insights?|takeaways?"
    r"|activation|descriptions?|descripci[oó]n|beschreibung|hyperparameters?|settings?|configuration|hardware|device|gpu|framework|fold)"
    r"(?![^\W_])|^#\s*\w*$|^\W*$",
    re.IGNORECASE,
)
REFERENCES = re.compile(
    r"ref|cit|source|code|link|url|submitter|author|note|comment|remark|year|date|issue|venue"
    r"|descri|beschreib|status|verdict|outcome|observation|finding|insight|takeaway",
    re.IGNORECASE,
)
NUMBERING = re.compile(
    r"#|no\.?|nr\.?|rank(?:ing)?|id|index|year|(?:# ?|n )?(?:classes|clases)", re.IGNORECASE
)
NOT_A_METRIC = re.compile(
    r"(?<![^\W_])(?:gains?|improvements?|drops?|delta|diff|differences?|change|gap|rank|margin"
    r"|expected|planned|target(?:ed)?|goal|anticipated|p-?values?|ci|intervals?|lower|upper|null|minimum|variance|var|time"
    r"|cohen'?s d|effect sizes?)(?![^\W_])|[δ∆]",
    re.IGNORECASE,
)
SPREAD = re.compile(
    r"(?<![^\W_])(?:stds?|std\.? ?dev\.?|stdev|stddev|s\.?d\.?|standard deviations?|deviation"
    r"|spread)(?![^\W_])|σ|^\s*(?:±|\+/?-)|(?:±|\+/?-)\s*$",
    re.IGNORECASE,
)
# Heads that name no metric, below which an accuracy may stand.
_WEAK = re.compile(
    r"^(?:(?:the|on|for|our|final|overall|best|mean|average|avg\.?|reported|claimed|published"
    r"|data ?-?sets?"
    r"|test(?:ing)?"
    r"|eval(?:uation)?)\s*)*(?:test(?:ing)?(?: set| data)?|scores?|results?|performances?|claimed"
    r"|claims?|reported|published|measured|figures?|values?|eval(?:uation)?|scores? test)?"
    r"\s*(?:[(\[]?\s*%\s*[)\]]?)?$",
    re.IGNORECASE,
)
# Names of the accuracy in other languages that may also be names of precision or recall.
AMBIGUOUS_NAME = re.compile(r"^(?:précision|trefferquote|trefferrate)\b", re.IGNORECASE)
_OTHER_IMAGES = re.compile(
    r"\b(?:(?P<images>train(?:ing)?|validation|val|dev(?:elopment)?)[ -]+(?:set|data|images|samples"
    r"|split|acc\w*|errors?|results?|scores?|performance|f1\w*)|cross[- ]?validat\w+|k[- ]?fold)\b",
    re.IGNORECASE,
)
# 10 % of the training set is used as a validation set
_VALIDATION_PART = re.compile(
    r"\b(?:[0-9.]+ ?(?:%|per ?cent)|a (?:part|tenth|fifth)) of (?:the )?train(?:ing)?"
    r" (?:set|data|images)[^.;]{0,40}?\b(?:as|for) (?:an? |the )?validation(?: set| data| images)?",
    re.IGNORECASE,
)
_NUMBER_OF_FOLDS = re.compile(r"\b(?:\d+|two|three|five|ten)[ -]?folds?\b", re.IGNORECASE)
TEST_IMAGES = re.compile(r"(?<![^\W_])(?:test(?:ing)?|eval(?:uation)?)(?![^\W_])", re.IGNORECASE)


# What a head says beside the metric of its figures: "Acc ± std, 10 runs".
_SPREAD_AND_RUNS = re.compile(
    r"(?<=\w) ?(?:\u00b1|\+/?-) ?(?:seed |run )?(?:std\.?(?: ?dev\.?)?|sd|s\.d\.|stdev"
    r"|standard deviation)(?!\w)"
    r"|,? ?\(?\b\d{1,3} (?:independent |random )?(?:runs|seeds|trials|repetitions)\b(?: ?\))?"
    r"(?!.*\()",
    re.IGNORECASE,
)


def _find_role(column: Column) -> None:
    """Decide what a column holds, by its head and its cells."""
    texts = [
        strip_figure(cell.text) for cell in column.cells if cell.text and not is_missing(cell.text)
    ]
    column.n_figures = sum(parse_printed_figure(text) is not None for text in texts)
    column.n_texts = len(texts) - column.n_figures
    head = column.head
    data_sets = find_data_sets(head)
    plain = remove_data_sets(_SPREAD_AND_RUNS.sub("", head))
    if texts and all(map(names_part, texts)):
        column.role = "part"
    elif names_runs(plain) and _are_run_numbers(texts):
        column.role = "run"
    elif (_DATA_LABEL.match(plain) and not data_sets.any and not _is_other_task(plain, texts)) or (
        not _LABEL.match(plain) and texts and all(find_data_sets(t).is_only_name for t in texts)
    ):
        column.role = "data set"
    elif (
        _LABEL.match(plain) or (_STRUCTURE.fullmatch(plain) and not column.n_figures)
    ) and column.n_texts >= column.n_figures:
        column.role = "label"
    elif texts and all(re.match(r"(?:±|\+/?-) ?[\d.]", text) for text in texts):
        column.role = "spread"  # the second column below a head that spans two
    elif (
        SPREAD.search(plain)
        and column.n_figures
        and not re.search(r"mean|average|avg", plain, re.I)
    ):
        column.role = "spread"
        column.metric = None
    elif is_training_metric(plain) and (column.n_figures or not column.n_texts):
        column.role = "training"
    elif data_sets.is_other:
        column.role = "other data"
    elif NOT_A_METRIC.search(normalise_name(plain)):
        column.role = "other"
    else:
        _find_metric_role(column, texts, plain)
    if column.role in ("metric", "weak"):
        column.condition = find_condition_of_head(plain)
        if column.condition:
            column.role, column.metric = "changed", None


def _find_metric_role(column: Column, texts: Sequence[str], plain: str) -> None:
    """Decide what a column of Fashion-MNIST holds; ``plain`` is its head without the data set."""
    column.metric = find_metric_name(plain) or _find_metric_in_parts(column.parts)
    if texts and all(map(_WORDS.search, texts)):
        column.metric = None  # "Precision" above "half precision", "single precision"
    if column.metric is not None:
        column.role = "metric"
    elif column.n_figures and column.n_figures >= column.n_texts:
        if find_class_number(column.head) is not None:
            column.role = "class"
        elif is_unjudged_share(plain) and not all(map(str.isdigit, texts)):
            column.role = "not judged"  # "Top K" above whole numbers is a setting
        elif find_data_sets(column.head).is_fashion or (
            column.parts and (_WEAK.match(plain) or AMBIGUOUS_NAME.match(plain))
        ):
            column.role = "weak"
        elif OTHER_HEAD.search(plain):
            column.role = "other"
    elif OTHER_HEAD.search(plain) and column.parts:
        column.role = "other"


_FEATURES_OF_PART = re.compile(r"\w (?:train|test|val)\w* (?:set|data)$", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{4,}")


def _is_other_task(head: str, texts: Sequence[str]) -> bool:
    """Whether a head such as ``Task`` or ``Dataset`` stands above names of other things.

    These are what models do, or features and parts of one data set: ``PCA test set``.
    """
    if any(find_data_sets(text).any for text in texts):
        return False
    return head.lower() in ("task", "data") or all(map(_FEATURES_OF_PART.search, texts))


def _are_run_numbers(texts: Sequence[str]) -> bool:
    """Whether the cells of a column number the runs; a row may sum them up."""
    numbers = [text for text in texts if is_run_number(text)]
    return bool(numbers) and all(sums_up_runs(text) for text in texts if text not in numbers)


def _find_metric_in_parts(parts: Sequence[str]) -> MetricName | None:
    """Return the metric that the lowest part of a head names, as in ``SVM | F1``."""
    for part in reversed(parts):
        metric = find_metric_name(remove_data_sets(part))
        if metric is not None:
            return metric
    return None


# ---------------------------------------------------------------- which columns are read


def describe_column(column: Column) -> str:
    """Return a column's head in quotation marks; empty if it has none."""
    return repr(column.head) if column.head else ""


def find_named_column(table: Table, name: str) -> Column | None:
    """Return the column with this head, whole or in part, or with this number (from 1)."""
    wanted = tidy(name).casefold()
    for names in (
        lambda column: [column.head.casefold()],
        lambda column: [part.casefold() for part in column.parts],
    ):
        found = [column for column in table.columns if wanted in names(column)]
        if len(found) == 1:
            return found[0]
    found = [column for column in table.columns if wanted and wanted in column.head.casefold()]
    if len(found) == 1:
        return found[0]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:4]) <= len(table.columns):
        return table.columns[int(wanted[:4]) - 1]
    if len(found) > 1:
        raise UserError(
            f"{len(found)} columns of {table.source} fit --column {name!r}: "
            f"{join_words(number_columns(found))}; give one by its number"
        )
    return None


def explain_caption(table: Table) -> str:
    """Say of which images a table is if its caption says that it is not of the test images."""
    caption = re.sub(r"\bafter .{0,40}?training\b", "", table.grid.caption, flags=re.IGNORECASE)
    caption = _VALIDATION_PART.sub("", caption)
    found = _OTHER_IMAGES.search(caption)
    if found is None or TEST_IMAGES.search(caption) or _NUMBER_OF_FOLDS.search(caption):
        return ""
    if any(TEST_IMAGES.search(column.head) for column in table.columns):
        return ""
    if found["images"] is None:
        return "a cross-validation, over an unknown number of folds"
    return "training images" if found["images"].lower()[0] == "t" else "validation images"


def number_columns(columns: Iterable[Column]) -> list[str]:
    """Return the heads of columns with their numbers: ``'Accuracy' (column 2)``."""
    return [f"{column.head!r} (column {column.index + 1})" for column in columns]
