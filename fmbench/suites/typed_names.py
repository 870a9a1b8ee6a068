"""Finds the runner that a user means by a name: ``knn``, ``SVC``, the label of a paper's table.

Documents are read with more doubt (:mod:`fmbench.suites.matching`): a paper's "k-NN" may have any
distance, so it is a question. Who types ``fmbench show knn`` asks for the runner of that name, and
one line says which it is. A name of several runners is an error that lists them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from fmbench import runners
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.plugins.code import find_entry_points
from fmbench.plugins.model_spec import MODULE_ATTRIBUTE, parse_model_spec
from fmbench.suites.claims import Suite
from fmbench.suites.labels import parse_label, simplify
from fmbench.suites.ladder import Evidence, load_ladder
from fmbench.suites.matching import (
    ALSO_SAYS,
    MAX_LABEL,
    NO_MODEL,
    ONLY_SPELLING,
    LabelMatch,
    describe_configuration,
    load_catalogue,
    match_labels,
)
from fmbench.suites.parameters import check_parameters
from fmbench.utils.names import suggest_names
from fmbench.utils.printable import shorten

MAX_SUGGESTED, MAX_CONFIGURATIONS, MAX_PUBLISHED = 3, 8, 3
NEARLY_THE_SAME = 0.8  # of two spellings, as difflib measures it
SEE_LIST = "`fmbench list` shows all"


@dataclass(frozen=True)
class MeantRunner:
    """What a name means: ``name`` is the exact name, ``why`` is a line that says so to the user."""

    name: str
    why: str


def is_exact_name(text: str, suite: Suite | None = None) -> bool:
    """Whether a name is that of a runner or of a plug-in, or the address of code; not a label."""
    spec = parse_model_spec(text)
    if spec.target in runners.load_runners() or spec.target in find_entry_points():
        return True
    if not spec.is_code or (suite and any(row.label == text for row in suite.rows)):
        return False
    is_address = spec.is_file or MODULE_ATTRIBUTE.fullmatch(spec.target)
    return bool(is_address) or simplify(text) not in load_catalogue().verbatim


def find_meant_runner(text: str, suite: Suite | None = None) -> MeantRunner:
    """Find the only runner, or configuration of a bundled suite, that a name can mean.

    ``text`` is no exact name. The labels of ``suite`` come first, then what papers call the
    runners. Parameters that follow the name (``SVC C=1``) are kept.

    Raises:
        UserError: it means none, or several; the line lists what is near.
    """
    if meant := _find_label(text, suite):
        return meant
    target = parse_model_spec(text).target
    if target.count("(") != target.count(")"):  # the parameters are part of a label
        target = text.strip()
    parameters = text.strip()[len(target) :]
    if parameters and (meant := _find_label(target, suite)):
        return MeantRunner(f"{meant.name}{parameters}", meant.why)
    match = _match(target)
    known = _select_runners(match.alternatives)
    if match.runner is not None and not match.is_doubtful:
        name = match.runner
    elif match.is_incomplete and len(known) == 1:
        [name] = known
    else:
        raise UserError(describe_unknown_name(target, runners.load_runners()))
    return MeantRunner(f"{name}{parameters}", f"{target}: {name_with_parameters(name)}")


def _find_label(text: str, suite: Suite | None) -> MeantRunner | None:
    """Find what measures the rows with this label: those on Fashion-MNIST, if there are any."""
    key = simplify(text)
    rows = [row for row in suite.rows if simplify(row.label) == key] if suite and key else []
    rows = [row for row in rows if row.dataset == DEFAULT_DATASET.name] or rows
    names = list(dict.fromkeys(row.runner for row in rows))
    if len(names) > 1:
        wheres = [f"{row.runner or 'no model'} ({row.where})" for row in rows]
        raise UserError(
            f"{text!r} is the label of several rows of the suite: {_join_choices(wheres)}: type "
            "one of these names"
        )
    if names == [""]:
        raise UserError(f"the suite names no model for its row {text!r}, so nothing measures it")
    return MeantRunner(names[0], f"{text}: {name_with_parameters(names[0])}") if names else None


def _match(text: str) -> LabelMatch:
    """Match a name; one that differs from a runner's only in case and punctuation is exact."""
    for name in runners.load_runners():
        if simplify(name) == simplify(text):
            return LabelMatch(text, name, 100.0, None, False, "its name", (name,))
    [match] = match_labels([text], {})
    return match


def name_with_parameters(name: str) -> str:
    """Return ``k-neighbors (k=5, Manhattan distance, weighted by distance)``."""
    text = "" if ":" in name else describe_configuration(name)  # such a name has its parameters
    return f"{name} ({text})" if text else repr(name) if " " in name else name


