"""Builds the tables of a suite: accuracies, metrics by class, and overall metrics.

Each shows what the paper claims beside what was measured; :mod:`fmbench.utils.table` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from fmbench import runners
from fmbench.analysis.evaluation import BY_FMBENCH, JudgedRow, SuiteResults
from fmbench.analysis.reference import (
    CONFUSION_FILE,
    SUMMARY_FILE,
    write_confusion_matrices,
    write_summary,
)
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import NO_RECORD, Status, Summary
from fmbench.analysis.until_decided import UntilDecided
from fmbench.analysis.verdicts import ALPHA, MARGIN, VerdictKind, explain_verdicts
from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset
from fmbench.errors import UserError
from fmbench.metrics.compute import MetricValues
from fmbench.metrics.metric import Metric
from fmbench.metrics.registry import METRICS
from fmbench.models.registry import BEST_EPOCH
from fmbench.records.protocols import FULL, Protocol
from fmbench.report.commands import Commands, build_commands_of
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    CONTROL,
    describe_evidence,
    describe_reference,
    describe_selection,
    format_control,
    format_protocol_figure,
    format_source_protocol,
    list_warnings,
    shorten_verdict,
    summarise_verdicts,
)
from fmbench.report.until_decided import describe_until_decided
from fmbench.suites.claims import ReportedFigure, Row, Suite
from fmbench.suites.reader import ACCURACIES, BY_CLASS, OVERALL, TABLES
from fmbench.utils.file_errors import name_file
from fmbench.utils.files import write_text_atomically
from fmbench.utils.formatting import format_interval
from fmbench.utils.table import (
    COUNT,
    FORMATS,
    MEAN_SD,
    P_VALUE,
    PERCENT,
    POINTS,
    PRINTED_FIGURE,
    SECONDS,
    YES_NO,
    Column,
    MeanSd,
    Table,
)

ACCURACIES_COLUMNS = (
    Column("label"),
    Column("runner"),
    Column("parameters", is_detail=True),
    Column("claimed", PRINTED_FIGURE),
    Column("source", PERCENT),
    Column("reference", PERCENT),
    Column("mean", PERCENT),
    Column("sd", PERCENT),
    Column("n", COUNT),
    Column("gap", POINTS),
    Column("low", PERCENT),
    Column("high", PERCENT),
    Column("fit_seconds", SECONDS),
    Column("device"),
    Column("status"),
    Column("verdict"),
    Column("delta_star", PERCENT),
    Column("to_the_digit", YES_NO),
    Column("source_protocol_mean", PERCENT),
    Column("flatters", POINTS),
    Column("source_protocol_verdict"),
    Column("control_claimed", PRINTED_FIGURE),
    Column("control_mean", PERCENT),
    Column("control_agrees", YES_NO, is_detail=True),
    Column("source_protocol", is_detail=True),
    Column("images", is_detail=True),
    Column("claim_low", PERCENT, is_detail=True),
    Column("claim_high", PERCENT, is_detail=True),
    Column("p_within", P_VALUE, is_detail=True),
    Column("p_beyond", P_VALUE, is_detail=True),
    Column("p_holm", P_VALUE, is_detail=True),
    Column("seeds_needed", COUNT, is_detail=True),
)
# Who measured a row; fmbench's own results leave it out.
MEASURED_BY = Column("measured_by")
MEASURED_BY_IN_FILES = Column("measured_by", is_detail=True)  # where a note says it to people
# Whether the number of seeds depends on what they gave, so that p values are corrected for looks.
JUDGED_BY_LOOKS = Column("judged_by_looks", YES_NO, is_detail=True)
ACCURACIES_NAMES = tuple(column.name for column in ACCURACIES_COLUMNS)
# These have no value in a table of figures that cannot be compared with the claims.
NAMES_OF_VERDICTS = ACCURACIES_NAMES[ACCURACIES_NAMES.index("verdict") :]
EMPTY_IN_QUICK_TABLES = {"reference", "gap", "low", "high", *NAMES_OF_VERDICTS}
MAX_NAMED = 5  # runners in a command
ON_GPU = "on a GPU"
BY_WHOM = "measured by"
OPTIONAL = (
    BY_SOURCE_PROTOCOL,
    CONTROL,
    ON_GPU,
    BY_WHOM,
)  # columns that a table has only if a row has a value


@dataclass(frozen=True)
class AccuracyTable(Table):
    """The table of accuracies, and the judged rows that it shows, in the same order.

    ``has_verdicts``: its figures can be compared with the claims. ``command`` measures its rows;
    it is empty if the table was not built from a results folder. ``n_all``: the rows of the whole
    table, if not all are shown. ``explained_by``: the command that explains its columns and words.
    """

    judged: tuple[JudgedRow, ...] = ()
    has_verdicts: bool = True
    command: str = ""
    n_all: int = 0
    explained_by: str = "fmbench table --format md"


def build_table(
    results: SuiteResults,
    name: str = ACCURACIES,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    only: Collection[str] = (),
    keep: Callable[[JudgedRow], bool] = lambda row: True,
) -> Table:
    """Build one of the tables in :data:`fmbench.suites.reader.TABLES`, by its name.

    ``margin`` (a fraction) and ``alpha`` are those of the verdicts. ``only``: the table of
    accuracies has only the rows of these runners. ``keep`` says of each row whether it has it. Each
    verdict is as in the whole table.

    Raises:
        UserError: the suite has no figures for this table.
    """
    suite, commands = results.suite, build_commands_of(results)
    title = None if results.has_verdicts else results.protocol.title
    if name == ACCURACIES:
        rows = results.judge(margin, alpha) if (margin, alpha) != (MARGIN, ALPHA) else results.rows
        kept = [row for row in rows if (not only or row.runner in only) and keep(row)]
        table = build_accuracies(
            suite,
            kept,
            protocol_title=title,
            margin=margin,
            alpha=alpha,
            says_who_measured=results.has_verdicts and not results.is_reference,
            command=commands.run(*_name_runners(kept, rows)),
            n_all=len(rows),
            spent=results.until_decided,
        )
        return replace(table, explained_by=f"{commands.table()} --format md")
    if suite.subject is None:
        raise UserError(
            f"{suite.path}: there is no table {name!r}, because no [[reported]] figure names a "
            "runner in its key `of`"
        )
    build = {BY_CLASS: build_by_class, OVERALL: build_overall}[name]
    return build(
        suite,
        results.subject_metrics,
        protocol_title=title,
        has_runner=suite.subject in runners.load_runners(),
        from_reference=results.is_subject_from_reference,
        command=commands.run(suite.subject),
    )


def build_accuracies(
    suite: Suite,
    rows: Sequence[JudgedRow],
    *,
    protocol_title: str | None = None,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    says_who_measured: bool | None = None,
    command: str = "",
    n_all: int = 0,
    spent: UntilDecided | None = None,
) -> AccuracyTable:
    """Build the table of claimed and measured accuracies with the verdicts.

    ``protocol_title`` is given for every protocol except the full one. Such figures cannot test a
    claim, so the table shows no verdict. ``says_who_measured``: with the column ``measured_by``; by
    default if a row is judged by fmbench's own measurement. ``command`` measures the rows.
    ``spent``: what a run until decided spent on rows; they are judged by looks.
    """
    if says_who_measured is None:
        says_who_measured = any(row.from_reference for row in rows)
    columns: tuple[Column, ...] = ACCURACIES_COLUMNS
    if says_who_measured:
        i = ACCURACIES_NAMES.index("n") + 1
        columns = (*columns[:i], MEASURED_BY, *columns[i:])
    if any(row.summary.has_looks for row in rows):
        columns = (*columns, JUDGED_BY_LOOKS)
    has_verdicts = protocol_title is None
    if not has_verdicts:  # CSV and JSON keep the columns
        columns = tuple(
            replace(column, is_detail=column.is_detail or column.name in EMPTY_IN_QUICK_TABLES)
            for column in columns
        )
    summaries = {row.runner: row.summary for row in rows}
    return AccuracyTable(
        _build_title(suite, ACCURACIES, "", protocol_title),
        columns,
        [_build_accuracies_row(row, columns, has_verdicts=has_verdicts) for row in rows],
        (
            _explain_columns(has_verdicts=has_verdicts),
            *_explain_measured_by(rows, command),
            *(
                _explain_verdicts(rows, margin, alpha, n_all)
                if has_verdicts
                else describe_selection(rows, n_all)
            ),
            *(_explain_looks(rows, spent) if has_verdicts and spent else ()),
            *_list_remarks(rows),
            *(f"{name}: {text}" for name, s in summaries.items() for text in list_warnings(s)),
            *_list_flagged_figures(rows),
        ),
        tuple(rows),
        has_verdicts,
        command,
        n_all,
    )


def _name_runners(kept: Sequence[JudgedRow], rows: Sequence[JudgedRow]) -> list[str]:
    """What ``fmbench run`` needs to measure the rows that are shown: their names, if few."""
    names = list(dict.fromkeys(row.runner for row in kept if row.runner))
    return names if names and len(kept) < len(rows) and len(names) <= MAX_NAMED else ["--all"]


def _explain_columns(*, has_verdicts: bool) -> str:
    shared = (
        "claimed: as printed in the paper; source: the figure in the original that the paper "
        "quotes, if known"
    )
    if not has_verdicts:
        return (
            "A quick run: it shows that everything works, and says nothing about the claims. "
            f"Accuracies in percent of the test images that it scores; {shared}; n: seeds."
        )
    return (
        "Accuracies in percent of the test images, gap in points (measured minus claimed); "
        f"{shared}; reference: fmbench's own run; low, high: "
        f"{CONFIDENCE_TEXT} prediction interval for one new run; n: seeds."
    )


def _explain_looks(rows: Sequence[JudgedRow], spent: UntilDecided) -> Iterator[str]:
    """Describe what was spent on those of the rows that were measured until decided."""
    shown = {row.runner for row in rows}
    of_rows = tuple(row for row in spent.rows if row.runner in shown)
    if of_rows:
        yield from describe_until_decided(msgspec.structs.replace(spent, rows=of_rows))


def _explain_measured_by(rows: Sequence[JudgedRow], command: str) -> Iterator[str]:
    if text := describe_reference(rows, command):
        n = sum(row.is_measured_here for row in rows)
        number = f"{n} row is" if n == 1 else f"{n} rows are" if n else "no row is"
        yield f"measured_by: {number} measured here; fmbench: {text}."


def _explain_verdicts(
    rows: Sequence[JudgedRow], margin: float, alpha: float, n_all: int
) -> Iterator[str]:
    """Count the verdicts, and explain each word and each column that occurs."""
    yield f"{summarise_verdicts(rows, n_all)}."
    protocols = [row.source_protocol for row in rows if row.source_protocol]
    used = {row.verdict.kind for row in rows} | {protocol.verdict.kind for protocol in protocols}
    groups: dict[str, list[VerdictKind]] = {}
    for kind in VerdictKind:
        if kind in used:
            groups.setdefault(kind.style.group or kind.word, []).append(kind)
    for kinds in groups.values():
        if text := explain_verdicts(margin, alpha, kinds):
            yield f"{text}."
    yield "delta_star: the smallest margin, in points, with which the claim would be reproduced."
    if any(row.verdict.to_the_digit is not None for row in rows):
        yield (
            "to_the_digit: whether a deterministic model gives the claim to its last printed "
            "digit. It has no spread, so any other figure is a difference of code, data or recipe."
        )
    if protocols:
        yield (
            "source_protocol_mean, source_protocol_verdict: the accuracy by the procedure that the "
            "source itself used, and the verdict by it; flatters: how many points that adds to the "
            "honest accuracy."
        )
    if any(row.control for row in rows):
        yield (
            "control_claimed, control_mean: what the same source prints for the same model on "
            "other images, which have not changed, and what we measured on them."
        )


def _list_remarks(rows: Sequence[JudgedRow]) -> Iterator[str]:
    """Yield the remark on each row, once."""
    remarks = [(row.label, [row.row.remark, _describe_certainty(row.row)]) for row in rows]
    notes = (f"{label}: {' '.join(filter(None, texts))}" for label, texts in remarks if any(texts))
    yield from dict.fromkeys(notes)


def _lacks_epochs(row: JudgedRow) -> bool:
    """Whether a row's source picked the best epoch of a model whose records have no epochs."""
    is_measured = row.status is Status.MEASURED
    return is_measured and row.row.picked == "best epoch" and BEST_EPOCH not in row.summary.flagged


