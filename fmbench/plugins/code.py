"""Step 2 of 4: finds the code of a plug-in, identifies its content, and loads it.

A plug-in is code that a user names: a file, an attribute of an installed module, or an entry point
of the group ``fmbench.runners`` of an installed package. Nothing here looks for code that the user
did not name. Finding a plug-in does not run its code; loading it does.

The keys of a plug-in's cells contain the identity of its content: the SHA-256 of a file's text, or
the name and version of an installed package. Modules that the file imports are not part of the
identity, so write a plug-in in one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import operator
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from fmbench import runners
from fmbench.errors import UserError, describe_exception
from fmbench.models import registry
from fmbench.plugins.model_spec import MODULE_ATTRIBUTE, ModelSpec
from fmbench.utils.names import SAFE_NAME, make_safe_name, suggest_names

logger = logging.getLogger("fmbench")

ENTRY_POINT_GROUP = "fmbench.runners"
MOST_NAMES = 10  # of functions and classes that a message lists
MAX_BYTES = 2**20
# Packages whose distribution is known, so that the other installed packages need not be searched.
KNOWN_DISTRIBUTIONS: Mapping[str, list[str]] = {"sklearn": ["scikit-learn"], "torch": ["torch"]}


@dataclass(frozen=True)
class PluginCode:
    """An attribute of a file or of a module. It can be sent to another process.

    Every process of a run executes ``text``, even if the file changes during the run.
    """

    location: str  # the file's path or the module's name
    attribute: str
    source: str  # the identity of the content
    name: str  # the runner's name, which can also be the name of a folder
    text: bytes | None = None  # the content of the file; None for a module

    def __str__(self) -> str:
        return f"{self.location}:{self.attribute}"

    @property
    def description(self) -> str:
        """The text that names the code in the message printed before the code runs."""
        return self.location if self.text is not None else f"{self.location} ({self.source})"

    @property
    def local_source(self) -> str:
        """The identity of the code on this machine; the user may have named it on another."""
        if self.text is not None:
            return _hash_source(self.text)
        return _find_version(self.location)

    def load(self) -> Any:
        """Load the module, at most once in a process, and return the attribute.

        Raises:
            UserError: the module does not load, or has no such attribute.
        """
        module, _ = _load_module(self.location, self.source, self.text)
        try:
            return operator.attrgetter(self.attribute)(module)
        except AttributeError as error:
            name, known = error.name or self.attribute, dir(error.obj or module)
            near = suggest_names(name, [other for other in known if not other.startswith("_")])
            own = [n for n, value in vars(module).items() if _is_defined_in(module, n, value)]
            if near == "." and name == self.attribute and 0 < len(own) <= MOST_NAMES:
                near = f". It has: {', '.join(own)}"
            raise UserError(f"{self.location} has no {name!r}{near}") from None

    def find_registered_runner(self, factory: Any) -> registry.Runner | None:
        """Return the runner that the module made of ``factory`` with ``@register``, if it did."""
        _, registered = _load_module(self.location, self.source, self.text)
        known = [*registered.values(), *runners.load_runners().values()]
        return next((runner for runner in known if runner.factory is factory), None)


def _is_defined_in(module: ModuleType, name: str, value: object) -> bool:
    """Whether ``value`` is a public function or class that the module itself defines."""
    is_code = callable(value) and getattr(value, "__module__", None) == module.__name__
    return is_code and not name.startswith("_")


def find_code(spec: ModelSpec) -> PluginCode | None:
    """Find the code that a model spec names, without running it.

    Returns None if the spec names no code and is not the name of an entry point.

    Raises:
        UserError: the spec is ill-formed, or the file or module does not exist.
    """
    if not spec.is_code:
        entry = find_entry_points().get(spec.target)
        if entry is None:
            return None
        if not MODULE_ATTRIBUTE.fullmatch(entry.value):
            raise UserError(f"the entry point {entry.name} = {entry.value!r} is not module:NAME")
        module, _, attribute = entry.value.partition(":")
        return PluginCode(module, attribute, _find_version(module), entry.name)
    if not spec.attribute:
        raise UserError(f"{spec.target}: also name the function or class in it: {spec.target}:NAME")
    if spec.is_file:
        return _read_file(spec)
    if not MODULE_ATTRIBUTE.fullmatch(spec.target):
        raise UserError(
            f"{spec.target!r} is not FILE.py:NAME, not module:NAME and not a runner; "
            "`fmbench list` shows the runners"
        )
    module = spec.target.partition(":")[0]
    package = module.partition(".")[0]
    try:
        installed = importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        installed = False
    if not installed:
        raise UserError(
            f"{spec.target}: no module {package!r} is installed (to name a file, write its path: "
            f"./{module}.py:{spec.attribute})"
        )
    name = make_safe_name(f"{module}-{spec.attribute}")
    return PluginCode(module, spec.attribute, _find_version(module), name)


@cache
def find_entry_points() -> Mapping[str, importlib.metadata.EntryPoint]:
    """Return the runners of installed packages by name; none is loaded.

    Entry points with the name of one of fmbench's own runners are left out, and so are those whose
    name cannot be the name of a folder.
    """
    own = runners.load_runners()
    found = sorted(
        importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name
    )
    return {
        entry.name: entry
        for entry in found
        if entry.name not in own and SAFE_NAME.fullmatch(entry.name)
    }


def _read_file(spec: ModelSpec) -> PluginCode:
    path, location = spec.file, spec.target.rpartition(":")[0]
    try:
        # Reading a pipe would never end.
        if path.exists() and not path.is_file():
            raise UserError(f"{location} is not a file")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{location} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{location!r} is not the name of a file") from None
    if len(text) > MAX_BYTES:
        raise UserError(f"{location}: larger than {MAX_BYTES >> 20} MiB, not a model's code")
    return PluginCode(location, spec.attribute, _hash_source(text), _name_runner(spec), text)


def _name_runner(spec: ModelSpec) -> str:
    """Return a name for the runner of a file: files of one name in two folders get two names.

    A file outside the current folder gets a hash of its folder, as the user wrote the folder, so
    that a project has the same names on every machine.
    """
    name = make_safe_name(f"{spec.file.name}-{spec.attribute}")
    folder = os.path.normpath(spec.file.parent)
    if folder == os.curdir:
        return name
    return make_safe_name(f"{name}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}")


@cache
def _find_version(module: str) -> str:
    """Return the identity of an installed module's content, such as ``scikit-learn 1.9.1``.

    For a module that belongs to no package it is the hash of the module's file. The hash is added
    if the package is installed in editable mode, where the version does not identify the content.
    """
    top = module.partition(".")[0]
    if top in KNOWN_DISTRIBUTIONS:
        distributions = KNOWN_DISTRIBUTIONS
    else:
        distributions = importlib.metadata.packages_distributions()
    for name in distributions.get(top, ()):
        distribution = importlib.metadata.distribution(name)
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        version = f"{name} {distribution.version}"
        editable = origin.get("dir_info", {}).get("editable", False)
        return f"{version} {_hash_module(module)}" if editable else version
    return _hash_module(module)


def _hash_module(module: str) -> str:
    """Return the hash of a module's file, without importing the module or its package."""
    top, *rest = module.split(".")
    # find_spec of a module inside a package would import the package.
    spec = importlib.util.find_spec(top)
    candidates = [Path(spec.origin)] if spec and spec.origin and not rest else []
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        inside = Path(folder, *rest)
        candidates += [inside.with_name(f"{inside.name}.py"), inside / "__init__.py"]
    for path in candidates:
        if path.is_file():
            return _hash_source(path.read_bytes())
    return f"python {sys.version.split()[0]}"  # a built-in module


