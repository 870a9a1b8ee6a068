"""What the functions of the API are given: names, options, suites and folders of data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.execution.session import RunOptions
    from fmbench.records.protocols import Protocol
    from fmbench.suites.claims import Suite


FEWEST = {"jobs": 1, "threads": 1, "together": 1, "gpu_jobs": 1, "retries": 0}
CHOSEN_BY_FMBENCH = ("jobs", "together")  # if they are None


def load_suite(name_or_path: str | Path | None = None) -> Suite:
    """Read a suite: a paper's claims, and the runner that measures each.

    ``name_or_path`` is a TOML file or the name of a suite that comes with fmbench, such as
    ``"xiao2017"``; by default Kayed et al. 2020.

    Raises:
        UserError: there is no such suite, or it is not valid.
    """
    from fmbench.suites import bundled, reader

    return reader.read_suite(
        None if name_or_path is None else bundled.find_suite(str(name_or_path))
    )


def load_given_suite(suite: str | Path | Suite | None) -> Suite:
    """Return the suite itself if one is given; else load it by its file or its name."""
    return load_suite(suite) if suite is None or isinstance(suite, str | Path) else suite


def choose_protocol(quick: bool) -> Protocol:
    """Return the quick protocol or the full one."""
    from fmbench.records.protocols import FULL, QUICK

    return QUICK if quick else FULL


def locate_verified_data(folders: Mapping[str, Path]) -> LocatedDataset:
    """Find or fetch the default data set and check its files.

    Wrong files are an error of the user, so they are refused before any cell runs.
    """
    from fmbench.datasets import loading, locate

    source = locate.locate_dataset(folder=folders.get(DEFAULT_DATASET.name), fetch=True)
    loading.verify_files(source.spec, source.folder)
    return source


def list_names(names: str | Sequence[str]) -> list[str]:
    """List names; a single text is one name, and not a sequence of letters."""
    return [names] if isinstance(names, str) else list(names)


def list_parameters(parameters: str | Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Turn hyperparameters, maybe in a dictionary, into a list of texts ``"name=value"``."""
    from fmbench.plugins.model_spec import format_value

    if isinstance(parameters, Mapping):
        return [f"{name}={format_value(value)}" for name, value in parameters.items()]
    return list_names(parameters)


def check_options(options: RunOptions) -> None:
    """Refuse an option of a run that has no meaning.

    Raises:
        UserError: such as a device that is none of "auto", "cpu" and "cuda", or no job.
    """
    from fmbench.execution.session import BACKENDS, DEVICES, ORDERS

    for name, allowed in (("device", DEVICES), ("backend", BACKENDS), ("order", ORDERS)):
        if (value := getattr(options, name)) not in allowed:
            raise UserError(
                f"RunOptions: {name} must be one of {', '.join(allowed)}, not {value!r}"
            )
    for name, least in FEWEST.items():
        value = getattr(options, name)
        is_whole = isinstance(value, Integral) and int(value) >= least
        if not (is_whole or (value is None and name in CHOSEN_BY_FMBENCH)):
            raise UserError(
                f"RunOptions: {name} must be a whole number from {least} on, not {value!r}"
            )
    for name in ("timeout", "memory_gib", "gpu_memory_gib"):
        value = getattr(options, name)
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise UserError(f"RunOptions: {name} must be a number above 0, not {value!r}")


def collect_folders(data: Mapping[str, Path] | str | Path | None) -> dict[str, Path]:
    """The folders of the data sets by name; a single folder is that of Fashion-MNIST."""
    if data is None:
        return {}
    if isinstance(data, str | Path):
        return {DEFAULT_DATASET.name: Path(data)}
    return {get_dataset(name).name: Path(folder) for name, folder in data.items()}
