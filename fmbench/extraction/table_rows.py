"""Finds the rows of a table: which model each row is of, or which class, and how it is called.

:func:`find_model_rows` lists the rows of models, :func:`find_class_rows` those of a table of
classes, and :func:`average_rows` puts the runs of one model together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fmbench.extraction.class_names import N_CLASSES, find_class_number, find_class_numbers
from fmbench.extraction.data_set_names import (
    find_data_sets,
    is_label_of_other_data,
    names_part,
    names_training_part,
    remove_data_sets,
)
from fmbench.extraction.found import Average, FoundClaim
from fmbench.extraction.metric_names import (
    find_mentions,
    find_metric_name,
    is_training_metric,
    normalise_name,
)
from fmbench.extraction.runs import (
    average_runs,
    names_folds,
    names_setting,
    sums_up_runs,
    varies_between_runs,
)
from fmbench.extraction.table_columns import list_settings
from fmbench.extraction.table_heads import (
    CLASS_LABEL,
    NOT_A_METRIC,
    NUMBERING,
    REFERENCES,
    Column,
    Table,
    clean_label,
    describe_column,
    is_figure,
    is_missing,
    strip_figure,
)
from fmbench.extraction.text.conditions import (
    find_condition_of_head,
    find_condition_of_table,
    is_of_oracle,
)
from fmbench.metrics.registry import METRICS
from fmbench.utils.formatting import join_words

_MAX_PART = 60  # characters of a second name, such as the parameters

# Rows, or columns, of a table of classes that hold the average over the classes.
_AVERAGED = r"[ -]*(?:avg\.?|averaged?|mean)?"
AVERAGES = re.compile(
    rf"(?:the )?(?:(?P<macro>(?:macro|unweighted){_AVERAGED}|averages?|avg\.?|mean|overall|total"
    r"|all(?: classes)?|overall (?:average|mean)|(?:average|avg) */ *total|durchschnitt|promedio"
    rf"|moyenne)|(?P<weighted>weighted{_AVERAGED})|(?P<micro>micro{_AVERAGED})"
    r"|(?P<accuracy>(?:overall |test |total )?accuracy))\s*(?:\(.{0,20}\))?",
    re.IGNORECASE,
)
_STATISTICS = re.compile(
    r"(?:std\.?(?: ?dev\.?)?|standard deviation|s\.?d\.?|median|min(?:imum)?|max(?:imum)?|count"
    r"|sum|range|variance)",
    re.IGNORECASE,
)
# Heads above the figures of a table that lists metrics in its rows.
_NO_MODEL = re.compile(r"(?:value|score|result|figure|test)s?|%|dataloader \d+", re.IGNORECASE)
# What a model takes is no name: 28 s
_QUANTITY = re.compile(
    r"[~<>]?(?:\s?[0-9][0-9.,]*\s?(?:[mu\u00b5]?s|secs?|seconds?|m|min(?:ute)?s?|h(?:ours?|rs?)?"
    r"|[kKMG]?B|[kmg]b|MiB|GiB|lines?)){1,3}"
)
# Fashion-MNIST, 46 iterations: a data set and how long a model was trained
_LENGTH = re.compile(r"[\W_]*\d+ (?:iterations?|epochs?|steps?)[\W_]*", re.IGNORECASE)
# What a cell says of a figure or of a test is no name either: 91.2 % (best), 0.31 ± 0.02, passed
_NO_NAME = re.compile(
    r"[~<>]?\s*[+-]?[0-9][0-9.,]*\s*(?:(?:%|pp)\s*(?:\(.*\))?|(?:%\s?)?(?:\u00b1|\+-).*)"
    r"|pass(?:ed)?|fail(?:ed|ure)?|ok|done",
    re.IGNORECASE,
)
_FACTOR = re.compile(r"[0-9][0-9.,]*\s*[x\u00d7]", re.IGNORECASE)
_TRAINING_PLACES = re.compile(r"^(?:epochs?|iterations?|steps?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One row below the header, as it is read."""

    index: int  # counted from 0 below the header
    label: str
    class_: int | None = None
    average: Average | None = None
    is_accuracy: bool = False  # a row "accuracy" in a table of classes
    group: int = -1  # rows of one group are runs of one model
    run: str = ""  # what tells the row from the others of its group: "seed 3"
    are_folds: bool = False