def _describe_certainty(row: Row) -> str:
    """Say that nobody has read the source's figure in the original, where that is so."""
    is_quoted = row.source is not None and row.claimed is not None
    if row.certainty == "second hand":
        compared = ", so it is not compared with the claim" if is_quoted else ""
        return f"We know the source's figure only from papers that quote it{compared}."
    if is_quoted and row.certainty != "verified":
        return (
            f"The source's figure, {row.source}, is not compared with the claim, because its "
            f'certainty is "{row.certainty}" and not "verified".'
        )
    return ""


def _list_flagged_figures(rows: Sequence[JudgedRow]) -> Iterator[str]:
    """Yield what a source did that is not the honest protocol, and the figure that it gives."""
    for row in rows:
        name = row.row.scored_as
        if result := row.source_protocol:
            figure, evidence = format_protocol_figure(result), describe_evidence(result)
            counted = f"n={result.n}; {evidence}" if evidence else f"n={result.n}"
            yield f"{row.label}: {result.description}: {figure} % ({counted})"
        elif name and row.status is Status.MEASURED:
            known = ", ".join(row.summary.flagged) or "none"
            lacks = (
                f'the records lack the flagged figure "{name}"'
                if name in row.summary.flagged
                else f'{row.runner} has no flagged figure "{name}" (it has: {known})'
            )
            yield f"{row.label}: {lacks}, so the claim is judged by the honest protocol alone"
        elif _lacks_epochs(row):
            lacks = f"{row.runner} has no epochs of which the source could have picked the best"
            if row.from_reference:  # its summary has the best epoch only where its suite asks
                lacks = f"fmbench's own measurement does not say the best epoch of {row.runner}"
            yield f"{row.label}: {lacks}, so the claim is judged by the honest protocol alone"
        if row.row.best_of > 1 and row.row.claimed:
            yield (
                f"{row.label}: the claim is the best of {row.row.best_of} runs, and is compared "
                "with the best of as many"
            )


