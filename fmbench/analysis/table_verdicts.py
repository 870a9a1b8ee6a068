"""Judges the claims of a table: by the honest protocol, and by that of their source.

Some sources report a figure that another procedure would not give: the best epoch on the test set,
the best of a grid of configurations, or another way of scoring. Such figures follow from what is
stored already. So a row that names such a procedure can have two verdicts: :func:`judge_rows` gives
the one by the honest protocol, :func:`judge_source_protocols` the one by the source's own.

A mean or the best of several runs is another matter: there the claim says what kind of figure it
is, and the one verdict compares it with such a figure.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from fmbench import runners
from fmbench.analysis.controls import ControlResult
from fmbench.analysis.misquotes import find_misquote
from fmbench.analysis.reference import SUMMARY_FILE, load_reference_summaries, read_summary
from fmbench.analysis.sequential import make_sequential_trial
from fmbench.analysis.statistics import TOLERANCE, GridFigure, SampleFigure, compute_interval
from fmbench.analysis.summary import Status, Summary
from fmbench.analysis.verdicts import (
    ALPHA,
    FEWEST_SEEDS,
    MARGIN,
    MAX_SEEDS,
    Claim,
    Figure,
    Testable,
    Trial,
    Verdict,
    VerdictKind,
    decide_together,
    is_to_the_digit,
    make_trial,
)
from fmbench.errors import UserError
from fmbench.models.registry import BEST_EPOCH
from fmbench.suites import reader
from fmbench.suites.claims import Row, Suite

logger = logging.getLogger("fmbench")


@dataclass(frozen=True)
class GridMembers:
    """What is measured of the configurations of a grid; None for one without records.

    ``from_reference``: some of it comes from fmbench's own run and not from the results folder.
    """

    summaries: tuple[Summary | None, ...]
    from_reference: bool = False


# The members of a grid on a data set, by the names of both and the runner that was picked from it.
Grids = Mapping[tuple[str, str, str], GridMembers]


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

    A claim that misquotes its source keeps that verdict. If a rerun can test the figure as printed,
    the reason also says what that gives; it does not count in the correction of the other rows.
    """
    untested = find_untested(rows, summaries, untestable=untestable, controls=controls)
    trials = [
        verdict or _make_row_trial(row, summaries[row.runner], margin, alpha)
        for row, verdict in zip(rows, untested, strict=True)
    ]
    verdicts = decide_together(trials)
    misquoted = {
        i: _make_row_trial(row, summaries[row.runner], margin, alpha)
        for i, (row, verdict) in enumerate(zip(rows, verdicts, strict=True))
        if verdict.kind is VerdictKind.MISQUOTED
        and _find_reason_for_no_rerun(row, summaries.get(row.runner), untestable, None) is None
    }
    as_printed = decide_together([misquoted.get(i, trial) for i, trial in enumerate(trials)])
    return [
        _add_rerun(verdict, as_printed[i]) if i in misquoted else verdict
        for i, verdict in enumerate(verdicts)
    ]


def _add_rerun(verdict: Verdict, as_printed: Verdict) -> Verdict:
    if as_printed.kind is VerdictKind.UNTESTABLE:  # too few seeds
        return verdict
    return replace(
        verdict, reason=f"{verdict.reason}; a rerun of the claim as printed: {as_printed.word}"
    )