def is_of_classes(name: str) -> bool:
    """Whether a metric exists for one class: precision, recall, F1."""
    return METRICS[name].class_fraction is not None


# ---------------------------------------------------------------- rows


@dataclass
class _Entry:
    """One row with a figure: its names, and what its other cells say of which images it is."""

    index: int
    names: list[str]
    section: str  # the heading between the rows, above it
    data: str = ""  # the cell of the column of data sets
    part: str = ""  # the cell of the column of parts: train, test


def find_model_rows(
    table: Table, chosen: Sequence[Column], *, finds_runs: bool = True
) -> Iterator[Row]:
    """Yield the rows of models, with their labels; note rows of other images and statistics.

    ``finds_runs``: whether rows that a column of seeds or folds tells apart are put into a group.
    """
    label_columns = _find_label_columns(table, chosen)
    entries = _list_entries(table, chosen, label_columns)
    _carry_cells_down(table, chosen, entries)
    marks = _find_marks(table, chosen)
    for entry in entries if marks else ():
        name = _name_marked(marks, entry.index, entry.names[0] if entry.names else "")
        entry.names = [name, *entry.names[1:]]
    kept = _leave_out_other_images(table, entries)
    kept = _leave_out_settings(table, kept)
    yield from _build_rows(table, chosen, label_columns, kept, finds_runs=finds_runs)


def _list_entries(
    table: Table, chosen: Sequence[Column], label_columns: Sequence[Column]
) -> list[_Entry]:
    """List the rows with a figure in one of the chosen columns; note those that cannot be read."""
    data_column = next((c for c in table.columns if c.role == "data set"), None)
    part_column = next((c for c in table.columns if c.role == "part"), None)
    section = ""
    entries: list[_Entry] = []
    merged = [column for column in label_columns if _ends_with_figures(column, chosen)]
    for index in range(len(table.columns[0].cells)):
        cells = [column.cells[index] for column in table.columns]
        if any(is_figure(column.cells[index].text) for column in chosen):
            printed = [column.cells[index].text for column in label_columns]
            names = [
                clean_label(_LAST_DECIMAL.sub("", text) if column in merged else text)
                for column, text in zip(label_columns, printed, strict=True)
            ]
            data = data_column.cells[index].text if data_column else ""
            part = part_column.cells[index].text if part_column else ""
            entries.append(_Entry(index, names, section, data, part))
            continue
        texts = {cell.text for cell in cells if cell.text and not is_missing(cell.text)}
        unread = [c.cells[index].text for c in chosen if not is_missing(c.cells[index].text)]
        if len(texts) > 1 and unread and not any(t in c.parts for t in unread for c in chosen):
            place = table.name_row(index)
            table.notes.append(f"{place}: {unread[0][:60]!r} is not one figure: not taken")
        if len(texts) == 1:
            section = clean_label(texts.pop())
    return entries


# The figure of the next column, which a PDF may print so near that the two columns are one.
_LAST_DECIMAL = re.compile(r"(?:^|\s)\d*\.\d{3,}$")


def _ends_with_figures(column: Column, chosen: Sequence[Column]) -> bool:
    """Whether most names beside figures end with a long decimal number, as no model's does."""
    texts = [
        cell.text
        for index, cell in enumerate(column.cells)
        if cell.text and any(is_figure(other.cells[index].text) for other in chosen)
    ]
    ends = [text for text in texts if _LAST_DECIMAL.search(text)]
    has_names = any(_LAST_DECIMAL.sub("", text) for text in ends)
    return has_names and len(ends) > 2 and 2 * len(ends) > len(texts)


