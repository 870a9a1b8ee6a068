"""Judges the claims of a table: by the honest protocol, and by that of their source.

Some sources report a figure that another procedure would not give: the best epoch on the test set,
the best of several runs, the best of a grid of configurations, or another way of scoring. Such
figures follow from what is stored already. So a row can have two verdicts: :func:`judge_rows` gives
the one by the honest protocol, :func:`judge_source_protocols` the one by the source's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fmbench.analysis.controls import ControlResult
from fmbench.analysis.misquotes import find_misquote
from fmbench.analysis.reference import SUMMARY_FILE, load_reference_summaries, read_summary
from fmbench.analysis.statistics import GridFigure, SampleFigure, compute_interval
from fmbench.analysis.summary import BEST_EPOCH_TEXT, Status, Summary
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    Claim,
    Figure,
    Trial,
    Verdict,
    VerdictKind,
    decide_together,
    is_to_the_digit,
    make_trial,
)
from fmbench.suites import reader
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.claims import Row, Suite

# The members of each grid on a data set, by the names of both; None for a member without records.
Grids = Mapping[tuple[str, str], Sequence[Summary | None]]


# ---------------------------------------------------------------- the honest protocol


def judge_rows(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    untestable: str = "",
    controls: Sequence[ControlResult | None] = (),
) -> list[Verdict]:
    """Judge each row of a table, and correct the verdicts for the number of rows.

    ``summaries`` are by runner. ``untestable`` says why no claim of this table can be tested, for
    example because the claims are about another test set than the reruns; no test here includes the
    sampling error of the images. ``controls``: one for each row, or none at all.
    """
    untested = find_untested(rows, summaries, untestable=untestable, controls=controls)
    return decide_together(
        [
            verdict or _make_row_trial(row, summaries[row.runner], margin, alpha)
            for row, verdict in zip(rows, untested, strict=True)
        ]
    )


def find_untested(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    *,
    untestable: str = "",
    controls: Sequence[ControlResult | None] = (),
) -> list[Verdict | None]:
    """Give the verdict on each row whose claim no rerun tests; None for the others.

    The arguments are those of :func:`judge_rows`. The first rule that applies decides: the claim
    misquotes its source; a run failed, or there is none; nothing is claimed, or no claim of the
    table can be tested; the recipe is not stated; the claim is about other images.
    """
    verdicts = []
    for row, control in zip(rows, controls or [None] * len(rows), strict=True):
        summary = summaries.get(row.runner)
        verdict = _find_reason_not_to_test(row, rows, summary, untestable, control)
        verdicts.append(verdict and _describe_measurement(verdict, row, summary))
    return verdicts


def _find_reason_not_to_test(
    row: Row,
    rows: Sequence[Row],
    summary: Summary | None,
    untestable: str,
    control: ControlResult | None,
) -> Verdict | None:
    if misquote := find_misquote(row, rows):
        return Verdict(VerdictKind.MISQUOTED, str(misquote))
    if summary is None:
        return Verdict(VerdictKind.NOT_RUN, Status.NO_RUNNER.value)
    if summary.status is Status.FAILED:  # the other seeds alone would be a selection
        return Verdict(VerdictKind.FAILED, summary.reason)
    if not summary.n:
        not_run = summary.status is Status.NOT_RUN
        return Verdict(VerdictKind.NOT_RUN, "" if not_run else summary.status_text)
    if row.claimed is None:
        return Verdict(VerdictKind.UNTESTABLE, "nothing claimed")
    if untestable:
        return Verdict(VerdictKind.UNTESTABLE, untestable)
    if row.recipe == "not stated":
        return Verdict(VerdictKind.UNTESTABLE, "recipe not stated")
    if row.images != "today":
        found = control.sentence_part if control else ""
        reason = f"the {row.images}; {found}" if found else f"the {row.images}"
        return Verdict(VerdictKind.OTHER_IMAGES, reason)
    return None


def _make_row_trial(row: Row, summary: Summary, margin: float, alpha: float) -> Verdict | Trial:
    claim = Claim.from_row(row)
    assert claim is not None, "a row without a claim is not tested"
    return make_trial(
        claim,
        summary.accuracies,
        deterministic=summary.deterministic,
        margin=margin,
        alpha=alpha,
    )


def _describe_measurement(verdict: Verdict, row: Row, summary: Summary | None) -> Verdict:
    """Add what is measured of a claim that is not tested."""
    claim = Claim.from_row(row)
    accuracies = summary.accuracies if summary and summary.status is Status.MEASURED else ()
    if claim is None or summary is None or not accuracies:
        return verdict
    deterministic = summary.deterministic
    return replace(
        verdict,
        interval=compute_interval(
            accuracies, n_runs=claim.n_runs, best_of=claim.best_of, deterministic=deterministic
        ),
        to_the_digit=is_to_the_digit(claim, accuracies[0]) if deterministic else None,
    )


# ---------------------------------------------------------------- the source's own protocol


@dataclass(frozen=True)
class ProtocolResult:
    """What the source's own protocol gives for a row, and the verdict on the claim by it.

    ``accuracies`` are fractions by seed; for the best of several runs those of single runs; none
    for a grid. ``mean`` and ``sd`` are those of the figure that the protocol reports; ``n`` is the
    number of seeds. ``flatters`` is ``mean`` minus the mean by the honest protocol.
    """

    description: str
    accuracies: tuple[float, ...]
    mean: float
    sd: float
    n: int
    flatters: float
    verdict: Verdict


@dataclass(frozen=True)
class _SourceFigure:
    """The figure that a source's protocol reports."""

    description: str
    figure: Figure
    deterministic: bool
    accuracies: tuple[float, ...] = ()