def judge_on_todays_images(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    verdicts: Sequence[Verdict],
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
) -> list[Verdict | None]:
    """Give the verdict on each claim of other images as if it were about today's images.

    ``verdicts`` are those of :func:`judge_rows`, whose arguments the others are, too. The result
    is None for the other rows.
    """
    is_of_others = [verdict.kind is VerdictKind.OTHER_IMAGES for verdict in verdicts]
    if not any(is_of_others):
        return [None] * len(rows)
    today = [
        msgspec.structs.replace(row, images="today") if of_others else row
        for row, of_others in zip(rows, is_of_others, strict=True)
    ]
    judged = judge_rows(today, summaries, margin=margin, alpha=alpha)
    return [
        verdict if of_others else None
        for verdict, of_others in zip(judged, is_of_others, strict=True)
    ]


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
    table can be tested; the recipe is not stated; the claim is about other images; the claim is a
    limit, such as "over 90 %", and the rerun keeps it.
    """
    verdicts = []
    for row, control in zip(rows, controls or [None] * len(rows), strict=True):
        summary = summaries.get(row.runner)
        if misquote := find_misquote(row, rows):
            verdict: Verdict | None = Verdict(VerdictKind.MISQUOTED, str(misquote))
        else:
            verdict = _find_reason_for_no_rerun(row, summary, untestable, control)
        verdicts.append(verdict and _describe_measurement(verdict, row, summary))
    return verdicts


def explain_no_test(
    row: Row, rows: Sequence[Row], summary: Summary | None = None, untestable: str = ""
) -> str:
    """Say why no rerun can test the claim of a row, whatever it gives; empty if one can.

    ``rows`` are all rows of the table. ``summary``: what is measured so far, which a claim that is
    only a limit is held against. ``untestable``: see :func:`judge_rows`.
    """
    if misquote := find_misquote(row, rows):
        return str(Verdict(VerdictKind.MISQUOTED, str(misquote)))
    verdict = _find_reason_in_claim(row, summary, untestable, None)
    return str(verdict) if verdict else ""


def _find_reason_for_no_rerun(
    row: Row, summary: Summary | None, untestable: str, control: ControlResult | None
) -> Verdict | None:
    if summary is None:
        return Verdict(VerdictKind.NOT_RUN, Status.NO_RUNNER.value)
    if summary.status is Status.FAILED:  # the other seeds alone would be a selection
        return Verdict(VerdictKind.FAILED, summary.reason)
    if not summary.n:
        not_run = summary.status is Status.NOT_RUN
        return Verdict(VerdictKind.NOT_RUN, "" if not_run else summary.status_text)
    return _find_reason_in_claim(row, summary, untestable, control)


def _find_reason_in_claim(
    row: Row, summary: Summary | None, untestable: str, control: ControlResult | None
) -> Verdict | None:
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
    if row.bound is not None and summary and _keeps_limit(row, summary):
        reason = f"the claim is only a limit, {row.bound} {row.claimed}, and the rerun keeps it"
        return Verdict(VerdictKind.UNTESTABLE, reason)
    return None


def _keeps_limit(row: Row, summary: Summary) -> bool:
    """Whether what is measured lies within the claim of a row that is a limit."""
    claim = Claim.from_row(row)
    if claim is None or summary.mean is None:
        return False
    return summary.mean >= claim.low if row.bound == "at least" else summary.mean <= claim.high


def _make_row_trial(row: Row, summary: Summary, margin: float, alpha: float) -> Verdict | Testable:
    claim = Claim.from_row(row)
    assert claim is not None, "a row without a claim is not tested"
    if summary.has_looks:
        accuracies = summary.accuracies[: summary.n_looked_at]
        return make_sequential_trial(claim, accuracies, margin=margin, alpha=alpha)
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

    ``accuracies`` are fractions by seed; none for a grid. ``mean`` and ``sd`` are those of the
    figure that the protocol reports; ``sd`` is None for one seed of a stochastic model. ``n`` is
    the number of seeds; for a grid the smallest one of a stochastic configuration. ``flatters`` is
    ``mean`` minus the mean by the honest protocol; None for a grid if it is smaller than its own
    standard error. ``from_reference``: some configurations of the grid were measured in fmbench's
    own run and not here. ``borrows_spread``: some have too few seeds, so they get the spread of the
    one that was picked.
    """

    description: str
    accuracies: tuple[float, ...]
    mean: float
    sd: float | None
    n: int
    flatters: float | None
    verdict: Verdict
    from_reference: bool = False
    borrows_spread: bool = False


