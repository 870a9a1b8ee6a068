"""Compares every story with every printed source, and finds the story that explains the most.

Where the correct procedure explains a figure, no mistake is needed: that figure is compared with no
other story. For the rest, stories are ranked by the number of sources that they explain. Among
equals, a story with enough seeds of its own comes before one that only may explain, then the one
that comes nearest to the figures, then the one that departs least from what is stated.

Stories of one *family* differ only in the settings that the source leaves open. A story with few
seeds is not called the best if its family has one with enough seeds: that one is, and the others
are counted beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from fmbench.analysis.forensics.outcomes import DEFAULT_RUNS, Attempt, Outcome, TableAttempt
from fmbench.analysis.forensics.plan import Story
from fmbench.analysis.forensics.printed import PrintedFigure, PrintedSource
from fmbench.analysis.statistics import Quoting
from fmbench.analysis.verdicts import VerdictKind, judge_claim


@dataclass(frozen=True)
class Match:
    """A story beside a source. ``explained`` is None if that is not known, or no mistake is needed.

    ``figures`` and ``attempts`` have the single figures that are compared, and for each the attempt
    that explains it with the fewest departures; if none does, the attempt as stated; None if the
    story gives no such figure. ``table`` compares the table of classes.
    """

    source: PrintedSource
    explained: bool | None
    figures: tuple[PrintedFigure, ...] = ()
    attempts: tuple[Attempt | None, ...] = ()
    table: TableAttempt | None = None
    n_tried: int = 0
    n_explaining: int = 0

    @property
    def departures(self) -> tuple[str, ...]:
        """What it takes beyond the names and descriptions of the figures."""
        found = (d for a in self.attempts if a and a.explains for d in a.departures)
        return tuple(dict.fromkeys(found))

    @property
    def is_as_stated(self) -> bool:
        """Whether it explains the source as it is named and described."""
        return bool(self.explained) and not self.departures

    @property
    def is_by_its_name(self) -> bool:
        """Whether it explains the source by the printed names of the metrics."""
        pairs = zip(self.figures, self.attempts, strict=True)
        return bool(self.explained) and all(a is None or a.metric == f.metric for f, a in pairs)

    @cached_property
    def distance(self) -> float:
        """Distance of the worst explained figure: 0 in the middle of its interval, 1 at its end."""
        found = [
            attempt.measure_distance(figure)
            for figure, attempt in zip(self.figures, self.attempts, strict=True)
            if attempt and attempt.explains
        ]
        if self.table and self.table.explains:
            found.append(self.table.measure_distance())
        return max(found, default=0.0)


@dataclass(frozen=True)
class StoryRow:
    """One row of the matrix: a story and its match with each source, in their order."""

    outcome: Outcome
    matches: tuple[Match, ...]

    @property
    def explained(self) -> tuple[PrintedSource, ...]:
        """The sources that it explains."""
        return tuple(match.source for match in self.matches if match.explained)

    @property
    def missed(self) -> tuple[PrintedSource, ...]:
        """The sources that it does not explain."""
        return tuple(match.source for match in self.matches if match.explained is False)

    @cached_property
    def departures(self) -> tuple[str, ...]:
        """What departs from what is stated, in the story itself and in what it explains."""
        story = self.outcome.story
        figures = [figure for match in self.matches for figure in match.figures]
        by_source = any(is_by_source(story, figure) for figure in figures)
        own = story.contradicted if by_source else story.departures
        used = (d for match in self.matches if match.explained for d in match.departures)
        return tuple(dict.fromkeys((*own, *used)))

    @cached_property
    def distance(self) -> float:
        """The largest distance of a figure in an explained source, in half widths."""
        return max((match.distance for match in self.matches if match.explained), default=0.0)

    @cached_property
    def rank(self) -> tuple[float, ...]:
        """The smaller, the better.

        Sources explained, enough seeds, distance, departures, answers of our own, figures.
        """
        n_figures = sum(a is not None and a.explains for m in self.matches for a in m.attempts)
        return (
            -len(self.explained), not self.outcome.has_enough_seeds, round(self.distance, 6),
            len(self.departures), len(self.outcome.story.answers), -n_figures,
        )  # fmt: skip

    def get_match(self, source: PrintedSource) -> Match:
        """Return its match with a source."""
        return next(match for match in self.matches if match.source is source)


@dataclass(frozen=True)
class StoryPair:
    """Two stories that explain more together than one; ``explained`` and ``missed`` are sources.

    ``n_equal``: how many other stories would do just as well in place of the second.
    """

    first: StoryRow
    second: StoryRow
    explained: tuple[PrintedSource, ...]
    missed: tuple[PrintedSource, ...]
    n_equal: int = 0


@dataclass(frozen=True)
class FurtherStories:
    """The stories with few seeds that may explain a ``source`` which the best story misses.

    They are ``rows``, the nearest first, of the ``n`` in the best story's family that have few
    seeds and were compared with the source.
    """

    source: PrintedSource
    rows: tuple[StoryRow, ...]
    n: int


@dataclass(frozen=True)
class SourceCount:
    """How many stories and candidates were tried for one source, and how many explain it.

    A candidate is a story with a metric and a way of quoting. Among those that explain it are
    ``n_with_few_seeds`` that only may explain it. ``n_by_its_name``: stories that explain the
    source by the printed name of the metric. ``n_as_stated``: by its name and quoted as described.
    ``share_of_range``: the share of all figures between the honest run's and 100 % that at least
    one candidate would explain; ``share_as_stated``: that one would explain as it is named and
    described. Both are None where the source is not a single accuracy.
    """

    source: PrintedSource
    n_stories: int
    n_explaining: int
    n_with_few_seeds: int
    n_by_its_name: int
    n_as_stated: int
    n_candidates: int
    n_explaining_candidates: int
    share_of_range: float | None = None
    share_as_stated: float | None = None


@dataclass(frozen=True)
class Clash:
    """Figures of a source that no single run gives beside an accuracy of the same table.

    The correct procedure explains the ``accuracy``, but not the ``figures``.
    """

    source: PrintedSource
    accuracy: PrintedFigure
    figures: tuple[PrintedFigure, ...]


@dataclass(frozen=True)
class StoryMatrix:
    """Every measured story against every source. ``honest`` is the outcome without a mistake.

    ``comparable`` is False for quick runs, whose figures cannot be compared with a paper's.
    ``contradict``: says whether no single run can have some figures; by default that is not known.
    """

    sources: tuple[PrintedSource, ...]
    honest: Outcome
    outcomes: tuple[Outcome, ...]
    comparable: bool = True
    contradict: Callable[[Sequence[PrintedFigure]], bool] = lambda _: False

    @cached_property
    def runs(self) -> int:
        """The number of runs of which a figure may be the best: what the paper says, or 10."""
        named = [max(f.n_runs, f.best_of) for source in self.sources for f in source.figures]
        return max((n for n in named if n > 1), default=DEFAULT_RUNS)

    # ------------------------------------------------------------ where no mistake is needed

    @cached_property
    def needs_no_mistake(self) -> frozenset[PrintedFigure]:
        """The single figures that the correct procedure explains as they are named and described.

        A printed accuracy that counts as reproduced is among them.
        """
        if not self.comparable or not self.honest.n:
            return frozenset()
        found: list[PrintedFigure] = []
        for sources in self._tables:
            figures = [figure for source in sources for figure in source.single_figures]
            attempts = [attempt_honestly(self.honest, figure) for figure in figures]
            joint = find_joint_explanation(self.honest, figures, attempts)
            found += [f for f, a in zip(figures, joint, strict=True) if a and a.explains]
        return frozenset(found)

    @cached_property
    def explained_tables(self) -> frozenset[str]:
        """The places of the tables of classes that the correct procedure explains."""
        if not self.comparable or not self.honest.n:
            return frozenset()
        found = set()
        for source in self.sources:
            attempt = source.class_table and self.honest.attempt_table(source.class_table)
            if attempt and attempt.explains:
                found.add(source.where)
        return frozenset(found)

    @cached_property
    def clashes(self) -> tuple[Clash, ...]:
        """What cannot be of the same run as an accuracy that needs no mistake.

        No story is compared with it: a run of any story has either the accuracy or these figures.
        """
        found = []
        for sources in self._tables:
            figures = [figure for source in sources for figure in source.single_figures]
            accuracies = [f for f in figures if f.is_accuracy and f in self.needs_no_mistake]
            for source in sources if accuracies else ():
                left = self._list_unexplained(source)
                if left and self.contradict((accuracies[0], *left)):
                    found.append(Clash(source, accuracies[0], left))
        return tuple(found)

    @cached_property
    def open_sources(self) -> tuple[PrintedSource, ...]:
        """The sources with a figure that the correct procedure does not explain, and a story may.

        Those of :attr:`clashes` are not among them.
        """
        return tuple(
            source
            for source in self.sources
            if self._has_open_table(source) or self._open_figures[source.where]
        )

    def is_settled(self, source: PrintedSource) -> bool:
        """Whether the correct procedure explains all of a source."""
        return not self._list_unexplained(source)

    def _list_unexplained(self, source: PrintedSource) -> tuple[PrintedFigure, ...]:
        """The figures of a source that the correct procedure does not explain."""
        in_table = () if source.where in self.explained_tables else source.class_figures
        single = (f for f in source.single_figures if f not in self.needs_no_mistake)
        return (*in_table, *single)

    @cached_property
    def _open_figures(self) -> dict[str, tuple[PrintedFigure, ...]]:
        """The figures of each source that are compared with stories one by one; by its place."""
        return {
            source.where: ()
            if self._clashes(source)
            else tuple(f for f in source.single_figures if f not in self.needs_no_mistake)
            for source in self.sources
        }

    def _has_open_table(self, source: PrintedSource) -> bool:
        is_explained = source.where in self.explained_tables
        return bool(source.class_figures) and not is_explained and not self._clashes(source)

    def _clashes(self, source: PrintedSource) -> bool:
        return any(clash.source is source for clash in self.clashes)

    @cached_property
    def _tables(self) -> list[list[PrintedSource]]:
        """The sources grouped by the table that they are part of; its figures are of one run."""
        tables: dict[str, list[PrintedSource]] = {}
        for source in self.sources:
            tables.setdefault(source.table, []).append(source)
        return list(tables.values())

    # ------------------------------------------------------------ the other stories

    @cached_property
    def rows(self) -> tuple[StoryRow, ...]:
        """Every measured story, the best first."""
        if not self.comparable:
            return ()
        return tuple(sorted(map(self._build_row, self.outcomes), key=lambda row: row.rank))

    def _build_row(self, outcome: Outcome) -> StoryRow:
        found = {
            match.source.where: match
            for sources in self._tables
            for match in self._match_table(outcome, sources)
        }
        return StoryRow(outcome, tuple(found[source.where] for source in self.sources))

    def _match_table(self, outcome: Outcome, sources: list[PrintedSource]) -> list[Match]:
        """Compare a story with the sources of one table, whose figures are all quoted alike."""
        figures = [figure for source in sources for figure in self._open_figures[source.where]]
        listed = [outcome.list_quotings(figure, self.runs) for figure in figures]
        choices = [  # one for each way of quoting: the attempts for each figure
            [_attempt(outcome, f, quoting) for f, quoting in zip(figures, quotings, strict=True)]
            for quotings in dict.fromkeys(zip(*listed, strict=True))
        ]
        joint = [
            find_joint_explanation(outcome, figures, list(map(_choose_attempt, choice)))
            for choice in choices
        ]
        best = min(joint, key=_rank_attempts, default=[])
        chosen = dict(zip(figures, best, strict=True))
        # Different ways of quoting may be the same one, which counts once.
        tried = {
            figure: [a.explains for a in dict.fromkeys(a for choice in choices for a in choice[i])]
            for i, figure in enumerate(figures)
        }
        return [self._match(outcome, source, chosen, tried) for source in sources]

    def _match(
        self,
        outcome: Outcome,
        source: PrintedSource,
        chosen: dict[PrintedFigure, Attempt | None],
        tried: dict[PrintedFigure, list[bool]],
    ) -> Match:
        figures = self._open_figures[source.where]
        if not figures and not self._has_open_table(source):
            return Match(source, None)
        attempts = tuple(chosen[figure] for figure in figures)
        found: list[bool | None] = [attempt.explains if attempt else None for attempt in attempts]
        table = None
        if source.class_table and self._has_open_table(source):
            table = outcome.attempt_table(source.class_table)
            found.append(table.explains if table else None)
        explained = False if False in found else None if None in found else True
        candidates = [explains for figure in figures for explains in tried[figure]]
        if table is not None and table.explains is not None:
            candidates.append(table.explains)
        return Match(source, explained, figures, attempts, table, len(candidates), sum(candidates))

    @property
    def top_story(self) -> StoryRow | None:
        """The first of all stories by rank, however few seeds it has; None if none explains any."""
        return self.rows[0] if self.rows and self.rows[0].explained else None

    @cached_property
    def best_story(self) -> StoryRow | None:
        """The story to call the best: the top one, or the one of its family with enough seeds.

        None if no story explains any source.
        """
        top = self.top_story
        if top is None or top.outcome.has_enough_seeds:
            return top
        return next((row for row in self._family if row.outcome.has_enough_seeds), top)

    @cached_property
    def equals_of_best(self) -> tuple[StoryRow, ...]:
        """The other stories that are just as good as the best one, the top story."""
        if self.best_story is None or self.best_story is not self.top_story:
            return ()
        return tuple(row for row in self.rows[1:] if row.rank == self.best_story.rank)

    @cached_property
    def further_stories(self) -> tuple[FurtherStories, ...]:
        """What else may be explained by stories with few seeds of the best story's family."""
        best = self.best_story
        if best is None or best is self.top_story:
            return ()
        found = []
        few = [row for row in self._family if not row.outcome.has_enough_seeds]
        for source in self.open_sources:
            if best.get_match(source).explained:
                continue
            tried = [
                (match.distance, i, match.explained)
                for i, row in enumerate(few)
                if (match := row.get_match(source)).explained is not None
            ]
            reach = tuple(few[i] for _, i, explained in sorted(tried) if explained)
            if reach:
                found.append(FurtherStories(source, reach, len(tried)))
        return tuple(found)

    @property
    def _family(self) -> list[StoryRow]:
        """The stories of the top story's family, the best first."""
        family = self.rows[0].outcome.story.family
        return [row for row in self.rows if row.outcome.story.family == family]

    @cached_property
    def best_pair(self) -> StoryPair | None:
        """The two stories that explain the most sources together; None if one does as well.

        The first is the best by rank that such a pair can have. The second is chosen like the best
        story, by what it adds: enough seeds, distance, departures, answers.
        """
        top = self.top_story
        rows = [row for row in self.rows if row.explained]
        if top is None or len(top.explained) == len(self.open_sources):
            return None
        explains = np.array([[bool(m.explained) for m in row.matches] for row in rows])
        n_together = [int((explains[i] | explains).sum(axis=1).max()) for i in range(len(rows))]
        most = max(n_together)
        if most <= len(top.explained):
            return None
        i = n_together.index(most)
        first = rows[i]
        ranked = sorted(
            (_rank_second(first, row), j)
            for j, row in enumerate(rows)
            if (explains[i] | explains[j]).sum() == most
        )
        best, j = ranked[0]
        together = explains[i] | explains[j]
        explained = tuple(s for s, yes in zip(self.sources, together, strict=True) if yes)
        missed = tuple(source for source in self.open_sources if source not in explained)
        n_equal = sum(rank == best for rank, _ in ranked) - 1
        return StoryPair(first, rows[j], explained, missed, n_equal)

    @property
    def unconfirmed(self) -> tuple[StoryRow, ...]:
        """The stories with few seeds on which the answer rests: the top one and those of a pair."""
        pair = self.best_pair
        rows = (self.top_story, pair and pair.first, pair and pair.second)
        found = dict.fromkeys(row for row in rows if row and not row.outcome.has_enough_seeds)
        return tuple(found)

    @cached_property
    def counts(self) -> tuple[SourceCount, ...]:
        """How cheap an explanation is, for each source that the correct procedure leaves open."""
        if not self.comparable:
            return ()
        return tuple(
            self._count(i, source)
            for i, source in enumerate(self.sources)
            if source in self.open_sources
        )

    def _count(self, i: int, source: PrintedSource) -> SourceCount:
        matches = [row.matches[i] for row in self.rows]
        return SourceCount(
            source,
            sum(match.n_tried > 0 for match in matches),
            sum(bool(match.explained) for match in matches),
            sum(
                bool(row.matches[i].explained) and not row.outcome.has_enough_seeds
                for row in self.rows
            ),
            sum(match.is_by_its_name for match in matches),
            sum(match.is_as_stated for match in matches),
            sum(match.n_tried for match in matches),
            sum(match.n_explaining for match in matches),
            self._measure_share(source, as_named=False),
            self._measure_share(source, as_named=True),
        )

    def _measure_share(self, source: PrintedSource, *, as_named: bool) -> float | None:
        """The share of the accuracies above the honest run's that some candidate would explain."""
        if len(source.figures) != 1 or source.figures[0].metric != "accuracy" or not self.honest.n:
            return None
        [figure] = source.figures
        if figure.bound:  # of a limit, every value on one side would be explained
            return None
        values = self.honest.compute_values("accuracy")
        lowest = sum(values) / len(values)
        intervals = [
            (attempt.low - figure.half_unit, attempt.high + figure.half_unit)
            for row in self.rows
            for quoting in row.outcome.list_quotings(figure, self.runs)
            for attempt in row.outcome.attempt(figure, quoting)
            if not (as_named and attempt.departures)
        ]
        covered = measure_union(intervals, lowest, 1.0)
        return covered / (1 - lowest) if lowest < 1 else None