def _carry_cells_down(table: Table, chosen: Sequence[Column], entries: Sequence[_Entry]) -> None:
    """Fill empty cells with those above: data sets, and names where other cells differ.

    A row without a name goes on with the model above if a second name, the part of the data set, a
    run or a setting tells it apart; otherwise it may be of any model.
    """
    telling = [column for column in table.columns if column.role in ("data set", "part", "run")]
    telling += list_settings(table, chosen)
    marks = _find_marks(table, chosen)
    previous: _Entry | None = None
    for entry in entries:
        if previous is not None and entry.section == previous.section:
            entry.data = entry.data or previous.data
            differs = any(entry.names[1:]) or any(
                column.cells[entry.index].text not in ("", column.cells[previous.index].text)
                for column in telling
            )
            differs = differs or any(
                _is_marked(column, entry.index) != _is_marked(column, previous.index)
                for column in marks
            )
            if entry.names and not entry.names[0] and differs:
                entry.names[0] = previous.names[0]
        previous = entry


_SETTINGS = re.compile(
    r"(?:test (?:data|set|images|inputs?|conditions?)|settings?|attacks?|conditions?|scenarios?"
    r"|corruptions?|regimes?|perturbations?|noise)",
    re.IGNORECASE,
)


# Below the names of data sets: Average, Joint mean
_MEAN_OF_DATA = re.compile(
    r"(?:joint |overall )?(?:mean|average|avg\.?|overall|total)\b", re.IGNORECASE
)
# "SVC training set", but not "With the full training set"
_OF_TRAINING = re.compile(
    r"(?!(?:with|using|trained on)\b).*\s(?:train(?:ing)?|val(?:idation)?)"
    r" (?:set|data|images|split)$",
    re.IGNORECASE,
)


# CNN (test), RF Train: a model, and the images on which it was measured
_ENDS_WITH_PART = re.compile(
    r"(?P<name>.*\w\)?)[\s_:/|,-]*[\s_(\[-](?P<part>train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)"
    r"[)\]]?",
    re.IGNORECASE,
)


def _name_parts(entries: Sequence[_Entry]) -> list[_Entry]:
    """Take the images out of the names where ``SVC Train`` stands beside ``SVC Test``."""
    found = [
        _ENDS_WITH_PART.fullmatch(entry.names[0]) if entry.names else None for entry in entries
    ]
    parts: dict[str, set[str]] = {}
    for match in filter(None, found):
        parts.setdefault(match["name"], set()).add(match["part"].lower()[:2])
    return [
        replace(entry, names=[match["name"], *entry.names[1:]], part=match["part"])
        if match and "te" in parts[match["name"]] and len(parts[match["name"]]) > 1
        else entry
        for entry, match in zip(entries, found, strict=True)
    ]


