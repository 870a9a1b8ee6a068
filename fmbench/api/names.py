"""Which runners typed names mean."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fmbench.api.inputs import load_suite
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.suites.claims import Suite
    from fmbench.suites.configurations import Configuration

logger = logging.getLogger("fmbench")


def find_configurations(
    names: Iterable[str],
    parameters: Sequence[str] = (),
    known: Mapping[str, Configuration] | None = None,
    suite: Suite | None = None,
) -> list[Configuration]:
    """Find what each name means: a configuration in ``known``, a runner, or a model of your own.

    A name can also be a label of ``suite``, or what papers call a runner; then a message says which
    runner is meant. If code that is not fmbench's own runs, a message names it.

    Raises:
        UserError: a name that is none of these or means several, or a parameter that the runner
            does not have.
    """
    from fmbench.plugins.code import make_announcer
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.configurations import resolve_configuration

    announce = make_announcer()
    found = {}
    for name in find_meant_names(names, known or (), suite):
        # The name of a row may end in its data set, which the parser does not know.
        spelled = str(parse_model_spec(name, parameters)) if parameters else name
        configuration = (known or {}).get(spelled) or (known or {}).get(
            str(parse_model_spec(name, parameters))
        )
        configuration = configuration or resolve_configuration(name, parameters, announce)
        found[configuration.name] = configuration
    return list(found.values())


def find_meant_names(
    names: Iterable[str], known: Collection[str], suite: Suite | None
) -> list[str]:
    """Return the exact name of the runner that each typed name means.

    A typed name is exact already, or a label, or a name that papers use.

    ``known`` are exact names besides those of runners and plug-ins. ``suite`` is by default Kayed
    et al. 2020. A message says what each name means.

    Raises:
        UserError: a name that means no runner, or several.
    """
    from fmbench.plugins.model_spec import parse_model_spec
    from fmbench.suites.typed_names import find_meant_runner, is_exact_name

    exact = []
    for name in names:
        if name in known or str(parse_model_spec(name)) in known or is_exact_name(name, suite):
            exact.append(name)
            continue
        try:
            meant = find_meant_runner(name, suite or load_suite())
        except UserError:
            if spelled := _spell_with_colon(name):
                raise UserError(
                    f"unknown runner {name!r}: to name a class or function of an installed "
                    f"package, write a colon before it: {spelled}"
                ) from None
            raise
        logger.info("%s", meant.why)
        exact.append(meant.name)
    return exact


def _spell_with_colon(name: str) -> str:
    """Return ``sklearn.svm:SVC`` for ``sklearn.svm.SVC``; empty if no such package is there."""
    import importlib.util

    module, dot, attribute = name.rpartition(".")
    package = module.partition(".")[0]
    is_path = dot and all(part.isidentifier() for part in name.split("."))
    return f"{module}:{attribute}" if is_path and importlib.util.find_spec(package) else ""


def select_configurations(
    names: Sequence[str], every_row: bool, suite: Suite, parameters: Sequence[str]
) -> list[Configuration]:
    """What :func:`run` measures: the named runners, or every row of the suite.

    Raises:
        UserError: both or neither were asked for, or a name is not known.
    """
    from fmbench.suites.configurations import build_suite_configurations
    from fmbench.utils.formatting import join_words

    if every_row and names:
        raise UserError("name the runners to run, or --all, not both")
    if not (every_row or names):
        raise UserError(
            "name the runners to run, or --all for every row; `fmbench list` shows them"
        )
    rows, missing = build_suite_configurations(suite)
    if names:
        return find_configurations(names, parameters, rows, suite)
    if parameters:
        raise UserError("-p goes with the names of the runners to run, not with --all")
    for name, model in missing.items():
        labels = join_words(row.label for row in suite.rows if row.runner == name)
        logger.warning("left out %s: %s", labels, model.reason)
    chosen = [
        configuration for configuration in rows.values() if not configuration.runner.by_name_only
    ]
    if not chosen:
        raise UserError(
            f"{suite.path}: no row can be run with --all; name its runners (`fmbench list`)"
        )
    return chosen
