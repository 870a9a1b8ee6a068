"""Checking and judging what a paper claims; nothing is run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.api.inputs import list_names, load_given_suite
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.consistency.check import ConsistencyResult
    from fmbench.judging.documents import Input
    from fmbench.judging.judgement import Judgement
    from fmbench.suites.claims import Suite

logger = logging.getLogger("fmbench")


def check(
    suite: Input | Suite | None = None,
    rounding: str = "nearest",
    *,
    all_figures: bool = False,
    kind: str | None = None,
    column: str | None = None,
) -> ConsistencyResult:
    """Can the figures of a paper be true together? Arithmetic alone; nothing is run.

    ``suite`` is a suite, or any document that :func:`judge` reads; ``kind`` and ``column`` are as
    there. ``rounding`` says how the figures were shortened: ``"nearest"``, ``"truncated"`` or
    ``"either"``. The check compares sources, such as tables; ``all_figures`` also compares figure
    with figure, which may take many seconds.

    Raises:
        UserError: the document cannot be read, or the suite is not valid.
    """
    from fmbench.consistency.check import check_consistency
    from fmbench.consistency.solver import silence_solver_output

    _check_rounding(rounding)
    silence_solver_output()
    loaded = _load_claims(suite, kind, column)
    return check_consistency(loaded, rounding, all_figures=all_figures)


def judge(
    *inputs: Input,
    kind: str | None = None,
    column: str | None = None,
    mapping: str | Sequence[str] | Mapping[str, str] = (),
    model: str = "",
    results: str | Path | None = None,
    rounding: str = "nearest",
    margin: float = 0.005,
    alpha: float = 0.05,
) -> Judgement:
    """Judge claims by what is measured already; nothing is run.

    inputs: files, pasted text of several lines, or claims such as ``"LeNet-5 98.80 %"``.
    kind: what a document is, by a name in :data:`fmbench.extraction.read.KINDS`; column: its
        column with the accuracies. By default both are found.
    mapping: what a label means: ``{"LABEL": "RUNNER"}`` or ``["LABEL=RUNNER"]``.
    model: the runner of unnamed figures.
    results: a results folder; by default fmbench's own measurements count.
    rounding: how the figures were shortened: ``"nearest"``, ``"truncated"`` or ``"either"``.
    margin (a fraction) and alpha are those of the verdicts.

    Raises:
        UserError: an input cannot be read or has no figure, or a name is not known.
    """
    from fmbench.judging.documents import list_options, name_input, read_documents
    from fmbench.judging.judgement import judge_documents

    _check_rounding(rounding)
    mapping = _list_mapping(mapping)
    options = list_options(
        kind=kind, column=column, mapping=mapping, model=model, results=results,
        rounding=rounding, margin=None if margin == 0.005 else margin,
    )  # fmt: skip
    return judge_documents(
        read_documents(inputs, kind=kind, column=column),
        mapping=mapping, model=model, results=None if results is None else Path(results),
        rounding=rounding, margin=margin, alpha=alpha, arguments=tuple(map(name_input, inputs)),
        options=options,
    )  # fmt: skip


def import_suite(
    *inputs: Input,
    kind: str | None = None,
    column: str | None = None,
    mapping: str | Sequence[str] | Mapping[str, str] = (),
    model: str = "",
) -> str:
    """Write the claims of documents as the TOML text of a suite; each entry says where it stands.

    The arguments are those of :func:`judge`.

    Raises:
        UserError: see :func:`judge`; or an input is a suite already.
    """
    from fmbench.judging.documents import read_documents
    from fmbench.judging.judgement import draft_suite
    from fmbench.judging.suite_builder import describe_documents, write_suite_text
    from fmbench.suites.claims import Suite

    found = read_documents(inputs, kind=kind, column=column)
    if isinstance(found, Suite):
        raise UserError(f"{found.path} is a suite already")
    draft = draft_suite(found, mapping=_list_mapping(mapping), model=model)
    draft.build(Path("suite.toml"))  # an error now is better than an invalid file
    return write_suite_text(draft, describe_documents(found))


def _check_rounding(rounding: str) -> None:
    """Refuse a way of rounding that there is not; raises UserError."""
    from fmbench.suites.rounding import ROUNDING_RULES

    if rounding not in ROUNDING_RULES:
        raise UserError(f"rounding must be one of {', '.join(ROUNDING_RULES)}, not {rounding!r}")


def _list_mapping(mapping: str | Sequence[str] | Mapping[str, str]) -> list[str]:
    """Turn a dictionary from labels to runners into a list of texts ``LABEL=RUNNER``."""
    if isinstance(mapping, Mapping):
        return [f"{label}={runner}" for label, runner in mapping.items()]
    return list_names(mapping)


def _load_claims(suite: Input | Suite | None, kind: str | None, column: str | None) -> Suite:
    """Load a suite, or build one from a document."""
    from fmbench.suites.claims import Suite

    if suite is None or isinstance(suite, Suite):
        return load_given_suite(suite)
    if isinstance(suite, str | Path) and Path(suite).suffix == ".toml" and not (kind or column):
        return load_given_suite(suite)
    from fmbench.judging.documents import read_documents
    from fmbench.judging.judgement import draft_suite

    found = read_documents([suite], kind=kind, column=column)
    if isinstance(found, Suite):
        return found
    draft = draft_suite(found)
    for note in draft.notes:
        logger.info("%s", note)
    return draft.build(Path(found[0].name))