def describe_unknown_name(text: str, known: Iterable[str]) -> str:
    """Return the error message for a name that is not exact, and does not mean one runner.

    ``known`` are the exact names.
    """
    shown = shorten(text, MAX_LABEL)
    if parse_label(text[:MAX_LABEL]).other_model:
        return f"no runner measures {shown!r}{_describe_published(text)}; {SEE_LIST}"
    match = _match(text)
    if match.is_incomplete:
        meant = _select_runners(match.alternatives) or match.alternatives
        choices = [name_with_parameters(name) for name in meant]
        return f"{shown!r} may mean {_join_choices(choices)}: type one of these names"
    near = _find_near(text, match, known)
    if not near:
        return f"unknown runner {shown!r}{suggest_names(text, known)} {SEE_LIST}"
    is_misspelt = match.why == ONLY_SPELLING or (
        match.why.startswith(ALSO_SAYS) and near[0] in _find_close(text, known)
    )
    why = f" ({match.why})" if match.is_doubtful and not is_misspelt else ""
    offered = " or ".join(map(name_with_parameters, near))
    return f"unknown runner {shown!r}{why}: did you mean {offered}? {SEE_LIST}"


def suggest_runners(text: str, known: Iterable[str]) -> str:
    """Return ``: did you mean A or B?`` with the runners that a name may mean, or a full stop.

    The same rule as :func:`describe_unknown_name` in fewer words, for the cell of a table.
    """
    if parse_label(text[:MAX_LABEL]).other_model:
        return "."
    near = _find_near(text, _match(text), known)
    return f": did you mean {' or '.join(near)}?" if near else suggest_names(text, known)


def _find_near(text: str, match: LabelMatch, known: Iterable[str]) -> list[str]:
    """Find the exact names with nearly this spelling, then the runners that it may mean."""
    near = [*_find_close(text, known), *_select_runners(match.alternatives)]
    return list(dict.fromkeys(near))[:MAX_SUGGESTED]


def _find_close(text: str, known: Iterable[str]) -> list[str]:
    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(text.lower(), by_lower_case, cutoff=NEARLY_THE_SAME)
    return [by_lower_case[name] for name in close]


def _select_runners(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in runners.load_runners()]


def _join_choices(choices: list[str]) -> str:
    shown = choices[:MAX_CONFIGURATIONS]
    if more := len(choices) - len(shown):
        return f"{', '.join(shown)}, or {more} more"
    return " or ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _describe_published(text: str) -> str:
    """List the published accuracies of a kind of model, those that others have checked first."""
    model = parse_label(text[:MAX_LABEL]).other_model
    entries = [e for e in load_ladder().entries if parse_label(e.model).other_model == model]
    if not entries:
        return ""
    entries.sort(key=lambda entry: get_args(Evidence).index(entry.evidence))
    listed = [f"{entry}, {entry.evidence}" for entry in entries[:MAX_PUBLISHED]]
    return f"; published of such models: {'; '.join(listed)}; `fmbench judge` places a claim"


def parse_mappings(texts: Iterable[str]) -> dict[str, str]:
    """Parse texts ``LABEL=RUNNER``, as :func:`parse_mapping` does; return runners by label.

    Raises:
        UserError: see :func:`parse_mapping`; or two texts are about one label.
    """
    named: dict[str, str] = {}
    seen: dict[str, str] = {}
    for label, runner in map(parse_mapping, texts):
        key = simplify(label)
        if key in seen:
            raise UserError(
                f"--map names the label {label!r} twice, as {seen[key]} and as {runner}: give it "
                "once"
            )
        named[label] = seen[key] = runner
    return named


def parse_mapping(text: str) -> tuple[str, str]:
    """Parse ``LABEL=RUNNER``; both sides may contain an equals sign.

    The runner is one of fmbench's or a name that means one, also with parameters (``svc-rbf C=1``),
    the name of a suite's row, ``FILE.py:NAME`` or ``module:NAME``; ``none`` says that no runner
    measures the label.

    Raises:
        UserError: there is no equals sign, no label, no such runner, or it has no such parameters.
    """
    known = load_catalogue().candidates
    splits = [
        (text[: match.start()].strip(), text[match.end() :].strip())
        for match in re.finditer("=", text)
    ]
    for label, runner in splits:
        if label and (runner in known or runner == NO_MODEL):
            return label, runner
    for label, runner in splits:
        if label and (re.match(r"[\w./-]+:\w|\S+\.py$", runner) or _changes_runner(runner)):
            return label, runner
    if not splits or not splits[-1][0]:
        raise UserError(f'--map {text!r}: write it as LABEL=RUNNER, such as "SVM (RBF)=svc-rbf"')
    label, runner = splits[-1]
    try:
        return label, find_meant_runner(runner).name
    except UserError as error:
        raise UserError(f"--map: {error}") from None


def _changes_runner(text: str) -> bool:
    """Whether a name is that of a runner with parameters.

    Raises:
        UserError: it is, and the runner cannot have these parameters.
    """
    try:
        spec = parse_model_spec(text)
    except UserError:
        return False
    runner = runners.load_runners().get(spec.target)
    if runner is None or not spec.parameters:
        return False
    try:
        check_parameters(runner, spec.parameters)
    except UserError as error:
        raise UserError(f"--map: {error}") from None
    return True
