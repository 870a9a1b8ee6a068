"""Matches what a document calls a model with the runner that measures it.

A label is taken apart into words and parameters: ``k-NN (k=5, Euclidean)`` is the word ``knn`` with
``n_neighbors=5`` and ``p=2``. The words are compared with the aliases of the runners and the labels
of fmbench's suites, the parameters with those of each configuration. A match is sure only if one
configuration fits; every other match is a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from fmbench import runners
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.models.registry import Runner
from fmbench.plugins.model_spec import format_value, parse_model_spec
from fmbench.suites.bundled import list_suites
from fmbench.suites.claims import Row, Suite
from fmbench.suites.estimators import parse_display_name
from fmbench.suites.labels import OWN_MODELS, ParsedLabel, is_same_value, parse_label, simplify
from fmbench.suites.reader import read_bundled_suite
from fmbench.utils.formatting import join_words
from fmbench.utils.names import suggest_names

MAX_LABEL = 200  # characters; what is longer is not the name of a model
MAX_LISTED = 8  # labels in a message
MIN_SCORE = 80.0  # of words that are spelt differently, for a question
# Why a match is doubtful.
ONLY_SPELLING, ALSO_SAYS = "only the spelling is similar", "the label also says"
IS_CUT = "the label is not complete, so it may say more"
CUT_MARK = "…"  # at the end of a label that is not complete
NO_MODEL = "none"  # in a mapping: no runner measures this label

# Words for a kind of network, of which there are any number. Without the paper's own words such a
# label is a question.
KINDS_OF_NETWORKS = frozenset({"cnn", "mlp", "nn", "lstm"})
# What a label must state, because most papers mean another value than the runner has: the best of
# Xiao's k-NN is Manhattan, others are Euclidean. From the runner to the parameter, and its name.
MUST_BE_STATED = {"k-neighbors": ("p", "the distance")}
# Names that say less than the runner: from the words to what they leave open.
INCOMPLETE_NAMES = {
    ("naivebayes",): "it does not say which distribution; gaussian-nb is Gaussian",
    ("lenet",): "it does not say which LeNet; lenet5 is LeNet-5",
}
# Well-known models that resemble a runner and are another model.
LOOK_ALIKES = {
    "extratrees": ("extra-tree", "extra-tree is one tree, the label means an ensemble"),
    "softmaxregression": (
        "logistic-regression",
        "logistic-regression fits one class against the rest, the label means all classes at once",
    ),
    "histgradientboosting": (
        "gradient-boosting", "histogram-based boosting is another algorithm than gradient-boosting"
    ),
}  # fmt: skip
OPTIMIZERS = frozenset({"adam", "rmsprop", "adamax", "adagrad", "nadam", "adadelta", "adamw"})
# What scikit-learn takes if a label does not say it; decides which of several comes first.
LIBRARY_DEFAULTS: Mapping[str, Any] = {
    "n_neighbors": 5, "p": 2, "weights": "uniform", "C": 1, "kernel": "rbf", "criterion": "gini",
    "n_estimators": 100, "max_depth": 100, "splitter": "best", "penalty": "l2", "loss": "hinge",
    "activation": "relu", "hidden_layer_sizes": [100], "multi_class": "ovr",
}  # fmt: skip


@dataclass(frozen=True)
class LabelMatch:
    """The runner that a label names.

    ``runner`` is a runner of fmbench or the name of a row of a bundled suite, such as
    ``sklearn.svm:SVC C=10 kernel=rbf``; None if no runner is near. If ``is_doubtful``, it is only
    the best guess: ask, do not use it. ``score`` (0 to 100) is the similarity of the names.
    ``runner_up`` is the next runner with its score. ``alternatives`` are all configurations that
    fit what the label says, the best guess first. ``why`` says in one line how it was found, or
    what is in doubt. ``is_incomplete``: the label is a name of the alternatives, and only does not
    say which of them, or which of the many models with this name.
    """

    label: str
    runner: str | None
    score: float
    runner_up: tuple[str, float] | None
    is_doubtful: bool
    why: str
    alternatives: tuple[str, ...] = ()
    is_incomplete: bool = False


@dataclass(frozen=True)
class Candidate:
    """A runner, or the row of a suite with an estimator, and its parameters."""

    name: str
    parameters: Mapping[str, Any]
    group: str  # the runner, or the estimator, to whose family it belongs
    rank: Mapping[tuple[str, ...], int] | None = None  # of a runner: its aliases in its own order

    @property
    def is_runner(self) -> bool:
        """Whether it is a runner of fmbench, and not the row of a suite."""
        return self.rank is not None

    def sort_key(self, alias: tuple[str, ...]) -> tuple[bool, int, int]:
        """Sort the best guess first: runners that list the alias early, then usual parameters."""
        usual = sum(
            is_same_value(self.parameters[name], value)
            for name, value in LIBRARY_DEFAULTS.items()
            if name in self.parameters
        )
        return self.rank is None, (self.rank or {}).get(alias, 0), -usual


@dataclass
class Catalogue:
    """All candidates and the names by which a label may mean them.

    ``aliases`` maps words to the runners, or to the estimator, that they name. ``family`` maps each
    of these to its candidates: a runner and the rows that measure the same classifier with other
    parameters. ``verbatim`` maps the label of a suite's row to the name of what measures it.
    """

    candidates: dict[str, Candidate] = field(default_factory=dict)
    aliases: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    family: dict[str, list[str]] = field(default_factory=dict)
    verbatim: dict[str, str] = field(default_factory=dict)
    tables: list[frozenset[str]] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)


def match_labels(labels: Sequence[str], mapping: Mapping[str, str]) -> list[LabelMatch]:
    """Match every label, in order; ``mapping`` (label to runner) is what the user said.

    The labels are looked at together: in a paste of at least half of a table of fmbench's suites,
    each label of that table is sure.

    Raises:
        UserError: ``mapping`` has a label that is not among ``labels``.
    """
    said = {simplify(label): runner for label, runner in mapping.items()}
    present = {simplify(label) for label in labels}
    for label in mapping:
        if simplify(label) not in present:
            near = suggest_names(label, labels)
            if near == "." and labels:
                near = f"; the labels are {join_words([repr(x) for x in labels], MAX_LISTED)}"
            raise UserError(f"--map: there is no label {label!r}{near}")
    catalogue = load_catalogue()
    pasted: set[str] = set()
    for table in catalogue.tables:
        if 2 * len(table & present) >= len(table):
            pasted |= table
    has_optimizers = any(OPTIMIZERS & set(parse_label(label[:MAX_LABEL]).words) for label in labels)
    matches = [
        _match_label(label, said, pasted, catalogue, beside_optimizers=has_optimizers)
        for label in labels
    ]
    return [match if simplify(match.label) in said else _doubt_if_cut(match) for match in matches]


def _doubt_if_cut(match: LabelMatch) -> LabelMatch:
    """Make the match of a label that is not complete a question; its last word may be cut, too."""
    if match.runner is None or not match.label.endswith(CUT_MARK):
        return match
    alternatives = match.alternatives or (match.runner,)
    return replace(match, is_doubtful=True, why=IS_CUT, alternatives=alternatives)


def _match_label(
    label: str,
    said: Mapping[str, str],
    pasted: set[str],
    catalogue: Catalogue,
    *,
    beside_optimizers: bool,
) -> LabelMatch:
    key = simplify(label)
    if key in said:
        runner = said[key] if said[key] != NO_MODEL else None
        return LabelMatch(label, runner, 100.0, None, False, "as given with --map")
    if label.strip() in catalogue.candidates:
        return LabelMatch(label, label.strip(), 100.0, None, False, "its name")
    if len(label) > MAX_LABEL or not key:
        why = "too long for the name of a model" if key else "no name"
        return LabelMatch(label, None, 0.0, None, False, why)
    parsed = parse_label(label)
    found = catalogue.verbatim.get(key)
    if found and (key in pasted or not _is_generic(parsed, found)):
        return LabelMatch(
            label, found, 100.0, _find_runner_up(parsed, found, catalogue), False,
            f"the label of a suite of fmbench: {describe_configuration(found) or found}",
            (found,),
        )  # fmt: skip
    if parsed.other_model:
        return LabelMatch(
            label, None, 0.0, None, False, f"fmbench has no runner for {parsed.other_model}"
        )
    if parsed.words and OWN_MODELS.issuperset(parsed.words):
        return LabelMatch(label, None, 0.0, None, False, "the label names no model")
    for word in parsed.words:
        if word in LOOK_ALIKES:
            runner, why = LOOK_ALIKES[word]
            return _ask(label, parsed, [runner], why, catalogue)
    if parsed.words == ("sgd",) and beside_optimizers:
        why = "beside other optimizers it may be the optimizer of another model"
        return _ask(label, parsed, ["sgd"], why, catalogue)
    return _match_words(label, parsed, catalogue)


def _is_generic(parsed: ParsedLabel, runner: str) -> bool:
    """Whether a suite's label names a kind of model, and not one model."""
    words = parsed.words
    return len(words) == 1 and (words[0] in KINDS_OF_NETWORKS or runner in MUST_BE_STATED)