def _build_accuracies_row(
    row: JudgedRow, columns: Sequence[Column], *, has_verdicts: bool
) -> dict[str, object]:
    figures = row.as_dict() | {
        "claimed": row.row.claimed,
        "n": row.n or None,
        "status": row.summary.status_text,
        "verdict": str(row.verdict),
        "control_claimed": row.control.printed if row.control else None,
    }
    if not has_verdicts:
        figures |= dict.fromkeys(NAMES_OF_VERDICTS)
    return {column.name: figures.get(column.name) for column in columns}


def build_accuracies_overview(results: SuiteResults) -> Table:
    """Build :func:`build_overview` of a suite's results, at the default margin and level."""
    table = build_table(results)
    assert isinstance(table, AccuracyTable), "it is the table of accuracies"
    return build_overview(table)


def build_overview(table: AccuracyTable, on_gpu: Mapping[str, Summary] | None = None) -> Table:
    """Build a short table of the rows with a claim: what was measured, and the verdicts.

    A quick run has no verdicts; then it says what was measured.
    ``on_gpu``: the summaries of the same rows on a GPU, by runner.
    """
    columns = [
        Column("row"), Column("claimed", PRINTED_FIGURE), Column("measured"), Column("n", COUNT),
    ]  # fmt: skip
    if table.has_verdicts:
        columns += [
            Column("one new run"), Column("verdict"), Column(BY_SOURCE_PROTOCOL), Column(CONTROL),
            Column(ON_GPU), Column(BY_WHOM),
        ]  # fmt: skip
    else:
        columns.append(Column("status"))
    shows_who = any(row.from_reference for row in table.judged)
    rows = [
        {
            "row": row.label,
            "claimed": row.row.claimed,
            "measured": compute_measured_accuracy(row) or NO_RECORD,
            "n": row.n or None,
            "one new run": format_interval(row.low, row.high),
            "status": row.summary.status_text,
            "verdict": shorten_verdict(row),
            BY_SOURCE_PROTOCOL: format_source_protocol(row),
            CONTROL: format_control(row),
            ON_GPU: _format_on_gpu((on_gpu or {}).get(row.runner)),
            BY_WHOM: row.measured_by if shows_who else "",
        }
        for row in table.judged
        if row.row.claimed
    ]
    shown = [c for c in columns if c.name not in OPTIONAL or any(row[c.name] for row in rows)]
    notes = (
        *([] if table.has_verdicts else [_explain_columns(has_verdicts=False)]),
        *describe_selection(table.judged, table.n_all),
        *_explain_measured_by(table.judged, table.command),
    )
    return Table(table.title, tuple(shown), rows, notes)


