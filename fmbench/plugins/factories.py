"""Step 3 of 4: factories, which call a plug-in's code to make a classifier of images.

A factory can be sent to another process, which then loads the code. There are three kinds:

- A *function* (or any class) that returns a classifier of images, as fmbench's own factories do.
- An *estimator*: the class of a scikit-learn classifier. It does not know images, so it gets 784
  standardised features, as in Xiao et al. 2017.
- A *network*: a class derived from ``torch.nn.Module``, or a function that returns a module. It
  takes ``float32 (n, 1, 28, 28)`` in [0, 1] and returns logits ``(n, 10)``; fmbench trains it with
  the settings in :data:`TRAINING_SETTINGS`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fmbench.errors import UserError
from fmbench.models.registry import our_choice
from fmbench.plugins.code import PluginCode, find_code
from fmbench.plugins.model_spec import MODULE_ATTRIBUTE, ModelSpec

if TYPE_CHECKING:
    from torch import nn

REASON = "our choice for every network that brings no training of its own"
TRAINING_SETTINGS = {
    "epochs": our_choice(10, REASON),
    "batch_size": our_choice(128, REASON),
    "optimizer": our_choice("adam", REASON),
    "learning_rate": our_choice(0.001, f"{REASON}: Adam's default"),
    "momentum": our_choice(0.0, f"{REASON}; used by sgd only"),
    "scaling": our_choice("unit", f"{REASON}: pixels in [0, 1]"),
}


@dataclass(frozen=True)
class PluginFactory:
    """Calls a plug-in's code with the arguments named in ``argument_names``."""

    code: PluginCode
    argument_names: tuple[str, ...]

    @property
    def __signature__(self) -> inspect.Signature:
        """Tells a runner which of seed, device and workspace the plug-in depends on."""
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.argument_names])


@dataclass(frozen=True)
class FunctionFactory(PluginFactory):
    """Calls a function that returns a classifier of images."""

    def __call__(self, **arguments: Any) -> Any:
        """Return what the function returns."""
        return self.code.load()(**arguments)


@dataclass(frozen=True)
class EstimatorFactory(PluginFactory):
    """Makes a scikit-learn classifier; ``seed_parameters`` are its parameters that get the seed."""

    seed_parameters: tuple[str, ...]

    def __call__(self, *, seed: int | None = None, **parameters: Any) -> Any:
        """Return a pipeline that turns images into features, with the classifier at its end."""
        from fmbench.models.features import standardised

        estimator = self.code.load()
        seeds = dict.fromkeys(self.seed_parameters, seed)
        return standardised(construct_estimator(estimator, parameters | seeds))


@dataclass(frozen=True)
class NetworkFactory(PluginFactory):
    """Makes a network; ``own_arguments`` are those that are not training settings."""

    own_arguments: tuple[str, ...]

    def __call__(self, *, device: str, seed: int, **arguments: Any) -> Any:
        """Return a classifier that trains the network."""
        from torch import nn

        from fmbench.models.nn.layers import Pixels
        from fmbench.models.nn.training import TorchClassifier, TrainConfig

        arguments |= {"device": device, "seed": seed}
        own = {name: arguments[name] for name in self.own_arguments}
        make_module = partial(self.code.load(), **own)
        settings = {name: arguments[name] for name in TRAINING_SETTINGS}
        scaling = settings.pop("scaling")

        def make_network() -> nn.Module:
            network = nn.Sequential(Pixels(scaling), make_module())
            return complete_lazy_layers(network)

        return TorchClassifier(make_network, TrainConfig(**settings), seed=seed, device=device)


def complete_lazy_layers(network: nn.Module) -> nn.Module:
    """Give layers such as ``torch.nn.LazyLinear`` their sizes, which two images decide."""
    import torch
    from torch.nn.modules.lazy import LazyModuleMixin

    if any(isinstance(layer, LazyModuleMixin) for layer in network.modules()):
        with torch.no_grad():
            network.eval()(torch.zeros(2, 28, 28, dtype=torch.uint8))
        network.train()
    return network


def construct_estimator(estimator: type, parameters: Mapping[str, Any]) -> Any:
    """Make an estimator and the estimators inside it.

    A parameter's value such as ``estimator = "module:NAME"`` names an inner estimator, and
    ``estimator__C = 1`` is a parameter of that one.
    """
    own = {name: value for name, value in parameters.items() if "__" not in name}
    for name, value in own.items():
        if names_estimator(value):
            inner = load_estimator_class(value)[1]
            own[name] = construct_estimator(inner, select_inner_parameters(name, parameters))
    return estimator(**own)


def select_inner_parameters(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the inner estimator ``name``, without the prefix ``name__``."""
    start = f"{name}__"
    return {n.removeprefix(start): v for n, v in parameters.items() if n.startswith(start)}


def names_estimator(value: Any) -> bool:
    """Return whether a parameter's value names an inner estimator: ``module:NAME``."""
    return isinstance(value, str) and bool(MODULE_ATTRIBUTE.fullmatch(value))


def load_estimator_class(target: str) -> tuple[PluginCode, type]:
    """Load the estimator's class that ``module:NAME`` names.

    Raises:
        UserError: there is no such class, or it is not an estimator.
    """
    code = find_code(ModelSpec(target))
    loaded = code.load() if code else None
    if code is None or not isinstance(loaded, type) or not is_estimator_class(loaded):
        raise UserError(f"{target} is not the class of a scikit-learn estimator")
    return code, loaded


def is_estimator_class(loaded: Any) -> bool:
    """Return whether something is the class of a scikit-learn estimator."""
    # scikit-learn loads slowly. A plug-in that has an estimator has loaded it already.
    if "sklearn.base" not in sys.modules:
        return False
    from sklearn.base import BaseEstimator

    return isinstance(loaded, type) and issubclass(loaded, BaseEstimator)


def is_network(loaded: Any) -> bool:
    """Return whether something is a network or a class of networks."""
    # torch loads slowly. A plug-in that makes a network has loaded it already.
    if "torch" not in sys.modules:
        return False
    from torch import nn

    kind = loaded if isinstance(loaded, type) else type(loaded)
    return issubclass(kind, nn.Module)
