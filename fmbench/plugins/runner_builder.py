"""Step 4 of 4: builds a :class:`Runner` from a model spec that names a plug-in.

It loads the code, decides which kind of factory fits, collects the hyperparameters, and tries once
whether the plug-in makes a classifier. See :mod:`fmbench.plugins.factories` for the kinds.

All of this runs the user's code, so it is done in a process with limits
(:mod:`fmbench.plugins.limited_process`), which sends back the finished runner. Only classes of
scikit-learn, which fmbench itself imports, are loaded in the process of the command.

A function takes its hyperparameters as keywords with defaults. It also takes those of ``seed``,
``device`` and ``workspace`` that it depends on. A function that is decorated with ``@register``
keeps everything that is stated there. A scikit-learn class in an installed module is an estimator;
one in a file is treated as a function, because the author of the file knew that it gets images.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.models.parameter_values import check_estimator_parameters
from fmbench.models.registry import CONTEXT_ARGUMENTS, Hyperparameter, Runner, our_choice
from fmbench.plugins.code import (
    PluginCode,
    describe_foreign_exception,
    find_code,
    report_errors_of,
)
from fmbench.plugins.factories import (
    TRAINING_SETTINGS,
    EstimatorFactory,
    FunctionFactory,
    NetworkFactory,
    is_estimator_class,
    is_network,
    load_estimator_class,
    names_estimator,
    select_inner_parameters,
)
from fmbench.plugins.limited_process import ProcessEndedError, Send, call_in_process
from fmbench.plugins.model_spec import ModelSpec, is_same_kind
from fmbench.plugins.runner_message import pack_code, pack_runner, unpack_code, unpack_runner
from fmbench.records.record import is_storable
from fmbench.utils.names import suggest_names

Hyperparameters = dict[str, Hyperparameter]

# The limits for loading a user's code and making one model.
LOAD_SECONDS = 120.0
LOAD_MEMORY = 8 * 2**30  # bytes
LOADING, MAKING = "it was loaded", "it made a model"

FEATURES_NOTE = (
    "Images as 784 features, each standardised by the training images' statistics: our choice, as "
    "the package's own classical runners do."
)


def build_runner(
    spec: ModelSpec, announce: Callable[[str], None] = lambda description: None
) -> Runner | None:
    """Build the runner that a model spec names; None if the spec names no plug-in.

    The code is loaded and tried once, in a process of its own. ``announce`` is called with a
    description of the code before the code runs.

    Raises:
        UserError: the code does not exist, does not load, does not make a classifier, or does not
            take the parameters; or its process crashed, or was ended at its limits.
    """
    code = find_code(spec)
    if code is None:
        return None
    announce(code.description)
    if _is_sklearn(code, spec):
        return _load_and_build(code, spec)
    return _build_in_process(code, spec.target, json.dumps(spec.parameters))


def _is_sklearn(code: PluginCode, spec: ModelSpec) -> bool:
    """Whether the spec names classes of scikit-learn only."""
    targets = [f"{code.location}:", *filter(names_estimator, spec.parameters.values())]
    return code.text is None and all(
        re.match(r"sklearn[.:]", target) is not None for target in targets
    )


@cache
def _build_in_process(code: PluginCode, target: str, parameters: str) -> Runner:
    """Build the runner, once in a process; ``parameters`` are JSON."""
    spec = ModelSpec(target, json.loads(parameters))
    request = {"code": pack_code(code), "target": target, "parameters": spec.parameters}
    step = LOADING
    messages = call_in_process(
        f"{__name__}:build_and_send", request, seconds=LOAD_SECONDS, memory=LOAD_MEMORY
    )
    try:
        with contextlib.closing(messages):
            for message in messages:
                if not isinstance(message, dict):
                    break
                if "error" in message:
                    raise UserError(str(message["error"]))
                if "runner" in message:
                    runner = unpack_runner(message["runner"], code)
                    return _identify(runner, code, spec)
                step = str(message.get("step"))
    except ProcessEndedError as ended:
        raise UserError(f"{code} cannot be used: while {step}, {ended}") from None
    raise UserError(f"{code} cannot be used: while {step}, its process gave no answer")


def build_and_send(request: dict[str, Any], send: Send) -> None:
    """Build a plug-in's runner and send it. This is all that the process with limits does."""
    code = unpack_code(request["code"])
    try:
        runner = _load_and_build(
            code,
            ModelSpec(request["target"], request["parameters"]),
            on_loaded=lambda: send({"step": MAKING}),
        )
        send({"runner": pack_runner(runner)})
    except UserError as error:
        send({"error": str(error)})
    except BaseException as error:  # noqa: BLE001
        # Whatever a user's code raises, KeyboardInterrupt included, is an error of one line.
        send({"error": f"{code} raises: {describe_foreign_exception(error, code.location)}"})


