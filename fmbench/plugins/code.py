"""Code that the package does not have: where it is, what identifies it, and loading it.

A plug-in is code that a person named: a file, an attribute of an installed module, or an entry
point of the group ``fmbench.runners`` of an installed package. Nothing here looks for code by
itself, and finding a plug-in does not run it; loading it does.

What identifies it is part of its cells' keys: the SHA-256 of a file's text, the name and version
of an installed package. What a file imports in turn is not, so it is best one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from fmbench import runners
from fmbench.errors import UserError, in_words
from fmbench.models import registry
from fmbench.plugins.spelling import DOTTED, Spelling
from fmbench.utils import names
from fmbench.utils.names import SAFE_NAME, safe_name

GROUP = "fmbench.runners"
MAX_BYTES = 2**20
# Known without a look at every package that is installed.
PACKAGES: Mapping[str, list[str]] = {"sklearn": ["scikit-learn"], "torch": ["torch"]}


@dataclass(frozen=True)
class Code:
    """An attribute of a file or a module.

    ``place`` is the file's path or the module's name, ``source`` identifies its content. Of a
    file, ``text`` is what was hashed: every process of a run runs that text, whatever happens to
    the file meanwhile.
    """

    place: str
    attribute: str
    source: str
    name: str  # of its runner; safe as the name of a folder
    text: bytes | None = None

    def __str__(self) -> str:
        return f"{self.place}:{self.attribute}"

    @property
    def in_words(self) -> str:
        """Whose code it is."""
        return self.place if self.text is not None else f"{self.place} ({self.source})"

    @property
    def source_here(self) -> str:
        """What identifies the code that would run here: it may have been found elsewhere."""
        if self.text is not None:
            return f"sha256:{hashlib.sha256(self.text).hexdigest()}"
        return _version(self.place)

    def load(self) -> Any:
        """The attribute, after its module was run, at most once in a process.

        Raises:
            UserError: the module does not load, or has no such attribute.
        """
        module, _ = _loaded(self.place, self.source, self.text)
        found: Any = module
        for name in self.attribute.split("."):
            if not hasattr(found, name):
                near = names.suggestion(name, [n for n in vars(found) if not n.startswith("_")])
                raise UserError(f"{self.place} has no {name!r}{near}")
            found = getattr(found, name)
        return found

    def registered(self, factory: Any) -> registry.Runner | None:
        """The runner that the module made of ``factory`` with ``@register``, if it did."""
        _, own = _loaded(self.place, self.source, self.text)
        known = [*own.values(), *runners.runners().values()]
        return next((r for r in known if r.factory is factory), None)


def find(spelling: Spelling) -> Code | None:
    """The code behind a spelling, not run yet; None if it is none and no entry point's name.

    Raises:
        UserError: the spelling is ill-formed, the file or module is not there.
    """
    if not spelling.is_code:
        entry = entry_points().get(spelling.target)
        if entry is None:
            return None
        if not DOTTED.fullmatch(entry.value):
            raise UserError(f"the entry point {entry.name} = {entry.value!r} names no module:NAME")
        place, _, attribute = entry.value.partition(":")
        return Code(place, attribute, _version(place), entry.name)
    if not spelling.attribute:
        raise UserError(
            f"{spelling.target}: say what makes the model in it: {spelling.target}:NAME"
        )
    if spelling.is_file:
        return _file(spelling)
    if not DOTTED.fullmatch(spelling.target):
        raise UserError(
            f"{spelling.target!r} is neither FILE.py:NAME nor module:NAME nor a runner; "
            "`fmbench list` shows these"
        )
    place = spelling.target.partition(":")[0]
    try:
        known = importlib.util.find_spec(place.partition(".")[0]) is not None
    except (ImportError, ValueError):
        known = False
    if not known:
        raise UserError(
            f"{spelling.target}: no module {place.partition('.')[0]!r} is installed (a file is "
            f"named by its path: ./{place}.py:{spelling.attribute})"
        )
    name = safe_name(f"{place}-{spelling.attribute}")
    return Code(place, spelling.attribute, _version(place), name)


@cache
def entry_points() -> Mapping[str, importlib.metadata.EntryPoint]:
    """Runners of installed packages by name, none of them loaded.

    The package's own runners keep their names; a name that no folder can have is left out.
    """
    own = runners.runners()
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name)
    return {e.name: e for e in found if e.name not in own and SAFE_NAME.fullmatch(e.name)}


def _file(spelling: Spelling) -> Code:
    path, place = spelling.file, spelling.target.rpartition(":")[0]
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise UserError(f"{place} is not a file")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{place!r} is not the name of a file") from None
    if len(text) > MAX_BYTES:
        raise UserError(f"{place}: larger than {MAX_BYTES >> 20} MiB, not a model's code")
    source = f"sha256:{hashlib.sha256(text).hexdigest()}"
    name = safe_name(f"{path.name}-{spelling.attribute}")
    return Code(place, spelling.attribute, source, name, text)


@cache
def _version(module: str) -> str:
    """Name and version of the package that a module is of, as ``scikit-learn 1.9.1``.

    The hash of the module's own file where no version says what is in it: it is of no package, or
    of one that is being worked on where it stands.
    """
    top = module.partition(".")[0]
    packages = PACKAGES if top in PACKAGES else importlib.metadata.packages_distributions()
    for name in packages.get(top, ()):
        distribution = importlib.metadata.distribution(name)
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        words = f"{name} {distribution.version}"
        editable = origin.get("dir_info", {}).get("editable", False)
        return f"{words} {_content(module)}" if editable else words
    return _content(module)


def _content(module: str) -> str:
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)  # of a module in a package it would import the package
    candidates = [Path(spec.origin)] if spec and spec.origin and not rest else []
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        inside = Path(folder, *rest)
        candidates += [inside.with_name(f"{inside.name}.py"), inside / "__init__.py"]
    for path in candidates:
        if path.is_file():
            return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"python {sys.version.split()[0]}"  # built in


@cache
def _loaded(
    place: str, source: str, text: bytes | None
) -> tuple[ModuleType, dict[str, registry.Runner]]:
    """A module, run now unless it was, and the runners that it registered."""
    runners.runners()  # the package's own, should the module import them
    with registry.apart() as registered, blaming(place, f"{place} does not load"):
        if text is None:
            return importlib.import_module(place), registered
        # Under a name of its own: it can hide no other module.
        module = ModuleType(f"fmbench_plugin_{source[-16:]}")
        module.__file__ = place
        sys.modules[module.__name__] = module
        exec(compile(text, place, "exec"), vars(module))
        return module, registered


@contextlib.contextmanager
def blaming(place: str, what: str) -> Iterator[None]:
    """Whatever a person's code raises in this block is said of that code: a UserError."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001
        raise UserError(f"{what}: {in_words(error, place)}") from None