def _leave_out_other_images(table: Table, entries: Sequence[_Entry]) -> list[_Entry]:
    """Return the rows of the test images of Fashion-MNIST; note the numbers of the others."""
    has_data_sets = any(column.role == "data set" for column in table.columns)
    runs = [column for column in table.columns if column.role == "run"]
    settings = [column for column in table.columns if _SETTINGS.fullmatch(column.head)]
    kept = []
    skipped: Counter[str] = Counter()
    entries = _name_parts(entries)
    names_fashion = has_data_sets and any(find_data_sets(e.data).is_fashion for e in entries)
    are_works = any(_WORK.fullmatch(column.head) for column in table.columns) and any(
        find_data_sets(entry.names[0]).is_only_name for entry in entries if entry.names
    )
    for entry in entries:
        data = find_data_sets(entry.data if has_data_sets else entry.section)
        name = entry.names[0] if entry.names else ""
        if has_data_sets and not data and _MEAN_OF_DATA.match(entry.data):
            skipped["several data sets together"] += 1
        elif data.is_other or is_label_of_other_data(name):
            skipped[join_words(data.others or find_data_sets(name).others)] += 1
        elif names_fashion and not data and re.search(r"[^\W\d_]{2}", entry.data):
            skipped[repr(clean_label(entry.data))] += 1  # a data set that is not known
        elif are_works and not find_data_sets(name):
            skipped[repr(name)] += 1
        elif (
            names_training_part(entry.part or entry.section)
            or is_training_metric(name)
            or _OF_TRAINING.match(name)
        ):
            skipped["training or validation images"] += 1
        elif condition := find_condition_of_table(entry.section) or next(
            filter(None, (find_condition_of_head(c.cells[entry.index].text) for c in settings)), ""
        ):
            skipped[condition.removeprefix("of ")] += 1
        elif any(sums_up_runs(column.cells[entry.index].text) for column in runs):
            skipped["all runs together"] += 1
        else:
            kept.append(entry)
    named = [find_data_sets(entry.names[0]) for entry in entries if entry.names]
    names_data = [data for data in named if data.is_only_name]
    if table.is_transposed and {data.is_fashion for data in names_data} == {True, False}:
        # The heads are data sets, so that those that are not known are others, too.
        of_fashion = [entry for entry in kept if find_data_sets(entry.names[0]).is_fashion]
        if len(of_fashion) < len(kept):
            skipped["other data sets"] += len(kept) - len(of_fashion)
        kept = [replace(entry, names=["", *entry.names[1:]]) for entry in of_fashion]
    for images, count in skipped.items():
        rows = "1 row is" if count == 1 else f"{count} rows are"
        table.notes.append(f"{table.source}: {rows} of {images}: not taken")
    return kept


# Above names of what was done; if a data set is among them, each is of another data set.
_WORK = re.compile(
    r"(?:projects?|problems?|applications?|use cases?|domains?|assignments?)", re.IGNORECASE
)
_NO_SHARE = re.compile(
    r"(?<![^\W_])(?:loss(?:es)?|times?|duration|latency|speed|memory|energy|power|flops|params?"
    r"|parameters|size|epochs?|classes|samples|images|features|channels)(?![^\W_])",
    re.IGNORECASE,
)
# Rates and accuracies of other things, such as of a watermark, and others of that form: MTA, VR
_SHORT_MEASURE = re.compile(r"ASR|WSR|VR|WMA|WAR|NDR|FPR|TPR|FNR|TNR|EER|AUC")
_SHORT_ACCURACY = re.compile(r"[A-Z]{1,2}A(?:cc)?")
_COARSE = re.compile(r"[0-9]?[05] ?%|0?\.[0-9]?[05]|0?\.[0-9]|[01]")  # 50 %, 0.05, 0.3


def _leave_out_settings(table: Table, entries: list[_Entry]) -> list[_Entry]:
    """Return the rows without settings and sizes, where data sets stand in the columns.

    All numbers of a setting, such as a rate of noise, are multiples of five percent or of a tenth,
    and those of no model are. If a setting changes the images or the labels, no row is read.
    """
    if not table.is_transposed or not any(c.role == "other data" for c in table.columns):
        return entries
    settings, coarse = [], []
    has_measure = any(_SHORT_MEASURE.fullmatch(entry.names[0]) for entry in entries if entry.names)
    for entry in entries:
        texts = [strip_figure(column.cells[entry.index].text) for column in table.columns]
        numbers = [text for text in texts if is_figure(text)]
        name = normalise_name(entry.names[0] if entry.names else "")
        is_setting = names_setting(name) and not re.search(r"\d", name)  # "epsilon = 2" is a name
        is_measure = has_measure and (
            _SHORT_MEASURE.fullmatch(name) or _SHORT_ACCURACY.fullmatch(name)
        )
        if _NO_SHARE.search(name) or NOT_A_METRIC.search(name) or is_setting or is_measure:
            settings.append(entry)
        elif len(numbers) > 1 and all(map(_COARSE.fullmatch, numbers)):
            coarse.append(entry)
    if len(settings) + len(coarse) < len(entries):
        settings += coarse
    if not settings:
        return entries
    heads = [entry.names[0] if entry.names else "" for entry in settings]
    condition = next(filter(None, map(find_condition_of_head, heads)), "")
    verb = "is no model" if len(heads) == 1 else "are no models"
    table.notes.append(f"{table.source}: {join_words(map(repr, heads))} {verb}: not taken")
    if condition:
        table.notes.append(f"{table.source} is {condition}, as {join_words(map(repr, heads))} says")
        return []
    return [entry for entry in entries if entry not in settings]