def judge_source_protocols(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    untested: Sequence[Verdict | None],
    grids: Grids,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> list[ProtocolResult | None]:
    """Judge each row by its source's protocol; None where that is the honest one, or not measured.

    ``untested`` is what :func:`find_untested` returns: these verdicts hold for both protocols.
    Holm's correction counts the rows that are tested here.
    """
    figures = [_find_source_figure(row, summaries.get(row.runner), grids) for row in rows]
    trials = [
        _make_source_trial(row, figure, verdict, margin, alpha) if figure else None
        for row, figure, verdict in zip(rows, figures, untested, strict=True)
    ]
    decided = iter(decide_together([trial for trial in trials if trial]))
    return [
        _build_result(figure, summaries[row.runner], next(decided)) if figure else None
        for row, figure in zip(rows, figures, strict=True)
    ]


def _build_result(source: _SourceFigure, summary: Summary, verdict: Verdict) -> ProtocolResult:
    figure = source.figure
    assert summary.mean is not None, "it is measured"
    return ProtocolResult(
        source.description,
        source.accuracies,
        figure.expected,
        figure.figure_sd,
        figure.n_seeds,
        figure.expected - summary.mean,
        verdict,
    )


def _find_source_figure(row: Row, summary: Summary | None, grids: Grids) -> _SourceFigure | None:
    if summary is None or summary.status is not Status.MEASURED:
        return None
    if row.picked == "best of a grid":
        return _build_grid_figure(row, summary, grids.get((row.grid, row.dataset), ()))
    flagged = {text: values for text, values in summary.flagged.items() if values}
    # If the claim is the best epoch, and the runner also has another way of scoring.
    if row.picked == "best epoch":
        flagged = {t: v for t, v in flagged.items() if t.startswith(BEST_EPOCH_TEXT)} or flagged
    for description, values in flagged.items():
        figure = SampleFigure(values, row.mean_of, row.best_of)
        return _SourceFigure(description, figure, summary.deterministic, values)
    if row.best_of > 1:
        figure = SampleFigure(summary.accuracies, 1, row.best_of)
        description = f"best of {row.best_of} runs, picked on the test set"
        return _SourceFigure(description, figure, summary.deterministic, summary.accuracies)
    return None


def _build_grid_figure(
    row: Row, summary: Summary, members: Sequence[Summary | None]
) -> _SourceFigure | None:
    """Build the figure of the best of a grid; None if a member lacks records."""
    figures = []
    for member in members:
        if member is None or not member.n:
            return None
        borrows = not member.deterministic and member.n < FEWEST_SEEDS
        if borrows and (summary.deterministic or summary.n < FEWEST_SEEDS):
            return None
        # A configuration with one run borrows the spread of the one that was picked.
        spread_of = summary.accuracies if borrows else ()
        figures.append(SampleFigure(member.accuracies, row.mean_of, 1, spread_of))
    if not figures:
        return None
    figure = GridFigure(tuple(figures))
    description = f"best of a grid of {len(figures)} configurations, picked on the test set"
    return _SourceFigure(description, figure, not figure.has_spread)


def _make_source_trial(
    row: Row, source: _SourceFigure, untested: Verdict | None, margin: float, alpha: float
) -> Verdict | Trial:
    figure, claim = source.figure, Claim.from_row(row)
    if untested or claim is None:
        assert untested is not None, "a row without a claim is not tested"
        # The interval of a grid takes long to compute.
        interval = figure.interval if isinstance(figure, SampleFigure) else None
        return replace(untested, interval=interval, to_the_digit=None)
    if isinstance(figure, SampleFigure):
        return make_trial(
            claim, figure.values, deterministic=source.deterministic, margin=margin, alpha=alpha
        )
    return Trial(claim, figure, source.deterministic, margin, alpha)


def load_grids(suite: Suite, folder: Path, summaries: Mapping[str, Summary]) -> Grids:
    """Load the summaries of the grids' members, from which the suite's claims were picked.

    Members in rows of the same suite are in ``summaries``. Those of another suite are read from its
    ``summary.json`` in the results ``folder``; if that lacks some, from fmbench's own run.
    """
    grids = {grid.name: grid for grid in suite.grids}
    wanted = {
        (row.grid, row.dataset)
        for row in suite.rows
        if row.grid in grids and row.runner in summaries and summaries[row.runner].n
    }
    names = {grids[name].suite for name, _ in wanted} - {"", suite.name}
    others = {name: reader.read_suite(find_bundled_suite(name)) for name in sorted(names)}
    sources = {name: _read_summaries(other, folder) for name, other in others.items()}
    found = {}
    for name, dataset in wanted:
        of_suite = others.get(grids[name].suite, suite)
        members = grids[name].select_rows(of_suite.rows, dataset)
        choices = sources.get(of_suite.name, [summaries])
        found[name, dataset] = next(
            (
                [choice[row.runner] for row in members]
                for choice in choices
                if all(row.runner in choice for row in members)
            ),
            [choices[-1].get(row.runner) for row in members],
        )
    return found


def _read_summaries(suite: Suite, folder: Path) -> list[Mapping[str, Summary]]:
    """Read what a results folder says of a suite (if it does), then fmbench's own run of it."""
    own = suite.folder_in(folder) / SUMMARY_FILE
    return [
        *([read_summary(own)] if own.is_file() else []),
        load_reference_summaries(suite),
    ]