def attempt_honestly(honest: Outcome, figure: PrintedFigure) -> Attempt | None:
    """Try the correct procedure for a figure as it is named and described."""
    attempts = attempt_as_verdict(honest, figure, figure.quoting)
    return attempts[0] if attempts and attempts[0].metric == figure.metric else None


def attempt_as_verdict(outcome: Outcome, figure: PrintedFigure, quoting: Quoting) -> list[Attempt]:
    """Try a story by the protocol that is judged in the table of accuracies, too.

    A printed accuracy that counts as reproduced is explained, so that the tables always agree.
    """
    attempts = outcome.attempt(figure, quoting)
    if not attempts or attempts[0].departures or attempts[0].explains:
        return attempts
    if not figure.is_accuracy:
        return attempts
    values = outcome.compute_values("accuracy")
    verdict = judge_claim(figure.claim, values, deterministic=outcome.deterministic)
    reproduced = verdict.kind is VerdictKind.REPRODUCED
    return [replace(attempts[0], explains=reproduced), *attempts[1:]]


def is_by_source(story: Story, figure: PrintedFigure) -> bool:
    """Whether a story is the protocol by which the figure's source says that it was made."""
    picked = figure.picked_epoch and story.epoch == "best epoch"
    scored = bool(figure.scored_as) and figure.scored_as == story.flagged
    return picked or scored