def _load_and_build(
    code: PluginCode, spec: ModelSpec, on_loaded: Callable[[], None] = lambda: None
) -> Runner:
    loaded = code.load()
    on_loaded()
    if not callable(loaded):
        raise UserError(
            f"{code} is of type {type(loaded).__name__} and cannot make a model: name a function "
            "or a class"
        )
    given = {name: our_choice(value, "given with -p") for name, value in spec.parameters.items()}
    if is_network(loaded):
        runner = _build_from_network(code, loaded, given)
    elif is_estimator_class(loaded) and code.text is None and spec.is_code:
        runner = _build_from_estimator(code, loaded, given)
    else:
        runner = _build_from_function(code, loaded, given)
    _try_runner(code, runner)
    return _identify(runner, code, spec)


def _identify(runner: Runner, code: PluginCode, spec: ModelSpec) -> Runner:
    return replace(runner, name=code.name, requested_as=spec.target, source=code.source)


def build_estimator_runner(
    spec: ModelSpec, make_hyperparameter: Callable[[Any], Hyperparameter]
) -> Runner:
    """Build a runner from a model spec that may name nothing but a scikit-learn classifier.

    No other code is called. ``make_hyperparameter`` turns a parameter's value into a
    hyperparameter with its origin.

    Raises:
        UserError: there is no such classifier, or it does not take the parameters.
    """
    code, estimator = load_estimator_class(spec.target)
    given = {name: make_hyperparameter(value) for name, value in spec.parameters.items()}
    runner = _build_from_estimator(code, estimator, given)
    _try_runner(code, runner)
    return _identify(runner, code, spec)


def _build_from_estimator(code: PluginCode, estimator: type, given: Hyperparameters) -> Runner:
    parameters = _collect_parameters(estimator, given, f"{code.source}'s default")
    seed_parameters = tuple(
        name for name in parameters if name.split("__")[-1] == "random_state" and name not in given
    )
    hyperparameters = {name: h for name, h in parameters.items() if name not in seed_parameters}
    argument_names = (*hyperparameters, *(("seed",) if seed_parameters else ()))
    factory = EstimatorFactory(code, argument_names, seed_parameters)
    return _make_runner(code, factory, hyperparameters, notes=(FEATURES_NOTE,))


def _build_from_network(code: PluginCode, network: Any, given: Hyperparameters) -> Runner:
    from fmbench.models.nn.layers import SCALINGS
    from fmbench.models.nn.optimizers import OPTIMIZERS

    given_to_network = {name: h for name, h in given.items() if name not in TRAINING_SETTINGS}
    own, context = _split_arguments(code, network, given_to_network, also=TRAINING_SETTINGS)
    if clash := sorted(set(TRAINING_SETTINGS) & set(own)):
        raise UserError(
            f"{code} has an argument {clash[0]!r}, which is also a setting of its training: rename "
            "the argument, or return a whole classifier"
        )
    settings = {name: given.get(name, default) for name, default in TRAINING_SETTINGS.items()}
    allowed = {"optimizer": list(OPTIMIZERS), "scaling": list(SCALINGS)}
    for name, setting in settings.items():
        default = TRAINING_SETTINGS[name].value
        if not is_same_kind(setting.value, default):
            raise UserError(
                f"{code}: {name} must be a value like {default!r}, not {setting.value!r}"
            )
        if setting.value not in allowed.get(name, [setting.value]):
            raise UserError(
                f"{code}: {name} must be one of {', '.join(allowed[name])}, not {setting.value!r}"
            )
    argument_names = tuple(dict.fromkeys((*own, *settings, *context, "seed", "device")))
    factory = NetworkFactory(code, argument_names, (*own, *context))
    quick = {} if "epochs" in given else {"epochs": 2}
    return _make_runner(code, factory, own | settings, quick=quick)


def _build_from_function(code: PluginCode, function: Any, given: Hyperparameters) -> Runner:
    registered = code.find_registered_runner(function)
    if registered is not None:
        # Refuses names that the registered runner does not have.
        registered.resolve({name: h.value for name, h in given.items()})
        return replace(
            registered,
            factory=FunctionFactory(code, tuple(inspect.signature(function).parameters)),
            hyperparameters={**registered.hyperparameters, **given},
        )
    # If the function returns a network, the training settings go to its training. Other names that
    # the function does not take are refused below, when it is known which there are.
    named, takes_any = _list_named_parameters(code, function), _takes_any_name(function)
    own, context = _split_arguments(
        code, function,
        {
            name: h for name, h in given.items()
            if name in named or (takes_any and name not in TRAINING_SETTINGS)
        },
    )  # fmt: skip
    runner = _make_runner(code, FunctionFactory(code, (*own, *context)), own)
    if is_network(_build_classifier(code, runner)):
        return _build_from_network(code, function, given)
    if unknown := [name for name in given if name not in own]:
        raise UserError(_describe_unknown_parameter(str(code), unknown[0], own))
    return runner


