"""Finds a claim among the published ones whose facts the bundled suites hold.

A document that somebody pastes may be, or may quote, a table that is known already. Then its
figures are judged by what is known of them: their source, how sure that is, the images that they
are about, how they were picked. So a table of a bundled suite gets the same verdicts, however it
was pasted. One or two equal figures may be a coincidence: they are only mentioned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from fmbench.analysis.misquotes import find_misquote
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.plugins.model_spec import parse_model_spec
from fmbench.runners import load_runners
from fmbench.suites import bundled, reader
from fmbench.suites.claims import Grid, Row, Suite
from fmbench.suites.estimators import ESTIMATOR
from fmbench.suites.labels import find_variant_mark
from fmbench.suites.matching import find_bundled_row
from fmbench.suites.rounding import parse_figure

# What a claim takes over from the row with the same figure.
FACTS = (
    "source", "cited", "certainty", "recipe", "images", "picked", "grid", "scored_as",
)  # fmt: skip
RECIPE = "partly stated"  # of a claim that no suite knows
FEWEST_QUOTED = 3  # figures of one suite: a document with so many quotes its table
REMARK = "The verdict holds for the configuration that was measured."


@dataclass(frozen=True)
class KnownClaim:
    """A row of a bundled suite whose figure is that of a claim.

    ``is_source``: the figure is the one in the original publication that the row quotes.
    """

    suite: Suite
    row: Row
    is_source: bool = False

    @property
    def sentence(self) -> str:
        """Where the same figure was published, and for which images."""
        images = "" if self.row.images == "today" else f", for the {self.row.images} of the images"
        return f"The same figure stands in {self.publication}{images}."

    @property
    def publication(self) -> str:
        """Where the same figure was published: ``Agarap 2017, as quoted in Kayed et al. 2020``."""
        row, paper = self.row, f"{cite_suite(self.suite)}, {self.row.where}"
        is_verified = row.source is not None and row.certainty == "verified"
        if self.is_source and row.cited:
            return f"{row.cited}, which {cite_suite(self.suite)} quote"
        if not row.cited or row.certainty == "own":
            return paper
        if is_verified and find_misquote(row, [row]) is None:
            return f"{row.cited}, as quoted in {paper}"
        return f"{paper}, which cites {row.cited}"

    @property
    def grid(self) -> Grid | None:
        """The grid from which the figure was picked; it names its suite."""
        found = next((grid for grid in self.suite.grids if grid.name == self.row.grid), None)
        if found is None or found.suite:
            return found
        return msgspec.structs.replace(found, suite=self.suite.name)

    def list_facts(self, printed: str) -> dict[str, Any]:
        """Return what a row with this claim takes over, by the keys of a suite's ``[[row]]``.

        ``printed`` is the claim as printed. How many runs it averages is not among the facts if
        the suite's figure is rounded otherwise.
        """
        row = self.row
        facts = {key: getattr(row, key) for key in FACTS}
        facts |= {"mean_of": row.mean_of, "best_of": row.best_of}
        if row.control is not None:
            facts["control"] = {
                key: value
                for key, value in msgspec.structs.asdict(row.control).items()
                if (key, value) != ("mean_of", 1)
            }
        if row.claimed and parse_figure(row.claimed, _A).as_tuple() == _tuple_of(printed):
            facts["half_unit"] = row.half_unit
        facts["remark"] = self.sentence  # the row's own remark is about its own document
        return {key: value for key, value in facts.items() if value not in (None, "", 1, "today")}


_A = "accuracy"


def find_known_claim(
    label: str, printed: str, runner: str = "", *, is_mapped: bool = False
) -> KnownClaim | None:
    """Find the published claim with this figure, of the model with this label or this runner.

    The label of a bundled row beside its own figure identifies it, even if the label alone could
    mean several models. ``runner`` is the sure match of the label, if there is one; ``is_mapped``:
    the user named it, so only rows of this runner count. ``printed`` is the claimed accuracy.
    """
    figure, known, wanted = parse_figure(printed, _A), _list_known_claims(), normalise_label(label)
    if not is_mapped and wanted and (found := _find_figure(known.by_label.get(wanted, ()), figure)):
        return found
    same_runner = known.by_runner.get(runner, ()) if runner else ()
    # First the rows with the same label.
    ordered = sorted(same_runner, key=lambda claim: normalise_label(claim.row.label) != wanted)
    return _find_figure(ordered, figure)


def find_known_row(row: Row) -> KnownClaim | None:
    """Find the published claim whose facts a row has taken over; None if it has taken over none."""
    if row.claimed is None or "The same figure stands in " not in row.remark:
        return None
    known = find_known_claim(row.label, row.claimed, row.runner)
    return known if known is not None and known.sentence in row.remark else None


def find_quoted_suites(found: Iterable[KnownClaim]) -> set[str]:
    """Return the names of the suites of which a document has several figures.

    ``found`` are the published claims with the figures of the document.
    """
    rows: dict[str, set[tuple[str, str]]] = {}
    for known in found:
        rows.setdefault(known.suite.name, set()).add((known.row.where, known.row.label))
    return {name for name, of_suite in rows.items() if len(of_suite) >= FEWEST_QUOTED}


def find_source_rows(rows: Iterable[Row]) -> list[Row]:
    """Find the bundled rows that quote the same sources as ``rows``, without their claims.

    A claim that misquotes its source may be the figure of another row of that source. The rows
    claim nothing, so they are not judged.
    """
    cited = {row.cited for row in rows if row.cited and row.source is not None}
    return [
        msgspec.structs.replace(row, claimed=None, half_unit=None)
        for suite in _read_bundled_suites()
        for row in suite.rows
        if row.cited in cited and row.source is not None and row.dataset == DEFAULT_DATASET.name
    ]


def find_row_model(runner: str) -> dict[str, Any]:
    """Return the keys of a ``[[row]]`` that name a model: a runner, or a bundled row's estimator.

    ``runner`` is the name of a runner, also with parameters, or the name that tables use for an
    estimator of scikit-learn.
    """
    row = find_bundled_row(runner)
    if row is not None and row.estimator:
        parameters = {k: "None" if v is None else v for k, v in row.parameters.items()}
        model: dict[str, Any] = {"estimator": row.estimator}
        return model | ({"parameters": parameters} if parameters else {})
    spec = parse_model_spec(runner)
    parameters = {k: "None" if v is None else v for k, v in spec.parameters.items()}
    if ESTIMATOR.fullmatch(spec.target):
        return {"estimator": spec.target} | ({"parameters": parameters} if parameters else {})
    if parameters and spec.target in load_runners():
        return {"runner": spec.target, "parameters": parameters}
    return {"runner": runner} if runner else {}


def cite_suite(suite: Suite) -> str:
    """Return ``Kayed et al. 2020``; the title of a suite without authors."""
    names = [name.split()[-1] for name in suite.authors.split(",") if name.strip()]
    if not names:
        return suite.title
    first = names[0] if len(names) == 1 else " and ".join(names)
    return f"{first if len(names) < 3 else f'{names[0]} et al.'} {suite.year or ''}".rstrip()


def normalise_label(label: str) -> str:
    """Return a label without case and punctuation, to compare it; the mark of a variant stays."""
    words = "".join(c if c.isalnum() or c in "=." else " " for c in label.casefold())
    return " ".join([*words.split(), *filter(None, [find_variant_mark(label)])])


def _find_figure(claims: Iterable[KnownClaim], figure: Decimal) -> KnownClaim | None:
    """Find the first row that claims this figure; if there is none, that quotes it correctly."""
    quoted = None
    for claim in claims:
        row = claim.row
        if row.claimed is not None and _is_same(row.claimed, figure):
            return claim
        if quoted is None and row.source is not None and _is_same(row.source, figure):
            quoted = KnownClaim(claim.suite, row, is_source=True)
    return quoted


def _is_same(printed: str, figure: Decimal) -> bool:
    return parse_figure(printed, _A) == figure


def _tuple_of(printed: str) -> Any:
    return parse_figure(printed, _A).as_tuple()


@dataclass(frozen=True)
class _KnownClaims:
    """The rows of the bundled suites, by their label (:func:`normalise_label`) and their runner."""

    by_label: dict[str, list[KnownClaim]]
    by_runner: dict[str, list[KnownClaim]]


@cache
def _list_known_claims() -> _KnownClaims:
    known = _KnownClaims({}, {})
    for suite in _read_bundled_suites():
        for row in suite.rows:
            if row.dataset == DEFAULT_DATASET.name:
                claim = KnownClaim(suite, row)
                known.by_label.setdefault(normalise_label(row.label), []).append(claim)
                known.by_runner.setdefault(row.runner, []).append(claim)
    return known


@cache
def _read_bundled_suites() -> tuple[Suite, ...]:
    """Read the suites that come with fmbench; the default one first."""
    names = sorted(bundled.list_suites(), key=lambda name: (name != bundled.DEFAULT_SUITE, name))
    return tuple(map(reader.read_bundled_suite, names))