@dataclass(frozen=True)
class _SourceFigure:
    """The figure that a source's protocol reports."""

    description: str
    figure: Figure
    deterministic: bool
    accuracies: tuple[float, ...] = ()
    from_reference: bool = False
    borrows_spread: bool = False
    n_looked_at: int | None = None  # see Summary; for a grid 0 where a member has looks


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

    A row says what its source did: ``picked``, or ``scored_as`` with the name of a flagged figure.
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
    flatters: float | None = figure.expected - summary.mean
    n = figure.n_seeds
    if isinstance(figure, GridFigure):
        n = min((len(m.values) for m in figure.members if m.has_spread), default=1)
        error = figure.compute_gain_error(SampleFigure(summary.accuracies))
        if abs(figure.expected - summary.mean) + TOLERANCE < error:
            flatters = None
    return ProtocolResult(
        source.description,
        source.accuracies,
        figure.expected,
        figure.figure_sd if n > 1 or source.deterministic else None,
        n,
        flatters,
        verdict,
        source.from_reference,
        source.borrows_spread,
    )


def _find_source_figure(row: Row, summary: Summary | None, grids: Grids) -> _SourceFigure | None:
    if summary is None or summary.status is not Status.MEASURED:
        return None
    if row.picked == "best of a grid":
        members = grids.get((row.grid, row.dataset, row.runner))
        return _build_grid_figure(row, summary, members) if members else None
    flagged = summary.flagged.get(BEST_EPOCH if row.picked == "best epoch" else row.scored_as)
    if flagged is None or not flagged.accuracies:
        return None
    figure = SampleFigure(flagged.accuracies, row.mean_of, row.best_of)
    n_looked_at = summary.n_looked_at if summary.has_looks else None
    if n_looked_at and len(flagged.accuracies) < summary.n:  # which seeds lack it is not known
        n_looked_at = 0
    return _SourceFigure(
        flagged.description, figure, summary.deterministic, flagged.accuracies,
        n_looked_at=n_looked_at,
    )  # fmt: skip


def _build_grid_figure(row: Row, summary: Summary, members: GridMembers) -> _SourceFigure | None:
    """Build the figure of the best of a grid; None if a member lacks records."""
    figures, n_stochastic, n_single, n_borrowing = [], 0, 0, 0
    for member in members.summaries:
        if member is None or not member.n:
            return None
        n_stochastic += not member.deterministic
        n_single += not member.deterministic and member.n == 1
        borrows = not member.deterministic and member.n < FEWEST_SEEDS
        if borrows and (summary.deterministic or summary.n < FEWEST_SEEDS):
            return None
        # A configuration with one run borrows the spread of the one that was picked.
        n_borrowing += borrows
        spread_of = summary.accuracies if borrows else ()
        figures.append(SampleFigure(member.accuracies, row.mean_of, 1, spread_of))
    if not figures:
        return None
    figure = GridFigure(tuple(figures))
    single = ", most of them measured once" if 2 * n_single > n_stochastic else ""
    description = f"best of a grid of {len(figures)} configurations{single}, picked on the test set"
    has_looks = any(member and member.has_looks for member in (*members.summaries, summary))
    return _SourceFigure(
        description, figure, not figure.has_spread, (), members.from_reference, n_borrowing > 0,
        n_looked_at=0 if has_looks else None,
    )  # fmt: skip