def _build_rows(
    table: Table,
    chosen: Sequence[Column],
    label_columns: Sequence[Column],
    entries: Sequence[_Entry],
    *,
    finds_runs: bool,
) -> Iterator[Row]:
    groups = _group_runs(table, chosen, label_columns, entries) if finds_runs else {}
    # Of a group, one row stands for all, so that their label is not told apart.
    single = [entry for entry in entries if groups.get(entry.index, entry.index) == entry.index]
    labels = dict(zip((e.index for e in single), _join_names(table, chosen, single), strict=True))
    head = label_columns[0].head if label_columns else ""
    runs = [column for column in table.columns if column.role == "run"]
    for entry in entries:
        index, first = entry.index, entry.names[0] if entry.names else ""
        label = labels[groups.get(index, index)]
        is_statistic = AVERAGES.fullmatch(first) or _STATISTICS.fullmatch(first)
        if (len(single) > 1 and is_statistic) or is_of_oracle(first):
            table.notes.append(f"{table.name_row(index)}: {first!r} is no model: not taken")
            continue
        if _TRAINING_PLACES.match(head) and re.fullmatch(r"\d+", first):
            table.notes.append(f"{table.source}: its rows are epochs of one training: not taken")
            return
        label = "" if is_missing(label) or names_part(first) else label
        if not label and len(single) > 1:
            table.notes.append(f"{table.name_row(index)}: the row names no model: not taken")
            continue
        names_metric = find_metric_name(label) or _NO_MODEL.fullmatch(label)
        names_nothing = table.is_transposed and (names_metric or is_figure(label))
        if (
            names_nothing
            or _QUANTITY.fullmatch(label)
            or _LENGTH.fullmatch(remove_data_sets(label))
        ):
            label = ""
        run = " ".join(f"{column.head} {column.cells[index].text}" for column in runs)
        are_folds = any(names_folds(column.head) for column in runs)
        yield Row(index, label, group=groups.get(index, -1), run=run, are_folds=are_folds)


def _group_runs(
    table: Table,
    chosen: Sequence[Column],
    label_columns: Sequence[Column],
    entries: Sequence[_Entry],
) -> dict[int, int]:
    """Return for each row that is one of several runs of a model the first row of the model.

    Rows are runs of one model if a column numbers them and no other label or setting differs.
    """
    runs = [column for column in table.columns if column.role == "run"]
    if not runs:
        return {}
    settings = list_settings(table, chosen, has_name=False)
    fixed = [k for k, c in enumerate(label_columns) if not k or not varies_between_runs(c.head)]
    alike: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
    n_of_name: Counter[str] = Counter()
    for entry in entries:
        cells = [column.cells[entry.index].text for column in settings]
        key = (entry.section, *(entry.names[k] for k in fixed), *cells)
        run = tuple(column.cells[entry.index].text for column in runs)
        alike.setdefault(key, {}).setdefault(run, entry.index)
        n_of_name[entry.names[0] if entry.names else ""] += 1
    n_distinct = sum(len(numbers) for numbers in alike.values())
    groups: dict[int, int] = {}
    if n_distinct == len(entries):
        for numbers in alike.values():
            if len(numbers) > 1:
                groups.update(dict.fromkeys(numbers.values(), min(numbers.values())))
    name = next((name for name, count in n_of_name.items() if count > 1), None)
    heads = join_words(describe_column(column) for column in runs)
    if groups:
        table.notes.append(
            f"{table.source}: rows that differ only in {heads} are runs of one model: their mean "
            "is read"
        )
    elif name is not None:
        table.notes.append(
            f"{table.source}: the runs of {name or 'the model'} differ in more than {heads}, so "
            "each is read alone; to judge their mean, write it with the number of runs: "
            "'90.4 % (mean of 5 runs)'"
        )
    return groups