def _format_on_gpu(summary: Summary | None) -> str:
    """Write the accuracy of a neural row on a GPU and the seconds for each seed."""
    if summary is None or summary.mean is None or summary.fit_seconds is None:
        return ""
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n}), {summary.fit_seconds:.1f} s"


def compute_measured_accuracy(row: JudgedRow) -> MeanSd | None:
    """Return the measured accuracy in percent, with its spread if there are several seeds."""
    if row.mean is None:
        return None
    spread = 100 * row.sd if row.n > 1 and row.sd is not None else None
    return MeanSd(100 * row.mean, spread, 2)


def build_by_class(
    suite: Suite,
    metrics: Sequence[MetricValues],
    *,
    protocol_title: str | None = None,
    has_runner: bool = True,
    from_reference: bool = False,
    command: str = "",
) -> Table:
    """Build the table of metrics for each class and their averages, for the suite's subject.

    ``metrics`` has one entry for each seed; if there are none, the measured columns are empty.
    ``has_runner`` says whether the subject can be measured. ``from_reference``: they are metrics of
    fmbench's own run. ``command`` measures the subject.
    """
    names = [name for name, metric in METRICS.items() if metric.in_class_table]
    rows = []
    for k, class_ in enumerate((*_find_classes(suite), None)):
        row: dict[str, object] = {"class": class_ or "macro average"}
        for name in names:
            claim = _find_claimed_figures(
                suite, name, k if class_ else None, None if class_ else "macro"
            )
            by_seed = [m.by_class[name] for m in metrics]
            values = [float(v[k] if class_ else v.mean()) for v in by_seed]
            row |= {f"{name} claimed": claim, f"{name} measured": MeanSd.of(values, 3)}
        rows.append(row)
    columns = [Column("class")]
    for name in names:
        columns += [Column(f"{name} claimed"), Column(f"{name} measured", MEAN_SD)]
    if from_reference:
        rows, columns = _add_measured_by(rows), [*columns, MEASURED_BY_IN_FILES]
    title = _build_title(suite, BY_CLASS, f"{_find_subject_label(suite)}, by class", protocol_title)
    notes = _write_notes(suite, len(metrics), has_runner, from_reference, command)
    return Table(title, tuple(columns), rows, tuple(notes))


