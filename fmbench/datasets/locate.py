"""The genuine data: where the four files come from, and the checksum every one must pass.

Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) and the MNIST digits are distributed under the
same four file names, so a folder's content is known by its SHA-256 alone. Everything that reads
images or labels reads them through :func:`read_idx` after that check.

Training images, test images and test labels are read by separate functions, because a process
that runs a model never opens the test labels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.datasets.loading import _file_in
from fmbench.datasets.specs import FASHION_MNIST, FILES, DatasetSpec, Source
from fmbench.errors import UserError

if TYPE_CHECKING:
    pass


DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ENVIRONMENT_VARIABLE = "FMBENCH_DATA"


def locate(
    spec: DatasetSpec = FASHION_MNIST,
    data: Path | None = None,
    fetch: Callable[[DatasetSpec, Path], str] | None = None,
) -> Source:
    """Find the folder that holds ``spec``, by the first of these that exists.

    1. ``data`` (the flag ``spec.flag``), or the environment variable ``FMBENCH_DATA``: only that
       folder, with no look elsewhere if it is wrong;
    2. the user's cache;
    3. the folder of Debian's package ``dataset-fashion-mnist``;
    4. ``fetch(spec, cache folder)``, which puts the files there and says where they came from.

    Only the presence of the files is looked at here; each is checked when it is read.

    Raises:
        UserError: no source has the files; the message says what to do.
    """
    named = [(data, spec.flag), (_from_environment(spec), f"${ENVIRONMENT_VARIABLE}")]
    for folder, flag in named:
        if folder is not None:
            if not folder.is_dir():
                raise UserError(f"{flag}: {folder} is not a folder")
            for name in FILES:
                _file_in(spec, folder, name)
            return Source(spec, folder.resolve(), f"the folder given by {flag}")
    cache = cache_folder(spec)
    if is_complete(cache):
        return Source(spec, cache, "the user's cache")
    if spec is FASHION_MNIST and is_complete(DEBIAN_FOLDER):
        return Source(spec, DEBIAN_FOLDER, "Debian's package dataset-fashion-mnist")
    if fetch is None:
        raise UserError(
            f"{spec.title} is not on this machine: "
            + ("run `fmbench data` to fetch it, or " if spec == FASHION_MNIST else "")
            + f"name its folder with {spec.flag}"
        )
    return Source(spec, cache, fetch(spec, cache))


def cache_folder(spec: DatasetSpec) -> Path:
    """Where fetched files are kept, in the user's cache directory."""
    import platformdirs

    return platformdirs.user_cache_path("fmbench") / spec.name


def _from_environment(spec: DatasetSpec) -> Path | None:
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(value) if value and spec is FASHION_MNIST else None


def is_complete(folder: Path) -> bool:
    """Whether the four files are there, genuine or not."""
    return all((folder / f"{n}.gz").is_file() or (folder / n).is_file() for n in FILES)