def average_rows(
    table: Table, rows: Sequence[Row], claims: list[tuple[int, FoundClaim]]
) -> list[tuple[int, FoundClaim]]:
    """Return the claims with the mean of each group of runs; other metrics of runs are noted.

    The mean of rounded figures of another metric could contradict the mean accuracy by its rounding
    alone.
    """
    row_of = {row.index: row for row in rows}
    result = []
    groups: dict[tuple[int, str], list[tuple[int, FoundClaim]]] = {}
    left_out = []
    for index, claim in claims:
        group = row_of[index].group
        if group < 0:
            result.append((index, claim))
        elif claim.metric == "accuracy":
            groups.setdefault((group, claim.label), []).append((index, claim))
        else:
            left_out.append(METRICS[claim.metric].title)
    for members in groups.values():
        first = members[0][0]
        mean = average_runs([c for _, c in members], are_folds=row_of[first].are_folds)
        if mean is not None:
            result.append((first, mean))
            continue
        for index, claim in members:
            label = f"{claim.label} {row_of[index].run}".strip()
            result.append((index, replace(claim, label=label) if len(members) > 1 else claim))
    if left_out:
        table.notes.append(
            f"{table.source}: of single runs only the accuracy is read, not "
            f"{join_words(dict.fromkeys(left_out))}"
        )
    return result


def _join_names(table: Table, chosen: Sequence[Column], found: Sequence[_Entry]) -> list[str]:
    """Return a label for each row: its first name, and more only where rows share it.

    Rows that still share a label are told apart by the heading above them, by settings, by the
    number of the run, and at last by numbers, because figures of one label are held against each
    other.
    """
    width = max((len(entry.names) for entry in found), default=0)
    labels = [entry.names[0] if entry.names else "" for entry in found]
    head = _find_head_of_numbers(table, chosen, labels)
    labels = [f"{head} {label}" if head else label for label in labels]
    for place in range(1, width):
        names = (entry.names[place] for entry in found)
        values = [name if len(name) <= _MAX_PART else "" for name in names]
        labels = _tell_apart(labels, values, "{0} {1}")
    labels = _tell_apart(labels, [entry.section for entry in found], "{1}: {0}")
    runs = [column for column in table.columns if column.role == "run"]
    settings = list_settings(table, chosen, has_name=not head)
    for column in [c for c in [*settings, *runs] if not head or clean_label(c.head) != head]:
        cells = (column.cells[entry.index].text for entry in found)
        values = [f"{clean_label(column.head)} {cell}" if cell else "" for cell in cells]
        values = [
            value if len(value) <= _MAX_PART and (label or column in runs) else ""
            for value, label in zip(values, labels, strict=True)
        ]
        labels = _tell_apart(labels, values, "{0} {1}")
    seen: Counter[str] = Counter()
    numbers = []
    for label in labels:
        seen[label] += 1
        numbers.append(str(seen[label]))
    return _tell_apart(labels, numbers, "{0} ({1})") if all(labels) else labels


def _find_head_of_numbers(table: Table, chosen: Sequence[Column], labels: Sequence[str]) -> str:
    """Return the head of a column of numbers that stand for models; empty if they have names."""
    if not labels or not all(re.fullmatch(r"[\d.,e+-]+ ?%?", label) for label in labels):
        return ""
    columns = _find_label_columns(table, chosen)
    return clean_label(columns[0].head) if columns else ""


def _tell_apart(labels: list[str], values: list[str], template: str) -> list[str]:
    """Add to each label that several rows share the row's value, if the values differ."""
    groups: dict[str, set[str]] = {}
    for label, value in zip(labels, values, strict=True):
        groups.setdefault(label, set()).add(value)
    return [
        template.format(label, value).strip(" :") if value and len(groups[label]) > 1 else label
        for label, value in zip(labels, values, strict=True)
    ]