def _match_words(label: str, parsed: ParsedLabel, catalogue: Catalogue) -> LabelMatch:
    """Match by the longest alias whose words the label has, then by the parameters."""
    words = set(parsed.words)
    inside = [alias for alias in catalogue.aliases if set(alias) <= words]
    if not inside:
        return _match_spelling(label, parsed, catalogue)
    alias = max(inside, key=len)
    groups = catalogue.aliases[alias]
    rest = [word for word in parsed.words if word not in alias]
    stated, unexplained = parsed.explain(rest)
    candidates = [
        catalogue.candidates[name] for group in groups for name in catalogue.family[group]
    ]
    fits = [c for c in candidates if not _find_contradictions(c, stated)]
    candidates.sort(key=lambda c: c.sort_key(alias))
    if not fits:
        nearest = min(candidates, key=lambda c: len(_find_contradictions(c, stated)))
        name, value = _find_contradictions(nearest, stated)[0]
        own = nearest.parameters.get(name)
        has = f"has {name}={_format(own)}" if name in nearest.parameters else "does not set it"
        why = f"the label says {name}={_format(value)}, but {nearest.name} {has}"
        return _ask(label, parsed, [nearest.name, *(c.name for c in candidates)], why, catalogue)
    fits.sort(key=lambda c: c.sort_key(alias))
    names = list(dict.fromkeys(c.name for c in fits))
    if unexplained:
        doubt = f"{ALSO_SAYS} {', '.join(map(repr, unexplained))}"
        return _ask(label, parsed, names, doubt, catalogue)
    if doubt := _find_what_is_open(fits, alias, stated):
        return replace(_ask(label, parsed, names, doubt, catalogue), is_incomplete=True)
    why = f"{names[0]} has this name: {describe_configuration(names[0]) or 'no parameters'}"
    runner_up = _find_runner_up(parsed, names[0], catalogue)
    return LabelMatch(label, names[0], 100.0, runner_up, False, why, tuple(names))


