"""Writes a verdict as text for a review of a paper, and as a file for a model hub.

The words are neutral: they say what was compared, with which numbers, and how to repeat it. They
never say why a claim and a measurement differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from fmbench.analysis.evaluation import JudgedRow
from fmbench.analysis.statistics import CONFIDENCE_TEXT
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import ALPHA, MARGIN, VerdictKind
from fmbench.consistency.check import ConsistencyResult
from fmbench.datasets.specs import get_dataset
from fmbench.records.record import Record
from fmbench.report.row_texts import TESTED, describe_claim_kind, describe_source_protocol
from fmbench.report.sentences import RECIPE_SENTENCES, format_accuracy, list_contradictions
from fmbench.suites.rounding import is_percentage
from fmbench.utils.formatting import format_interval, join_words
from fmbench.utils.printable import escape_unsafe

AGREES = frozenset({VerdictKind.REPRODUCED, VerdictKind.WITHIN_SPREAD})
DIFFERS = frozenset({VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER})
OPEN = TESTED - AGREES - DIFFERS
GROUPS = (
    ("Not reproduced", DIFFERS),
    ("Not the figure that the cited source prints", frozenset({VerdictKind.MISQUOTED})),
    ("In agreement with a rerun", AGREES),
    ("Not decided by the reruns so far", OPEN),
    (
        "Not tested by a rerun",
        frozenset(VerdictKind) - TESTED - {VerdictKind.MISQUOTED},
    ),
)
MOST_CONTRADICTIONS = 8  # in a text for people; the command lists all
MOST_NOTES = 12  # the same, about how a document was read


def write_review(
    title: str,
    rows: Sequence[JudgedRow],
    consistency: ConsistencyResult | None,
    commands: Sequence[str],
    *,
    made_with: str = "",
    remarks: Sequence[str] = (),
    margin: float = MARGIN,
    facts: Sequence[str] = (),
    printed: Sequence[str] = (),
    reading: Sequence[str] = (),
    impossible: Sequence[str] = (),
) -> str:
    """Write a text to paste into a review: a paragraph, then a list for each kind of verdict.

    ``title`` names the paper. ``commands`` repeat what the text says, each a line for a shell.
    ``made_with`` names the versions. ``remarks`` are further sentences, such as about models that
    no rerun measures. ``margin`` (a fraction) is that of the verdicts. ``facts`` says for each row
    what is known of its claim from another publication, and not from the paper; empty if nothing.
    ``printed`` is what the paper prints instead of the accuracy, such as an error rate; also empty.
    ``reading`` says what was not read or is not judged, and how the rest was read. ``impossible``
    are sentences about printed accuracies that cannot be true.
    """
    nothing = [""] * len(rows)
    claimed = [
        entry
        for entry in zip(rows, facts or nothing, printed or nothing, strict=True)
        if entry[0].row.claimed
    ]
    parts = [_write_introduction(title, [row for row, *_ in claimed], made_with, margin)]
    for heading, kinds in GROUPS:
        lines = [f"- {_describe(*entry)}" for entry in claimed if entry[0].verdict.kind in kinds]
        if lines:
            parts.append("\n".join([f"{heading}:", *lines]))
    if remarks:
        parts.append("\n".join(f"- {remark}" for remark in remarks))
    parts += [_write_list("Accuracies that cannot be true:", impossible), _write_reading(reading)]
    parts += [_write_consistency(consistency), _write_commands(commands)]
    return escape_unsafe("\n\n".join(filter(None, parts))) + "\n"


def _write_introduction(
    title: str, rows: Sequence[JudgedRow], made_with: str, margin: float
) -> str:
    if not rows:
        return f"We checked the figures of {title}."
    names = join_words(dict.fromkeys(get_dataset(row.dataset).title for row in rows))
    tools = f" ({made_with})" if made_with else ""
    n, n_measured = len(rows), sum(row.mean is not None for row in rows)
    number = "1 accuracy" if n == 1 else f"{n} accuracies"
    if not n_measured:
        return f"We checked {number} of {title}{tools}. No rerun of its models is available."
    if n_measured < n:
        number = f"{n_measured} of the {number}"
    return (
        f"We compared {number} of {title} with reruns of the models on the genuine images of "
        f"{names}{tools}. A claim counts as reproduced if the mean of new runs is within "
        f"{100 * margin:g} percentage points of it (two one-sided t tests, p < {ALPHA:g}). "
        f"Measured accuracies are means ± standard deviations over n seeds, with the "
        f"{CONFIDENCE_TEXT} prediction interval of one new run."
    )


def _describe(row: JudgedRow, facts: str, printed: str) -> str:
    where = f" ({row.where})" if row.where else ""
    claim = _print_claim(row, is_known=not facts)
    parts = [f"{row.label}{where}: claimed {f'{printed}, so {claim}' if printed else claim}"]
    if row.mean is not None:
        own = " in fmbench's own run" if row.from_reference else ""
        parts.append(f", measured {describe_measurement(row)}{own}")
    verdict = row.verdict
    if verdict.kind in DIFFERS:
        parts.append(f"; {verdict.word}{verdict.sentence}. {RECIPE_SENTENCES[row.row.recipe]}")
    elif verdict.kind in AGREES:
        parts.append(f"; {verdict.word}.")
    elif verdict.kind is VerdictKind.MISQUOTED:
        parts.append(f"; {row.misquote or verdict.reason}.")
    elif row.status is Status.NO_RUNNER:
        parts.append("; no rerun of exactly this model is available.")
    else:
        parts.append(f"; {verdict}.")
    if facts:
        parts.append(f" {facts}.")
    if row.source_protocol and row.source_protocol.verdict.kind in TESTED:
        parts.append(f" By the source's own protocol, {describe_source_protocol(row)}.")
    return "".join(parts)


def _write_reading(notes: Sequence[str]) -> str:
    lines = list(notes[:MOST_NOTES])
    if rest := len(notes) - len(lines):
        lines.append(f"and {rest} more, which the command below lists with --json.")
    return _write_list("What was left out, and how the rest was read:", lines)


def _write_list(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([heading, *(f"- {line}" for line in lines)]) if lines else ""


def _write_consistency(consistency: ConsistencyResult | None) -> str:
    if consistency is None:
        return ""
    if not consistency.contradictory:
        return "The printed figures do not contradict each other."
    lines = list_contradictions(consistency)
    shown = [f"- {line}" for line in lines[:MOST_CONTRADICTIONS]]
    if rest := len(lines) - len(shown):
        shown.append(f"- and {rest} more, which the command below lists.")
    begin = (
        "Some printed figures cannot be true together, because no confusion matrix of the test set "
        "gives them all (severity: the factor by which their rounding must grow until one does):"
    )
    return "\n".join([begin, *shown])


def _write_commands(commands: Sequence[str]) -> str:
    if not commands:
        return ""
    return "\n".join(["To repeat this:", *(f"    {command}" for command in commands)])


def _print_claim(row: JudgedRow, *, is_known: bool = True) -> str:
    """Print a claim, and what kind of figure it is if the paper itself says it."""
    printed = (row.row.claimed or "").removesuffix("%").strip()
    unit = " %" if is_percentage(row.row.claimed or "", "accuracy") else ""
    kind = describe_claim_kind(row) if is_known else ""
    bound = f"{row.row.bound} " if row.row.bound else ""
    return f"{bound}{printed}{unit}" + (f" ({kind})" if kind not in ("", "one run") else "")


def describe_measurement(row: JudgedRow) -> str:
    """Return ``90.83 ± 0.19 % (n = 5, one new run 90.24 to 91.41)``."""
    assert row.mean is not None, "it is measured"
    text = format_accuracy(row.mean, row.sd, row.n)
    if row.summary.deterministic:
        return f"{text} (n = 1, deterministic)"
    if row.n > 1:
        return f"{text} (n = {row.n}, one new run {format_interval(row.low, row.high)})"
    return f"{text} (n = {row.n})"


def describe_software(records: Iterable[Record]) -> str:
    """Name fmbench, the libraries that fit models, and the devices: what made the records."""
    records = list(records)
    libraries = []
    for name in ("scikit-learn", "torch"):
        versions = {record.versions[name] for record in records if name in record.versions}
        libraries += [f"{name} {' and '.join(sorted(versions))}"] if versions else []
    devices = sorted({record.device for record in records if record.device})
    on = f" on {join_words(devices)}" if devices else ""
    return ", ".join([f"fmbench {version('fmbench')}", *libraries]) + on


# ---------------------------------------------------------------- for a model hub

# The name of each data set on the model hub.
HUB_DATASETS = {"fashion-mnist": "zalando-datasets/fashion_mnist", "mnist": "ylecun/mnist"}


def write_eval_results(
    rows: Sequence[JudgedRow], *, made_with: str, today: datetime, facts: Sequence[str] = ()
) -> str:
    """Write what was measured as YAML, in the format of a model hub's ``.eval_results`` files.

    There is one entry for each row that was measured in the results folder. ``value`` is the mean
    accuracy in percent; the notes say how many seeds it averages, and the verdict on the claim.
    ``facts`` is as in :func:`write_review`. The format is documented at
    https://huggingface.co/docs/hub/eval-results.
    """
    import yaml

    known = list(facts) or [""] * len(rows)
    entries = list(_list_entries(rows, known, made_with, today.astimezone(UTC)))
    head = "# One entry for each measured row. Keep those of your model's repository.\n"
    text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=100)
    return head + escape_unsafe(text)


def _list_entries(
    rows: Sequence[JudgedRow], facts: Sequence[str], made_with: str, today: datetime
) -> Iterator[dict[str, object]]:
    for row, known in zip(rows, facts, strict=True):
        if not row.is_measured_here or row.status is not Status.MEASURED:
            continue
        if row.mean is None or row.dataset not in HUB_DATASETS:
            continue
        notes = f"{row.label}, {row.runner}: {describe_measurement(row)}"
        if row.row.claimed:
            notes += f"; claimed {_print_claim(row, is_known=not known)}: {row.verdict}"
            notes += f". {known}" if known else ""
        yield {
            "dataset": {"id": HUB_DATASETS[row.dataset], "task_id": "test"},
            "value": round(100 * row.mean, 4),
            "date": f"{today:%Y-%m-%dT%H:%M:%SZ}",
            "source": {"name": made_with},
            "notes": f"{notes}.",
        }
