"""Makes a runner of a plug-in: what it is, which hyperparameters it has, whether it works at all.

See :mod:`fmbench.adapters` for what a plug-in can be. A function takes its hyperparameters as
keywords with defaults, and of ``seed``, ``device`` and ``workspace`` those that it depends on; one
decorated with ``@register`` keeps all that it says there. A scikit-learn class in an installed
module is an estimator; one in a file is a function, since whoever wrote the file knew of images.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fmbench.errors import UserError
from fmbench.models.registry import CONTEXT, Hyperparameter, Runner, our_choice
from fmbench.plugins.adapters import (
    TRAINING,
    Estimator,
    Function,
    Network,
    estimator_class,
    is_dotted,
    is_estimator,
    is_network,
    within,
)
from fmbench.plugins.code import Code, blaming, find
from fmbench.plugins.spelling import Spelling, alike, is_json
from fmbench.utils.names import suggestion

Given = Callable[[Any], Hyperparameter]
Hyperparameters = dict[str, Hyperparameter]

FEATURES = (
    "Images as 784 features, each standardised by the training images' statistics: our choice, as "
    "the package's own classical runners do."
)


def runner(
    spelling: Spelling, announce: Callable[[str], None] = lambda text: None
) -> Runner | None:
    """The runner behind a spelling, its code loaded and tried once; None if it names no code.

    ``announce`` is told whose code is run, before it is.

    Raises:
        UserError: the code is not there, does not load, makes no classifier, or does not take the
            parameters.
    """
    code = find(spelling)
    if code is None:
        return None
    announce(code.in_words)
    found = code.load()
    if not callable(found):
        raise UserError(f"{code} is a {type(found).__name__}: nothing that makes a model")
    values = {n: our_choice(v, "given with -p") for n, v in spelling.parameters.items()}
    if is_network(found):
        made = _of_network(code, found, values)
    elif is_estimator(found) and code.text is None and spelling.is_code:
        made = _of_estimator(code, found, values)
    else:
        made = _of_function(code, found, values)
    return _tried(code, made, spelling)


def estimator(spelling: Spelling, given: Given) -> Runner:
    """The same, where nothing but a classifier's class will do: no other code is called.

    ``given`` makes hyperparameters of the spelling's parameters.
    """
    code, found = estimator_class(spelling.target)
    values = {name: given(value) for name, value in spelling.parameters.items()}
    return _tried(code, _of_estimator(code, found, values), spelling)


def _of_estimator(code: Code, found: type, given: Hyperparameters) -> Runner:
    parameters = _parameters(found, given, f"{code.source}'s default")
    seeded = tuple(
        name for name in parameters if name.split("__")[-1] == "random_state" and name not in given
    )
    hyperparameters = {name: h for name, h in parameters.items() if name not in seeded}
    takes = (*hyperparameters, *(("seed",) if seeded else ()))
    return _runner(code, Estimator(code, takes, seeded), hyperparameters, notes=(FEATURES,))


def _of_network(code: Code, found: Any, given: Hyperparameters) -> Runner:
    from fmbench.models.nn.optimizers import OPTIMIZERS

    own, context = _arguments(code, found, {n: h for n, h in given.items() if n not in TRAINING})
    if clash := sorted(set(TRAINING) & set(own)):
        raise UserError(
            f"{code} takes {clash[0]!r} itself, which is a setting of its training too: rename it, "
            "or let it give a whole classifier"
        )
    settings = {name: given.get(name, default) for name, default in TRAINING.items()}
    allowed = {"optimizer": list(OPTIMIZERS), "scaling": ["unit", "standard"]}
    for name, setting in settings.items():
        if not alike(setting.value, TRAINING[name].value):
            raise UserError(
                f"{code}: {name} is like {TRAINING[name].value!r}, not {setting.value!r}"
            )
        if setting.value not in allowed.get(name, [setting.value]):
            raise UserError(f"{code}: {name} is one of {', '.join(allowed[name])}, "
                            f"not {setting.value!r}")  # fmt: skip
    takes = tuple(dict.fromkeys((*own, *settings, *context, "seed", "device")))
    quick = {} if "epochs" in given else {"epochs": 2}
    return _runner(code, Network(code, takes, (*own, *context)), own | settings, quick=quick)


def _of_function(code: Code, found: Any, given: Hyperparameters) -> Runner:
    registered = code.registered(found)
    if registered is not None:
        registered.resolve({name: h.value for name, h in given.items()})
        return replace(
            registered,
            factory=Function(code, tuple(inspect.signature(found).parameters)),
            hyperparameters={**registered.hyperparameters, **given},
        )
    # What it is said of the training of a network is not its own argument.
    training = set(TRAINING) - set(_named(code, found))
    own, context = _arguments(code, found, {n: h for n, h in given.items() if n not in training})
    function = Function(code, (*own, *context))
    made = _runner(code, function, own)
    if is_network(_built(code, made)):
        return _of_network(code, found, given)
    if left := [name for name in given if name not in own]:
        raise UserError(f"{code} has no parameter {left[0]!r}{suggestion(left[0], own)}")
    return made


def _runner(
    code: Code,
    factory: Estimator | Function | Network,
    hyperparameters: Hyperparameters,
    *,
    quick: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Runner:
    title = f"{code.attribute} of {code.place}"
    return Runner(
        code.name, title, factory, hyperparameters, 1, "unknown", quick or {}, notes=notes
    )


def _named(code: Code, found: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments that a callable takes by name."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        raise UserError(f"{code} does not say which arguments it takes") from None
    return {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def _arguments(
    code: Code, found: Any, given: Hyperparameters
) -> tuple[Hyperparameters, tuple[str, ...]]:
    """The hyperparameters that a callable takes, and what it takes of :data:`CONTEXT`."""
    named = _named(code, found)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(found).parameters.values())
    for name in given:
        if name in CONTEXT or not (name in named or takes_any):
            known = [n for n in named if n not in CONTEXT]
            raise UserError(f"{code} has no parameter {name!r}{suggestion(name, known)}")
    hyperparameters: Hyperparameters = {}
    for name, p in named.items():
        if name in given:
            hyperparameters[name] = given[name]
        elif name not in CONTEXT and p.default is p.empty:
            raise UserError(f"{code} needs {name!r}: give it a default, or -p {name}=...")
        # What is no value of a record is decided by the source, which is in the key.
        elif name not in CONTEXT and is_json(p.default):
            hyperparameters[name] = our_choice(p.default, f"the default in {code.place}")
    return {**hyperparameters, **given}, tuple(sorted(CONTEXT & set(named)))


def _parameters(found: type, given: Hyperparameters, default: str) -> Hyperparameters:
    """An estimator's parameters, and, as ``name__parameter``, those of estimators within it."""
    signature = {
        name: p
        for name, p in inspect.signature(found).parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    parameters: Hyperparameters = {}
    for name, p in signature.items():
        if name not in given and p.default is p.empty:
            raise UserError(f"{found.__name__} needs {name!r}: -p {name}=... (an estimator is "
                            "named as module:NAME)")  # fmt: skip
        value = given.get(name) or our_choice(p.default, default)
        if is_json(value.value):
            parameters[name] = value
        if is_dotted(value.value):
            inner = _parameters(estimator_class(value.value)[1], within(name, given), default)
            parameters |= {f"{name}__{n}": h for n, h in inner.items()}
    for name in given:
        if name not in parameters:
            raise UserError(
                f"{found.__name__} has no parameter {name!r}{suggestion(name, parameters)}"
            )
    return parameters


def _built(code: Code, made: Runner) -> Any:
    with blaming(code.place, f"{code} raises"):
        return made.build(made.resolve(), seed=0, device="cpu")


def _tried(code: Code, made: Runner, spelling: Spelling) -> Runner:
    """The runner under its name, after one classifier was built and looked at."""
    from sklearn.base import is_classifier

    built = _built(code, made)
    if isinstance(made.factory, Estimator) and not is_classifier(built):
        raise UserError(f"{code} is an estimator, but no classifier")
    for method in ("fit", "predict"):
        if not callable(getattr(built, method, None)):
            raise UserError(
                f"{code} gives a {type(built).__name__}, which is no classifier: it has no {method}"
            )
    if isinstance(made.factory, Network):
        with blaming(code.place, f"{code} takes no images float32 (n, 1, 28, 28)"):
            shape = _shape_of_logits(built)
        if shape != (2, 10):
            raise UserError(f"{code} gives {shape} of 2 images, not logits (2, 10)")
    return replace(made, name=code.name, spelling=spelling.target, source=code.source)


def _shape_of_logits(classifier: Any) -> tuple[int, ...]:
    import torch

    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        return tuple(classifier.network().eval()(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape)