_YES = re.compile(r"[✓✔√☑✅]\ufe0f?|yes|true|on", re.IGNORECASE)
_NO = re.compile(r"[✗✘×✕☐❌xX–—-]?\ufe0f?|no|false|off|w/o", re.IGNORECASE)


def _find_marks(table: Table, chosen: Sequence[Column]) -> list[Column]:
    """Return the columns that say with check marks which models have what their heads name."""
    return [column for column in table.columns if column not in chosen and _has_marks(column)]


def _has_marks(column: Column) -> bool:
    texts = [cell.text.strip() for cell in column.cells]
    return (
        bool(column.parts)
        and column.metric is None
        and column.role in ("", "other", "label")
        and not REFERENCES.search(column.head)
        and all(_YES.fullmatch(text) or _NO.fullmatch(text) for text in texts)
        and any(_YES.fullmatch(text) for text in texts)
    )


def _is_marked(column: Column, row: int) -> bool:
    return _YES.fullmatch(column.cells[row].text.strip()) is not None


def _name_marked(marks: Sequence[Column], row: int, name: str) -> str:
    """Add to a model's name what its row is marked with: ``LeNet-5 + dropout``."""
    marked = [clean_label(column.head) for column in marks if _is_marked(column, row)]
    if name or marked:
        return " + ".join([*filter(None, [name]), *marked])
    return f"without {join_words(clean_label(column.head) for column in marks)}"


_EXPERIMENT = re.compile(r"experiments?\b", re.IGNORECASE)
_RUN_NAME = re.compile(r"run[-_ ]?\w{1,12}|[a-z]+-[a-z]+-\d+", re.IGNORECASE)


def _numbers_runs(column: Column) -> bool:
    """Whether the cells are names of runs, such as ``run-1`` or a tracker's ``lively-sun-12``."""
    texts = [cell.text for cell in column.cells if cell.text]
    return bool(texts) and all(_RUN_NAME.fullmatch(text) for text in texts)


_SIZE = re.compile(r"[~<>\u2248]?\s?[0-9][0-9.,]*\s?(?:[kKMGB]|million|thousand)")


def _holds_sizes(column: Column) -> bool:
    """Whether all cells are numbers of parameters such as ``1.2 M``, which name no model."""
    texts = [cell.text.strip() for cell in column.cells if cell.text]
    return all(_SIZE.fullmatch(text) or is_figure(text) for text in texts)


# What is measured of a model beside its accuracy, so that no number of it is a name.
_MEASURED = re.compile(
    r"(?<![^\W_])(?:loss(?:es)?|times?|duration|latency|speed|memory|energy|power)(?![^\W_])", re.I
)


def _holds_no_names(column: Column) -> bool:
    texts = [cell.text for cell in column.cells if not is_missing(cell.text)]
    may_name = column.role == "label" or names_setting(column.head)
    return bool(texts) and not may_name and all(map(_NO_NAME.fullmatch, texts))


def _holds_factors(column: Column) -> bool:
    """Whether all cells say how many times faster or smaller something is: ``14.6x``."""
    texts = [cell.text.strip() for cell in column.cells if not is_missing(cell.text)]
    return bool(texts) and all(_FACTOR.fullmatch(text) for text in texts)


def _is_score(column: Column) -> bool:
    """Whether a head names a metric, be it one that is not judged: ``MSE``, but not ``Top K``."""
    names_metric = next(find_mentions(normalise_name(column.head)), None) is not None
    return names_metric and not all(cell.text.isdigit() for cell in column.cells if cell.text)


_LOSS = re.compile(r"(?<![^\W_])loss(?:es)?(?![^\W_])", re.IGNORECASE)


