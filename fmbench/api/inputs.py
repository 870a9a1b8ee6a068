"""What the functions of the API are given: suites, protocols and the folders of data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.datasets.specs import DEFAULT_DATASET, get_dataset

if TYPE_CHECKING:
    from fmbench.datasets.specs import LocatedDataset
    from fmbench.records.protocols import Protocol
    from fmbench.suites.claims import Suite


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
    """Return a suite that is given itself, or by its file or name; see :func:`load_suite`."""
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


def collect_folders(data: Mapping[str, Path] | str | Path | None) -> dict[str, Path]:
    """The folders of the data sets by name; a single folder is that of Fashion-MNIST."""
    if data is None:
        return {}
    if isinstance(data, str | Path):
        return {DEFAULT_DATASET.name: Path(data)}
    return {get_dataset(name).name: Path(folder) for name, folder in data.items()}