def _attempt(outcome: Outcome, figure: PrintedFigure, quoting: Quoting) -> list[Attempt]:
    """Try a story for a figure; where it is the source's own protocol, as the verdict does."""
    own = is_by_source(outcome.story, figure) and not outcome.story.is_reading
    attempt = attempt_as_verdict if own else Outcome.attempt
    return attempt(outcome, figure, quoting)


def _rank_second(first: StoryRow, second: StoryRow) -> tuple[float, ...]:
    """Rank the second story of a pair by what it adds to the first; the smaller, the better."""
    added = [
        match
        for match, others in zip(second.matches, first.matches, strict=True)
        if match.explained and not others.explained
    ]
    story = second.outcome.story
    return (
        not second.outcome.has_enough_seeds,
        round(max((match.distance for match in added), default=0.0), 6),
        len({*story.departures, *(d for match in added for d in match.departures)}),
        len(story.answers),
    )


def find_joint_explanation(
    outcome: Outcome, figures: Sequence[PrintedFigure], attempts: Sequence[Attempt | None]
) -> list[Attempt | None]:
    """Find which figures of one table a story explains together, as figures of the same runs.

    A figure that cannot be of the same runs as those kept does not count as explained; figures that
    fit the fewest others are left out first, the accuracy last.
    """
    joint = list(attempts)
    explained = [i for i, attempt in enumerate(attempts) if attempt and attempt.explains]
    clashes: dict[int, set[int]] = {i: set() for i in explained}
    for i, j in combinations(explained, 2):
        first, second = attempts[i], attempts[j]
        assert first is not None and second is not None
        if not outcome.can_be_one_run(figures[i], first, figures[j], second):
            clashes[i].add(j)
            clashes[j].add(i)
    kept: list[int] = []
    for i in sorted(explained, key=lambda i: (not figures[i].is_accuracy, len(clashes[i]))):
        against = [j for j in kept if j in clashes[i]]
        attempt = attempts[i]
        if against and attempt:
            joint[i] = replace(attempt, explains=False, clash=figures[against[0]].title)
        else:
            kept.append(i)
    return joint


def measure_union(intervals: Iterable[tuple[float, float]], lowest: float, highest: float) -> float:
    """Measure how much of ``lowest`` to ``highest`` lies in at least one interval."""
    covered, end = 0.0, lowest
    for low, high in sorted(intervals):
        start, stop = max(low, end), min(high, highest)
        if stop > start:
            covered += stop - start
            end = stop
    return covered


def _rank_attempts(attempts: Sequence[Attempt | None]) -> tuple[int, int]:
    """The smaller, the better: the figures that are explained, then the departures."""
    explaining = [attempt for attempt in attempts if attempt and attempt.explains]
    departures = {departure for attempt in explaining for departure in attempt.departures}
    return -len(explaining), len(departures)


def _choose_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """Choose the attempt that explains with the fewest departures, else the one as stated."""
    explaining = [attempt for attempt in attempts if attempt.explains]
    if explaining:
        return min(explaining, key=lambda attempt: len(attempt.departures))
    return attempts[0] if attempts else None
