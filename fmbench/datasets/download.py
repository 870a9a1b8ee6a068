"""Fetching the data set where it is not on the machine yet, with a progress bar.

Two ways, in order: the official files over HTTP, and, where only a Debian mirror answers, the
package ``dataset-fashion-mnist`` downloaded and unpacked without root.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fmbench.datasets.loading import verify
from fmbench.datasets.locate import DEBIAN_FOLDER
from fmbench.datasets.specs import FASHION_MNIST, FILES, DatasetSpec
from fmbench.errors import UserError

OFFICIAL = {
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
}
DEBIAN_PACKAGE = "dataset-fashion-mnist"
HTTP_TIMEOUT_SECONDS = 15


def fetch(spec: DatasetSpec, folder: Path) -> str:
    """Put the four checked files into ``folder``; returns where they came from, in words.

    The files are gathered in a temporary folder beside it, checked, and moved in one by one, so
    that an interrupted fetch leaves nothing that could be taken for data.

    Raises:
        UserError: no source answered; the message names each and its reason.
    """
    reasons = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-")
    except OSError as error:
        raise UserError(f"{folder.parent} cannot be written: {error.strerror}") from None
    with workplace as scratch:
        for source in (_official, _debian_package):
            try:
                origin = source(spec, Path(scratch))
            except _Unreachable as error:
                reasons.append(str(error))
                continue
            try:
                verify(spec, Path(scratch))
            except UserError:
                reasons.append(f"{origin}: not the genuine files")
                continue
            folder.mkdir(exist_ok=True)
            for name in FILES:
                (Path(scratch) / f"{name}.gz").replace(folder / f"{name}.gz")
            return origin
    raise UserError(
        f"no source of {spec.title} could be reached ({'; '.join(reasons)}): "
        + (f"install the package {DEBIAN_PACKAGE}, or " if spec is FASHION_MNIST else "")
        + f"put the four .gz files into a folder and name it with {spec.flag}"
    )


class _Unreachable(Exception):
    """This source did not answer; the next one is tried and the reason kept."""


def _official(spec: DatasetSpec, folder: Path) -> str:
    import pooch
    import requests

    base = OFFICIAL[spec.name]
    pooch.get_logger().setLevel("WARNING")  # the progress bar says what is being fetched
    for name in FILES:
        with _bar(f"{spec.title}: {name}.gz") as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar, timeout=HTTP_TIMEOUT_SECONDS)
            try:
                # No hash here: it is the decompressed file that must match, in `verify`.
                pooch.retrieve(
                    f"{base}{name}.gz", None, f"{name}.gz", folder, downloader=downloader
                )
            except (requests.RequestException, OSError) as error:
                raise _Unreachable(f"official files: {_short(error)}") from None
    return f"the official files, {base}"


def _debian_package(spec: DatasetSpec, folder: Path) -> str:
    if spec is not FASHION_MNIST:
        raise _Unreachable(f"Debian has no package of {spec.title}")
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise _Unreachable("Debian package: this machine has no apt-get")
    options: list[str] = []
    try:
        size = _package_size(options)
    except _Unreachable:
        # No package lists, or too old ones: fetch our own, which needs no root.
        options = _private_apt_state(folder)
        _apt(folder, *options, "update")
        size = _package_size(options)
    with _bar(f"Debian package {DEBIAN_PACKAGE}") as bar:
        bar.total = size
        _apt(folder, *options, "download", DEBIAN_PACKAGE, watch=(bar, f"{DEBIAN_PACKAGE}_*"))
    package = next(folder.glob(f"{DEBIAN_PACKAGE}_*.deb"))
    wanted = {f".{DEBIAN_FOLDER}/{name}.gz": f"{name}.gz" for name in FILES}
    unpacker = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, text=False
    )
    with unpacker, tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name in wanted else None
            if content is not None:
                with (folder / wanted[member.name]).open("wb") as target:
                    shutil.copyfileobj(content, target)
    return f"Debian's package {package.stem}, unpacked into the user's cache"


def _private_apt_state(folder: Path) -> list[str]:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = (f"Dir::State={folder}/state", f"Dir::Cache={folder}/cache", "Debug::NoLocking=1")
    return [part for setting in settings for part in ("-o", setting)]


def _package_size(options: list[str]) -> int:
    command = ["apt-get", *options, "download", "--print-uris", DEBIAN_PACKAGE]
    listing = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"^'\S+' \S+ (\d+) ", listing.stdout, re.MULTILINE)
    if listing.returncode != 0 or not found:
        raise _Unreachable(f"Debian package: {_last_line(listing.stderr)}")
    return int(found[1])


def _apt(folder: Path, *arguments: str, watch: tuple[_Bar, str] | None = None) -> None:
    command = ["apt-get", "-q", "-o", "Acquire::Retries=1", *arguments]
    with (folder / "apt.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(0.1)
            if watch:
                bar, pattern = watch
                bar.reach(sum(path.stat().st_size for path in folder.glob(pattern)))
        log.seek(0)
        if process.returncode != 0:
            raise _Unreachable(f"Debian package: {_last_line(log.read())}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("W:")]
    return lines[-1].removeprefix("E: ") if lines else "apt-get failed without a word"


def _short(error: Exception) -> str:
    return type(error).__name__ + (" (no network?)" if "resolve" in str(error) else "")


class _Bar:
    """A progress bar with the four methods that pooch asks for (those of tqdm)."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None)
        self.total: int = 0

    def update(self, n_bytes: int) -> None:
        self._progress.update(self._task, advance=n_bytes, total=self.total or None)

    def reach(self, n_bytes: int) -> None:
        self._progress.update(self._task, completed=n_bytes, total=self.total or None)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.refresh()


@contextmanager
def _bar(title: str) -> Iterator[_Bar]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    quiet = not sys.stderr.isatty()
    console = Console(stderr=True)
    if quiet:
        console.print(f"fetching {title}", highlight=False)
    with Progress(*columns, console=console, disable=quiet) as progress:
        yield _Bar(progress, title)