def _find_what_is_open(
    fits: Sequence[Candidate], alias: tuple[str, ...], stated: Mapping[str, Any]
) -> str:
    """Say why the first of the candidates with this name may not be meant; empty if it is."""
    fitting_runners = [c.name for c in fits if c.is_runner]
    states_layers = "hidden_layer_sizes" in stated and len(fitting_runners) == 1
    if KINDS_OF_NETWORKS & set(alias) and "lenet" not in alias and not states_layers:
        return "the label names a kind of network, and fmbench's is only one of that kind"
    if alias in INCOMPLETE_NAMES:
        return INCOMPLETE_NAMES[alias]
    if len(fitting_runners) > 1 or (not fitting_runners and len(fits) > 1):
        return "several configurations have this name"
    if fitting_runners and fitting_runners[0] in MUST_BE_STATED:
        parameter, words = MUST_BE_STATED[fitting_runners[0]]
        if parameter not in stated:
            return f"several configurations have this name: it does not state {words}"
    return ""


def _find_contradictions(candidate: Candidate, stated: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Find the stated parameters that the candidate lacks or has with another value."""
    own = candidate.parameters
    return [
        (name, value)
        for name, value in stated.items()
        if name not in own or not is_same_value(own[name], value)
    ]


def _match_spelling(label: str, parsed: ParsedLabel, catalogue: Catalogue) -> LabelMatch:
    """Match by similar spelling; the result is always a question."""
    if not parsed.words:
        return LabelMatch(label, None, 0.0, None, False, "the label names no model")
    ranked = _rank_runners(parsed.words)
    if ranked[0][1] < MIN_SCORE:
        why = "no runner has a similar name"
        return LabelMatch(label, None, ranked[0][1], ranked[0], False, why)
    near = [name for name, score in ranked if score >= MIN_SCORE]
    return _ask(label, parsed, near, ONLY_SPELLING, catalogue)


def _ask(
    label: str, parsed: ParsedLabel, names: Iterable[str], doubt: str, catalogue: Catalogue
) -> LabelMatch:
    alternatives = tuple(dict.fromkeys(names))
    scores = dict(_rank_runners(parsed.words))

    def find_score(name: str) -> float:
        return scores[catalogue.family[catalogue.candidates[name].group][0]]

    score = find_score(alternatives[0])
    runner_up = _find_runner_up(parsed, alternatives[0], catalogue)
    if len(alternatives) > 1:
        runner_up = alternatives[1], find_score(alternatives[1])
    return LabelMatch(label, alternatives[0], score, runner_up, True, doubt, alternatives)


def _find_runner_up(
    parsed: ParsedLabel, chosen: str, catalogue: Catalogue
) -> tuple[str, float] | None:
    own = catalogue.family[catalogue.candidates[chosen].group][0]
    return next((entry for entry in _rank_runners(parsed.words) if entry[0] != own), None)


@lru_cache(maxsize=4096)
def _rank_runners(words: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Rank the runners and estimators by the similarity of their names with a label's words."""
    from rapidfuzz import fuzz

    catalogue = load_catalogue()
    texts = {"".join(words), "".join(sorted(words))}
    best: dict[str, float] = {}
    for alias, groups in catalogue.aliases.items():
        score = round(max(fuzz.ratio(text, "".join(alias)) for text in texts), 1)
        for group in groups:
            name = catalogue.family[group][0]
            best[name] = max(score, best.get(name, 0.0))
    return tuple(sorted(best.items(), key=lambda entry: (-entry[1], entry[0])))


# ---------------------------------------------------------------- the catalogue


@cache
def load_catalogue() -> Catalogue:
    """Collect the runners, the rows of the bundled suites, and their names; read once."""
    catalogue = Catalogue()
    for runner in runners.load_runners().values():
        _add_runner(catalogue, runner)
    suites = map(read_bundled_suite, list_suites())
    for suite in suites:
        _add_suite(catalogue, suite)
    return catalogue


def _add_runner(catalogue: Catalogue, runner: Runner) -> None:
    parameters = _translate_parameters(runner.name, runner.resolve())
    keys = dict.fromkeys(_make_key(parse_label(alias).words) for alias in runner.aliases)
    rank = {key: i for i, key in enumerate(keys)}
    catalogue.candidates[runner.name] = Candidate(runner.name, parameters, runner.name, rank)
    catalogue.family[runner.name] = [runner.name]
    for key in keys:
        catalogue.aliases.setdefault(key, []).append(runner.name)


def _translate_parameters(runner: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Add what labels call the parameters of a runner, where the runner has other names."""
    translated = dict(parameters)
    if runner == "linear-svc":  # what papers call the same model states its kernel
        translated["kernel"] = "linear"
    if "hidden" in parameters:
        hidden = parameters["hidden"]
        translated["hidden_layer_sizes"] = hidden if isinstance(hidden, list) else [hidden]
    return translated


def _make_key(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))


def _add_suite(catalogue: Catalogue, suite: Suite) -> None:
    tables: dict[str, set[str]] = {}
    for row in suite.rows:
        if row.dataset != DEFAULT_DATASET.name or not row.runner:
            continue
        key = simplify(row.label)
        catalogue.verbatim.setdefault(key, row.runner)
        catalogue.rows.setdefault(row.runner, row)
        tables.setdefault(row.where, set()).add(key)
        if row.estimator:
            _add_estimator(catalogue, row)
        elif row.parameters:
            _add_variant(catalogue, row)
    catalogue.tables += [frozenset(keys) for keys in tables.values() if len(keys) > 3]


def _add_estimator(catalogue: Catalogue, row: Row) -> None:
    """Add a row to the family of the runner with the same classifier, or to one of its own."""
    classifier = row.label.split()[0]
    groups = catalogue.aliases.setdefault(_make_key(parse_label(classifier).words), [classifier])
    parameters = {**row.parameters, **parse_label(row.label).parameters}
    catalogue.candidates[row.runner] = Candidate(row.runner, parameters, groups[0])
    catalogue.family.setdefault(groups[0], []).append(row.runner)


def _add_variant(catalogue: Catalogue, row: Row) -> None:
    """Add a row to the family of its runner, whose parameters it changes."""
    own = catalogue.candidates.get(parse_model_spec(row.runner).target)
    if own is not None:
        parameters = {**own.parameters, **row.parameters}
        catalogue.candidates[row.runner] = Candidate(row.runner, parameters, own.group)
        catalogue.family[own.group].append(row.runner)


def list_configurations(label: str, runner: str) -> list[str]:
    """List the configurations of a runner's classifier that a label may mean, the runner first.

    They are those which have the parameters that the label states.
    """
    catalogue = load_catalogue()
    if (chosen := catalogue.candidates.get(runner)) is None:
        return [runner]
    parsed = parse_label(label[:MAX_LABEL])
    stated, _ = parsed.explain(parsed.words)
    family = [catalogue.candidates[name] for name in catalogue.family[chosen.group]]
    fits = [c.name for c in family if not _find_contradictions(c, stated)]
    return list(dict.fromkeys([runner, *fits]))


def find_bundled_row(runner: str) -> Row | None:
    """Find the row of a bundled suite that ``runner`` measures.

    For a name such as ``sklearn.svm:SVC C=10 kernel=rbf`` it has the estimator and its parameters.
    """
    return load_catalogue().rows.get(runner)


# ---------------------------------------------------------------- parameters in words

_NAMES_OF_VALUES = {
    "rbf": "RBF", "relu": "ReLU", "elu": "ELU", "adam": "Adam", "adamax": "Adamax", "sgd": "SGD",
    "l1": "L1", "l2": "L2", "elasticnet": "elastic-net", "poly": "polynomial",
    "crammer_singer": "Crammer and Singer", "squared_hinge": "squared hinge",
    "modified_huber": "modified Huber", "log_loss": "log",
}  # fmt: skip
_TEXTS: Mapping[str, str] = {
    "n_neighbors": "k={}", "kernel": "{} kernel", "C": "C={}", "loss": "{} loss",
    "penalty": "{} penalty", "n_estimators": "{} trees", "criterion": "{}",
    "max_depth": "depth at most {}", "splitter": "{} splits", "multi_class": "{}",
    "hidden_layer_sizes": "hidden layers {}", "filters": "filters {}", "units": "{} units",
    "activation": "{}", "optimizer": "{}", "epochs": "{} epochs", "steps": "{} batches",
    "population": "{} networks in a generation", "generations": "{} generations",
    "max_iter": "{} epochs",
}  # fmt: skip
_DISTANCES = {1: "Manhattan distance", 2: "Euclidean distance"}
_WEIGHTS = {"distance": "weighted by distance", "uniform": "not weighted"}


def describe_configuration(runner: str) -> str:
    """Describe the deciding parameters: ``k=5, Manhattan distance, weighted by distance``.

    ``runner`` is the name of a runner, also with parameters (``svc-rbf C=1``), or of a row of a
    bundled suite. Empty for one that has no parameters or is not known.
    """
    try:
        spec = parse_model_spec(runner)
    except UserError:  # a suite may name a runner that cannot exist
        return ""
    known = runners.load_runners().get(spec.target)
    if known is not None and spec.parameters.keys() <= known.hyperparameters.keys():
        values = known.resolve(spec.parameters)
        return ", ".join(_describe(_translate_parameters(known.name, values)))
    candidate = load_catalogue().candidates.get(runner)
    return ", ".join(_describe(candidate.parameters)) if candidate else ""


def describe_parameters(runner: str) -> str:
    """Describe the deciding parameters of what a row names, whatever that is.

    As :func:`describe_configuration`; of an estimator or a plug-in that is not known, the
    parameters in its name: ``C=1, kernel=rbf``.
    """
    if words := describe_configuration(runner):
        return words
    try:
        spec, _ = parse_display_name(runner)
    except UserError:
        return ""
    return ", ".join(f"{name}={format_value(v)}" for name, v in spec.parameters.items())


def _describe(parameters: Mapping[str, Any]) -> Iterator[str]:
    if "n_neighbors" in parameters:
        yield f"k={parameters['n_neighbors']}"
        yield _DISTANCES.get(parameters["p"], f"Minkowski distance, p={parameters['p']}")
        yield _WEIGHTS[parameters["weights"] or "uniform"]
        return
    shown = ["population", "generations"] if "population" in parameters else list(_TEXTS)
    for name in shown:
        value = parameters.get(name)
        if value is None or not _is_deciding(name, value, parameters):
            continue
        yield _TEXTS[name].format(_format(value))


def _is_deciding(name: str, value: Any, parameters: Mapping[str, Any]) -> bool:
    """Whether a parameter's value tells the configuration from others of the same classifier."""
    if name == "loss":
        return "penalty" in parameters  # that of a linear model
    if name == "C":
        return "filters" not in parameters
    if name == "max_iter":
        return value == 5  # Xiao's five epochs; any larger number only ends what has converged
    if name in ("splitter", "multi_class"):
        return value in ("random", "crammer_singer")
    return True


def _format(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_format, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}"
    return _NAMES_OF_VALUES.get(str(value), str(value))