def build_overall(
    suite: Suite,
    metrics: Sequence[MetricValues],
    *,
    protocol_title: str | None = None,
    has_runner: bool = True,
    from_reference: bool = False,
    command: str = "",
) -> Table:
    """Build the table of overall metrics, for the suite's subject; see :func:`build_by_class`."""
    reported = {f.metric for f in suite.reported if f.of == suite.subject}
    rows: list[dict[str, object]] = [
        {
            "metric": name,
            "claimed": _find_claimed_figures(suite, name, None, None)
            or _find_claimed_figures(suite, name, None, "macro")
            or _find_figures_of_ambiguous_name(suite, name),
            "measured": _compute_mean_over_seeds(metric, [m.overall[name] for m in metrics]),
        }
        for name, metric in METRICS.items()
        if (metric.in_overall_table or name in reported) and not metric.is_of_a_cell
    ]
    columns = [Column("metric"), Column("claimed"), Column("measured", MEAN_SD)]
    if from_reference:
        rows, columns = _add_measured_by(rows), [*columns, MEASURED_BY_IN_FILES]
    title = _build_title(suite, OVERALL, f"{_find_subject_label(suite)}, overall", protocol_title)
    ambiguous = (
        f"{METRICS[figure.metric].title} {figure.value}: {figure.remark}"
        for figure in suite.reported
        if figure.of == suite.subject and figure.alternative_metric and figure.remark
    )
    notes = _write_notes(suite, len(metrics), has_runner, from_reference, command)
    return Table(title, tuple(columns), rows, (*notes, *dict.fromkeys(ambiguous)))


def _add_measured_by(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{**row, MEASURED_BY.name: BY_FMBENCH} for row in rows]


def _compute_mean_over_seeds(metric: Metric, values: Sequence[float | None]) -> MeanSd | None:
    """Mean and standard deviation over the seeds; None if a seed lacks the metric."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return MeanSd.of([100 * v if metric.percent else v for v in known], metric.decimals)


def _build_title(suite: Suite, name: str, what: str, protocol_title: str | None) -> str:
    """Begin with what the paper calls the table, or else with the paper's title."""
    if own := suite.table_titles.get(name):
        title = f"{own}: {what or suite.title}"
    else:
        title = ": ".join(filter(None, [suite.title, what]))
    scale = (
        f" (quick run, {protocol_title}: not comparable with the claims)" if protocol_title else ""
    )
    return f"{title}{scale}"


def _find_subject_label(suite: Suite) -> str:
    row = next((row for row in suite.rows if row.runner == suite.subject), None)
    return row.label if row else suite.subject or suite.title