def _find_label_columns(table: Table, chosen: Sequence[Column]) -> list[Column]:
    """Return the columns that name the models: the main one first, then those that tell more."""
    columns = [
        column
        for column in table.columns
        if column not in chosen
        and not _has_marks(column)
        and not _holds_no_names(column)
        and not (column.n_figures > column.n_texts and _LOSS.search(column.head))
    ]
    named = [column for column in columns if column.role == "label"]
    # The names that a tracker of experiments gives come last, and those of experiments.
    named.sort(key=lambda c: (_numbers_runs(c), bool(_EXPERIMENT.match(c.head))))
    texts = [
        column
        for column in columns
        if column.role == "" and column.n_texts and column.n_texts >= column.n_figures
    ]
    more = [
        column
        for column in columns
        if column.role == "other"
        and not REFERENCES.search(column.head)
        and column.n_texts
        and not _holds_sizes(column)
    ]
    references = [c for c in columns if c.role == "other" and c.n_texts and c not in more]
    result = sorted([*named, *texts, *more], key=_holds_factors)
    if result:
        result += references
    if not named and not texts and not more:
        numbers = [
            column
            for column in columns
            if column.role in ("", "other")
            and column.n_figures
            and not _MEASURED.search(column.head)
            and not _is_score(column)
        ]
        plain = [c for c in numbers if not NUMBERING.fullmatch(c.head)]
        result = [c for c in plain if c.parts][:1] or (
            [numbers[0]] if numbers and not numbers[0].parts else []
        )
    return result


# ---------------------------------------------------------------- classes


def is_matrix(table: Table) -> bool:
    """Whether rows and columns are both classes: a confusion matrix, which is read elsewhere."""
    heads = [column.head for column in table.columns[1:]]
    names = [cell.text for cell in table.columns[0].cells]
    if len(heads) < 3 or len(names) < 3:
        return False

    def share(texts: Sequence[str]) -> float:
        named = [
            t for t in texts if find_class_number(t) is not None or re.fullmatch(r"\d", t.strip())
        ]
        return len(named) / len(texts)

    return share(heads) > 0.7 and share(names) > 0.7


def find_class_rows(table: Table) -> list[Row] | None:
    """Return the rows of a table of classes (and of averages over them); None if it is not one."""
    for column in table.columns:
        if (
            column.metric is not None
            and column.metric.metric != "accuracy"
            and column.n_figures == len(column.cells)
        ):
            continue
        names = [clean_label(cell.text) for cell in column.cells]
        rows = [
            index
            for index, name in enumerate(names)
            if name and not AVERAGES.fullmatch(name) and _has_figures(table, index, column)
        ]
        if len(rows) < 2:
            continue
        known = [find_class_number(names[index]) for index in rows]
        by_name = sum(number is not None for number in known) > len(rows) / 2
        by_head = CLASS_LABEL.match(column.head) is not None and any(
            other.metric is not None and is_of_classes(other.metric.metric)
            for other in table.columns
        )
        if by_name or (by_head and len(rows) == N_CLASSES):
            return _number_classes(table, names, rows)
    return None


def _has_figures(table: Table, row: int, label: Column) -> bool:
    return any(is_figure(c.cells[row].text) for c in table.columns if c is not label)


def _number_classes(table: Table, names: list[str], rows: list[int]) -> list[Row] | None:
    numbers = find_class_numbers([names[index] for index in rows])
    if numbers is None:
        table.notes.append(f"{table.source}: its classes cannot be told apart: not taken")
        return []
    if numbers.note:
        table.notes.append(f"{table.source}: {numbers.note}")
    class_of = dict(zip(rows, numbers.numbers, strict=True))
    result = []
    for index, name in enumerate(names):
        if index in class_of:
            result.append(Row(index, "", class_of[index]))
            continue
        found = AVERAGES.fullmatch(name)
        if found is None:
            continue
        average: Average = (
            "weighted" if found["weighted"] else "micro" if found["micro"] else "macro"
        )
        result.append(Row(index, "", average=average, is_accuracy=bool(found["accuracy"])))
    return result
