"""Finds the folders of data sets: the user's, the cache, a package's, or files just fetched."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fmbench.datasets import conversion
from fmbench.datasets.loading import find_file, has_all_files, verify_files
from fmbench.datasets.search import is_regular_file
from fmbench.datasets.specs import (
    DEFAULT_DATASET,
    FILES,
    DatasetSpec,
    LocatedDataset,
    get_dataset,
)
from fmbench.errors import UserError
from fmbench.utils.files import find_user_cache

ENVIRONMENT_VARIABLE = "FMBENCH_DATA"

logger = logging.getLogger("fmbench")


def locate_dataset(
    spec: DatasetSpec = DEFAULT_DATASET, folder: Path | None = None, *, fetch: bool = False
) -> LocatedDataset:
    """Find the folder of ``spec``. It is the first of these that exists:

    1. ``folder``, which the user names with the option ``--data``; for the default data set also
       the environment variable ``FMBENCH_DATA``. If this folder lacks a file, that is an error. It
       may also be an .npz file, or hold files in another format (see ``conversion.py``), which are
       converted once, into the user's cache;
    2. the user's cache;
    3. the folder of Debian's package, if there is one of this data set;
    4. Keras's cache, if it has the genuine files;
    5. if ``fetch`` is true, the cache, after the files have been fetched from the internet.

    This only checks whether the files exist; their content is checked when they are read.

    Raises:
        UserError: the files were not found; the message says what to do.
    """
    option = spec.option
    if folder is None and spec.is_default and (value := os.environ.get(ENVIRONMENT_VARIABLE)):
        folder, option = Path(value), f"${ENVIRONMENT_VARIABLE}"
    if folder is not None:
        return _locate_in(spec, folder, option)
    cache = cache_folder(spec)
    if has_all_files(spec, cache):
        return LocatedDataset(spec, cache, "the user's cache")
    if spec.debian_folder is not None and has_all_files(spec, spec.debian_folder):
        return LocatedDataset(spec, spec.debian_folder, f"Debian's package {spec.debian_package}")
    if found := _locate_in_keras_cache(spec):
        return found
    if not fetch:
        name = "" if spec.is_default else f" {spec.name}"
        raise UserError(
            f"this machine has no copy of {spec.title}: run `fmbench data{name}` to fetch one, or "
            f"name its folder with {spec.option}"
        )
    from fmbench.datasets import download

    return LocatedDataset(spec, cache, download.fetch(spec, cache))


def _locate_in(spec: DatasetSpec, place: Path, option: str) -> LocatedDataset:
    """Find the data set in a folder or an .npz file that the user names with ``option``."""
    if place.is_dir():
        if has_all_files(spec, place):
            return LocatedDataset(spec, place.resolve(), f"the folder given by {option}")
    elif place.suffix != ".npz" or not is_regular_file(place):
        raise UserError(f"{option}: {place} is not a folder{_name_its_folder(place)}")
    # The user sees an option, but may have forgotten a variable.
    named = f"{option}: " if option.startswith("$") else ""
    refusals = []
    for given in conversion.find_inputs(spec, place):
        try:
            converted = conversion.convert(spec, given, _converted_folder(spec))
        except UserError as error:
            refusals.append(str(error))
            continue
        origin = f"{given.kind} given by {option}, {given}; converted to IDX files"
        return LocatedDataset(spec, converted, origin)
    if refusals:
        raise UserError(named + refusals[0])
    try:
        for file in FILES:
            find_file(spec, place, file)
    except UserError as error:
        unreadable = conversion.name_unreadable_file(place)
        raise UserError(f"{named}{error}{unreadable}") from None
    return LocatedDataset(spec, place.resolve(), f"the folder given by {option}")


def _name_its_folder(place: Path) -> str:
    return f" but a file: name its folder, {place.parent}" if is_regular_file(place) else ""


def _converted_folder(spec: DatasetSpec) -> Path:
    """Return the folder for files that were converted from another format."""
    return cache_folder(spec).parent / "converted"


def _locate_in_keras_cache(spec: DatasetSpec) -> LocatedDataset | None:
    """Find the data set in Keras's cache; None if it is not there, or not genuine."""
    if spec.keras_name is None:
        return None
    home = os.environ.get("KERAS_HOME")
    try:
        place = (Path(home) if home else Path.home() / ".keras") / "datasets" / spec.keras_name
        if not (place.is_dir() or is_regular_file(place)):
            return None
    except (OSError, RuntimeError):  # the user's home folder cannot be read, or there is none
        return None
    try:
        found = _locate_in(spec, place, "Keras's cache")
        verify_files(spec, found.folder)
    except UserError as error:
        logger.warning("Keras's cache is not used: %s", error)
        return None
    return replace(found, origin=f"Keras's cache, {place}")


def find_other_datasets(
    needed: Iterable[str],
    folders: Mapping[str, Path],
    *,
    fetch: bool,
    consequence: str = "left out what needs",
) -> dict[str, LocatedDataset]:
    """Find and check the data sets besides the default one: those needed, and those in ``folders``.

    ``needed`` are names, for example those of the data sets of the cells to be measured.
    ``folders`` are named by the user. If a needed data set cannot be found or fetched, the
    logger ``fmbench`` prints one line with the ``consequence`` and the reason, and the data set is
    missing in the result.

    Raises:
        UserError: a name is unknown, or a folder that the user names is wrong.
    """
    located = {}
    for spec in map(get_dataset, dict.fromkeys([*folders, *needed])):
        if spec.is_default:
            continue
        folder = folders.get(spec.name)
        try:
            found = locate_dataset(spec, folder, fetch=fetch)
            verify_files(spec, found.folder)
        except UserError as error:
            if folder is not None:
                raise
            logger.warning("%s %s, because %s", consequence, spec.title, error)
            continue
        located[spec.name] = found
    return located


def check_folders(folders: Mapping[str, Path]) -> None:
    """Raise UserError if a folder lacks a file, even if no record needs its data."""
    for name, folder in folders.items():
        locate_dataset(get_dataset(name), folder)


def cache_folder(spec: DatasetSpec) -> Path:
    """Return the folder for fetched files, in the user's cache directory."""
    return find_user_cache() / spec.name
