"""The paper's tables, claimed beside measured, as Markdown, CSV or JSON.

A table is a list of rows, each a mapping from column to text (empty where there is nothing to
say), so that every format prints the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench import runners
from fmbench.analysis.reference import SUMMARY_FILE, write_summary
from fmbench.analysis.summary import Summary
from fmbench.analysis.verdicts import ALPHA, MARGIN, on_rows
from fmbench.datasets.specs import FASHION_MNIST, TEST_SET
from fmbench.errors import UserError
from fmbench.records.protocols import FULL, Protocol
from fmbench.suites.claims import Reported, Row, Suite
from fmbench.suites.reader import TABLES
from fmbench.suites.rounding import parse_figure
from fmbench.utils.files import write_text
from fmbench.utils.formatting import _percent, _seconds, mean_sd
from fmbench.utils.table import FORMATS, Table

if TYPE_CHECKING:
    from fmbench.analysis.evaluation import Results
    from fmbench.analysis.metrics import Metrics

ACCURACIES_COLUMNS = (
    "label", "runner", "claimed", "source", "reference", "mean", "sd", "n", "gap", "low", "high",
    "fit_seconds", "device", "status", "verdict", "delta_star",
)  # fmt: skip
NO_RUNNER = "no runner yet"


def accuracies(
    suite: Suite,
    summaries: Mapping[str, Summary],
    reference: Mapping[str, Summary],
    *,
    protocol_title: str | None = None,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> Table:
    """Claimed beside measured and the verdict, one line for each row of the suite.

    ``summaries`` are by runner; a runner that is not registered is not among them, and one that is
    not in the suite gets a line of its own after it. Accuracies are in percent, the gap (measured
    minus claimed) and delta* are in points. Of another protocol than the full one there is no
    verdict: it is no test of a claim.
    """
    rows = []
    own = [Row("", name, name) for name in summaries if name not in suite.runners]
    asked = [*suite.rows, *own]
    verdicts = on_rows(
        asked, summaries, margin=margin, alpha=alpha, same_images=suite.n_per_class == TEST_SET
    )
    for row, verdict in zip(asked, verdicts, strict=True):
        measured = summaries.get(row.runner, Summary(row.runner, NO_RUNNER))
        committed = reference.get(row.runner)
        gap = None
        if row.claimed is not None and measured.mean is not None:
            gap = measured.mean - float(parse_figure(row.claimed, "accuracy"))
        rows.append(
            {
                "label": row.label,
                "runner": row.runner,
                "claimed": row.claimed or "",
                "source": _percent_of(row.source),
                "reference": _percent(committed.mean if committed else None),
                "mean": _percent(measured.mean),
                "sd": _percent(measured.sd),
                "n": str(measured.n) if measured.n else "",
                # Adding zero turns a rounded -0.0 into 0.0.
                "gap": f"{round(100 * gap, 2) + 0.0:+.2f}" if gap is not None else "",
                "low": _percent(measured.low),
                "high": _percent(measured.high),
                "fit_seconds": _seconds(measured.fit_seconds),
                "device": measured.device,
                "status": measured.status,
                "verdict": "" if protocol_title else str(verdict),
                "delta_star": "" if protocol_title else _percent(verdict.delta_star),
            }
        )
    notes = [
        "Accuracies in percent of the test images, gap in points (measured minus claimed); "
        "claimed: as printed in the paper; source: the figure in the original that the paper "
        "quotes, where it is known; reference: fmbench's own committed run; low, high: 95 % "
        "prediction interval for one new run; n: seeds.",
        f"verdict: reproduced: the mean of new runs lies within {100 * margin:g} points of the "
        f"claim (two one-sided t tests, p < {alpha:g}; without spread, the figure itself); not "
        "reproduced: the claim lies beyond its rounding and that margin of what a new run gives "
        f"(t test, p < {alpha:g} after Holm's correction over the rows); inconclusive: neither; "
        "untestable: a rerun is no test, for the reason given. delta_star: the smallest margin, in "
        "points, under which the claim would be reproduced.",
        *dict.fromkeys(f"{row.label}: {text}" for row in suite.rows if (text := _remark(row))),
        *(f"{name}: {text}" for name in summaries for text in summaries[name].warnings),
        *(
            f"{runner}: {words}: {mean_sd([100 * a for a in accuracies], 2)} % "
            f"(n={len(accuracies)})"
            for runner in suite.runners
            if runner in summaries
            for words, accuracies in summaries[runner].flagged.items()
            if accuracies
        ),
    ]
    return Table(
        _title(suite, "accuracies", "", protocol_title), ACCURACIES_COLUMNS, rows, tuple(notes)
    )


def overview(table: Table) -> Table:
    """What says most of the accuracies: the rows with a claim, what was measured, how sure it is."""
    columns = ("row", "claimed", "measured", "n", "one new run", "verdict")
    rows = []
    for row in table.rows:
        if row["claimed"]:
            spread = f" ± {row['sd']}" if row["sd"] and row["n"] != "1" else ""
            ends = f"{row['low']} to {row['high']}" if spread else row["low"]
            measured = row["mean"] + spread or "no record"
            cells = (row["label"], row["claimed"], measured, row["n"], ends, row["verdict"])
            rows.append(dict(zip(columns, cells, strict=True)))
    return Table(table.title, columns, rows)


def by_class(
    suite: Suite,
    metrics: Sequence[Metrics],
    *,
    protocol_title: str | None = None,
    has_runner: bool = True,
) -> Table:
    """Precision, recall and F1 of each class and their averages, for the suite's subject.

    ``metrics`` has one entry a seed; none leaves the measured columns empty. ``has_runner``: the
    subject can be measured.
    """
    rows = []
    names = ("precision", "recall", "f1")
    for k, title in enumerate((*FASHION_MNIST.classes, None)):
        line = {"class": title or "macro average"}
        for name in names:
            claim = _claim(suite, name, k if title else None, None if title else "macro")
            seeds = [float(m.classwise[name][k]) if title else m.overall[name] for m in metrics]
            line |= {f"{name} claimed": claim, f"{name} measured": mean_sd(seeds, 3)}
        rows.append(line)
    columns = ("class", *(f"{name} {side}" for name in names for side in ("claimed", "measured")))
    title = _title(suite, "by-class", f"{_subject(suite)}, by class", protocol_title)
    return Table(title, columns, rows, _notes(suite, metrics, has_runner))


def overall(
    suite: Suite,
    metrics: Sequence[Metrics],
    *,
    protocol_title: str | None = None,
    has_runner: bool = True,
) -> Table:
    """The overall metrics, for the suite's subject; see :func:`by_class`."""
    from fmbench.analysis.metrics import OVERALL

    rows = [
        {
            "metric": name,
            "claimed": _claim(suite, name, None, None) or _claim(suite, name, None, "macro"),
            "measured": mean_sd([m.overall[name] for m in metrics], 4),
        }
        for name in OVERALL
    ]
    columns = ("metric", "claimed", "measured")
    title = _title(suite, "overall", f"{_subject(suite)}, overall", protocol_title)
    return Table(title, columns, rows, _notes(suite, metrics, has_runner))