def _make_runner(
    code: PluginCode,
    factory: EstimatorFactory | FunctionFactory | NetworkFactory,
    hyperparameters: Hyperparameters,
    *,
    quick: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Runner:
    title = f"{code.attribute} of {code.location}"
    return Runner(
        code.name, title, factory, hyperparameters, 1, "unknown", quick or {}, notes=notes
    )


def _list_named_parameters(code: PluginCode, function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters that a callable takes by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise UserError(f"{code} does not say which arguments it takes") from None
    return {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def _takes_any_name(function: Any) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _split_arguments(
    code: PluginCode, function: Any, given: Hyperparameters, also: Iterable[str] = ()
) -> tuple[Hyperparameters, tuple[str, ...]]:
    """Return a callable's hyperparameters, and which of :data:`CONTEXT_ARGUMENTS` it takes.

    ``also``: names that the user may give, but not to the callable; an error lists them.
    """
    named, takes_any = _list_named_parameters(code, function), _takes_any_name(function)
    for name in given:
        if name in CONTEXT_ARGUMENTS or not (name in named or takes_any):
            known = [*(n for n in named if n not in CONTEXT_ARGUMENTS), *also]
            raise UserError(_describe_unknown_parameter(str(code), name, known))
    hyperparameters: Hyperparameters = {}
    for name, p in named.items():
        if name in given:
            hyperparameters[name] = given[name]
        elif name not in CONTEXT_ARGUMENTS and p.default is p.empty:
            raise UserError(f"{code} needs {name!r}: give it a default, or -p {name}=...")
        # A default that JSON cannot hold is no hyperparameter. The source decides it, and that is
        # part of the key.
        elif name not in CONTEXT_ARGUMENTS and is_storable(p.default):
            hyperparameters[name] = our_choice(p.default, f"the default in {code.location}")
    return {**hyperparameters, **given}, tuple(sorted(CONTEXT_ARGUMENTS & set(named)))


def _collect_parameters(estimator: type, given: Hyperparameters, default: str) -> Hyperparameters:
    """Return an estimator's parameters, and as ``name__parameter`` those of inner estimators.

    ``default`` is the origin of the values that are not given.
    """
    signature = {
        name: p
        for name, p in inspect.signature(estimator).parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    parameters: Hyperparameters = {}
    for name, p in signature.items():
        if name not in given and p.default is p.empty:
            raise UserError(
                f"{estimator.__name__} needs {name!r}: -p {name}=... (name an estimator as "
                "module:NAME)"
            )
        hyperparameter = given.get(name) or our_choice(p.default, default)
        if is_storable(hyperparameter.value):
            parameters[name] = hyperparameter
        if names_estimator(hyperparameter.value):
            inner_class = load_estimator_class(hyperparameter.value)[1]
            inner = _collect_parameters(inner_class, select_inner_parameters(name, given), default)
            parameters |= {f"{name}__{n}": h for n, h in inner.items()}
    for name in given:
        if name not in parameters:
            raise UserError(_describe_unknown_parameter(estimator.__name__, name, parameters))
    return parameters


def _describe_unknown_parameter(owner: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    return (
        f"{owner} has no parameter {name!r}{suggest_names(name, known)} "
        f"It has: {', '.join(known) or 'none'}"
    )


def _build_classifier(code: PluginCode, runner: Runner) -> Any:
    with report_errors_of(code.location, f"{code} raises"):
        return runner.build(runner.resolve(), seed=0, device="cpu")


def _try_runner(code: PluginCode, runner: Runner) -> None:
    """Build one classifier and check that it is one."""
    classifier = _build_classifier(code, runner)
    if isinstance(runner.factory, EstimatorFactory):
        from sklearn.base import is_classifier

        if not is_classifier(classifier):
            raise UserError(f"{code} is an estimator, but not a classifier")
        check_estimator_parameters(classifier, str(code))
    for method in ("fit", "predict"):
        if not callable(getattr(classifier, method, None)):
            raise UserError(
                f"{code} returns a value of type {type(classifier).__name__}, which is not a "
                f"classifier: it has no {method}"
            )
    if isinstance(runner.factory, NetworkFactory):
        message = f"{code} does not take images float32 (n, 1, 28, 28)"
        with report_errors_of(code.location, message):
            shape = _compute_logits_shape(classifier)
        n_classes = DEFAULT_DATASET.n_classes
        if shape != (2, n_classes):
            raise UserError(
                f"{code} returns shape {shape} for 2 images, not logits (2, {n_classes})"
            )


def _compute_logits_shape(classifier: Any) -> tuple[int, ...]:
    """Return the shape of the network's output for two images."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        return tuple(classifier.network().eval()(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape)
