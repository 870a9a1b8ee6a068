"""What calls a plug-in's code to make a classifier of images, in whichever process needs one.

- A *function* (or any class) that gives a classifier of images, as the package's own factories do.
- An *estimator*: a scikit-learn classifier's class. It knows nothing of images, so it gets 784
  standardised features, as Xiao 2017's classifiers do.
- A *network*: a ``torch.nn.Module``'s class, or a function that gives a module. It takes
  ``float32 (n, 1, 28, 28)`` in [0, 1] and gives logits ``(n, 10)``; :data:`TRAINING` trains it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fmbench.errors import UserError
from fmbench.models.registry import our_choice
from fmbench.plugins.code import Code, find
from fmbench.plugins.spelling import DOTTED, Spelling

CHOICE = "our choice for every network that brings no training of its own"
TRAINING = {
    "epochs": our_choice(10, CHOICE),
    "batch_size": our_choice(128, CHOICE),
    "optimizer": our_choice("adam", CHOICE),
    "learning_rate": our_choice(0.001, f"{CHOICE}: Adam's default"),
    "momentum": our_choice(0.0, f"{CHOICE}; of sgd alone"),
    "scaling": our_choice("unit", f"{CHOICE}: pixels in [0, 1]"),
}


@dataclass(frozen=True)
class Plugin:
    """Calls a plug-in's code with the arguments that it ``takes``.

    It can be sent to another process, which then loads the code.
    """

    code: Code
    takes: tuple[str, ...]

    @property
    def __signature__(self) -> inspect.Signature:
        """What tells a runner which of seed, device and workspace it depends on."""
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.takes])


@dataclass(frozen=True)
class Function(Plugin):
    """A function that gives a classifier of images."""

    def __call__(self, **arguments: Any) -> Any:
        """What the function gives."""
        return self.code.load()(**arguments)


@dataclass(frozen=True)
class Estimator(Plugin):
    """A scikit-learn classifier's class; ``seeded`` are the parameters that take the seed."""

    seeded: tuple[str, ...]

    def __call__(self, *, seed: int | None = None, **parameters: Any) -> Any:
        """The classifier behind a pipeline that makes features of images."""
        from fmbench.models.features import standardised

        found = self.code.load()
        return standardised(construct(found, parameters | dict.fromkeys(self.seeded, seed)))


@dataclass(frozen=True)
class Network(Plugin):
    """A network's class or function; ``own`` are the arguments that are not :data:`TRAINING`'s."""

    own: tuple[str, ...]

    def __call__(self, *, device: str, seed: int, **arguments: Any) -> Any:
        """A classifier that trains the network."""
        from torch import nn

        from fmbench.models.nn.layers import Pixels
        from fmbench.models.nn.training import TorchClassifier, TrainConfig

        arguments |= {"device": device, "seed": seed}
        make = partial(self.code.load(), **{name: arguments[name] for name in self.own})
        settings = {name: arguments[name] for name in TRAINING}
        scaling = settings.pop("scaling")

        def network() -> nn.Module:
            return nn.Sequential(Pixels(scaling), make())

        return TorchClassifier(network, TrainConfig(**settings), seed=seed, device=device)


def construct(found: type, parameters: Mapping[str, Any]) -> Any:
    """An estimator, and those within it: ``estimator = "module:NAME"``, ``estimator__C = 1``."""
    own = {name: value for name, value in parameters.items() if "__" not in name}
    for name, value in own.items():
        if is_dotted(value):
            own[name] = construct(estimator_class(value)[1], within(name, parameters))
    return found(**own)


def within(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Of ``parameters`` those of the estimator called ``name``, as it calls them itself."""
    start = f"{name}__"
    return {n.removeprefix(start): v for n, v in parameters.items() if n.startswith(start)}


def is_dotted(value: Any) -> bool:
    """Whether a parameter's value names an estimator: ``module:NAME``."""
    return isinstance(value, str) and bool(DOTTED.fullmatch(value))


def estimator_class(target: str) -> tuple[Code, type]:
    """The estimator's class behind ``module:NAME``; raises UserError if there is none."""
    code = find(Spelling(target))
    found = code.load() if code else None
    if code is None or not (isinstance(found, type) and is_estimator(found)):
        raise UserError(f"{target} is no estimator's class")
    return code, found


def is_estimator(found: Any) -> bool:
    """Whether something is a class of scikit-learn's kind."""
    from sklearn.base import BaseEstimator

    return isinstance(found, type) and issubclass(found, BaseEstimator)


def is_network(found: Any) -> bool:
    """Whether something is a network or a class of networks."""
    if "torch" not in sys.modules:  # it loads slowly, and whose network it is has loaded it
        return False
    from torch import nn

    kind = found if isinstance(found, type) else type(found)
    return issubclass(kind, nn.Module)