def _make_source_trial(
    row: Row, source: _SourceFigure, untested: Verdict | None, margin: float, alpha: float
) -> Verdict | Testable:
    figure, claim = source.figure, Claim.from_row(row)
    if untested or claim is None:
        assert untested is not None, "a row without a claim is not tested"
        # The interval of a grid takes long to compute.
        interval = figure.interval if isinstance(figure, SampleFigure) else None
        return replace(untested, interval=interval, to_the_digit=None)
    if isinstance(figure, SampleFigure) and source.n_looked_at:
        accuracies = figure.values[: source.n_looked_at]
        return make_sequential_trial(claim, accuracies, margin=margin, alpha=alpha)
    # Where the looks of a figure are not known one by one, each of them counts as a test.
    n_looks = 1 if source.n_looked_at is None else MAX_SEEDS - FEWEST_SEEDS + 1
    if isinstance(figure, SampleFigure):
        trial = make_trial(
            claim, figure.values, deterministic=source.deterministic, margin=margin, alpha=alpha
        )
        return replace(trial, n_looks=n_looks) if isinstance(trial, Trial) else trial
    return Trial(claim, figure, source.deterministic, margin, alpha, n_looks)


def load_grids(
    suite: Suite,
    folder: Path,
    summaries: Mapping[str, Summary],
    *,
    is_reference: bool = False,
    from_reference: Collection[str] = (),
) -> Grids:
    """Load the summaries of the grids' members, from which the suite's claims were picked.

    Members in rows of the same suite are in ``summaries``. Those of another suite are read from its
    ``summary.json`` in the results ``folder``; if that lacks some, all of them are read from
    fmbench's own run. The member that is the same configuration as the picked row has the row's own
    summary. ``is_reference``: the folder holds fmbench's own run itself. ``from_reference``: the
    runners whose ``summaries`` are not of the folder but of fmbench's own run.

    Raises:
        UserError: a grid names a row that does not exist.
    """
    grids = {grid.name: grid for grid in suite.grids}
    wanted = {
        (row.grid, row.dataset, row.runner)
        for row in suite.rows
        if row.grid in grids and row.runner in summaries and summaries[row.runner].n
    }
    names = {grids[name].suite for name, _, _ in wanted} - {"", suite.name}
    others = {name: reader.read_bundled_suite(name) for name in sorted(names)}
    sources = {name: _read_summaries(other, folder) for name, other in others.items()}
    references = {name: load_reference_summaries(other) for name, other in others.items()}
    found: dict[tuple[str, str, str], GridMembers] = {}
    for name, dataset, picked in wanted:
        of_suite = others.get(grids[name].suite, suite)
        members = reader.find_grid_rows(suite, name, dataset)
        choice, is_own = sources.get(of_suite.name, summaries), True
        own = _find_own_member(picked, members)
        if of_suite is not suite and any(r.runner not in choice for r in members if r != own):
            choice, is_own = references[of_suite.name], is_reference
        of_summaries = {picked} if choice is not summaries else {row.runner for row in members}
        found[name, dataset, picked] = GridMembers(
            tuple(summaries[picked] if row == own else choice.get(row.runner) for row in members),
            not is_own or not of_summaries.isdisjoint(from_reference),
        )
    return found


def _find_own_member(picked: str, members: Sequence[Row]) -> Row | None:
    """Find the member of a grid that is the configuration of the runner that was picked from it.

    The runner is one of the grid's models, so equal parameters make it the same one. None if there
    is no such member, or more than one.
    """
    if picked in (names := [row.runner for row in members]):
        return members[names.index(picked)]
    runner = runners.load_runners().get(picked)
    if runner is None:
        return None
    values = runner.resolve()
    same = [
        row
        for row in members
        if row.parameters
        and all(name in values and values[name] == v for name, v in row.parameters.items())
    ]
    return same[0] if len(same) == 1 else None


def _read_summaries(suite: Suite, folder: Path) -> Mapping[str, Summary]:
    """Read the summaries of a suite in a results folder; return an empty result without any."""
    own = suite.folder_in(folder) / SUMMARY_FILE
    if own.is_file():
        try:
            return read_summary(own)
        except UserError as error:  # a generated file; it must not stop the table of another suite
            logger.warning("%s; until then fmbench's own run is used for its grids", error)
    return {}