def _remark(row: Row) -> str:
    second_hand = "The source's figure was seen only where others quote it."
    return " ".join(filter(None, [row.remark, second_hand * (row.certainty == "second hand")]))


def _title(suite: Suite, name: str, what: str, protocol_title: str | None) -> str:
    """The paper's own name of the table, where the suite gives it, else the paper's title."""
    if own := suite.table_titles.get(name):
        title = f"{own}: {what or suite.title}"
    else:
        title = ": ".join(filter(None, [suite.title, what]))
    scale = f" ({protocol_title}: not comparable with the claims)" if protocol_title else ""
    return f"{title}{scale}"


def _subject(suite: Suite) -> str:
    row = next((row for row in suite.rows if row.runner == suite.subject), None)
    return row.label if row else suite.subject or suite.title


def _claim(suite: Suite, metric: str, class_: int | None, average: str | None) -> str:
    """Every distinct figure that the paper prints for this, in its order."""

    def fits(figure: Reported) -> bool:
        where = (figure.of, figure.metric, figure.class_, figure.average)
        return where == (suite.subject, metric, class_, average)

    return ", ".join(dict.fromkeys(figure.value for figure in suite.reported if fits(figure)))


def _notes(suite: Suite, metrics: Sequence[Metrics], has_runner: bool) -> tuple[str, ...]:
    n = len(metrics)
    measured = f"Measured: mean ± standard deviation over {n} seeds." if n > 1 else ""
    if n == 1:
        measured = "Measured: one seed."
    if n == 0:
        how = f"run `fmbench run {suite.subject}`" if has_runner else NO_RUNNER
        measured = f"Not measured: {how}."
    notes = [measured]
    if suite.n_per_class != TEST_SET:
        notes.append("Claimed of another test set than the one that is measured on.")
    if others := {figure.of for figure in suite.reported if figure.of} - {suite.subject}:
        notes.append(f"Figures of {', '.join(sorted(others))} are reported too, and in no table.")
    missing = (f"Not transcribed: {m.where}, {m.what}: {m.why}." for m in suite.not_transcribed)
    return (*notes, *missing)