def _hash_source(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


@cache
def _load_module(
    location: str, source: str, text: bytes | None
) -> tuple[ModuleType, dict[str, registry.Runner]]:
    """Run a module unless it was run before; returns it and the runners that it registered."""
    # Register fmbench's own runners first: the module may import them.
    runners.load_runners()
    with (
        registry.isolate_registrations() as registered,
        report_errors_of(location, f"{location} does not load"),
    ):
        if text is None:
            return importlib.import_module(location), registered
        # The name is unique, so that the file cannot hide another module, nor a file of the same
        # text in another folder.
        identity = hashlib.sha256(os.fsencode(f"{location}:{source}")).hexdigest()
        module = ModuleType(f"fmbench_plugin_{identity[:16]}")
        module.__file__ = location
        sys.modules[module.__name__] = module
        try:
            exec(compile(text, location, "exec"), vars(module))
        except BaseException:
            del sys.modules[module.__name__]
            raise
        return module, registered


def make_announcer() -> Callable[[str], None]:
    """Return a function that logs whose code is about to run, once for each description."""
    announced: set[str] = set()

    def announce(description: str) -> None:
        if description not in announced:
            announced.add(description)
            logger.info("runs the code of %s", description)

    return announce


@contextlib.contextmanager
def report_errors_of(location: str, message: str) -> Iterator[None]:
    """Turn every exception of a user's code in this block into a UserError of one line.

    The line is ``message``, the exception, and the line number in the file ``location``. Ctrl-C
    passes.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001
        raise UserError(f"{message}: {describe_foreign_exception(error, location)}") from None


def describe_foreign_exception(error: BaseException, location: str) -> str:
    """Return an exception of a user's code in one line, even if its text cannot be made."""
    try:
        return describe_exception(error, location)
    except BaseException:  # noqa: BLE001
        # The exception's own __str__ raises.
        return type(error).__name__