def _find_classes(suite: Suite) -> tuple[str, ...]:
    """Return the class names of the data set on which the suite's subject is measured."""
    names = [row.dataset for row in suite.rows if row.runner == suite.subject]
    return get_dataset(names[0]).classes if names else DEFAULT_DATASET.classes


def _find_claimed_figures(
    suite: Suite, metric: str, class_: int | None, average: str | None
) -> str:
    """List every figure that the paper prints for this, each once, in the order of the suite."""

    def fits(figure: ReportedFigure) -> bool:
        where = (figure.of, figure.metric, figure.class_, figure.average)
        return where == (suite.subject, metric, class_, average)

    return ", ".join(dict.fromkeys(_format_claim(f) for f in suite.reported if fits(f)))


def _find_figures_of_ambiguous_name(suite: Suite, metric: str) -> str:
    """List the figures that the paper prints under another name, but that may be this metric."""
    found = (f for f in suite.reported if (f.of, f.alternative_metric) == (suite.subject, metric))
    return ", ".join(
        dict.fromkeys(f"{_format_claim(f)} (printed as {METRICS[f.metric].title})" for f in found)
    )


def _format_claim(figure: ReportedFigure) -> str:
    """Return the figure as printed, and of how many runs it is the mean or the best."""
    if figure.mean_of > 1:
        return f"{figure.value} (mean of {figure.mean_of})"
    if figure.folds > 1:
        return f"{figure.value} (mean of {figure.folds} folds)"
    return f"{figure.value} (best of {figure.best_of})" if figure.best_of > 1 else figure.value


def _write_notes(
    suite: Suite, n_seeds: int, has_runner: bool, from_reference: bool, command: str
) -> Iterator[str]:
    command = command or Commands().run(suite.subject or "--all")
    own = f" in fmbench's own run; `{command}` measures it here"
    by_whom = own if from_reference else ""
    if n_seeds > 1:
        yield f"Measured: mean ± standard deviation over {n_seeds} seeds{by_whom}."
    elif n_seeds == 1:
        yield f"Measured: one seed{by_whom}."
    else:
        how = f"run `{command}`" if has_runner else Status.NO_RUNNER.value
        yield f"Not measured: {how}."
    if suite.n_per_class != DEFAULT_DATASET.n_per_class:
        yield "The claims are about another test set than the one used here."
    if others := {figure.of for figure in suite.reported if figure.of} - {suite.subject}:
        yield f"The paper also reports figures of {', '.join(sorted(others))}; no table shows them."
    for m in suite.not_transcribed:
        yield f"Not transcribed: {m.where}, {m.what}: {m.why}."


def list_tables(suite: Suite) -> tuple[str, ...]:
    """List the names of a suite's tables; without a subject, only the accuracies."""
    return TABLES if suite.subject else TABLES[:1]


def table_path(results: Path, suite: Suite, name: str, protocol: Protocol, ending: str) -> Path:
    """Return the file of a table in a results folder."""
    suffix = "" if protocol is FULL else f"-{protocol.name}"
    return suite.folder_in(results) / f"{name}{suffix}.{ending}"


def write_tables(results: SuiteResults, *, only_missing: bool = False) -> list[Path]:
    """Write every table as Markdown and CSV, the summary and the confusion matrices.

    Return the table files.

    Each file is replaced in one step, so that a reader sees either the old or the new one.

    Raises:
        OSError: a file cannot be written; the error names it.
    """
    folder, suite = results.store.folder, results.suite
    in_suite = suite.find_writable_folder(folder)
    in_suite.mkdir(parents=True, exist_ok=True)
    if results.protocol is FULL:
        versions = {tuple(sorted(record.versions.items())) for record in results.records}
        summary, matrices = (in_suite / name for name in (SUMMARY_FILE, CONFUSION_FILE))
        with name_file(summary):
            write_summary(summary, results.summaries.values(), [dict(v) for v in sorted(versions)])
        with name_file(matrices):
            write_confusion_matrices(matrices, results.matrices_by_runner)
    written = []
    for name in list_tables(suite):
        paths = {e: table_path(folder, suite, name, results.protocol, e) for e in ("md", "csv")}
        if only_missing and all(path.exists() for path in paths.values()):
            continue
        built = build_table(results, name)
        for ending, path in paths.items():
            with name_file(path):
                write_text_atomically(path, FORMATS[ending](built))
            written.append(path)
    return written