def _percent_of(printed: str | None) -> str:
    if printed is None:
        return ""
    return str((100 * parse_figure(printed, "accuracy")).quantize(Decimal("0.01")))


def build_table(
    results: Results, name: str = "accuracies", *, margin: float = MARGIN, alpha: float = ALPHA
) -> Table:
    """One of the tables in :data:`fmbench.suites.reader.TABLES`, by its name.

    ``margin`` and ``alpha`` are those of the verdicts.

    Raises:
        UserError: the suite has no figures for this table.
    """
    suite = results.suite
    title = None if results.protocol is FULL else results.protocol.title
    if name == "accuracies":
        return accuracies(
            suite, results.summaries, results.reference, protocol_title=title,
            margin=margin, alpha=alpha,
        )  # fmt: skip
    if suite.subject is None:
        raise UserError(
            f"{suite.path}: no [[reported]] figure says which runner it is `of`, so there "
            f"is no table {name!r}"
        )
    build = {"by-class": by_class, "overall": overall}[name]
    return build(
        suite, results.subject_metrics, protocol_title=title,
        has_runner=suite.subject in runners.runners(),
    )  # fmt: skip


def table_names(suite: Suite) -> tuple[str, ...]:
    """The tables that there are for a suite: without a subject, only the accuracies."""
    return TABLES if suite.subject else TABLES[:1]


def table_path(results: Path, suite: Suite, name: str, protocol: Protocol, ending: str) -> Path:
    """The file of a table in a results folder."""
    suffix = "" if protocol is FULL else f"-{protocol.name}"
    return suite.folder_in(results) / f"{name}{suffix}.{ending}"


def write_tables(results: Results, *, only_missing: bool = False) -> list[Path]:
    """Write every table in Markdown and CSV, and the summary; returns the files written.

    Each file is replaced in one step: whoever reads it sees the old one or the new one.
    """
    folder, suite = results.store.folder, results.suite
    suite.folder_in(folder).mkdir(parents=True, exist_ok=True)
    if results.protocol is FULL:
        versions = {tuple(sorted(record.versions.items())) for record in results.records()}
        write_summary(
            suite.folder_in(folder) / SUMMARY_FILE,
            results.summaries.values(),
            [dict(v) for v in sorted(versions)],
        )
    written = []
    for name in table_names(suite):
        paths = {e: table_path(folder, suite, name, results.protocol, e) for e in ("md", "csv")}
        if only_missing and all(path.exists() for path in paths.values()):
            continue
        built = build_table(results, name)
        for ending, path in paths.items():
            write_text(path, FORMATS[ending](built))
            written.append(path)
    return written
