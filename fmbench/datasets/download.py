"""Fetches a data set that is not on the machine yet, with a progress bar.

Tries each of the data set's URLs, then its Debian package, which is downloaded and unpacked
without root: some machines reach only a Debian mirror. Each file is checked as soon as it is here;
a server that gives a wrong one is named, and the next one is tried.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fmbench.datasets.loading import read_verified_file, verify_files
from fmbench.datasets.specs import FILES, DatasetSpec
from fmbench.errors import UserError

HTTP_TIMEOUT_SECONDS = 15

logger = logging.getLogger("fmbench")


def fetch(spec: DatasetSpec, folder: Path) -> str:
    """Put the four checked files into ``folder``, and return a text that says their origin.

    The files are gathered in a temporary folder beside it, checked, and only then moved, so that
    an interrupted fetch leaves no incomplete data.

    Raises:
        UserError: no server gave the genuine files; the message names each and its reason.
    """
    reasons = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-")
    except OSError as error:
        raise UserError(f"{folder.parent} cannot be written: {error.strerror}") from None
    with temporary as parent:
        for number, download in enumerate(_list_downloads(spec)):
            attempt = Path(parent) / str(number)
            attempt.mkdir()
            try:
                origin = download(attempt)
                verify_files(spec, attempt)
            except _UnreachableError as error:
                reasons.append(str(error))
                continue
            except _WrongFileError as error:
                reasons.append(str(error))
                logger.warning("%s; it is not used", error)
                continue
            except UserError:
                reasons.append(f"{origin}: not the genuine files")
                continue
            folder.mkdir(exist_ok=True)
            for name in _list_packed_names(spec):
                (attempt / name).replace(folder / name)
            return origin
    package = f"install the package {spec.debian_package}, or " if spec.debian_package else ""
    raise UserError(
        f"{spec.title} could not be fetched ({'; '.join(reasons) or 'no server is known'}): "
        f"{package}put the four .gz files into a folder and name it with {spec.option}"
    )


class _UnreachableError(Exception):
    """A server did not answer: the next one is tried, and the reason is kept."""


class _WrongFileError(Exception):
    """A server gave a file that is not the genuine one."""


def _list_downloads(spec: DatasetSpec) -> Iterator[Callable[[Path], str]]:
    """Yield the ways to get the data set; each takes a folder and returns the files' origin."""
    for url in spec.urls:
        yield partial(_download_files, spec, url)
    if spec.debian_package:
        yield partial(_download_debian_package, spec)


def _list_packed_names(spec: DatasetSpec) -> list[str]:
    return [f"{spec.file_name(file)}.gz" for file in FILES]


def _download_files(spec: DatasetSpec, url: str, folder: Path) -> str:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # the progress bar says what is being fetched
    for file in reversed(FILES):  # labels first: a wrong server is known after a few kilobytes
        name = f"{spec.file_name(file)}.gz"
        with _show_progress(f"{spec.title}: {name}", spec.max_bytes) as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar, timeout=HTTP_TIMEOUT_SECONDS)
            try:
                # `fetch` checks the SHA-256 afterwards: most specs give that of the unpacked file.
                pooch.retrieve(f"{url}{name}", None, name, folder, downloader=downloader)
            except (requests.RequestException, OSError) as error:
                raise _UnreachableError(f"{url}: {_describe_briefly(error)}") from None
            except _TooLargeError:
                raise _WrongFileError(f"{url}{name}: larger than the genuine file") from None
        try:
            read_verified_file(spec, folder, file)
        except UserError:
            raise _WrongFileError(f"{url}{name}: not the genuine file") from None
    return f"the published files, {url}"


def _download_debian_package(spec: DatasetSpec, folder: Path) -> str:
    package = spec.debian_package
    assert package is not None
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise _UnreachableError("Debian package: this machine has no apt-get")
    options: list[str] = []
    try:
        size = _find_package_size(package, options)
    except _UnreachableError:
        # The machine's package lists are missing or too old. Fetching new ones needs no root.
        options = _build_private_apt_options(folder)
        _run_apt(folder, *options, "update")
        size = _find_package_size(package, options)
    with _show_progress(f"Debian package {package}") as bar:
        bar.total = size
        _run_apt(folder, *options, "download", package, watch=(bar, f"{package}_*"))
    archive_path = next(folder.glob(f"{package}_*.deb"))
    wanted = {f".{spec.debian_folder}/{name}": name for name in _list_packed_names(spec)}
    unpacker = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(archive_path)], stdout=subprocess.PIPE, text=False
    )
    with unpacker, tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name in wanted else None
            if content is not None:
                with (folder / wanted[member.name]).open("wb") as target:
                    shutil.copyfileobj(content, target)
    return f"Debian's package {archive_path.stem}, unpacked into the user's cache"


def _build_private_apt_options(folder: Path) -> list[str]:
    """Return options that make apt-get keep its lists in ``folder``."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = (f"Dir::State={folder}/state", f"Dir::Cache={folder}/cache", "Debug::NoLocking=1")
    return [part for setting in settings for part in ("-o", setting)]


def _find_package_size(package: str, options: list[str]) -> int:
    """Return the size of the package in bytes, from apt's lists."""
    command = ["apt-get", *options, "download", "--print-uris", package]
    listing = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"^'\S+' \S+ (\d+) ", listing.stdout, re.MULTILINE)
    if listing.returncode != 0 or not found:
        raise _UnreachableError(f"Debian package: {_find_last_error_line(listing.stderr)}")
    return int(found[1])


def _run_apt(folder: Path, *arguments: str, watch: tuple[_ProgressBar, str] | None = None) -> None:
    command = ["apt-get", "-q", "-o", "Acquire::Retries=1", *arguments]
    with (folder / "apt.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(0.1)
            if watch:
                bar, pattern = watch
                bar.set_completed(sum(path.stat().st_size for path in folder.glob(pattern)))
        log.seek(0)
        if process.returncode != 0:
            raise _UnreachableError(f"Debian package: {_find_last_error_line(log.read())}")


def _find_last_error_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("W:")]
    return lines[-1].removeprefix("E: ") if lines else "apt-get failed and gave no reason"


def _describe_briefly(error: Exception) -> str:
    return type(error).__name__ + (" (no network?)" if "resolve" in str(error) else "")


class _TooLargeError(Exception):
    """A download is larger than it can be."""


class _ProgressBar:
    """A progress bar with the methods of tqdm that pooch calls; it stops a download that is too
    large.
    """

    def __init__(self, progress: Progress, title: str, max_bytes: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None)
        self._n_left = max_bytes
        self.total: int = 0

    def update(self, n_bytes: int) -> None:
        if self._n_left is not None:
            self._n_left -= n_bytes
            if self._n_left < 0:
                raise _TooLargeError
        self._progress.update(self._task, advance=n_bytes, total=self.total or None)

    def set_completed(self, n_bytes: int) -> None:
        self._progress.update(self._task, completed=n_bytes, total=self.total or None)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.refresh()


@contextmanager
def _show_progress(title: str, max_bytes: int | None = None) -> Iterator[_ProgressBar]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    quiet = not sys.stderr.isatty()
    console = Console(stderr=True)
    if quiet:
        console.print(f"fmbench: fetching {title}", highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, disable=quiet) as progress:
        yield _ProgressBar(progress, title, max_bytes)
