"""Says in short what is known about a row: its verdicts, its control, and the kind of its claim.

Tables, the terminal, figures, the page and README.md all take these texts from here, so that they
never disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fmbench.analysis.controls import ControlResult
from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.table_verdicts import ProtocolResult
from fmbench.analysis.verdicts import FEWEST_SEEDS, Claim, Verdict, VerdictKind
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.suites.matching import describe_parameters
from fmbench.utils.formatting import format_number_of
from fmbench.utils.table import MeanSd, format_points

# What tables and figures call the figure by the source's own protocol, and that on other images.
BY_SOURCE_PROTOCOL, CONTROL = "by the source's protocol", "control"
REFERENCE_MARK = "*"  # follows a figure that is fmbench's own measurement
MAX_WARNINGS = 10  # of one row
# What is claimed was tested: the p values or the accuracy of a deterministic model decided.
TESTED = frozenset(
    {
        VerdictKind.REPRODUCED, VerdictKind.WITHIN_SPREAD, VerdictKind.CLAIM_HIGHER,
        VerdictKind.CLAIM_LOWER, VerdictKind.MORE_SEEDS, VerdictKind.UNDECIDABLE,
    }
)  # fmt: skip
# The word says enough; the reason is a sentence of its own.
WITHOUT_REASON = (TESTED - {VerdictKind.MORE_SEEDS}) | {VerdictKind.OTHER_IMAGES}


def count_verdicts(rows: Sequence[JudgedRow]) -> dict[VerdictKind, int]:
    """Count the rows with each verdict; verdicts that no row has are left out."""
    found = Counter(row.verdict.kind for row in rows)
    return {kind: found[kind] for kind in VerdictKind if found[kind]}


def summarise_verdicts(
    rows: Sequence[JudgedRow], n_all: int = 0, *, has_marks: bool = False
) -> str:
    """Return ``29 rows: 5 reproduced; 2 not run``.

    ``n_all``: the rows of the whole table. If these are more, ``5 of 29 rows are shown: ...``.
    ``has_marks``: each verdict has its mark, ``● 5 reproduced``.
    """
    counts = "; ".join(
        f"{f'{kind.style.mark} ' if has_marks else ''}{n} {name_verdict(kind, n)}"
        for kind, n in count_verdicts(rows).items()
    )
    shown = "".join(describe_selection(rows, n_all)) or format_number_of(len(rows), "row")
    return f"{shown}: {counts or 'nothing to judge'}"


def describe_selection(rows: Sequence[JudgedRow], n_all: int) -> Iterator[str]:
    """Say how many rows of the whole table these are, if they are not all."""
    if n_all > len(rows):
        verb = "is" if len(rows) == 1 else "are"
        yield f"{len(rows)} of {format_number_of(n_all, 'row')} {verb} shown"


def name_verdict(kind: VerdictKind, n: int) -> str:
    """Return a verdict's word as it follows a number of rows: ``(3) misquote their source``."""
    if kind is VerdictKind.MISQUOTED and n != 1:
        return "misquote their source"
    if kind is VerdictKind.MORE_SEEDS:
        return "needs more seeds" if n == 1 else "need more seeds"
    return kind.word


