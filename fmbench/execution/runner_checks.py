"""Checks whether a runner keeps the rules for runners, in a process of its own.

The process has limits. If the runner ends it, or it must be ended, that is the result of the check
that ran, and the next process goes on with the next check. The process opens no file of the data
set: it gets the images, and the labels to fit, under new numbers of the classes. The labels of the
images that it predicts stay here.
"""

from __future__ import annotations

import base64
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fmbench import runners
from fmbench.execution.process import use_threads
from fmbench.models import contract
from fmbench.models.registry import Runner
from fmbench.plugins.factories import PluginFactory
from fmbench.plugins.limited_process import ProcessEndedError, Send, call_in_process
from fmbench.plugins.runner_message import pack_code, pack_runner, unpack_code, unpack_runner

if TYPE_CHECKING:
    import numpy as np

MAX_ENDED = 2  # a runner whose processes have ended so often is checked no further
# The number of threads can change how sums are rounded, so a check has one, as a cell has.
VARIABLES = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def check_runner(
    runner: Runner,
    parameters: Mapping[str, Any],
    sample: contract.SampleData,
    hidden: contract.HiddenLabels,
    *,
    seconds: float,
    memory: int,
) -> Iterator[contract.CheckResult]:
    """Check every rule; ``seconds`` and bytes of ``memory`` are the limits of each check.

    ``sample`` and ``hidden`` come from :func:`fmbench.models.contract.make_hidden_sample`.
    """
    request = {
        "runner": _pack(runner),
        "parameters": dict(parameters),
        "arrays": [
            _pack_array(array)
            for array in (sample.X_train, sample.y_train, sample.X_new, hidden.images)
        ],
        "n_classes": sample.n_classes,
    }
    rules = [contract.get_rule(check) for check in contract.CONTRACT_CHECKS]
    n_done = n_ended = 0
    while n_done < len(rules) and n_ended < MAX_ENDED:
        messages = call_in_process(
            f"{__name__}:send_results", {**request, "first": n_done},
            seconds=seconds, memory=memory, variables=VARIABLES,
        )  # fmt: skip
        try:
            with contextlib.closing(messages):
                for message in messages:
                    is_learning = contract.CONTRACT_CHECKS[n_done] is contract.check_learning
                    yield _complete(
                        message, rules[n_done], hidden if is_learning else None, sample.n_classes
                    )
                    n_done += 1
                    if n_done == len(rules):
                        return
            raise ProcessEndedError("it stopped before this check")
        except ProcessEndedError as ended:
            n_ended += 1
            yield contract.CheckResult(rules[n_done], problem=str(ended))
            n_done += 1
    for rule in rules[n_done:]:
        yield contract.CheckResult(rule, not_checked=f"its process has ended {n_ended} times")


def _complete(
    message: Any, rule: str, hidden: contract.HiddenLabels | None, n_classes: int
) -> contract.CheckResult:
    """Return the result of a check from its message.

    ``hidden`` are the labels with which its predictions are compared, for the check of learning.
    """
    import msgspec
    import numpy as np

    try:
        result = msgspec.convert({**message, "rule": rule}, contract.CheckResult)
        if hidden is None or result.problem or result.not_checked:
            return result
        labels = np.array(msgspec.convert(message["y_pred"], list[int]))
        y_pred = contract.validate_predictions(labels, len(hidden.labels), n_classes)
        contract.judge_hidden_predictions(y_pred, hidden, n_classes)
    except contract.RuleBroken as broken:
        return contract.CheckResult(rule, problem=str(broken))
    except contract.Remark as remark:
        return contract.CheckResult(rule, remark=str(remark))
    except (contract.InvalidPredictions, LookupError, TypeError, ValueError):
        return contract.CheckResult(rule, problem="its process sent no result of this check")
    return contract.CheckResult(rule)


def send_results(request: dict[str, Any], send: Send) -> None:
    """Run the checks from ``first`` on and send their results: what the process of a check does."""
    X_train, y_train, X_new, X_hidden = map(_unpack_array, request["arrays"])
    sample = contract.SampleData(X_train, y_train, X_new, None, request["n_classes"])
    runner = _unpack(request["runner"])
    tested = contract.RunnerUnderTest(runner, sample, request["parameters"])
    for check in contract.CONTRACT_CHECKS[request["first"] :]:
        if "daal4py" in sys.modules:  # it does not read the variables
            use_threads(1)
        predicted: list[int] = []

        def predict_hidden(tested: contract.RunnerUnderTest) -> None:
            contract.require_predictions(tested)
            y_pred = tested.fitted.predict(X_hidden.copy())
            valid = contract.validate_predictions(y_pred, len(X_hidden), request["n_classes"])
            predicted.extend(valid.tolist())  # noqa: B023

        is_learning = check is contract.check_learning
        result = contract.run_check(predict_hidden if is_learning else check, tested, "")
        send({"problem": result.problem, "not_checked": result.not_checked,
              "remark": result.remark, "y_pred": predicted})  # fmt: skip


def _pack(runner: Runner) -> dict[str, Any]:
    if isinstance(runner.factory, PluginFactory):
        return {"code": pack_code(runner.factory.code), "message": pack_runner(runner)}
    return {"name": runner.name}


def _unpack(packed: Mapping[str, Any]) -> Runner:
    if "name" in packed:
        return runners.get_runner(packed["name"])
    return unpack_runner(packed["message"], unpack_code(packed["code"]))


def _pack_array(array: np.ndarray) -> list[Any]:
    return [array.shape, base64.b64encode(array.tobytes()).decode()]


def _unpack_array(packed: list[Any]) -> np.ndarray:
    import numpy as np

    shape, content = packed
    return np.frombuffer(base64.b64decode(content), np.uint8).reshape(shape)