def find_reproduced_by_source(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    """Return the rows that only their source's own protocol reproduces."""
    return [
        row
        for row in rows
        if row.source_protocol
        and row.source_protocol.verdict.kind is VerdictKind.REPRODUCED
        and row.verdict.kind is not VerdictKind.REPRODUCED
    ]


def find_rows_from_reference(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    """Return the rows that are judged by fmbench's own measurement."""
    return [row for row in rows if row.from_reference]


def describe_reference(rows: Sequence[JudgedRow], command: str = "") -> str:
    """Say what the mark on some rows means; empty if no row is judged by fmbench's own measurement.

    Such as ``fmbench's own measurement (AMD EPYC); `fmbench run --all` measures here``. ``command``
    measures every row here.
    """
    filled = find_rows_from_reference(rows)
    if not filled:
        return ""
    devices = ", ".join(dict.fromkeys(row.device for row in filled if row.device))
    how = f"; `{command}` measures here" if command else ""
    return f"fmbench's own measurement{f' ({devices})' if devices else ''}{how}"


def shorten_verdict(row: JudgedRow) -> str:
    """Return a row's verdict with its reason only where the word alone would say too little."""
    verdict = row.verdict
    if verdict.kind is VerdictKind.MISQUOTED and row.misquote:
        return f"{verdict.word} ({row.misquote.source})"
    if verdict.kind is VerdictKind.MORE_SEEDS and verdict.seeds_needed:
        return f"{verdict.word} ({verdict.seeds_needed} in all)"
    if verdict.kind is VerdictKind.NOT_RUN and row.status is Status.STALE:
        return f"{verdict.word}: {row.status.value}"
    return verdict.word if verdict.kind in WITHOUT_REASON else str(verdict)


def format_source_protocol(row: JudgedRow) -> str:
    """Return what the source's own protocol gives: ``92.33 (+0.23), reproduced``.

    The number in parentheses is what the protocol adds to the honest accuracy, in points; it is
    left out where it is smaller than its own error. The verdict is left out where no rerun can
    test the claim. Empty if the source's protocol is the honest one, or is not measured.
    """
    result = row.source_protocol
    if result is None:
        return ""
    gain = "" if result.flatters is None else f" ({format_points(result.flatters)})"
    text = f"{100 * result.mean:.2f}{gain}"
    return f"{text}, {result.verdict.word}" if result.verdict.kind in TESTED else text


def describe_source_protocol(row: JudgedRow) -> str:
    """Say what the source's own protocol gives, and the verdict by it: what a colon can precede.

    Such as ``best epoch picked on the test set: 92.33 ± 0.15 %, 0.36 points more than by the honest
    protocol; reproduced``. Empty as :func:`format_source_protocol`.
    """
    result = row.source_protocol
    if result is None:
        return ""
    text = f"{result.description}: {format_protocol_figure(result)} %"
    if result.flatters is not None:
        which = "less" if result.flatters < 0 else "more"
        text += f", {abs(100 * result.flatters):.2f} points {which} than by the honest protocol"
    if result.verdict.kind in TESTED:
        text += f"; {result.verdict}"
    evidence = describe_evidence(result)
    return f"{text} ({evidence})" if evidence else text


def describe_evidence(result: ProtocolResult | ControlResult) -> str:
    """Say whether a figure rests on fmbench's own records or on a borrowed spread; else nothing."""
    if isinstance(result, ControlResult):
        spread = f"fewer than {FEWEST_SEEDS} runs, so the spread is that on the row's own images"
        records = "measured in fmbench's own run"
    else:
        spread = (
            f"configurations with fewer than {FEWEST_SEEDS} seeds get the spread of the picked one"
        )
        records = "the grid was measured in fmbench's own run"
    parts = [records] * result.from_reference + [spread] * result.borrows_spread
    return "; ".join(parts)


def format_protocol_figure(result: ProtocolResult) -> MeanSd:
    """Return the accuracy by a source's protocol in percent, with its spread if it has one."""
    return MeanSd(100 * result.mean, None if result.sd is None else 100 * result.sd, 2)


def format_control(row: JudgedRow) -> str:
    """Return the claimed and the measured figure on the control's images: ``87.3 / 87.35``."""
    control = row.control
    if control is None:
        return ""
    return f"{control.printed} / {'–' if control.mean is None else f'{100 * control.mean:.2f}'}"


def list_warnings(summary: Summary) -> list[str]:
    """List what a row's fits warned of; what is beyond :data:`MAX_WARNINGS` is only counted."""
    shown = list(summary.warnings[:MAX_WARNINGS])
    if rest := len(summary.warnings) - len(shown):
        shown.append(f"{rest:,} more warnings, which the records have")
    return shown


def describe_runner(row: JudgedRow) -> str:
    """Say what measures a row, with its deciding parameters: ``svc-rbf (RBF kernel, C=10)``.

    What the label says already is left out. Empty if nothing measures the row.
    """
    if not row.runner:
        return ""
    if row.row.estimator:
        has_parameters = set(row.runner.split()[1:]) <= {*row.label.split(), "on", row.dataset}
        name = row.row.estimator if has_parameters else row.runner.partition(" on ")[0]
        return name if row.dataset == DEFAULT_DATASET.name else f"{name} on {row.dataset}"
    parameters = "" if ":" in row.runner else describe_parameters(row.runner)
    if row.runner == row.label:
        return parameters
    return f"{row.runner} ({parameters})" if parameters else row.runner


def describe_claim_kind(row: JudgedRow) -> str:
    """Say what kind of figure is claimed: ``the mean of 5 runs, best of a grid``."""
    claim = Claim.from_row(row.row)
    if claim is None:
        return ""
    picked = f", {claim.picked}, picked on the test set" if claim.picked else ""
    return f"{claim.quoting}{picked}"


def describe_tests(verdict: Verdict) -> str:
    """Return the p values of a verdict in words; empty if no test was made."""
    if verdict.p_within is None or verdict.p_beyond is None:
        return ""
    holm = "" if verdict.p_holm is None else f", corrected for the rows {_format_p(verdict.p_holm)}"
    return (
        f"test of “the mean is within the margin”: {_format_p(verdict.p_within)}; "
        f"test of “the claim is beyond it”: {_format_p(verdict.p_beyond)}{holm}. "
        "Only a small p shows what is tested"
    )


def _format_p(p: float) -> str:
    """Return ``p = 0.034``, or ``p < 0.0001`` for anything smaller."""
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
